"""The contents of an image, and of the executables in it.

The files of an application that is unpacked in the image are reported like those of an executable.
"""

from __future__ import annotations

import dataclasses
import posixpath
import tempfile
from pathlib import Path
from typing import Any, Optional

from freezer.base import tar
from freezer.base.elf_file import MAGIC
from freezer.base.errors import InputError
from freezer.base.job import Job
from freezer.base.oci.archive import ImageArchive, open_image
from freezer.base.oci.documents import Image
from freezer.base.oci.model import WHITEOUT
from freezer.base.publish import CHUNK
from freezer.closure.provisions import PROVISIONS, size_of
from freezer.image.contents import PLACES
from freezer.image.merged import MergedRoot, find_program
from freezer.inspect.executable import MOST_NOTES, inspect_executable, parse_notes
from freezer.inspect.report import FILE, Item, Layer, OwnPart, Report, Settings
from freezer.inspect.tree_files import ARCHIVE_NAME, TreeFile, tree_items
from freezer.link.module_archives import Contents, read_contents
from freezer.link.modules import ARCHIVE_MAGIC
from freezer.link.parts import DATA
from freezer.link.start import MODULES, STARTER
from freezer.plan.choices import MANIFEST
from freezer.prove.unpack import has_bundle


def inspect_image(path: Path, job: Job) -> Report:
    """Return the contents of an image; of several in one file, the first. Raises InputError if it is damaged."""
    with open_image(path) as archive:
        image = archive.images[0]
        if len(archive.images) > 1:
            job.log.warning(f"{path} has {len(archive.images)} images; only the first is shown")
        settings = _settings(image.config)
        program = _tree_program(archive, image, settings)
        tree = posixpath.dirname(program) + "/" if program is not None else None
        items: list[Item] = []
        parts: list[TreeFile] = []
        layers: list[Layer] = []
        own: list[OwnPart] = []
        for blob in image.layers:
            files = unpacked = 0
            for member, content in archive.layer_members(blob):
                name = _name(member)
                if member.kind is not tar.Kind.FILE or posixpath.basename(name).startswith(WHITEOUT):
                    continue
                files += 1
                unpacked += member.size
                try:
                    if tree is not None and name.startswith(tree):
                        below = name[len(tree) :]
                        if below == MANIFEST:
                            own += parse_notes(content.read(MOST_NOTES))
                        parts.append(TreeFile(below, member.size, _contents(below, member, content)))
                    else:
                        found, notes = _file(name, member, content, job)
                        items += found
                        own += notes
                except tar.DamagedTar as error:
                    raise InputError(f"{path} is damaged", why=f"in {name!r}: {error}") from error
            layers.append(Layer(blob.digest or "", blob.diff_id or "", blob.size, unpacked, files))
        if program is not None and tree is not None:
            called = posixpath.basename((*settings.entrypoint, *settings.command)[0])
            for item in tree_items(parts, program[len(tree) :], called):
                items.append(dataclasses.replace(item, path=tree + item.path))
    return Report(
        path=str(path),
        kind="image",
        size=size_of(path),
        architecture=_architecture(image),
        items=tuple(items),
        image_id=image.config_digest,
        manifest_digest=image.manifest_digest or "",
        names=tuple(str(name) for name in image.names),
        settings=settings,
        layers=tuple(layers),
        own=tuple(own),
    )


def _name(member: tar.Member) -> str:
    return posixpath.normpath(member.name).lstrip("/")


def _tree_program(archive: ImageArchive, image: Image, settings: Settings) -> Optional[str]:
    """Return the path of an image's program if it belongs to a tree of the native linker, whose other files are beside
    it; else None. Files that a layer removes count as present, since they are listed, too."""
    command = (*settings.entrypoint, *settings.command)
    if not command:
        return None
    root = MergedRoot()
    for blob in image.layers:
        root.entries.update((_name(member), member) for member, _ in archive.layer_members(blob))
    fields = {"Env": settings.environment, "WorkingDir": settings.working_directory}
    program = find_program(command[0], fields, root)
    place = posixpath.dirname(_name(program)) if program is not None else ""
    beside = [root.entries.get(f"{place}/{item}") for item in (STARTER, MODULES, MANIFEST)]
    if program is None or not place or not all(item is not None and item.kind is tar.Kind.FILE for item in beside):
        return None
    return _name(program)


def _contents(name: str, member: tar.Member, content: tar.Content) -> Optional[Contents]:
    """Return the contents of a file of the tree if it is an archive of modules. Raises InputError if it is damaged."""
    if ARCHIVE_NAME.fullmatch(name) is None or content.read(len(ARCHIVE_MAGIC)) != ARCHIVE_MAGIC:
        return None
    return read_contents(content, member.size, name)


def _file(
    name: str, member: tar.Member, content: tar.Content, job: Job
) -> tuple[tuple[Item, ...], tuple[OwnPart, ...]]:
    """Return a file of a layer as one item, or the items inside it, with what is noted of the application's own."""
    start = content.read(len(MAGIC))
    if start == MAGIC:
        with tempfile.NamedTemporaryFile(prefix="inspect-", dir=job.work) as copy:
            copy.write(start)
            while data := content.read(CHUNK):
                copy.write(data)
            copy.flush()
            executable = Path(copy.name)
            if _has_inside(name, member, executable):
                base = posixpath.basename(name)
                items, own = inspect_executable(executable, job, name=base)
                return tuple(_inner(item, name, base) for item in items), own
    return (Item(name, member.size, *_group(name)),), ()


def _inner(item: Item, name: str, base: str) -> Item:
    """Return an item of the executable ``name`` as one of the image."""
    inner = item.path.removeprefix(f"{base}/")
    return dataclasses.replace(item, path=name if inner == base else f"{name}//{inner}")


def _group(name: str) -> tuple[str, str]:
    """Return the (group, kind) of a file of an image: the provision that it belongs to, or its directory."""
    names = {item.option: item.name for item in PROVISIONS}
    for option, (place, _, _) in PLACES.items():
        if name == place or name.startswith(f"{place}/"):
            return names[option], DATA
    return "/".join(name.split("/")[:-1][:2]) or "/", FILE


def _has_inside(name: str, member: tar.Member, path: Path) -> bool:
    try:
        return has_bundle(path) or (name.startswith("app/") and member.mode & 0o100 != 0)
    except InputError:
        # An image may contain damaged files; they are single items.
        return False


def _architecture(image: Image) -> str:
    parts = (image.config.get("architecture"), image.config.get("variant"))
    return "/".join(str(part) for part in parts if part)


def _settings(config: dict[str, Any]) -> Settings:
    fields = config.get("config")
    fields = fields if isinstance(fields, dict) else {}

    def strings(key: str) -> tuple[str, ...]:
        value = fields.get(key)
        return tuple(str(item) for item in value) if isinstance(value, (list, dict)) else ()

    labels = fields.get("Labels")
    return Settings(
        user=str(fields.get("User") or ""),
        entrypoint=strings("Entrypoint"),
        command=strings("Cmd"),
        environment=strings("Env"),
        working_directory=str(fields.get("WorkingDir") or ""),
        ports=tuple(sorted(strings("ExposedPorts"))),
        volumes=tuple(sorted(strings("Volumes"))),
        labels=tuple(sorted((str(key), str(value)) for key, value in labels.items()))
        if isinstance(labels, dict)
        else (),
    )
