"""Read untrusted images: OCI layouts, docker's archives, and files that are both.

Documents are read whole up to a limit, layers as streams. Every defect of an image becomes an InputError that names it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import os
import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

from freezer.base import tar
from freezer.base.compression import GZIP, ZSTD, DamagedStream, Stream, compression_of, decompressed
from freezer.base.errors import InputError
from freezer.base.extract import inside
from freezer.base.oci.documents import Blob, Image, object_at, objects_at, parse_document, strings
from freezer.base.oci.files import Files, TarFiles, open_folder, unreadable, wrong
from freezer.base.oci.model import INDEX_TYPE, blob_name

MAX_DOCUMENT = 4 << 20
"""Bytes of a manifest that registries accept at most; configurations are smaller in practice."""
MAX_LAYER = 64 << 30
"""Bytes of a layer unpacked; a compressed layer may be a thousand times smaller."""
MAX_NESTING = 4
MAX_IMAGES = 1000
"""Descriptors in all indexes together: nested ones multiply."""
INDEX_TYPES = (INDEX_TYPE, "application/vnd.docker.distribution.manifest.list.v2+json")


class ImageArchive:
    """An open image file or directory; ``images`` are those of the OCI layout, or else those of docker's list."""

    def __init__(self, path: Path, files: Files) -> None:
        self.path = path
        self._files = files
        self._described = 0
        self.members = files.members
        self.is_layout = "oci-layout" in self.members or "index.json" in self.members
        self.listed = self._listed()

    @functools.cached_property
    def images(self) -> tuple[Image, ...]:
        """Return all images, one that has several names once. Raises InputError if one is damaged."""
        images: dict[str, Image] = {}
        for image in self.images_where(lambda _descriptor: True):
            key = image.manifest_digest or image.config_digest
            names = (*(images[key].names if key in images else ()), *image.names)
            images[key] = dataclasses.replace(image, names=tuple(dict.fromkeys(names)))
        return tuple(images.values())

    def images_where(self, wanted: Callable[[dict[str, Any]], bool]) -> Iterator[Image]:
        """Yield the images whose descriptors ``wanted`` accepts; the files of the others need not exist."""
        self._described = 0
        return self._nested(self.parsed("index.json"), 0, wanted) if self.is_layout else self._from_list()

    def wrong(self, why: str) -> InputError:
        """Return the error for a file that is not an image, or is damaged."""
        return wrong(self.path, why)

    def find(self, name: str) -> tar.Member:
        """Return the member called ``name``. Links, which docker's older archives have for equal layers, are
        followed."""
        for _ in range(8):
            member = self.members.get(name)
            if member is None:
                raise self.wrong(f"it has no {name}")
            if member.kind is tar.Kind.FILE:
                return member
            base = posixpath.dirname(name) if member.kind is tar.Kind.SYMLINK else ""
            target = posixpath.normpath(posixpath.join(base, member.target))
            if target.startswith(("/", "..")):
                raise self.wrong(f"{name} is a link that leads out of the archive")
            name = target
        raise self.wrong(f"{name} is a link in a loop of links")

    def chunks(self, name: str) -> Iterator[bytes]:
        """Return the content of a member, in pieces."""
        return self._files.chunks(self.find(name))

    def piece(self, name: str, at: int, size: int) -> bytes:
        """Return ``size`` bytes of a member from ``at`` on. Unlike the other methods, threads may share this one."""
        return self._files.piece(self.find(name), at, size)

    def document(self, name: str) -> bytes:
        """Return the bytes of a document. Raises InputError if it is larger than MAX_DOCUMENT."""
        if self.find(name).size > MAX_DOCUMENT:
            raise self.wrong(f"{name} is larger than {MAX_DOCUMENT} bytes")
        return b"".join(self.chunks(name))

    def parsed(self, name: str) -> Any:
        """Parse a JSON document. Raises InputError, also if it has a key twice: readers differ in which one they
        use."""
        return self._parsed(name, self.document(name))

    def _parsed(self, name: str, data: bytes) -> Any:
        try:
            return parse_document(data)
        except (ValueError, RecursionError) as error:
            raise self.wrong(f"{name}: {error}") from error

    def blob(self, digest: str) -> Any:
        """Parse the JSON document with that digest, and verify the digest."""
        name = blob_name(digest)
        data = b"".join(self._verified(iter([self.document(name)]), digest, name))
        return self._parsed(name, data)

    def blob_chunks(self, name: str, digest: str) -> Iterator[bytes]:
        """Yield the content of a blob, in pieces. Raises InputError at its end if it has another digest."""
        return self._verified(self.chunks(name), digest, name)

    def _listed(self) -> list[dict[str, Any]]:
        if "manifest.json" not in self.members:
            return []
        listed = self.parsed("manifest.json")
        if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
            raise self.wrong("manifest.json is not a list of images")
        return listed

    def _nested(self, index: Any, depth: int, wanted: Callable[[dict[str, Any]], bool]) -> Iterator[Image]:
        if depth > MAX_NESTING:
            raise self.wrong("its indexes are nested too deeply")
        for item in objects_at(index, "manifests"):
            digest = str(item.get("digest"))
            self._described += 1
            if self._described > MAX_IMAGES:
                raise self.wrong(f"its indexes have more than {MAX_IMAGES} entries")
            if str(item.get("mediaType")) in INDEX_TYPES:
                yield from self._nested(self.blob(digest), depth + 1, wanted)
                continue
            if not wanted(item):
                continue
            manifest = self.blob(digest)
            config = object_at(manifest, "config")
            layers = [(blob_name(str(layer.get("digest"))), layer) for layer in objects_at(manifest, "layers")]
            annotations = object_at(item, "annotations")
            full = annotations.get("io.containerd.image.name") or annotations.get("org.opencontainers.image.ref.name")
            config_digest = str(config.get("digest"))
            names = self._names(config_digest) or ((str(full),) if full else ())
            document = self.blob(config_digest)
            yield self._image(manifest, digest, config_digest, document, names, layers)

    def _names(self, config_digest: str) -> tuple[str, ...]:
        for item in self.listed:
            if item.get("Config") == blob_name(config_digest):
                return strings(item.get("RepoTags"))
        return ()

    def _from_list(self) -> Iterator[Image]:
        for item in self.listed:
            name = inside(str(item.get("Config")))
            layers = [inside(place) for place in strings(item.get("Layers"))]
            if name is None or None in layers:
                raise self.wrong("manifest.json names files outside the archive")
            data = self.document(name)
            digest = "sha256:" + hashlib.sha256(data).hexdigest()
            stated = posixpath.basename(name).partition(".")[0]
            if re.fullmatch("[0-9a-f]{64}", stated) and digest != f"sha256:{stated}":
                raise self.wrong(f"{name} does not have the digest in its name")
            places: list[tuple[str, dict[str, Any]]] = [(str(place), {}) for place in layers]
            yield self._image({}, None, digest, self._parsed(name, data), strings(item.get("RepoTags")), places)

    def _image(
        self,
        manifest: dict[str, Any],
        manifest_digest: Optional[str],
        config_digest: str,
        config: Any,
        names: tuple[str, ...],
        layers: list[tuple[str, dict[str, Any]]],
    ) -> Image:
        if not isinstance(config, dict):
            raise self.wrong("its configuration is not a JSON object")
        diff_ids = strings(object_at(config, "rootfs").get("diff_ids"))
        if len(diff_ids) != len(layers):
            raise self.wrong(f"it has {len(layers)} layers, and its configuration {len(diff_ids)}")
        blobs = tuple(
            Blob(name, fields.get("digest"), self.find(name).size, str(fields.get("mediaType", "")), diff_id)
            for (name, fields), diff_id in zip(layers, diff_ids)
        )
        return Image(manifest_digest, config_digest, config, names, blobs, manifest)

    def layer_chunks(self, blob: Blob) -> Iterator[bytes]:
        """Yield a layer as a tar: decompressed, followed by nothing else, and of at most MAX_LAYER bytes."""
        compression = compression_of(next(self.chunks(blob.name), b""))
        if compression not in (None, GZIP, ZSTD):
            raise self.wrong(f"{blob.name} has a compression that layers do not support")
        try:
            yield from decompressed(self.chunks(blob.name), compression, MAX_LAYER)
        except DamagedStream as error:
            raise self.wrong(f"{blob.name}: {error}") from error

    def layer_members(self, blob: Blob, *, verified: bool = False) -> Iterator[tuple[tar.Member, tar.Content]]:
        """Yield the entries of a layer, each with its content. Raises InputError for a damaged one.

        With ``verified``, the digests in manifest and configuration are compared before the first entry, and again
        after the last one.
        """
        chunks = self.layer_chunks(blob)
        if verified:
            if blob.digest is not None:
                for _ in self._verified(self.chunks(blob.name), blob.digest, blob.name):
                    pass
            for _ in self._verified(self.layer_chunks(blob), str(blob.diff_id), f"{blob.name} unpacked"):
                pass
            chunks = self._verified(chunks, str(blob.diff_id), f"{blob.name} unpacked")
        try:
            yield from tar.read_members(Stream(chunks))
        except tar.DamagedTar as error:
            raise self.wrong(f"{blob.name}: {error}") from error

    def _verified(self, chunks: Iterator[bytes], digest: str, what: str) -> Iterator[bytes]:
        """Yield the same pieces. Raises InputError at their end if their digest is not the expected one."""
        hasher = self._hasher(digest)
        for chunk in chunks:
            hasher.update(chunk)
            yield chunk
        if f"{hasher.name}:{hasher.hexdigest()}" != digest:
            raise self.wrong(f"{what} has the digest {hasher.name}:{hasher.hexdigest()}, not {digest}")

    def _hasher(self, digest: str) -> Any:
        algorithm = digest.partition(":")[0]
        if algorithm not in ("sha256", "sha512"):
            raise self.wrong(f"{digest!r} is not a digest")
        return hashlib.new(algorithm)


