"""The files of an image: the application, and the little that programs expect of a root.

The base (directories, users, names, what was added) is a layer of its own, so that a changed application leaves it
where it is; the application is one layer with its executable, or several with its files. Everything belongs to root
but the directories that the user is to write to.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Callable, Optional

from freezer.base.bill import PAPERS, SBOM
from freezer.base.errors import EnvironmentFailure, InputError
from freezer.base.oci.model import WHITEOUT
from freezer.base.publish import MAX_NAME
from freezer.base.tar import Kind
from freezer.closure.network_names import protocols, services
from freezer.closure.provisions import copy_certificates, copy_locale, copy_zoneinfo
from freezer.image.layer import Entry, Layer
from freezer.image.scanners import scanned
from freezer.link.layers import PLACE, Part, UnpackedApp
from freezer.link.papers import papers_in
from freezer.link.payload.pack import Record, Type
from freezer.link.start import PROGRAM
from freezer.plan.image import AddedFile, ImagePlan

USER_NAME = "app"
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"
"""Without it, glibc before 2.34 asks DNS before /etc/hosts."""
HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
"""Engines put their own over it; a bare runtime (runc, ctr) does not, and localhost would go to DNS."""

PLACES: dict[str, tuple[str, Callable[[Path, Path], bool], str]] = {
    "ca_certs": ("etc/ssl/certs/ca-certificates.crt", copy_certificates, "CA certificates of certifi"),
    "tzdata": ("usr/share/zoneinfo", copy_zoneinfo, "time zones of the tzdata package"),
    "locale": ("usr/lib/locale/C.utf8", copy_locale, "the locale C.UTF-8"),
}
"""Files of the system that an image can have: their place, the function that copies them, and their name."""


def home(plan: ImagePlan) -> str:
    """Return the user's home: /tmp, the only writable place, also with a read-only root."""
    return "/tmp" if plan.tmp else "/"


def layers(
    plan: ImagePlan, executable: Path, name: str, papers: Optional[Mapping[str, bytes]] = None
) -> tuple[Layer, ...]:
    """Return the layers of an image with an executable, the application last; ``papers`` are what is in it.

    Raises InputError for entries that exclude each other, EnvironmentFailure for what this system lacks.
    """
    papers = {key: data for key, data in (papers or {}).items() if key != name}
    program = Entry(f"app/{name}", Kind.FILE, 0o755, executable)
    added = _tree([program, *_documents(papers), *_scanned(plan, papers.get(SBOM), ())])
    application = Layer(tuple(added.values()), plan.compression, plan.epoch, f"the application: /app/{name}")
    return (_base(plan, added), application)


def unpacked_layers(plan: ImagePlan, application: UnpackedApp, name: str) -> tuple[Layer, ...]:
    """Return the layers of an image with an application's files, its own last. Raises as ``layers`` does, and
    InputError if one of the files has the program's name."""
    comments = {
        Part.RUNTIME: f"the runtime: Python {application.version}, its libraries and standard library",
        Part.DEPENDENCIES: "the dependencies",
        Part.APPLICATION: f"the application: /app/{name}",
    }
    parts = {part: [item for item in application.parts[part] if item.name not in PAPERS] for part in Part}
    trees = {part: _tree(map(_unpacked, parts[part])) for part in Part}
    program = Entry(f"app/{name}", Kind.SYMLINK, 0o777, PROGRAM)
    if name != PROGRAM:
        if any(program.name in tree for tree in trees.values()):
            raise InputError(
                f"the program of an unpacked image cannot have the name {name}",
                why=f"/{program.name} is one of the application's files",
                hint="choose another name: --name NAME, or another --output",
            )
        # The program is the same for all applications; it finds the application by the name it is started with.
        _put(trees[Part.APPLICATION], program)
    # Apart from the application: they change with what it depends on, and not with its code.
    papers = papers_in(application.parts[Part.APPLICATION])
    names = [item.name for found in parts.values() for item in found]
    added = _tree((*_documents(papers), *_scanned(plan, papers.get(SBOM), names)))
    base = _base(plan, {key: entry for tree in (*trees.values(), added) for key, entry in tree.items()})
    made = [Layer(tuple(trees[part].values()), plan.compression, plan.epoch, comments[part]) for part in Part]
    if added:
        made.insert(-1, Layer(tuple(added.values()), plan.compression, plan.epoch, "the bill of materials"))
    return (base, *made)


def _unpacked(record: Record) -> Entry:
    """Return the entry in an image for a file of the application."""
    name = f"{PLACE.strip('/')}/{record.name}"
    if record.type is Type.DIRECTORY:
        return Entry(name, Kind.DIRECTORY, 0o755)
    if record.type is Type.LINK:
        return Entry(name, Kind.SYMLINK, 0o777, os.fsdecode(record.data))
    mode = 0o755 if record.type is Type.EXECUTABLE else 0o644
    return Entry(name, Kind.FILE, mode, Path(record.source) if record.source is not None else record.data)


def _documents(papers: Mapping[str, bytes]) -> Iterator[Entry]:
    for name in sorted(papers):
        yield Entry(f"{PLACE[1:]}/{name}", Kind.FILE, 0o644, papers[name])


def _scanned(plan: ImagePlan, sbom: Optional[bytes], names: Iterable[str]) -> Iterator[Entry]:
    """Yield the entries for scanners, without those that the user has added. ``names`` are the application's files."""
    if sbom is None:
        return
    folders = frozenset(part.lower() for name in names for part in name.split("/") if part.endswith(".dist-info"))
    added = {item.destination.lstrip("/") for item in plan.files}
    for name, text in scanned(sbom, folders):
        if name not in added:
            yield Entry(name, Kind.FILE, 0o644, text.encode())


