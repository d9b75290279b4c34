"""Tar archives: a strict reader for untrusted ones; ``tar_headers`` writes.

USTAR (POSIX.1-1988), pax (POSIX.1-2001) and GNU's long names are read, as docker, skopeo and others write them. The
reader never seeks, never trusts a size, and returns no more than its limits allow: Debian 12's
Python lacks the extraction filters of the standard library, and later versions of these have let archives escape.
"""

from __future__ import annotations

import enum
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Optional, Protocol

BLOCK = 512
END = bytes(2 * BLOCK)
"""The end of an archive."""

MAX_EXTENSION = 1 << 20
"""Bytes of an extended header: names, and attributes of files, which are far smaller."""


class Kind(enum.Enum):
    """The types of entries that exist; the value is the type flag."""

    FILE = tarfile.REGTYPE
    HARD_LINK = tarfile.LNKTYPE
    SYMLINK = tarfile.SYMTYPE
    CHARACTER_DEVICE = tarfile.CHRTYPE
    BLOCK_DEVICE = tarfile.BLKTYPE
    DIRECTORY = tarfile.DIRTYPE
    FIFO = tarfile.FIFOTYPE


@dataclass(frozen=True)
class Member:
    """One entry. ``size`` is in bytes, ``mtime`` in seconds since 1970; ``name`` and ``target`` are unchanged from the
    archive; ``offset`` is where the content starts in the stream."""

    name: str
    kind: Kind
    size: int
    mode: int
    uid: int
    gid: int
    mtime: int
    target: str = ""
    offset: int = 0


class DamagedTar(ValueError):
    """The archive is malformed, ends too early, or is beyond the limits."""


class TooLarge(DamagedTar):
    """It has more entries or more content than the limits allow."""


class Readable(Protocol):
    """The methods that a stream needs."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes; fewer only at the end."""


@dataclass(frozen=True)
class Limits:
    """The limits of the reader: entries, bytes of content in all, bytes of a name, and directories in a name."""

    entries: int = 500_000
    total: int = 64 << 30
    name: int = 4096
    depth: int = 128


def padding(size: int) -> bytes:
    """Return the bytes that follow content of ``size`` bytes, up to the next block."""
    return bytes(-size % BLOCK)


class Content:
    """The content of one entry, to be read before the next entry."""

    def __init__(self, source: _Source, size: int) -> None:
        self._source = source
        self.left = size

    def read(self, size: int = -1, /) -> bytes:
        """Return at most ``size`` bytes; fewer only at the end."""
        wanted = self.left if size < 0 else min(size, self.left)
        data = self._source.exactly(wanted)
        self.left -= wanted
        return data

    def skip(self, file: IO[bytes]) -> None:
        """Skip the content by seeking in ``file``, the archive itself."""
        self._source.skip(self.left, file)
        self.left = 0


def read_members(stream: Readable, limits: Optional[Limits] = None) -> Iterator[tuple[Member, Content]]:
    """Yield the entries of an archive, in its order, each with its content.

    Padding, and the bytes after the end, must be zero. Raises DamagedTar, and then reads nothing more.
    """
    limits = limits or Limits()
    source = _Source(stream)
    entries = total = 0
    pending: dict[str, str] = {}
    while True:
        block = source.exactly(BLOCK)
        if not any(block):
            if pending:
                raise DamagedTar("an extended header has no entry")
            _rest_is_empty(source)
            return
        info = _parse(block)
        entries += 1
        if entries > limits.entries:
            raise TooLarge(f"more than {limits.entries} entries")
        if info.type in EXTENSIONS:
            _extend(pending, info, source)
            continue
        member = _member(info, pending, source.position)
        pending = {}
        total += member.size
        check_member(member, total, limits)
        content = Content(source, member.size)
        yield member, content
        while content.left:
            content.read(min(content.left, 1 << 20))
        source.zeros(-member.size % BLOCK)


EXTENSIONS = (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE)
FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)


def _parse(block: bytes) -> tarfile.TarInfo:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError, OverflowError) as error:
        raise DamagedTar(f"a damaged header: {error}") from error
    if block[257:262] != b"ustar":
        raise DamagedTar("a header that is not USTAR's")
    return info


def _number(pending: dict[str, str], key: str, otherwise: int) -> int:
    """Parse a number of a pax header. Accept only ASCII digits: int() also accepts signs, spaces and other scripts'
    digits, which readers of tars treat differently."""
    text = pending.get(key)
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{key} {text!r}")
    return int(text)


