"""Make a root that has nothing but the application and the directories that every container has.

Any other file would hide what the application lacks. Every container has a minimal ``/dev``, ``/proc``, an empty
``/tmp`` and the loopback device. If the host refuses one of these, as containers do, the rest is built, and a note
states what is missing.
"""

from __future__ import annotations

from freezer.base.isolation.interior import Interior, build_dev, build_proc
from freezer.base.isolation.loopback import raise_loopback
from freezer.base.isolation.mounts import (
    MS_NODEV,
    MS_NOSUID,
    MS_RDONLY,
    bind,
    keep_mounts_private,
    mount,
)
from freezer.base.isolation.system import IsolationError
from freezer.prove.sandbox.protocol import Cell


def build_root(cell: Cell) -> list[str]:
    """Make ``/`` an empty root, or the cell's ``rootfs``; return notes about what this host refuses to provide."""
    notes: list[str] = []
    keep_mounts_private()
    if cell.rootfs is not None:
        bind(cell.rootfs, cell.root, MS_RDONLY | MS_NOSUID | MS_NODEV)
        root = Interior(cell.root)
    else:
        mount("tmpfs", cell.root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
        root = Interior(cell.root)
        furnish(cell, root)
    # An image without /tmp gets none.
    if root.has_folder("tmp"):
        root.mount("tmpfs", "tmp", MS_NOSUID | MS_NODEV, "mode=1777")
    try:
        build_proc(root, "proc")
    except IsolationError as error:  # a container masks parts of its /proc, and the kernel keeps it so
        notes.append(f"/proc is empty, so mapped files are unknown: {error}")
    notes += build_dev(root, "dev")
    root.remount(".", MS_RDONLY | MS_NOSUID | MS_NODEV)
    notes += root.enter()
    notes += raise_loopback()
    return notes


def furnish(cell: Cell, root: Interior) -> None:
    """Put the binary, and the bundle if there is one, into an empty root."""
    for name in ("app", "dev", "proc", "tmp"):
        root.folder(name)
    if cell.binary is not None:
        root.bind(cell.binary, f"app/{cell.name}", MS_RDONLY | MS_NOSUID | MS_NODEV)
    if cell.bundle is not None:
        root.bind(cell.bundle, "bundle", MS_RDONLY | MS_NOSUID | MS_NODEV)
