"""Unpack an image's root into a directory that untrusted layers cannot leave."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from freezer.base import tar
from freezer.base.extract import Refused, Tree, inside, new_tree
from freezer.base.oci.archive import ImageArchive
from freezer.base.oci.documents import Image
from freezer.base.oci.model import OPAQUE, WHITEOUT

MOUNT_POINTS = ("proc", "dev")
LIMITS = tar.Limits(entries=2_000_000)
"""The limits of all layers of an image together."""


def unpack_root(archive: ImageArchive, image: Image, folder: Path, *, verified: bool = False) -> None:
    """Put the layers of an image on one another in the new directory ``folder``.

    Owners are kept for root. ``proc`` and ``dev`` are created, as mount points. With ``verified``, each layer's digests
    are compared before anything of it is unpacked. Raises InputError for entries that exclude each other or lead out.
    """
    entries = total = 0
    with new_tree(folder, owners=os.geteuid() == 0) as tree:
        for blob in image.layers:
            # A whiteout does not remove entries of its own layer, wherever in the layer it is.
            own: set[str] = set()
            for member, content in archive.layer_members(blob, verified=verified):
                entries += 1
                total += member.size
                if entries > LIMITS.entries or total > LIMITS.total:
                    raise archive.wrong(f"it is too large: {entries} entries, {total} bytes")
                try:
                    _apply(tree, member, content, own)
                except (Refused, tar.DamagedTar) as error:
                    raise archive.wrong(f"{member.name!r} in {blob.name}: {error}") from error
        for name in MOUNT_POINTS:
            tree.folder(name)


def _apply(tree: Tree, member: tar.Member, content: tar.Content, own: set[str]) -> None:
    name = inside(member.name)
    if name is None:
        raise Refused("it leads out of the root")
    folder, base = posixpath.split(name)
    if base == OPAQUE:
        hidden = [posixpath.join(folder, below) for below in tree.names(folder)]
    elif base.startswith(WHITEOUT):
        hidden = [posixpath.join(folder, base[len(WHITEOUT) :])]
    else:
        tree.put(member, content)
        while name and name not in own:
            own.add(name)
            name = posixpath.dirname(name)
        return
    for place in hidden:
        if place not in own:
            tree.remove(place)
