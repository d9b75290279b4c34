"""Reading image tars that nobody vouches for: OCI layouts, docker's archives, and files that are both.

The outer tar is walked once and remembered by name, place and size; nothing of it is unpacked. Documents are read whole
up to a limit, layers as streams. Everything that is wrong with a file becomes an InputError that names it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import posixpath
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Optional

from freezer import tar
from freezer.errors import InputError
from freezer.image.model import INDEX_TYPE, blob_name

CHUNK = 1 << 20
MAX_DOCUMENT = 4 << 20
"""Bytes of a manifest that registries accept at most; configurations are smaller in practice."""
MAX_LAYER = 64 << 30
"""Bytes of a layer unpacked; a thousandth of it may be enough to state them."""
MAX_NESTING = 4
ZSTD_STEP = 1 << 10
"""Bytes given to the decompressor at a time: it answers with all that they stand for, 128 KiB for 4 at worst."""
MAX_IMAGES = 1000
"""Descriptors in all indexes together: nested ones multiply."""
OUTER = tar.Limits(entries=100_000, total=1 << 42, name=1024, depth=16)
INDEX_TYPES = (INDEX_TYPE, "application/vnd.docker.distribution.manifest.list.v2+json")
COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ": "xz", b"BZh": "bzip2"}


@dataclass(frozen=True)
class Blob:
    """A layer: the member of the archive it is, and what documents say of it. ``size`` is that of the member, in bytes;
    ``media_type`` is "" and ``digest`` the stated one or None in docker's archives."""

    name: str
    digest: Optional[str]
    size: int
    media_type: str
    diff_id: Optional[str]


@dataclass(frozen=True)
class Image:
    """One image of an archive. ``config`` is its configuration as it stands, whatever that is."""

    manifest_digest: Optional[str]
    config_digest: str
    config: dict[str, Any]
    names: tuple[str, ...]
    layers: tuple[Blob, ...]
    manifest: dict[str, Any]


