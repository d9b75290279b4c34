"""A build in another root: both sides of its mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from freezer.system.chroot.chroot import Chroot, Mount
from freezer.system.chroot.network import NetworkFiles

CHROOT = Chroot(
    Path("/roots/x"),
    "x",
    (),
    (
        Mount(Path("/cache/work/app"), "/freezer/work", writable=True),
        Mount(Path("/cache/env/key"), "/freezer/env"),
        Mount(Path("/home/me/app"), "/source/app"),
    ),
    NetworkFiles((), {}),
    Path("/home/me"),
)


@pytest.mark.parametrize(
    ("outside", "inside"),
    [
        ("/cache/work/app/dist/x", "/freezer/work/dist/x"),
        ("/cache/env/key/bin/python", "/freezer/env/bin/python"),
        ("/home/me/app", "/source/app"),
        ("/roots/x/usr/bin/python3", "/usr/bin/python3"),
    ],
)
def test_both_ways(outside: str, inside: str) -> None:
    assert CHROOT.inside(Path(outside)) == inside
    assert CHROOT.outside(inside) == Path(outside)


def test_what_is_not_there() -> None:
    with pytest.raises(ValueError, match="not in the subpath"):
        CHROOT.inside(Path("/home/other"))
    assert CHROOT._folder(Path("/home/me")) == "/source"
    assert CHROOT.with_directory(Path("/p/pip"), "pip/pip").inside(Path("/p/pip/x.py")) == "/freezer/pip/pip/x.py"
