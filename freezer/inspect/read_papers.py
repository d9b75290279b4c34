"""The papers in an executable or an image: its bill of materials, and its notices."""

from __future__ import annotations

import contextlib
import posixpath
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from freezer.base import tar
from freezer.base.bill import NOTICES, SBOM
from freezer.base.elf import is_elf
from freezer.base.errors import InputError
from freezer.base.job import Job
from freezer.base.oci.archive import open_image
from freezer.base.oci.documents import parse_document
from freezer.base.removal import remove_tree
from freezer.bill import notices, spdx
from freezer.link.layers import PLACE
from freezer.prove.unpack import unpack_bundle
from freezer.system.rooted import is_file, opened

LARGEST = 64 << 20
"""Bytes of a document that are read."""
SPDX_SUFFIX = ".spdx.json"


def read_papers(path: Path, job: Job) -> dict[str, bytes]:
    """Return the documents in a file, by their names. Raises InputError for a file that is damaged."""
    return dict(_of_executable(path, job) if path.is_file() and is_elf(path) else _of_image(path))


def papers_in_program(path: Path, job: Job) -> dict[str, bytes]:
    """Return the documents in an executable; none if it is one of others, or cannot be looked into."""
    with contextlib.suppress(InputError):
        return read_papers(path, job)
    return {}


def _of_executable(path: Path, job: Job) -> Iterator[tuple[str, bytes]]:
    folder = Path(tempfile.mkdtemp(prefix="papers-", dir=job.work))
    try:
        unpacked = unpack_bundle(path, folder / "bundle")
        for name in (SBOM, NOTICES) if unpacked is not None else ():
            if is_file(folder / "bundle", folder / "bundle" / name):
                with opened(folder / "bundle", folder / "bundle" / name) as file:
                    yield name, file.read(LARGEST)
    finally:
        remove_tree(folder)


def _of_image(path: Path) -> Iterator[tuple[str, bytes]]:
    with open_image(path) as archive:
        for blob in archive.images[0].layers:
            for member, content in archive.layer_members(blob):
                folder, name = posixpath.split(posixpath.normpath(f"/{member.name}"))
                if folder == PLACE and name in (SBOM, NOTICES) and member.kind is tar.Kind.FILE:
                    yield name, content.read(min(member.size, LARGEST))


def sbom_of(papers: Mapping[str, bytes], path: Path) -> bytes:
    """Return the bill of materials. Raises InputError if there is none."""
    if SBOM not in papers:
        raise InputError(
            f"{path} has no bill of materials in it",
            why="freezer puts one into every executable and image that it builds",
            hint="build it again with this version of freezer",
        )
    return papers[SBOM]


def parsed(data: bytes, path: Path) -> dict[str, Any]:
    """Return a bill of materials as an object. Raises InputError if it is none of freezer's."""
    try:
        document = parse_document(data)
        if document["bomFormat"] == "CycloneDX" and document["metadata"]["component"] and document["components"]:
            return dict(document)
    except (ValueError, LookupError, TypeError, RecursionError):
        pass
    raise InputError(f"the bill of materials in {path} is damaged")


def as_asked(data: bytes, source: Path, target: Path, created: int) -> bytes:
    """Return a bill of materials in the format that the name of ``target`` asks for. Raises InputError."""
    if not target.name.endswith(SPDX_SUFFIX):
        return data
    return spdx.render(parsed(data, source), created)


def notices_of(papers: Mapping[str, bytes], path: Path) -> tuple[bytes, bool]:
    """Return the notice file, and whether it has the texts of all licences. Raises InputError."""
    if NOTICES in papers:
        return papers[NOTICES], True
    text = notices.render(parsed(sbom_of(papers, path), path))
    return text.encode("utf-8", "replace"), notices.MISSING not in text
