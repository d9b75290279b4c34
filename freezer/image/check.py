"""Judging an image: whether it is what the specifications ask for, whole, and safe to run where rules are strict.

Every problem is found and told, not the first alone: the OCI image specification 1.1 and docker's archive format,
every digest and size, the layers' paths, and the rules that Kubernetes' restricted Pod Security Standard comes down to
for an image (https://kubernetes.io/docs/concepts/security/pod-security-standards/). In freezer's own files everything
outside the blobs is canonical, too, so that no changed byte of one goes unnoticed.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from freezer.base import tar
from freezer.base.errors import InputError
from freezer.base.extract import inside
from freezer.base.oci import model
from freezer.base.oci.archive import INDEX_TYPES, Blob, Image, ImageArchive, object_at
from freezer.base.oci.model import OPAQUE, WHITEOUT
from freezer.base.oci.reference import parse_reference
from freezer.plan.choices import DEFAULT_EPOCH

MANIFEST_TYPES = (model.MANIFEST_TYPE, "application/vnd.docker.distribution.manifest.v2+json")
CONFIG_TYPES = (model.CONFIG_TYPE, "application/vnd.docker.container.image.v1+json")
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
LAYER_TYPES = (
    *(model.LAYER_TYPE + suffix for suffix in ("", "+gzip", "+zstd")),
    *(DOCKER_LAYER + suffix for suffix in ("", ".gzip", ".zstd")),
)
DIGEST = re.compile("sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


@dataclass
class MergedRoot:
    """The entries that are left when the layers are put on one another, by name; "" is the root."""

    entries: dict[str, tar.Member] = field(default_factory=dict)

    def put(self, name: str, member: tar.Member) -> None:
        """Add an entry; what is no directory replaces what was there with all below it."""
        if member.kind is not tar.Kind.DIRECTORY and name in self.entries:
            self.remove(name)
        self.entries[name] = member

    def remove(self, name: str) -> None:
        """Remove an entry and all below it."""
        # Not every layer names the directories above its files.
        for known in [item for item in self.entries if item.startswith(name + "/")]:
            del self.entries[known]
        self.entries.pop(name, None)

    def executable(self, path: str) -> Optional[tar.Member]:
        """The file that a path leads to, through symbolic links inside the root; None if there is none."""
        name = path.strip("/")
        for _ in range(40):  # as many links as the kernel follows
            parts = name.split("/")
            for depth in range(1, len(parts) + 1):
                member = self.entries.get("/".join(parts[:depth]))
                if member is not None and member.kind is tar.Kind.SYMLINK:
                    target = posixpath.join("/" + "/".join(parts[: depth - 1]), member.target, *parts[depth:])
                    name = posixpath.normpath(target).strip("/")
                    break
            else:
                return self.entries.get(name)
        return None


@dataclass(frozen=True)
class Verdict:
    """What was found; ``roots`` are the merged roots of the images, in their order."""

    problems: tuple[str, ...]
    roots: tuple[MergedRoot, ...]


def validate(archive: ImageArchive) -> Verdict:
    """Look at everything. Raises InputError where the file is too damaged to go on."""
    problems: list[str] = []
    if archive.is_layout:
        problems += _layout_problems(archive)
    problems += _blob_problems(archive)
    problems += _list_problems(archive)
    roots = []
    for image in archive.images:
        root = MergedRoot()
        problems += _config_problems(image)
        for blob in image.layers:
            problems += _layer_problems(archive, blob, root)
        problems += security_problems(image, root)
        roots.append(root)
    if archive.path.is_file() and _written_by_freezer(archive):
        problems += _frame_problems(archive)
    return Verdict(tuple(dict.fromkeys(problems)), tuple(roots))


def _layout_problems(archive: ImageArchive) -> Iterator[str]:
    layout = archive.parsed("oci-layout")
    if not isinstance(layout, dict) or layout.get("imageLayoutVersion") != model.OCI_LAYOUT:
        yield f"oci-layout does not say imageLayoutVersion {model.OCI_LAYOUT}"
    index = archive.parsed("index.json")
    yield from _document_problems(index, "index.json", "manifests", INDEX_TYPES)
    descriptors = index.get("manifests", []) if isinstance(index, dict) else []
    if isinstance(descriptors, list) and len(descriptors) > 1:
        yield f"index.json has {len(descriptors)} images; skopeo and buildah take files with one only"
    for item in descriptors if isinstance(descriptors, list) else []:
        yield from _descriptor_problems(archive, item, "index.json", (*MANIFEST_TYPES, *INDEX_TYPES))
    for image in archive.images:
        name = f"the manifest {image.manifest_digest}"
        yield from _document_problems(image.manifest, name, "layers", MANIFEST_TYPES)
        yield from _descriptor_problems(archive, image.manifest.get("config"), name, CONFIG_TYPES)
        layers = image.manifest.get("layers")
        for item in layers if isinstance(layers, list) else []:
            yield from _descriptor_problems(archive, item, name, LAYER_TYPES)
    yield from _index_problems(archive, descriptors)


def _document_problems(document: Any, name: str, content: str, types: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(document, dict):
        yield f"{name} is no object"
        return
    if document.get("schemaVersion") != 2:
        yield f"{name} does not say schemaVersion 2"
    if document.get("mediaType", types[0]) not in types:
        yield f"{name} is of the type {document.get('mediaType')!r}"
    if not isinstance(document.get(content), list):
        yield f"{name} has no list of {content}"


def _descriptor_problems(archive: ImageArchive, item: Any, name: str, types: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(item, dict):
        yield f"{name} has a descriptor that is no object"
        return
    digest, size = item.get("digest"), item.get("size")
    if item.get("mediaType") not in types:
        yield f"{name} has a descriptor of the type {item.get('mediaType')!r}"
    if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
        yield f"{name} has a descriptor with the digest {digest!r}"
    elif archive.find(model.blob_name(digest)).size != size:
        yield f"{digest} has {archive.find(model.blob_name(digest)).size} bytes; {name} says {size!r}"


def _index_problems(archive: ImageArchive, descriptors: Any) -> Iterator[str]:
    """Where the index speaks of an image otherwise than the image itself, or docker's list."""
    for item, image in zip(descriptors if isinstance(descriptors, list) else [], archive.images):
        if not isinstance(item, dict) or item.get("digest") != image.manifest_digest:
            continue
        platform = item.get("platform")
        for key in ("architecture", "os", "variant"):
            if isinstance(platform, dict) and platform.get(key) != image.config.get(key):
                yield f"index.json says {key} {platform.get(key)!r}, the configuration {image.config.get(key)!r}"
        annotations = item.get("annotations")
        name = annotations.get(model.NAME_ANNOTATION) if isinstance(annotations, dict) else None
        if name is not None and image.names and name not in image.names:
            yield f"index.json calls the image {name!r}, manifest.json {', '.join(image.names)}"


