"""What the system lacks is called so: by the path, the cause, and what to do."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Optional

import pytest
from furnishing import furnish

from freezer.base.errors import EnvironmentFailure, OutputError
from freezer.base.shortage import (
    FULL,
    SHORTAGES,
    full_disk,
    is_shortage,
    raise_shortage,
    shortage,
    shortage_of,
)

OTHERS = (errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.EINVAL, errno.ELOOP, errno.ENAMETOOLONG)


def failure(code: int, path: Optional[str] = None) -> OSError:
    return OSError(code, os.strerror(code), path)


def test_full_disk_names_the_mount() -> None:
    assert full_disk(failure(errno.ENOSPC), Path("/proc/self/fd")).what == "no space left on /proc"
    assert full_disk(failure(errno.ENOSPC), Path("/no/such/place")).what == "no space left on /"


@pytest.mark.parametrize("code", sorted(SHORTAGES))
def test_a_shortage_is_named(code: int) -> None:
    """By the path that the system named, else by the place that was worked in."""
    for path, place, name in (("/proc/x", Path("/work"), "/proc"), ("x", Path("/proc/y"), "/proc"), (None, None, "")):
        error = shortage(failure(code, path), place)
        assert isinstance(error, OutputError if code in FULL else EnvironmentFailure)
        assert name in error.what
        assert os.strerror(code).lower() in error.render().lower()
        assert error.hint or (code in FULL and not name)


def test_what_is_copied_to_a_full_disk() -> None:
    """The disk that is read from may have room, and must not be named."""
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/etc/passwd", None, "/proc/x")
    assert shortage(full, Path("/work")).what == "no space left on /proc"
    broken = OSError(errno.EIO, os.strerror(errno.EIO), "/proc/x", None, "/etc/passwd")
    assert "cannot read or write /proc/x" in shortage(broken, Path("/work")).what


def test_what_is_none() -> None:
    assert not any(is_shortage(failure(code)) for code in OTHERS)
    assert shortage_of(failure(errno.ENOENT)) is None
    assert shortage_of(ValueError()) is None
    assert "memory" in (shortage_of(MemoryError()) or ValueError()).args[0]
    assert shortage_of(failure(errno.EIO, "/x")).render().startswith("error: cannot read or write /x: ")  # type: ignore[union-attr]


@pytest.mark.parametrize("code", [*OTHERS, *sorted(SHORTAGES)])
def test_only_shortages_are_raised(code: int) -> None:
    if code in OTHERS:
        raise_shortage(failure(code))
    else:
        with pytest.raises(OSError):
            raise_shortage(failure(code))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_what_a_copy_of_a_tree_failed_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """The library copies what it can, and has texts in its error."""

    def fails(*_arguments: object, **_options: object) -> None:
        raise failure(code, "x")

    furnish(tmp_path, "tree/a", "tree/b")
    with pytest.raises(shutil.Error) as caught:
        shutil.copytree(tmp_path / "tree", tmp_path / "copy", copy_function=fails)
    assert is_shortage(caught.value) == (code != errno.EACCES)
    if is_shortage(caught.value):
        assert os.strerror(code).lower() in shortage(caught.value, tmp_path).render().lower()
