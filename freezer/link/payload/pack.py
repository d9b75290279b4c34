"""Write a natively linked executable: the launcher, a compressed stream of files, and the trailer that describes it.

The launcher (freezer/link/launcher) reads this format. Numbers are little-endian, digests BLAKE2b with 32 bytes (RFC
7693). The stream has a record for each file, directory and link; links come last, so that nothing is ever written
through one. If the stream is compressed, the content of files is filtered first (``filter``). The trailer is at the end
of the file. Its ``digest`` covers every byte before the digest, so that all damage is noticed; its ``identity`` is the
digest of the stream before compression, and names the cache entry.
"""

from __future__ import annotations

import enum
import hashlib
import os
import stat
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Optional, Union

from freezer.base.places import is_link, walk
from freezer.freeze.drivers.content_memory import ContentMemory
from freezer.link.payload.beginning import Made, keep, write_kept
from freezer.link.payload.choose import filters_of
from freezer.link.payload.filter import FILTER, Filter, filtered
from freezer.link.payload.frames import WORKERS, compressed
from freezer.link.payload.identity import Identity, new_identity
from freezer.link.payload.tables import ChangedFile, changed_tables
from freezer.plan.choices import Packing

MAGIC, END_MAGIC = b"FRZR\x00\x00\x00\x01", b"FREEZER\n"
VERSION = 3
TRAILER = struct.Struct("<8sIIQQQQII32s32s8s")
RECORD = struct.Struct("<BxHIQQ")
"""Its type, and the numbers of bytes of the name, of fixups, of bytes of the content, and of filters."""
RANGE = struct.Struct("<QQ")
BLOCK = 4096
CHUNK = 1 << 20


class Type(enum.IntEnum):
    """A record's type."""

    DIRECTORY = ord("D")
    FILE = ord("F")
    EXECUTABLE = ord("X")
    LINK = ord("L")
    END = ord("E")


NUMBERS = {Packing.NONE: 0, Packing.FAST: 1, Packing.SMALL: 1}
"""The trailer's number for each packing: whether the stream is compressed."""


@dataclass(frozen=True)
class Record:
    """A file, directory or link of a tree. A file's content is ``data``, or that of the file ``source``; ``fixups`` are
    (offset, room) in bytes of the paths in it to which the tree's path is added. ``cuts`` are places in the content, in
    bytes, at which a new frame begins; one at 0 is before the record's header. ``filters`` are those for the content,
    if they are known."""

    type: Type
    name: str
    source: Union[Path, str, None] = None
    data: bytes = b""
    fixups: tuple[tuple[int, int], ...] = ()
    cuts: tuple[int, ...] = ()
    filters: Optional[tuple[Filter, ...]] = None

    @property
    def size(self) -> int:
        """Return the content's size in bytes."""
        return os.stat(self.source).st_size if self.source is not None else len(self.data)


@dataclass(frozen=True)
class Beginning:
    """The first ``count`` records of a stream, behind which a new frame begins. ``about`` states all that their bytes
    depend on. ``prepare`` finds out what takes long to; it is called only if nothing is kept."""

    about: str
    count: int
    prepare: Callable[[Sequence[Record]], Sequence[Record]]


@dataclass(frozen=True)
class Trailer:
    """The fields at the end of a natively linked executable; offsets and sizes in bytes."""

    compression: int
    offset: int
    size: int
    stream_size: int
    disk: int
    records: int
    init: bool
    identity: bytes
    digest: bytes


def records_of(tree: Path) -> list[Record]:
    """Return the records of a directory, in the order that the launcher requires."""
    found, links = [], []
    top = os.fspath(tree)
    for directory, folders, files in walk(top):
        folders.sort()
        # As text, and with one look at each: there may be thousands of files.
        inside = f"{directory[len(top) :]}/".lstrip("/")
        if inside:
            found.append(Record(Type.DIRECTORY, inside[:-1]))
        for name in sorted(files + [item for item in folders if is_link(os.path.join(directory, item))]):
            path = f"{directory}/{name}"
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                links.append(Record(Type.LINK, inside + name, data=os.fsencode(os.readlink(path))))
            else:
                kind = Type.EXECUTABLE if mode & 0o100 else Type.FILE
                found.append(Record(kind, inside + name, source=path))
    return [*found, *sorted(links, key=lambda item: item.name)]


def stream(
    records: Sequence[Record], *, filters: bool, memory: Optional[ContentMemory] = None, end: bool = True
) -> Iterator[bytes]:
    """Yield the records' bytes, in pieces; with ``filters``, filter the content of files. An empty piece stands where a
    new frame begins. ``memory`` keeps what was found out of files. Without ``end``, other records follow."""
    for record in records:
        if 0 in record.cuts:
            yield b""
        name = os.fsencode(record.name)
        chosen = _chosen(record, memory) if filters and record.source is not None else ()
        size = record.size
        parts = [FILTER.pack(item.kind, item.entries, item.offset, item.size) for item in chosen]
        parts += [RANGE.pack(*item) for item in record.fixups]
        yield RECORD.pack(record.type, len(name), len(record.fixups), size, len(chosen)) + name + b"".join(parts)
        if record.source is not None:
            yield from _content(record, chosen, size)
        elif record.data:
            yield record.data
    if end:
        yield RECORD.pack(Type.END, 0, 0, 0, 0)


