"""Reading the bundle out of a linked executable, without trusting it.

``freezer check`` takes any file. Its archive is walked member by member: only regular files, directories and relative
links that stay inside are accepted, nothing is written through a link, and bytes and entries are capped.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import shutil
import tarfile
from pathlib import Path
from typing import IO, Any, Optional

from freezer.elf import DAMAGE
from freezer.errors import InputError

STATICX_SECTION = ".staticx.archive"
XZ_MAGIC = b"\xfd7zXZ\x00"
MAX_BYTES = 16 << 30
MAX_ENTRIES = 500_000


def find_archive(path: Path) -> Optional[tuple[int, int]]:
    """The (offset, size) in bytes of staticx's archive section in an ELF file; None if it has none."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    with open(path, "rb") as file:
        try:
            section = ELFFile(file).get_section_by_name(STATICX_SECTION)
        except (*DAMAGE, ELFError) as error:
            raise InputError(f"{path} is no ELF file, or a damaged one", why=str(error)) from error
    return None if section is None else (section["sh_offset"], section["sh_size"])


class _Window:
    """A part of a file as a file object of its own, for readers that read to the end."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file = file
        self.left = size

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, none past the part's end."""
        wanted = self.left if size < 0 else min(size, self.left)
        data = self.file.read(wanted)
        self.left -= len(data)
        return data

    def close(self) -> None:
        """Nothing: the file belongs to whoever opened it."""


def unpack_bundle(path: Path, folder: Path) -> bool:
    """Unpack the bundle of a linked executable into the new directory ``folder``; False if it has none.

    Raises InputError for an archive that is damaged or reaches out of the directory.
    """
    place = find_archive(path)
    if place is None:
        return False
    _make_folder(folder)
    with open(path, "rb") as file:
        file.seek(place[0])
        packed = file.read(6) == XZ_MAGIC
        file.seek(place[0])
        window: Any = _Window(file, place[1])
        try:
            with (
                contextlib.closing(lzma.LZMAFile(window) if packed else window) as stream,
                tarfile.open(fileobj=stream, mode="r|") as archive,
            ):
                _extract(archive, path, folder)
            _check_links(path, folder)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise InputError(f"the archive in {path} has entries that exclude each other", why=str(error)) from error
        except (tarfile.TarError, lzma.LZMAError, EOFError, UnicodeError) as error:
            raise InputError(f"the archive in {path} is damaged", why=str(error)) from error
    return True


def _extract(archive: tarfile.TarFile, path: Path, folder: Path) -> None:
    entries = total = 0
    for member in archive:
        entries += 1
        total += member.size
        if entries > MAX_ENTRIES or total > MAX_BYTES:
            raise InputError(f"the archive in {path} is too large", why=f"{entries} entries, {total} bytes")
        target = _inside(folder, member.name)
        if target is None:
            raise InputError(f"the archive in {path} reaches out of its directory", why=repr(member.name))
        if member.isdir():
            _make_folder(target)
            continue
        if os.path.lexists(target):
            raise InputError(f"the archive in {path} has an entry twice", why=repr(member.name))
        if member.issym():
            # staticx links to the loader and the program by name; PyInstaller's links are relative and stay inside.
            where = os.path.normpath(os.path.join(os.path.dirname(member.name), member.linkname))
            if os.path.isabs(member.linkname) or where.split(os.sep)[0] == os.pardir:
                raise InputError(f"the archive in {path} has a link to outside", why=f"{member.name!r}")
            target.symlink_to(member.linkname)
        elif member.isreg():
            source = archive.extractfile(member)
            assert source is not None
            with open(target, "xb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
            target.chmod(0o755 if member.mode & 0o100 else 0o644)
        else:
            raise InputError(f"the archive in {path} has an entry of an unexpected type", why=repr(member.name))


def _check_links(path: Path, folder: Path) -> None:
    """Refuse links that lead out through other links; nothing has been read or written through one so far."""
    root = os.path.realpath(folder)
    for directory, folders, files in os.walk(folder):
        for name in (*folders, *files):
            place = os.path.join(directory, name)
            if os.path.islink(place) and not os.path.realpath(place).startswith(root + os.sep):
                raise InputError(f"the archive in {path} has a link to outside", why=os.path.relpath(place, folder))


def _inside(folder: Path, name: str) -> Optional[Path]:
    """Where ``name`` goes below ``folder``, its parent directories made; None if it leaves it or passes a link."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or not parts or "\0" in name:
        return None
    place = folder
    for part in parts[:-1]:
        place = place / part
        if place.is_symlink():
            return None
        _make_folder(place)
    return place / parts[-1]


def _make_folder(path: Path) -> None:
    path.mkdir(exist_ok=True)
    # Whatever the umask: verification reads the bundle as another user.
    path.chmod(0o755)