def _blob_problems(archive: ImageArchive) -> Iterator[str]:
    """Every file in ``blobs`` must have the digest that it is named by, whether anything refers to it or not."""
    for name in sorted(archive.members):
        match = re.fullmatch(r"blobs/(sha256|sha512)/([^/]+)", name)
        if match is None:
            if name.startswith("blobs/"):
                yield f"{name} is named by no known digest"
            continue
        hasher = hashlib.new(match[1])
        for chunk in archive.chunks(name):
            hasher.update(chunk)
        if hasher.hexdigest() != match[2]:
            yield f"{name} is damaged: its digest is {hasher.hexdigest()}"


def _list_problems(archive: ImageArchive) -> Iterator[str]:
    for item in archive.listed:
        config = inside(str(item.get("Config")))
        if config is None or config not in archive.members:
            yield f"manifest.json names the configuration {item.get('Config')!r}, which is not there"
        elif archive.is_layout and config not in {model.blob_name(image.config_digest) for image in archive.images}:
            yield f"manifest.json names {config}, which is no image's configuration in index.json"
        layers, names = item.get("Layers"), item.get("RepoTags")
        for place in layers if isinstance(layers, list) else []:
            if inside(str(place)) not in archive.members:
                yield f"manifest.json names the layer {place!r}, which is not there"
        if not isinstance(layers, list):
            yield "manifest.json has an image without a list of Layers"
        for image in archive.images if archive.is_layout else ():
            if config == model.blob_name(image.config_digest) and layers != [blob.name for blob in image.layers]:
                yield "manifest.json has other layers than the manifest"
        for name in names if isinstance(names, list) else []:
            try:
                parse_reference(str(name))
            except InputError as error:
                yield f"manifest.json: {error.what}"
        if names is not None and not isinstance(names, list):
            yield "manifest.json has RepoTags that are no list"


