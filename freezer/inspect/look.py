"""Inspect a file of any supported kind: an executable, an image, or an OCI layout in a directory."""

from __future__ import annotations

import stat
from pathlib import Path

from freezer.base.elf import is_elf
from freezer.base.errors import InputError
from freezer.base.job import Job
from freezer.base.log import Log
from freezer.inspect.executable import architecture, inspect_executable
from freezer.inspect.image import inspect_image
from freezer.inspect.read_papers import read_papers
from freezer.inspect.report import Report
from freezer.store.workspace import reading


def look_into(path: Path, *, cache: Path, log: Log) -> Report:
    """Report the contents of a file. Raises as ``inspect`` does, and OutputError if there is no room to work in."""
    with reading(path, "inspect", cache, log) as job:
        return inspect(path, job)


def look_for_papers(path: Path, *, cache: Path, log: Log) -> dict[str, bytes]:
    """Return the documents in a file, by their names. Raises as ``look_into`` does."""
    with reading(path, "inspect", cache, log) as job:
        return read_papers(path, job)


def inspect(path: Path, job: Job) -> Report:
    """Report the contents of an executable or an image. Raises InputError if the file is neither, or damaged."""
    try:
        status = path.stat()
        if (path / "oci-layout").is_file():
            return inspect_image(path, job)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path} is not a regular file")
        with open(path, "rb"):
            pass
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", why=str(error)) from error
    if not is_elf(path):
        return inspect_image(path, job)
    items, own = inspect_executable(path, job)
    return Report(str(path), "executable", status.st_size, architecture(path), items, own=own)
