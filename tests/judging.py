"""Judging image files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from images import Made, archive, file, folder

from freezer.base.errors import InputError
from freezer.base.oci.archive import open_image
from freezer.image.check import validate

GOOD = archive(folder("."), folder("tmp", 0o1777), file("run", b"program", mode=0o755))


def judge(path: Path) -> str:
    """All problems, or the refusal."""
    try:
        with open_image(path) as opened:
            return "\n".join(validate(opened).problems)
    except InputError as error:
        assert str(path) in error.what
        return f"{error.what}: {error.why}"


def listed(**values: Any) -> Callable[[], Made]:
    def make() -> Made:
        made = Made(GOOD)
        made.contents()
        made.listed[0].update(values)
        return made

    return make