def _config_problems(image: Image) -> Iterator[str]:
    for key in ("architecture", "os"):
        if not isinstance(image.config.get(key), str) or not image.config[key]:
            yield f"the configuration has no {key}"
    rootfs = image.config.get("rootfs")
    if not isinstance(rootfs, dict) or rootfs.get("type") != "layers":
        yield "the configuration's rootfs is not of the type layers"
    if not isinstance(image.config.get("config", {}), (dict, type(None))):
        yield "the configuration's config is no object"


def _layer_problems(archive: ImageArchive, blob: Blob, root: MergedRoot) -> Iterator[str]:
    """The problems of one layer, which is put onto ``root``."""
    hasher = hashlib.sha256()
    for chunk in archive.layer_chunks(blob):
        hasher.update(chunk)
    if f"sha256:{hasher.hexdigest()}" != blob.diff_id:
        yield f"the layer {blob.name} is sha256:{hasher.hexdigest()} unpacked; the configuration says {blob.diff_id}"
    seen: dict[str, tar.Member] = {}
    for member, _ in archive.layer_members(blob):
        name = inside(member.name)
        if name is None:
            yield f"the layer {blob.name} reaches out of the root: {member.name!r}"
            continue
        name = "" if name == "." else name
        if name in seen and not (seen[name].kind is member.kind is tar.Kind.DIRECTORY):
            yield f"the layer {blob.name} has {name!r} twice"
        yield from _place_problems(blob, name, member, seen, root)
        seen[name] = member
        folder, base = posixpath.split(name)
        if base == OPAQUE:
            above = folder + "/" if folder else ""
            for below in [item for item in root.entries if item.startswith(above) and item not in seen]:
                del root.entries[below]
        elif base.startswith(WHITEOUT):
            root.remove(posixpath.join(folder, base[len(WHITEOUT) :]))
        else:
            root.put(name, member)


def _place_problems(
    blob: Blob, name: str, member: tar.Member, seen: Mapping[str, tar.Member], root: MergedRoot
) -> Iterator[str]:
    parts = name.split("/")
    for depth in range(1, len(parts)):
        parent = "/".join(parts[:depth])
        above = seen.get(parent) or root.entries.get(parent)
        if above is not None and above.kind is not tar.Kind.DIRECTORY:
            yield f"the layer {blob.name} has {name!r} below {parent!r}, which is no directory"
            break
    if member.kind is tar.Kind.HARD_LINK:
        target = inside(member.target)
        if target is None or (target not in seen and target not in root.entries):
            yield f"the layer {blob.name} has a hard link {name!r} to {member.target!r}, which is not in it"


def security_problems(image: Image, root: MergedRoot) -> Iterator[str]:
    """What keeps an image from running under the restricted Pod Security Standard, or from running at all."""
    settings = image.config.get("config")
    settings = settings if isinstance(settings, dict) else {}
    user = settings.get("User") or ""
    match = re.fullmatch(r"([0-9]{1,10})(:[0-9]{1,10})?", str(user))
    if match is None:
        yield f"it runs as {user or 'root'}: the user must be a number other than 0"
    elif int(match[1]) == 0:
        yield "it runs as root: the user must be a number other than 0"
    for name, member in root.entries.items():
        if member.kind in (tar.Kind.CHARACTER_DEVICE, tar.Kind.BLOCK_DEVICE):
            yield f"/{name} is a device"
        elif member.kind is tar.Kind.FILE and member.mode & 0o6000:
            yield f"/{name} is setuid or setgid (mode {member.mode:04o})"
        if member.mode & 0o002 and member.kind is not tar.Kind.SYMLINK and name != "tmp":
            yield f"/{name} can be written to by everybody (mode {member.mode:04o})"
    command = command_of(settings)
    if not command:
        yield "it has neither an entrypoint nor a command"
        return
    program = find_program(command[0], settings, root)
    if program is None:
        yield f"its command {command[0]!r} is not in it"
    elif match is not None and not _may_execute(program, int(match[1])):
        yield f"its command {command[0]!r} cannot be executed by user {match[1]} (mode {program.mode:04o})"


