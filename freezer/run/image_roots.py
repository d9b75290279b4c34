"""An image's layers as a root: kept in the cache, by the digest of the image's configuration.

The configuration has the digest of every layer, and each is compared before it is unpacked; so equal keys are equal
roots. The application sees a kept root read-only. One that may be written to is made anew, and removed at the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Optional

from freezer.base.compression import CHUNK, DamagedStream, compression_of, decompressed
from freezer.base.errors import InputError
from freezer.base.job import Job
from freezer.base.oci.archive import ImageArchive
from freezer.base.oci.files import Files, TarFiles, open_folder, unreadable, wrong
from freezer.base.oci.machine import image_for_host
from freezer.base.oci.rootfs import unpack_root
from freezer.store.inventory import ItemKind
from freezer.store.unpacked_roots import cached_root, drop_unused

LAYOUT = 1
"""Part of every key; raised when freezer unpacks images differently."""
KEPT = 8
"""Images whose roots are kept."""
MAX_FILE = 1 << 40
"""Bytes of an image that was compressed as a whole, or comes from a pipe."""
SUPPORTED = (None, "gzip", "zstd", "xz")
STREAM = "-"
"""The name of standard input."""


@dataclass(frozen=True)
class ImageRoot:
    """A directory with an image's files, and the image's configuration."""

    path: Path
    config: dict[str, Any]


def root_of(name: str, folder: Path, job: Job, *, writable: bool) -> ImageRoot:
    """Return the root of the image for this machine in a file, a layout or standard input, which stays as long as
    ``job.holding``; a writable one only as long as the work directory.

    Raises InputError if it is no image, is damaged or hostile, or has none for this machine.
    """
    with _archive(name, folder, job) as archive:
        image = image_for_host(archive)
        shown = ", ".join(image.names) or image.config_digest

        def make(place: Path) -> None:
            job.log.detail(f"unpacking {shown}")
            unpack_root(archive, image, place, verified=True)

        if writable:
            place = job.work / "root"
            make(place)
            return ImageRoot(place, image.config)
        # Only root's files have their owners.
        words = f"{LAYOUT} {os.geteuid() == 0} {image.config_digest}"
        key = hashlib.sha256(words.encode()).hexdigest()[:24]
        place, made = cached_root(job.cache / "images" / key, shown, make, job)
        if made:
            drop_unused(job.cache, ItemKind.IMAGES, KEPT)
        return ImageRoot(place, image.config)


@contextlib.contextmanager
def _archive(name: str, folder: Path, job: Job) -> Iterator[ImageArchive]:
    """Open an image. What is a stream, or compressed as a whole, is first copied to the work directory."""
    path = folder / name
    with contextlib.ExitStack() as stack:
        if name != STREAM and os.path.isdir(path):
            files: Files = stack.enter_context(open_folder(path))
        else:
            file = stack.enter_context(_opened(name, path))
            start = file.peek(6)[:6]
            compression = compression_of(start)
            if compression not in SUPPORTED:
                raise wrong(path, f"it is compressed with {compression}, which freezer does not read")
            if name == STREAM:
                path = Path("standard input")
            if compression is not None or not file.seekable():
                file = stack.enter_context(_copied(path, file, compression, job))
            files = TarFiles(path, file)
        archive = ImageArchive(path, files)
        if not archive.is_layout and not archive.listed:
            raise archive.wrong("it has no image")
        yield archive


@contextlib.contextmanager
def _opened(name: str, path: Path) -> Iterator[io.BufferedReader]:
    try:
        descriptor = os.dup(0) if name == STREAM else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise unreadable(path, error) from error
    with open(descriptor, "rb") as file:
        if name == STREAM and os.isatty(descriptor):
            raise InputError("standard input is a terminal", hint="give an image to it: freezer run - < app.tar")
        yield file


@contextlib.contextmanager
def _copied(path: Path, file: IO[bytes], compression: Optional[str], job: Job) -> Iterator[io.BufferedReader]:
    """Copy the content to a file that has no name, so that nothing of it can stay."""
    place = job.work / "image.tar"
    with open(place, "w+b") as copy:
        place.unlink()
        try:
            for piece in decompressed(_pieces(file), compression, MAX_FILE):
                copy.write(piece)
        except DamagedStream as error:
            raise wrong(path, str(error)) from error
        copy.flush()
        with open(os.dup(copy.fileno()), "rb") as again:
            again.seek(0)
            yield again


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(CHUNK):
        yield piece
