"""The archive around an image: which entries it has, in which order, with which headers.

Writing and checking both go by it. The directories of the blobs are entries, too: some readers of OCI archives look
into the directory before they open a blob.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from freezer.base import tar
from freezer.base.tar_headers import header
from freezer.plan.choices import DEFAULT_EPOCH

FOLDERS = ("blobs/", "blobs/sha256/")


def frame(sizes: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the header of each entry; ``sizes`` are those of the files, in bytes."""
    # The outer tar is only a container; consumers ignore its times.
    folders = {name: tar.Member(name, tar.Kind.DIRECTORY, 0, 0o755, 0, 0, DEFAULT_EPOCH) for name in FOLDERS}
    files = {name: tar.Member(name, tar.Kind.FILE, size, 0o644, 0, 0, DEFAULT_EPOCH) for name, size in sizes.items()}
    for name, member in sorted({**folders, **files}.items()):
        yield name, header(member)