class ImageArchive:
    """An open image tar; ``images`` are its images, the OCI layout's or else those of docker's list."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self._file = file
        self._described = 0
        self.members = self._index()
        self.is_layout = "oci-layout" in self.members or "index.json" in self.members
        self.listed = self._listed()
        self.images = tuple(self._from_index() if self.is_layout else self._from_list())
        if not self.images:
            raise self.wrong("it has no image")

    def wrong(self, why: str) -> InputError:
        """The error for anything that is the matter with the file."""
        return InputError(f"{self.path} is no image, or a damaged one", why=why)

    def _index(self) -> dict[str, tar.Member]:
        found: dict[str, tar.Member] = {}
        try:
            for member, content in tar.read_members(self._file, OUTER):
                name = inside(member.name)
                if name is None:
                    raise self.wrong(f"{member.name!r} reaches out of the archive")
                if member.kind is tar.Kind.DIRECTORY:
                    continue
                if member.kind not in (tar.Kind.FILE, tar.Kind.SYMLINK, tar.Kind.HARD_LINK):
                    raise self.wrong(f"{member.name!r} is of a type that images do not have")
                if name in found:
                    raise self.wrong(f"{member.name!r} is in it twice")
                found[name] = member
                if content.left > tar.BLOCK:
                    # Not read: a layer's bytes are digested later, when it is asked for.
                    content.skip(self._file)
        except tar.DamagedTar as error:
            raise self.wrong(str(error)) from error
        return found

    def find(self, name: str) -> tar.Member:
        """The member called ``name``; links, which docker's older archives have for equal layers, lead to others."""
        for _ in range(8):
            member = self.members.get(name)
            if member is None:
                raise self.wrong(f"it has no {name}")
            if member.kind is tar.Kind.FILE:
                return member
            base = posixpath.dirname(name) if member.kind is tar.Kind.SYMLINK else ""
            target = posixpath.normpath(posixpath.join(base, member.target))
            if target.startswith(("/", "..")):
                raise self.wrong(f"{name} links out of the archive")
            name = target
        raise self.wrong(f"{name} is a link without an end")

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a member, in pieces."""
        member = self.find(name)
        at, end = member.offset, member.offset + member.size
        while at < end:
            self._file.seek(at)
            data = self._file.read(min(CHUNK, end - at))
            if not data:
                raise self.wrong("it ends too early")
            at += len(data)
            yield data

    def document(self, name: str) -> bytes:
        """A document as it stands. Raises InputError if it is larger than any should be."""
        if self.find(name).size > MAX_DOCUMENT:
            raise self.wrong(f"{name} is larger than {MAX_DOCUMENT} bytes")
        return b"".join(self.chunks(name))

    def parsed(self, name: str) -> Any:
        """A JSON document, in which no key stands twice, since readers differ in which of two they take."""
        try:
            return json.loads(
                self.document(name).decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
            )
        except (ValueError, RecursionError) as error:
            raise self.wrong(f"{name}: {error}") from error

    def blob(self, digest: str) -> Any:
        """The JSON document with that digest, which it must have."""
        name = blob_name(digest)
        algorithm, _, value = digest.partition(":")
        if algorithm not in ("sha256", "sha512"):
            raise self.wrong(f"{digest!r} is no digest")
        if hashlib.new(algorithm, self.document(name)).hexdigest() != value:
            raise self.wrong(f"{name} has another digest than its name says")
        return self.parsed(name)

    def _listed(self) -> list[dict[str, Any]]:
        if "manifest.json" not in self.members:
            return []
        listed = self.parsed("manifest.json")
        if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
            raise self.wrong("manifest.json is no list of images")
        return listed

    def _from_index(self) -> Iterator[Image]:
        yield from self._nested(self.parsed("index.json"), 0)

    def _nested(self, index: Any, depth: int) -> Iterator[Image]:
        if depth > MAX_NESTING:
            raise self.wrong("its indexes are nested too deep")
        for item in _objects(index, "manifests"):
            digest = str(item.get("digest"))
            self._described += 1
            if self._described > MAX_IMAGES:
                raise self.wrong(f"its indexes have more than {MAX_IMAGES} entries")
            if str(item.get("mediaType")) in INDEX_TYPES:
                yield from self._nested(self.blob(digest), depth + 1)
                continue
            manifest = self.blob(digest)
            config = object_at(manifest, "config")
            layers = [(blob_name(str(layer.get("digest"))), layer) for layer in _objects(manifest, "layers")]
            annotations = object_at(item, "annotations")
            full = annotations.get("io.containerd.image.name") or annotations.get("org.opencontainers.image.ref.name")
            config_digest = str(config.get("digest"))
            names = self._names(config_digest) or ((str(full),) if full else ())
            document = self.blob(config_digest)
            yield self._image(manifest, digest, config_digest, document, names, layers)

    def _names(self, config_digest: str) -> tuple[str, ...]:
        for item in self.listed:
            if item.get("Config") == blob_name(config_digest):
                return _strings(item.get("RepoTags"))
        return ()

    def _from_list(self) -> Iterator[Image]:
        for item in self.listed:
            name = inside(str(item.get("Config")))
            layers = [inside(place) for place in _strings(item.get("Layers"))]
            if name is None or None in layers:
                raise self.wrong("manifest.json names files outside the archive")
            digest = "sha256:" + hashlib.sha256(self.document(name)).hexdigest()
            places: list[tuple[str, dict[str, Any]]] = [(str(place), {}) for place in layers]
            yield self._image({}, None, digest, self.parsed(name), _strings(item.get("RepoTags")), places)

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
            raise self.wrong("its configuration is no object")
        diff_ids = _strings(object_at(config, "rootfs").get("diff_ids"))
        if len(diff_ids) != len(layers):
            raise self.wrong(f"it has {len(layers)} layers, and its configuration {len(diff_ids)}")
        blobs = tuple(
            Blob(name, fields.get("digest"), self.find(name).size, str(fields.get("mediaType", "")), diff_id)
            for (name, fields), diff_id in zip(layers, diff_ids)
        )
        return Image(manifest_digest, config_digest, config, names, blobs, manifest)

    def layer_chunks(self, blob: Blob) -> Iterator[bytes]:
        """A layer as a tar: decompressed, not followed by anything else, and no larger than any image should be."""
        start = next(self.chunks(blob.name), b"")
        if start.startswith(b"\x1f\x8b"):
            chunks = self._gunzipped(blob.name)
        elif start.startswith(b"\x28\xb5\x2f\xfd") or re.match(rb"[\x50-\x5f]\x2a\x4d\x18", start):
            chunks = self._unzstd(blob.name)
        elif any(start.startswith(magic) for magic in COMPRESSED):
            raise self.wrong(f"{blob.name} is compressed in a way that layers are not")
        else:
            chunks = self.chunks(blob.name)
        total = 0
        for chunk in chunks:
            total += len(chunk)
            if total > MAX_LAYER:
                raise self.wrong(f"{blob.name} has more than {MAX_LAYER} bytes unpacked")
            yield chunk

    def _gunzipped(self, name: str) -> Iterator[bytes]:
        stream = zlib.decompressobj(31)
        try:
            for chunk in self.chunks(name):
                data = chunk
                while data:
                    if stream.eof:  # a further member of the stream
                        stream = zlib.decompressobj(31)
                    yield stream.decompress(data, CHUNK)
                    data = stream.unused_data if stream.eof else stream.unconsumed_tail
        except zlib.error as error:
            raise self.wrong(f"{name}: {error}") from error
        if not stream.eof:
            raise self.wrong(f"{name} ends too early")

    def _unzstd(self, name: str) -> Iterator[bytes]:
        import zstandard

        # Frame by frame, since a reader across frames takes a stream that is cut off for one that ends.
        stream = zstandard.ZstdDecompressor().decompressobj()
        try:
            for chunk in self.chunks(name):
                for at in range(0, len(chunk), ZSTD_STEP):
                    data = chunk[at : at + ZSTD_STEP]
                    while data:
                        if stream.eof:
                            stream = zstandard.ZstdDecompressor().decompressobj()
                        yield stream.decompress(data)
                        data = stream.unused_data if stream.eof else b""
        except zstandard.ZstdError as error:
            raise self.wrong(f"{name}: {error}") from error
        if not stream.eof:
            raise self.wrong(f"{name} ends too early")

    def layer_members(self, blob: Blob) -> Iterator[tuple[tar.Member, tar.Content]]:
        """The entries of a layer, each with its content. Raises InputError for a damaged one."""
        try:
            yield from tar.read_members(_Chunks(self.layer_chunks(blob)))
        except tar.DamagedTar as error:
            raise self.wrong(f"{blob.name}: {error}") from error


class _Chunks:
    """Pieces of bytes as a stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes, none at the end only."""
        while not self._left:
            piece = next(self._chunks, None)
            if piece is None:
                return b""
            self._left = piece
        data, self._left = self._left[:size], self._left[size:]
        return data


@contextlib.contextmanager
def open_image(path: Path) -> Iterator[ImageArchive]:
    """Open an image tar. Raises InputError if it is none, is damaged, or reaches out of itself."""
    try:
        file = open(path, "rb")  # noqa: SIM115 - errors of what is done with it are not of opening it
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", why=str(error)) from error
    with file:
        start = file.read(6)
        file.seek(0)
        for magic, name in COMPRESSED.items():
            if start.startswith(magic):
                raise InputError(
                    f"{path} is compressed as a whole",
                    why=f"it is a {name} file; ctr, crane and oras refuse images like that",
                    hint=f"decompress it first, with {name} -d",
                )
        yield ImageArchive(path, file)


def looks_like_image(path: Path) -> bool:
    """Whether a file is a tar, or compressed as one may be; what it is in truth, ``open_image`` finds out."""
    with open(path, "rb") as file:
        start = file.read(tar.BLOCK)
    return start[257:262] == b"ustar" or any(start.startswith(magic) for magic in COMPRESSED)


def inside(name: str) -> Optional[str]:
    """The normalised form of a relative name; None if it leaves the directory it is in."""
    if name.startswith("/") or ".." in name.split("/") or "\0" in name:
        return None
    return posixpath.normpath(name)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def object_at(value: Any, key: str) -> dict[str, Any]:
    """The object under a key of what should be an object; an empty one if there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _objects(value: Any, key: str) -> list[dict[str, Any]]:
    found = value.get(key) if isinstance(value, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
