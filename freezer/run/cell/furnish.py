"""Make the root of an image's application, of the image's files and what every container gets.

Nothing is written to the image's files: they are mounted read-only side by side, and a directory is put together of its
parts only where something must be added that the image has no place for.
"""

from __future__ import annotations

import os
import socket
import stat
from typing import Any

from freezer.base.beneath import kind_of, names_in, opened_below, opened_top
from freezer.base.dismantle import FOLDER, PLACE, reached
from freezer.base.isolation.assembly import show
from freezer.base.isolation.interior import Interior, build_dev, build_proc
from freezer.base.isolation.loopback import raise_loopback
from freezer.base.isolation.mounts import MS_BIND, MS_NODEV, MS_NOSUID, MS_RDONLY, MS_REC, keep_mounts_private, mount
from freezer.base.isolation.system import IsolationError, as_step

ANEW = ("dev", "proc")
CHUNK = 1 << 20
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def build_root(request: dict[str, Any], *, real_root: bool) -> list[str]:
    """Make ``/`` the application's root; return notes about what this host refuses to provide."""
    keep_mounts_private()
    if request["hostname"] is not None:
        with as_step("set the host's name"):
            socket.sethostname(request["hostname"])
    with opened_top(request["rootfs"]) as image:
        root = begin(request, image)
        for place, mode, filled in request["scratches"]:
            root.folder(place)
            root.mount("tmpfs", place, MS_NOSUID | MS_NODEV, "" if mode is None else f"mode={mode:o}")
            if filled:
                with as_step(f"make {place}"):
                    fill(image, root, place, owners=real_root)
        for source, place, writable in request["volumes"]:
            root.bind(source, place, MS_NOSUID | MS_NODEV | (0 if writable else MS_RDONLY))
        put = root.file if request["writable"] else root.cover
        for place, text in request["files"].items():
            put(place, text.encode("utf-8", "surrogateescape"))
    if not root.has(request["cwd"]):
        root.folder(request["cwd"])
    notes = []
    try:
        build_proc(root, "proc")
    except IsolationError as error:  # a container masks parts of its /proc, and the kernel keeps it so
        notes.append(f"/proc is empty: {error}")
    notes += build_dev(root, "dev", terminals=True)
    if not request["writable"]:
        root.remount(".", MS_RDONLY | MS_NOSUID | MS_NODEV)
    notes += root.enter()
    return notes + (raise_loopback() if request["network"] == "none" else [])


def begin(request: dict[str, Any], image: int) -> Interior:
    """Mount the image's files, or their parts, on their own directory, which this namespace alone sees covered."""
    place = request["rootfs"]
    if request["writable"]:
        mount(reached(image), place, "", MS_BIND | MS_REC, step="mount the image's files")
        root = Interior(place)
        root.remount(".", MS_NOSUID | MS_NODEV)
    else:
        mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
        root = Interior(place)
        with as_step("read the image's files"):
            show(image, root, missing(request, image), ANEW)
    for name in ANEW:
        root.folder(name)
    return root


def missing(request: dict[str, Any], image: int) -> set[str]:
    """Return the places of mounts for which the image has nothing, or something of another kind."""
    folders = [place for place, _, _ in request["scratches"]]
    folders += [place for source, place, _ in request["volumes"] if os.path.isdir(source)]
    files = [place for source, place, _ in request["volumes"] if not os.path.isdir(source)]
    kinds = {**dict.fromkeys(folders, stat.S_IFDIR), **dict.fromkeys([*files, *request["files"]], stat.S_IFREG)}
    found = {f"/{place}" for place, kind in kinds.items() if kind_of(image, place) != kind}
    if not kind_of(image, request["cwd"]):
        found.add(request["cwd"])
    return found


def fill(image: int, root: Interior, place: str, *, owners: bool) -> None:
    """Copy what the image has in a directory to the new one at the same place, with modes and, for root, owners."""
    with opened_below(image, place, FOLDER) as source, root.opened(place) as target:
        copy_tree(source, target, owners=owners)


def copy_tree(source: int, target: int, *, owners: bool) -> None:
    """Copy a directory's mode, its files, directories and links; both are descriptors, and nothing is followed."""
    for name in names_in(source, "."):
        with opened_below(source, name, PLACE | os.O_NOFOLLOW) as entry:
            status = os.fstat(entry)
            if stat.S_ISLNK(status.st_mode):
                os.symlink(os.readlink("", dir_fd=entry), name, dir_fd=target)
            elif stat.S_ISDIR(status.st_mode):
                os.mkdir(name, 0o700, dir_fd=target)
                with opened_below(source, name, FOLDER) as below, opened_below(target, name, FOLDER) as made:
                    copy_tree(below, made, owners=owners)
            elif stat.S_ISREG(status.st_mode):
                copy_file(entry, target, name)
            if owners:
                os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
            if not stat.S_ISLNK(status.st_mode):
                os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=target)
    status = os.fstat(source)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    if owners:
        os.fchown(target, status.st_uid, status.st_gid)


def copy_file(entry: int, target: int, name: str) -> None:
    """Copy a file's content and time."""
    with open(reached(entry), "rb") as file, open(os.open(name, NEW_FILE, 0o600, dir_fd=target), "wb") as copy:
        while data := file.read(CHUNK):
            copy.write(data)
        copy.flush()
        status = os.fstat(file.fileno())
        os.utime(copy.fileno(), ns=(status.st_mtime_ns, status.st_mtime_ns))