def _chosen(record: Record, memory: Optional[ContentMemory]) -> tuple[Filter, ...]:
    assert record.source is not None
    return record.filters if record.filters is not None else filters_of(record.source, record.cuts, memory)


def _content(record: Record, filters: Sequence[Filter], size: int) -> Iterator[bytes]:
    assert record.source is not None
    cuts = iter([*(place for place in record.cuts if place > 0), size])
    cut = next(cuts)
    at = 0
    with open(record.source, "rb") as file:
        changed = ChangedFile(file, changed_tables(file, filters))
        for piece in filtered(changed.read, filters, size, undo=False):
            if not piece:
                raise OSError(f"{record.source} changed while it was read")
            data, over = piece, changed.position
            while over > cut:
                yield data[: cut - at]
                yield b""
                data, at, cut = data[cut - at :], cut, next(cuts)
            yield data
            at = over


def write(
    launcher: Path,
    records: Sequence[Record],
    packing: Packing,
    output: Path,
    *,
    init: bool = False,
    memory: Optional[ContentMemory] = None,
    jobs: int = WORKERS,
    beginning: Optional[Beginning] = None,
) -> Trailer:
    """Write the executable; with ``init``, process 1 becomes an init; ``memory`` keeps what was compressed, and made of
    the ``beginning``; ``jobs`` is how much is done at the same time. Raises OSError if that is not possible."""
    with open(output, "w+b") as file:
        with open(launcher, "rb") as source:
            while data := source.read(CHUNK):
                file.write(data)
        offset = file.tell()
        packer = _Packer(packing, file, memory, min(jobs, WORKERS))
        if beginning is not None and memory is not None and packing is Packing.FAST:
            packer.begin(beginning, records, file, memory)
            packer.put(records[beginning.count :])
        else:
            packer.put(records)
        identity, stream_size, disk = packer.identity.digest(), packer.size, packer.disk
        size = file.tell() - offset
        head = TRAILER.pack(
            MAGIC,
            VERSION,
            NUMBERS[packing],
            offset,
            size,
            stream_size,
            disk,
            len(records),
            int(init),
            identity,
            b"",
            b"",
        )[:88]
        file.write(head)
        file.flush()
        file.seek(0)
        hasher = hashlib.blake2b(digest_size=32)
        while data := file.read(CHUNK):
            hasher.update(data)
        file.write(hasher.digest() + END_MAGIC)
    return Trailer(NUMBERS[packing], offset, size, stream_size, disk, len(records), init, identity, hasher.digest())


def packed_size(records: Sequence[Record], packing: Packing, memory: Optional[ContentMemory] = None) -> int:
    """Return the bytes that the records take up in an executable."""
    sink = _Counter()
    _Packer(packing, sink, memory, WORKERS).put(records)
    return sink.size


class _Counter:
    """Counts the bytes written to it."""

    size = 0

    def write(self, data: bytes) -> int:
        """Count some bytes."""
        self.size += len(data)
        return len(data)


class _Packer:
    """Writes the stream, compressed. ``size`` is in bytes before compression, and ``disk`` those of the files once they
    are unpacked."""

    def __init__(
        self, packing: Packing, out: Union[IO[bytes], _Counter], memory: Optional[ContentMemory], workers: int
    ) -> None:
        self.identity: Union[Identity, hashlib.blake2b] = new_identity()
        self.size = self.disk = 0
        self._packing, self._out, self._memory, self._workers = packing, out, memory, workers

    def put(self, records: Sequence[Record], *, end: bool = True) -> tuple[str, ...]:
        """Write records, the last ones with ``end``; return the keys of their frames in the memory."""
        content = self._counted(
            stream(records, filters=self._packing is not Packing.NONE, memory=self._memory, end=end)
        )
        self.disk += sum(-(-max(record.size, 1) // BLOCK) * BLOCK for record in records)
        if self._packing is Packing.NONE:
            for data in content:
                self._out.write(data)
            return ()
        keys = []
        for key, data in compressed(content, self._packing, self._memory, self._workers):
            self._out.write(data)
            keys.append(key)
        return tuple(keys)

    def begin(self, beginning: Beginning, records: Sequence[Record], out: IO[bytes], memory: ContentMemory) -> None:
        """Write the first of the records, or what an earlier build has made of them."""
        made = write_kept(beginning.about, out, memory)
        if made is not None:
            self.identity, self.size, self.disk = Identity(made.state), made.size, made.disk
            return
        self.identity = identity = Identity()
        frames = self.put(beginning.prepare(records[: beginning.count]), end=False)
        keep(beginning.about, Made(identity.state(), self.size, self.disk, frames), memory)

    def _counted(self, content: Iterator[bytes]) -> Iterator[bytes]:
        for data in content:
            self.identity.update(data)
            self.size += len(data)
            yield data
