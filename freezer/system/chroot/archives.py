"""Make roots from archives: tars of a root file system, docker's or OCI images in a tar, OCI layouts in a directory.

Archives are not trusted. A file must still have the digest that ``identify`` has found, and the parts of an image those
in its manifest.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Optional

from freezer.base import tar
from freezer.base.compression import GZIP, XZ, ZSTD, DamagedStream, Stream, compression_of, decompressed
from freezer.base.errors import InputError
from freezer.base.extract import Refused, inside, new_tree
from freezer.base.oci.archive import ImageArchive, compressed_whole
from freezer.base.oci.documents import Image
from freezer.base.oci.files import DOCUMENTS, TarFiles, open_folder, unreadable
from freezer.base.oci.machine import image_for_host
from freezer.base.oci.rootfs import LIMITS, MOUNT_POINTS, unpack_root
from freezer.base.places import is_file
from freezer.base.publish import CHUNK, digest_file
from freezer.plan.trees import signature

MAX_UNPACKED = 1 << 37
"""Bytes of a decompressed tar at most: its content, headers and padding."""
COMPRESSIONS = (None, GZIP, XZ, ZSTD)
ROOT_FOLDERS = frozenset(
    ("bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "media", "mnt", "opt", "proc", "root", "run", "sbin")
    + ("srv", "sys", "tmp", "usr", "var")
)
"""Names at the top of roots, which images do not have there."""


def is_archive_or_layout(path: Path) -> bool:
    """Return whether ``path`` must be unpacked to be a root: a file, or an OCI layout."""
    return is_file(path) or is_file(path / "oci-layout")


def identify(path: Path) -> str:
    """Return a digest of the content, in hexadecimal: the SHA-256 of a file; for an OCI layout that of the chosen
    manifest, or of ``index.json`` if there is none. Raises InputError if it cannot be read."""
    if os.path.isdir(path):
        with open_folder(path) as files:
            archive = ImageArchive(path, files)
            with contextlib.suppress(InputError):
                return _manifest_of(image_for_host(archive))
            return hashlib.sha256(archive.document("index.json")).hexdigest()
    try:
        return digest_file(path)
    except OSError as error:
        raise unreadable(path, error) from error


def unpack(path: Path, folder: Path, *, digest: str) -> None:
    """Unpack a root into the new directory ``folder``; after an error, its content is incomplete.

    ``digest`` is the result of ``identify``. Owners are kept for root; ``proc`` and ``dev`` are created. Raises
    InputError for anything that is damaged, hostile or for another machine, and OSError if there is no space.
    """
    if os.path.isdir(path):
        with open_folder(path) as files:
            archive = ImageArchive(path, files)
            image = image_for_host(archive)
            if _manifest_of(image) != digest:
                raise _changed(path)
            unpack_root(archive, image, folder, verified=True)
        return
    try:
        file = open(path, "rb")  # noqa: SIM115 - only errors of opening are handled here
    except OSError as error:
        raise unreadable(path, error) from error
    with file:
        before = os.fstat(file.fileno())
        compression = compression_of(file.read(6))
        if compression not in COMPRESSIONS:
            raise InputError(
                f"{path} is compressed with {compression}, which freezer does not support for roots",
                hint="compress it with gzip, xz or zstd, or not at all",
            )
        if compression is None and _is_image(file):
            if _digest(file) != digest:
                raise _changed(path)
            archive = ImageArchive(path, TarFiles(path, file))
            unpack_root(archive, image_for_host(archive), folder, verified=True)
        else:
            _unpack_tar(path, file, compression, folder, digest)
        after = os.fstat(file.fileno())
        if signature(before) != signature(after):
            raise _changed(path)


def _unpack_tar(path: Path, file: IO[bytes], compression: Optional[str], folder: Path, digest: str) -> None:
    """Unpack the tar of a root file system."""
    hasher = hashlib.sha256()
    chunks = decompressed(_chunks(file, hasher), compression, MAX_UNPACKED)
    may_be_image = compression is not None
    at = None
    try:
        with new_tree(folder, owners=os.geteuid() == 0) as tree:
            for member, content in tar.read_members(Stream(chunks), LIMITS):
                at = member.name
                if may_be_image and compression is not None:
                    if _of_image(at):
                        raise compressed_whole(path, compression)
                    may_be_image = not _of_root(at)
                tree.put(member, content)
            at = None
            for name in MOUNT_POINTS:
                tree.folder(name)
    except Refused as error:
        raise _wrong(path, f"{at!r}: {error}") from error
    except (tar.DamagedTar, DamagedStream) as error:
        where = f"at or after {at!r}: " if at is not None else ""
        raise _wrong(path, f"{where}{error}") from error
    if hasher.hexdigest() != digest:
        raise _changed(path)


def _chunks(file: IO[bytes], hasher: Any) -> Iterator[bytes]:
    """Yield the whole file in pieces."""
    file.seek(0)
    while data := file.read(CHUNK):
        hasher.update(data)
        yield data


def _digest(file: IO[bytes]) -> str:
    hasher = hashlib.sha256()
    for _ in _chunks(file, hasher):
        pass
    return hasher.hexdigest()


def _is_image(file: IO[bytes]) -> bool:
    """Return whether the names in a tar are those of an image, not of a root file system."""
    file.seek(0)
    # Damage is found when the archive is unpacked.
    with contextlib.suppress(tar.DamagedTar):
        for member, content in tar.read_members(file, LIMITS):
            if _of_image(member.name):
                return True
            if _of_root(member.name):
                return False
            if content.left > tar.BLOCK:
                content.skip(file)
    return False


def _of_image(name: str) -> bool:
    return inside(name) in DOCUMENTS


def _of_root(name: str) -> bool:
    place = inside(name)
    return place is not None and place.partition("/")[0] in ROOT_FOLDERS


def _manifest_of(image: Image) -> str:
    return str(image.manifest_digest).rpartition(":")[2]


def _wrong(path: Path, why: str) -> InputError:
    return InputError(f"{path} is not a root file system, or is damaged", why=why)


def _changed(path: Path) -> InputError:
    return InputError(f"{path} changed while it was read", hint="build again")
