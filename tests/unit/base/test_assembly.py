"""Roots that are put together of the parts of another one, which stays as it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from isolating import inside
from support import snapshot

CODE = """
from freezer.base.beneath import opened_top
from freezer.base.isolation.assembly import show
from freezer.base.isolation.interior import Interior

mount("tmpfs", f"{top}/place", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
root = Interior(f"{top}/place")
with opened_top(f"{top}/base") as base:
    show(base, root, REPLACED, ("proc",))
seen = sorted(os.path.relpath(os.path.join(folder, name), f"{top}/place")
    for folder, names, files in os.walk(f"{top}/place") for name in (*names, *files))
print(json.dumps([seen, writable(f"{top}/place/usr/new"), writable(f"{top}/place/usr/lib/file")]))
"""


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for name in ("base/usr/lib/deep", "base/usr/bin", "base/proc/x", "place", "host"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("base/usr/lib/file", "base/usr/bin/tool", "base/top"):
        (tmp_path / name).write_text("content")
    (tmp_path / "base/bin").symlink_to("usr/bin")
    (tmp_path / "base/out").symlink_to(tmp_path / "host")
    os.mkfifo(tmp_path / "base/pipe")
    return tmp_path


WHOLE = ["bin", "out", "top", "usr", "usr/bin", "usr/bin/tool", "usr/lib", "usr/lib/deep", "usr/lib/file"]


def test_all_of_it_but_what_is_made_anew(top: Path) -> None:
    before = snapshot(top / "base")
    assert inside(top, CODE.replace("REPLACED", "set()")) == [WHOLE, False, False]
    assert snapshot(top / "base") == before


@pytest.mark.parametrize(
    ("replaced", "missing", "may_be_added"),
    [
        ("/usr/lib/deep", {"usr/lib/deep"}, True),
        ("/usr/new/place", set(), True),
        ("/usr", {name for name in WHOLE if name.startswith("usr")}, False),
        ("/top", {"top"}, False),
        ("/top/below", {"top"}, False),  # nothing can be below a file
        ("/out/x", set(), False),
    ],
)
def test_places_for_something_else(top: Path, replaced: str, missing: set[str], may_be_added: bool) -> None:
    """Where it is to be, what is above it is put together, and can be added to."""
    seen, added, changed = inside(top, CODE.replace("REPLACED", repr({replaced})))
    assert seen == [name for name in WHOLE if name not in missing]
    assert (added, changed) == (may_be_added, False)
    assert os.listdir(top / "host") == []