def _member(info: tarfile.TarInfo, pending: dict[str, str], position: int) -> Member:
    if any(key.startswith("GNU.sparse.") for key in pending):
        raise DamagedTar("a sparse file")
    try:
        size = _number(pending, "size", info.size)
        uid, gid = _number(pending, "uid", info.uid), _number(pending, "gid", info.gid)
        mtime = int(float(pending.get("mtime", info.mtime)))
        kind = Kind.FILE if info.type in FILES else Kind(info.type)
    except (ValueError, OverflowError) as error:
        raise DamagedTar(f"an entry of an unknown type, or with a bad number: {error}") from error
    if kind is not Kind.FILE:
        # Other types have no content; a size must not hide the entries that follow.
        if size:
            raise DamagedTar(f"{info.name!r} is not a file but has content")
        size = 0
    name = pending.get("path", info.name)
    if kind is Kind.FILE and name.endswith("/"):
        kind = Kind.DIRECTORY
        if size:
            raise DamagedTar(f"{name!r} is a directory but has content")
    return Member(
        name, kind, size, info.mode & 0o7777, uid, gid, mtime, pending.get("linkpath", info.linkname), position
    )


def check_member(member: Member, total: int, limits: Limits) -> None:
    """Raise DamagedTar for an entry that is out of range, TooLarge if ``total`` bytes are too many."""
    if member.size < 0 or not (0 <= member.uid < 1 << 31 and 0 <= member.gid < 1 << 31):
        raise DamagedTar(f"{member.name!r} has a size or an owner out of range")
    if total > limits.total:
        raise TooLarge(f"more than {limits.total} bytes of content")
    for text in (member.name, member.target):
        if "\0" in text or len(text) > limits.name or text.count("/") > limits.depth:
            raise DamagedTar(f"the name {text[:80]!r} is too long, too deep, or has a NUL in it")
    if not member.name:
        raise DamagedTar("an entry without a name")


def _extend(pending: dict[str, str], info: tarfile.TarInfo, source: _Source) -> None:
    """Read a header for the next entry: pax records, or a long name or target in GNU's format."""
    if not 0 <= info.size <= MAX_EXTENSION:
        raise DamagedTar(f"an extended header of {info.size} bytes")
    data = source.exactly(info.size)
    source.zeros(-info.size % BLOCK)
    if info.type == tarfile.XGLTYPE:
        # Attributes of all entries, such as git's commit; they must not rename or resize an entry.
        if set(_pax_records(data)) & {"path", "linkpath", "size", "uid", "gid"}:
            raise DamagedTar("a global header that renames entries")
        return
    if info.type == tarfile.XHDTYPE:
        records = _pax_records(data)
        if set(records) & set(pending):
            raise DamagedTar("an entry with two extended headers that differ")
        pending.update(records)
        return
    key = "path" if info.type == tarfile.GNUTYPE_LONGNAME else "linkpath"
    if key in pending:
        raise DamagedTar("an entry with two names")
    pending[key] = data.rstrip(b"\0").decode("utf-8", "surrogateescape")


def _pax_records(data: bytes) -> dict[str, str]:
    """Parse "LENGTH KEY=VALUE\\n" records (pax(1), POSIX.1-2001)."""
    records = {}
    while data:
        digits, space, _ = data[:20].partition(b" ")
        if not space or not digits.isdigit() or digits.startswith(b"0"):
            raise DamagedTar("a damaged pax header")
        length = int(digits)
        record, data = data[len(digits) + 1 : length], data[length:]
        key, equals, value = record.partition(b"=")
        if not equals or not value.endswith(b"\n") or len(digits) + 1 + len(record) != length:
            raise DamagedTar("a damaged pax header")
        records[key.decode("utf-8", "surrogateescape")] = value[:-1].decode("utf-8", "surrogateescape")
    return records


def _rest_is_empty(source: _Source) -> None:
    if any(source.exactly(BLOCK)):
        raise DamagedTar("an incomplete end")
    while data := source.some(1 << 16):
        if data.strip(b"\0"):
            raise DamagedTar("data after the end")


class _Source:
    """A stream that is read by exact numbers of bytes, and counts them."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.position = 0

    def some(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.position += len(data)
        return data

    def exactly(self, size: int) -> bytes:
        data = self.some(size) if size else b""
        if len(data) == size:
            return data
        parts = [data]
        missing = size - len(data)
        while missing:
            data = self.some(missing)
            if not data:
                raise DamagedTar("it ends too early")
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def skip(self, size: int, file: IO[bytes]) -> None:
        # Read the last byte, since a seek beyond the end is not an error.
        file.seek(self.position + size - 1)
        self.position += size - 1
        self.exactly(1)

    def zeros(self, size: int) -> None:
        if any(self.exactly(size)):
            raise DamagedTar("padding that is not zero")
