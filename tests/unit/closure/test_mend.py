"""Making the binaries of a bundle independent of the build machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import NEW_TAGS as NEW
from support import OLD_TAGS as OLD
from support import compile_c

from freezer.base.elf import read_elf
from freezer.base.job import Job
from freezer.closure import mend as module
from freezer.closure.mend import kept_entries, mend, strip

SHARED = ("-shared", "-fPIC")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("package.libs", "package/sub"):
        (tmp_path / "tree" / "_internal" / name).mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    return tmp_path / "tree"


def library(tree: Path, rpath: str, *options: str) -> Path:
    path = tree / "_internal" / "package" / "module.so"
    return compile_c("int f(void) { return 1; }", path, *SHARED, f"-Wl,-rpath,{rpath}", *options)


@pytest.mark.parametrize(
    ("rpath", "kept"),
    [
        ("$ORIGIN/../package.libs", ["$ORIGIN/../package.libs"]),
        ("${ORIGIN}/sub:/usr/lib:$ORIGIN", ["${ORIGIN}/sub", "$ORIGIN"]),
        ("$ORIGIN/../..", ["$ORIGIN/../.."]),
        ("$ORIGIN/missing", []),
        ("$ORIGIN/../../..", []),
        ("$ORIGIN/../../../outside", []),
        ("/opt/lib", []),
        ("lib", []),
    ],
)
@pytest.mark.parametrize("kind", [NEW, OLD])
def test_kept_entries(tree: Path, rpath: str, kept: list[str], kind: str) -> None:
    assert kept_entries(read_elf(library(tree, rpath, kind)), tree) == kept


@pytest.mark.parametrize("kind", [NEW, OLD])
@pytest.mark.parametrize(
    "rpath",
    [
        "/opt/lib",
        "/opt/lib:$ORIGIN/sub",
        "$ORIGIN/sub:/opt/lib:$ORIGIN",
        "$ORIGIN/sub",
        "$ORIGIN/../../../outside:$ORIGIN",
    ],
)
def test_mend(tree: Path, job: Job, rpath: str, kind: str) -> None:
    """Whether in place or by patchelf: only a DT_RPATH with what leads into the tree is left."""
    path = library(tree, rpath, kind, "-Wl,-z,execstack")
    elf = read_elf(path)
    kept = kept_entries(elf, tree)
    mend(elf, tree, job)
    after = read_elf(path)
    assert (list(after.rpath), after.runpath) == (kept, ())
    assert not after.executable_stack
    assert (after.soname, after.needed) == (elf.soname, elf.needed)


def test_strip_debug_information(tree: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of some at once, and of more than one command line may have."""
    first = library(tree, "$ORIGIN", "-g")
    paths = [Path(shutil.copy(first, first.with_name(f"{number}.so"))) for number in range(5)]
    assert all(read_elf(path).debug_information for path in paths)
    monkeypatch.setattr(module, "AT_ONCE", 2)
    strip(paths, "--strip-debug", job)
    assert not any(read_elf(path).debug_information for path in paths)
    strip([], "--strip-debug", job)
