"""Read the bundle out of an executable of either linker, without trusting it.

``freezer check`` takes any file. From an archive this module accepts only regular files, directories and relative links
that stay inside, each name once, and it limits bytes and entries. The result names the program and the loader, so
callers need not know how each linker names them.
"""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.base import tar
from freezer.base.beneath import kind_of, opened_top, resolved
from freezer.base.compression import XZ, DamagedStream, Stream, compression_of, decompressed
from freezer.base.elf import read_elf
from freezer.base.elf_file import ElfFile, NotElf
from freezer.base.errors import InputError
from freezer.base.extract import Refused, Tree, inside, new_tree
from freezer.base.places import is_link, walk
from freezer.link.drivers.staticx_internals import LOADER as LOADER_LINK
from freezer.link.drivers.staticx_internals import PROGRAM as PROGRAM_LINK
from freezer.link.drivers.staticx_internals import SECTION
from freezer.link.payload.read import find_payload, unpack_payload
from freezer.link.start import PROGRAM
from freezer.plan.choices import Linker

CHUNK = 1 << 20
MAX_BYTES = 16 << 30
MAX_ENTRIES = 500_000


@dataclass(frozen=True)
class Unpacked:
    """A bundle in the directory ``folder``. ``program`` and ``loader`` are the paths below it of the program and its
    dynamic loader; None if there is none."""

    folder: Path
    linker: Linker
    program: Optional[str]
    loader: Optional[str]

    def files(self) -> dict[str, int]:
        """Return the paths of all regular files in the bundle, and their sizes in bytes."""
        found = {}
        for directory, _, names in walk(self.folder):
            for name in names:
                place = os.path.join(directory, name)
                if not is_link(place):
                    found[os.path.relpath(place, self.folder)] = os.path.getsize(place)
        return found


def find_archive(path: Path) -> Optional[tuple[int, int]]:
    """Return the (offset, size) in bytes of staticx's archive section in an ELF file; None if it has none."""
    try:
        with open(path, "rb") as file:
            section = ElfFile(file, path).section(SECTION)
    except NotElf as error:
        raise InputError(f"{path} is not an ELF file, or is damaged", why=str(error)) from error
    return None if section is None else (section.offset, section.size)


def has_bundle(path: Path) -> bool:
    """Return whether an ELF file has a bundle. Raises InputError if it is damaged."""
    return find_payload(path) is not None or find_archive(path) is not None


def unpack_bundle(path: Path, folder: Path) -> Optional[Unpacked]:
    """Unpack the bundle of a linked executable into the new directory ``folder``; return None if it has none.

    Raises InputError if the bundle is damaged, or has names or links that lead out of the directory.
    """
    if find_payload(path) is not None:
        unpack_payload(path, folder, limits=_limits())
        _check_links(path, folder)
        return _of_native(path, folder)
    place = find_archive(path)
    if place is None:
        return None
    _unpack_archive(path, folder, place)
    _check_links(path, folder)
    return _of_staticx(folder)


def _limits() -> tar.Limits:
    return tar.Limits(entries=MAX_ENTRIES, total=MAX_BYTES)


def _of_native(path: Path, folder: Path) -> Unpacked:
    program = folder / PROGRAM
    if program.is_symlink() or not program.is_file():
        raise InputError(f"{path} is damaged", why=f"its bundle has no file {PROGRAM!r} to start")
    try:
        # The launcher makes the loader's path absolute, by the directory's path in front.
        loader = inside((read_elf(program).interpreter or "").lstrip("/"))
    except NotElf:
        loader = None
    return Unpacked(folder, Linker.NATIVE, PROGRAM, _file_in(folder, loader))


def _of_staticx(folder: Path) -> Unpacked:
    """Return the bundle with the program and the loader that staticx's links at its top lead to."""
    program, loader = (_file_in(folder, name) for name in (PROGRAM_LINK, LOADER_LINK))
    return Unpacked(folder, Linker.STATICX, program, loader)


def _file_in(folder: Path, name: Optional[str]) -> Optional[str]:
    """Return the path below the directory of a file in it, with all links resolved; None if there is none."""
    if name is None:
        return None
    with opened_top(folder) as top:
        return resolved(top, name) if kind_of(top, name) == stat.S_IFREG else None


def _unpack_archive(path: Path, folder: Path, place: tuple[int, int]) -> None:
    """Unpack the archive that staticx has put into a section."""
    try:
        with new_tree(folder, replace=False) as tree:
            # Twice the limit of its content is enough for padding and headers.
            chunks = decompressed(_section(path, *place), _compression(path, place[0]), 2 * MAX_BYTES)
            for member, content in tar.read_members(Stream(chunks), _limits()):
                _put(path, tree, member, content)
    except tar.TooLarge as error:
        raise InputError(f"the archive in {path} is too large", why=str(error)) from error
    except (tar.DamagedTar, DamagedStream) as error:
        raise InputError(f"the archive in {path} is damaged", why=str(error)) from error


def _compression(path: Path, offset: int) -> Optional[str]:
    with open(path, "rb") as file:
        file.seek(offset)
        # staticx compresses with xz only; other compressed content is refused as a damaged tar.
        return XZ if compression_of(file.read(6)) == XZ else None


def _section(path: Path, offset: int, size: int) -> Iterator[bytes]:
    with open(path, "rb") as file:
        file.seek(offset)
        while data := file.read(min(size, CHUNK)):
            size -= len(data)
            yield data


def _put(path: Path, tree: Tree, member: tar.Member, content: tar.Content) -> None:
    if member.kind is tar.Kind.SYMLINK:
        # staticx links to the loader and the program by name; PyInstaller's links are relative and stay inside.
        where = os.path.normpath(os.path.join(os.path.dirname(member.name), member.target))
        if os.path.isabs(member.target) or where.split(os.sep)[0] == os.pardir:
            raise InputError(f"the archive in {path} has a link that leads out of it", why=repr(member.name))
    elif member.kind not in (tar.Kind.FILE, tar.Kind.DIRECTORY):
        raise InputError(f"the archive in {path} has an entry of an unexpected type", why=repr(member.name))
    executable = member.kind is tar.Kind.DIRECTORY or member.mode & 0o100
    try:
        # Verification reads the bundle as another user.
        tree.put(dataclasses.replace(member, mode=0o755 if executable else 0o644), content)
    except Refused as error:
        raise InputError(f"the archive in {path} cannot be unpacked", why=f"{member.name!r}: {error}") from error


def _check_links(path: Path, folder: Path) -> None:
    """Refuse links that lead out through other links; nothing was read or written through a link before."""
    root = os.path.realpath(folder)
    for directory, folders, files in walk(folder):
        for name in (*folders, *files):
            place = os.path.join(directory, name)
            if is_link(place) and not os.path.realpath(place).startswith(root + os.sep):
                why = os.path.relpath(place, folder)
                raise InputError(f"the archive in {path} has a link that leads out of it", why=why)
