"""The programs among the application's data: what wheels bring besides libraries, such as compilers and tools.

The kernel starts a program by the dynamic loader that is named in it, ``/lib64/ld-linux-x86-64.so.2``, which is not
there in an empty root. So copies of these programs name the tree's loader and search the tree's directories, as the
interpreter does (``start``).

That moves parts of the file to its end. A program that reads data from its own end, as those do that were made of a
script and an interpreter, would not find it, and is left as it is.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Optional

from freezer.base import tools
from freezer.base.elf import Elf, is_elf, read_elf
from freezer.base.elf_file import ElfFile, NotElf
from freezer.base.errors import ToolError
from freezer.base.job import Job
from freezer.link.payload.pack import Record, Type
from freezer.link.start import LOADER, ROOM, STARTED_IN_THE_TREE, Container, fill
from freezer.plan.choices import CONTENTS


def with_tree_loader(records: Iterable[Record], loader: str, container: Container, job: Job) -> list[Record]:
    """Return the records of a bundle, in which programs are started by ``loader``, a file at the top of the tree.

    staticx's start-up code does so for one program alone, and the others stay as they are.
    """
    found = list(records)
    if container is Container.STATICX:
        return found
    folder = job.folder(f"programs-{container.name.lower()}")
    for index, record in enumerate(found):
        elf = _program(record)
        if elf is not None and elf.interpreter is not None and os.path.basename(elf.interpreter) == loader:
            try:
                found[index] = _started_by(record, elf, loader, folder / str(index), job)
            except ToolError as error:
                job.log.warning(f"{record.name} needs the system that it will run on to start: {error}")
    return found


def _program(record: Record) -> Optional[Elf]:
    """Return what is in a file if it is a program that can be changed."""
    # Most executable files are libraries, and reading an ELF file takes milliseconds.
    if record.type is not Type.EXECUTABLE or record.source is None or ".so" in record.name:
        return None
    path = Path(record.source)
    if not is_elf(path):
        return None
    try:
        return None if _has_appended_data(path) else read_elf(path)
    except NotElf:  # a damaged file, which is data
        return None


def _has_appended_data(path: Path) -> bool:
    """Return whether there is something behind the last part of an ELF file."""
    with open(path, "rb") as stream:
        file = ElfFile(stream, path)
        return path.stat().st_size > file.end()


def _started_by(record: Record, elf: Elf, loader: str, copy: Path, job: Job) -> Record:
    """Return the record of a changed copy."""
    assert record.source is not None
    top = os.path.relpath(".", os.path.dirname(record.name))
    own = [entry for entry in elf.runpath or elf.rpath if entry.startswith("$ORIGIN")]
    path = ":".join([*own, f"$ORIGIN/{top}", f"$ORIGIN/{top}/{CONTENTS}"])
    shutil.copyfile(record.source, copy)
    copy.chmod(0o755)
    job.run(
        [tools.require(["patchelf"])["patchelf"], *STARTED_IN_THE_TREE, "--force-rpath", "--set-rpath", path, copy],
        what=f"have {record.name} start without a system",
    )
    data = bytearray(copy.read_bytes())
    fixup = (fill(data, LOADER.encode(), os.fsencode(f"/{loader}")), ROOM)
    copy.write_bytes(data)
    return dataclasses.replace(record, source=copy, fixups=(fixup,))