@contextlib.contextmanager
def open_image(path: Path) -> Iterator[ImageArchive]:
    """Open an image: a tar, or an OCI layout that is a directory.

    Raises InputError if it is not an image, is damaged, or refers to files outside of it.
    """
    with contextlib.ExitStack() as stack:
        if os.path.isdir(path):
            files: Files = stack.enter_context(open_folder(path))
        else:
            try:
                file = stack.enter_context(open(path, "rb"))
            except OSError as error:
                raise unreadable(path, error) from error
            compression = compression_of(file.read(6))
            if compression is not None:
                raise compressed_whole(path, compression)
            files = TarFiles(path, file)
        archive = ImageArchive(path, files)
        if not archive.images:
            raise archive.wrong("it has no image")
        yield archive


def compressed_whole(path: Path, compression: str) -> InputError:
    """Return the error for an image inside a compressed file."""
    return InputError(
        f"{path} is compressed as a whole",
        why=f"it is a {compression} file; ctr, crane and oras refuse images like that",
        hint=f"decompress it first, with {compression} -d",
    )


def looks_like_image(path: Path) -> bool:
    """Return whether a file is a tar or compressed; ``open_image`` finds out whether it is an image."""
    with open(path, "rb") as file:
        start = file.read(tar.BLOCK)
    return start[257:262] == b"ustar" or compression_of(start) is not None