def _base(plan: ImagePlan, application: Mapping[str, Entry]) -> Layer:
    """Return the base layer, checked against the application's entries."""
    base: dict[str, Entry] = {}
    for entry in (*_fixed(plan), *_provided(plan), *_added(plan)):
        _put(base, entry)
    for name, entry in base.items():
        other = application.get(name)
        if other is not None and not (entry.kind is other.kind is Kind.DIRECTORY):
            raise InputError(f"--add-file would replace /{name}, the application's", hint="choose another destination")
    comment = "the base: directories, users, names" + (", added files" if plan.files else "")
    return Layer(tuple(base.values()), plan.compression, plan.epoch, comment)


def _fixed(plan: ImagePlan) -> Iterator[Entry]:
    users = {0: ("root", "/"), plan.uid: (USER_NAME, home(plan))} if plan.uid else {0: ("root", home(plan))}
    groups = {0: "root", plan.gid: USER_NAME} if plan.gid else {0: "root"}
    gids = {0: 0, plan.uid: plan.gid}
    # Fields of passwd(5) and group(5); the shell is one that does not exist, as there is none.
    passwd = "".join(
        f"{user}:x:{uid}:{gids[uid]}:{user}:{place}:/sbin/nologin\n" for uid, (user, place) in users.items()
    )
    group = "".join(f"{item}:x:{gid}:\n" for gid, item in groups.items())
    names = (("services", services()), ("protocols", protocols()))
    for path, text in (("passwd", passwd), ("group", group), ("nsswitch.conf", NSSWITCH), ("hosts", HOSTS), *names):
        yield Entry(f"etc/{path}", Kind.FILE, 0o644, text.encode())
    if plan.tmp:
        yield Entry("tmp", Kind.DIRECTORY, 0o1777)
    for folder in plan.folders:
        if folder.path != "/":
            yield Entry(folder.path[1:], Kind.DIRECTORY, folder.mode, b"", plan.uid, plan.gid)


def _provided(plan: ImagePlan) -> Iterator[Entry]:
    """Yield the entries of the system's data. It is copied to memory: it has some hundred kilobytes, and its sources
    are resources of packages."""
    for switch, (place, copy, what) in PLACES.items():
        if not getattr(plan, switch):
            continue
        with TemporaryDirectory(prefix="freezer-") as folder:
            target = Path(folder, "copy")
            if not copy(Path("/"), target):
                raise EnvironmentFailure(f"not found on this system: {what}", hint=f"--no-{switch.replace('_', '-')}")
            for path in sorted(target.rglob("*")) if target.is_dir() else [target]:
                if path.is_file():
                    name = place if path == target else f"{place}/{path.relative_to(target)}"
                    yield Entry(name, Kind.FILE, 0o644, path.read_bytes())


def _added(plan: ImagePlan) -> Iterator[Entry]:
    for item in plan.files:
        if item.source.is_file():
            yield _added_file(item, item.source, item.destination.lstrip("/"))
            continue
        for directory, folders, files in os.walk(item.source, onerror=_unreadable):
            folders.sort()
            below = os.path.relpath(directory, item.source)
            top = os.path.normpath(os.path.join(item.destination, below)).strip("/")
            if top:
                yield Entry(top, Kind.DIRECTORY, 0o755, b"", item.uid, item.gid)
            for name in sorted(files + [item for item in folders if os.path.islink(os.path.join(directory, item))]):
                path = Path(directory, name)
                place = os.path.join(top, name)
                if path.is_symlink():
                    yield Entry(place, Kind.SYMLINK, 0o777, os.readlink(path), item.uid, item.gid)
                elif path.is_file():
                    yield _added_file(item, path, place)
                else:
                    raise InputError(f"--add-file: {path} is neither a file, a directory nor a symbolic link")


def _unreadable(error: OSError) -> None:
    raise InputError(f"--add-file: {error.filename} cannot be read: {error.strerror}") from error


def _added_file(item: AddedFile, path: Path, place: str) -> Entry:
    mode = item.mode
    if mode is None:
        # The rest of a mode is the host's umask, which the image must not show.
        mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    return Entry(place, Kind.FILE, mode, path, item.uid, item.gid)


def _tree(entries: Iterable[Entry]) -> dict[str, Entry]:
    tree: dict[str, Entry] = {}
    for entry in entries:
        _put(tree, entry)
    return tree


def _put(entries: dict[str, Entry], entry: Entry) -> None:
    """Add an entry with the directories above it. A directory may be named again, nothing else."""
    parts = entry.name.split("/")
    if parts[-1].startswith(WHITEOUT):
        raise InputError(
            f"/{entry.name} cannot be in an image",
            why=f"in a layer, a name that starts with {WHITEOUT} removes a file of the layers below",
            hint="give it another name",
        )
    if len(os.fsencode(parts[-1])) > MAX_NAME:
        raise InputError(f"/{entry.name[:200]}... cannot be in an image", why=f"a name has at most {MAX_NAME} bytes")
    for depth in range(1, len(parts)):
        parent = "/".join(parts[:depth])
        if entries.setdefault(parent, Entry(parent, Kind.DIRECTORY, 0o755)).kind is not Kind.DIRECTORY:
            raise InputError(f"/{entry.name} cannot be below /{parent}, which is not a directory")
    known = entries.get(entry.name)
    if known is None or (known.kind is Kind.DIRECTORY and known.uid == known.gid == 0 and known.mode == 0o755):
        if known is not None and entry.kind is not Kind.DIRECTORY:
            raise InputError(f"/{entry.name} would be a directory and something else")
        entries[entry.name] = entry
    elif not (known.kind is entry.kind is Kind.DIRECTORY):
        raise InputError(f"/{entry.name} would be in the image twice")