def command_of(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What is started: the entrypoint with the command as its arguments."""
    words: list[Any] = []
    for key in ("Entrypoint", "Cmd"):
        value = settings.get(key)
        words += value if isinstance(value, list) else []
    return tuple(str(word) for word in words)


def find_program(name: str, settings: Mapping[str, Any], root: MergedRoot) -> Optional[tar.Member]:
    """The file that a command starts: at its path, or on the image's PATH."""
    places = [name]
    if "/" not in name:
        path = dict(item.partition("=")[::2] for item in map(str, settings.get("Env") or ())).get("PATH", "")
        places = [posixpath.join(place, name) for place in path.split(":") if place]
    found = (root.executable(posixpath.join(str(settings.get("WorkingDir") or "/"), place)) for place in places)
    return next((item for item in found if item is not None and item.kind in RUNNABLE), None)


RUNNABLE = (tar.Kind.FILE, tar.Kind.HARD_LINK)


def _may_execute(program: tar.Member, uid: int) -> bool:
    return bool(program.mode & (0o100 if program.uid == uid else 0o001)) or bool(
        program.gid == uid and program.mode & 0o010
    )


def _written_by_freezer(archive: ImageArchive) -> bool:
    """Whether the file is as freezer wrote it, or was meant to be.

    The manifest says so, but stays when another tool packs the image anew. So one of two things in different places
    must say so as well, of which no single changed byte can take both away.
    """
    if not any(
        object_at(image.manifest, "annotations").get(model.LAYOUT_ANNOTATION) == "1" for image in archive.images
    ):
        return False
    index = archive.parsed("index.json")
    of_freezers_time = [member.mtime == DEFAULT_EPOCH for member in archive.members.values()]
    return model.LIST_ANNOTATION in object_at(index, "annotations") or sum(of_freezers_time) * 2 > len(of_freezers_time)


def _frame_problems(archive: ImageArchive) -> Iterator[str]:
    """Rebuild everything outside the blobs from what it says, and compare it byte for byte."""
    names = sorted(archive.members)
    at = 0
    with open(archive.path, "rb") as file:
        for name in names:
            member = archive.members[name]
            expected = tar.header(tar.Member(name, tar.Kind.FILE, member.size, 0o644, 0, 0, DEFAULT_EPOCH))
            file.seek(at)
            if member.offset != at + tar.BLOCK or file.read(tar.BLOCK) != expected:
                yield f"the header of {name} is not as it was written"
                return
            at = member.offset + member.size + -member.size % tar.BLOCK
        if os.fstat(file.fileno()).st_size != at + len(tar.END):
            yield "the archive's end is not as it was written"
    image = archive.images[0]
    listed = archive.document("manifest.json") if "manifest.json" in archive.members else b""
    try:
        references = [parse_reference(name) for name in image.names]
        platform = model.Platform(image.config["architecture"], image.config.get("variant"))
        descriptor = model.describe(archive.document(model.blob_name(str(image.manifest_digest))), model.MANIFEST_TYPE)
        expected_documents = {
            "oci-layout": model.layout(),
            "manifest.json": model.canonical(
                [
                    {
                        "Config": model.blob_name(image.config_digest),
                        "Layers": [blob.name for blob in image.layers],
                        "RepoTags": [str(item) for item in references],
                    }
                ]
            ),
            "index.json": model.index(descriptor, platform, references[0], listed),
        }
    except (InputError, LookupError, TypeError) as error:
        yield f"the documents are not as they were written: {error}"
        return
    for name, data in expected_documents.items():
        if name not in archive.members or archive.document(name) != data:
            yield f"{name} is not as it was written"
