"""What is said of an image, in a registry: signature, provenance and bill of materials, as referrers.

Each is a manifest with the image as its subject (OCI distribution specification 1.1). A registry that knows referrers
says so in its answer; for one that does not, they are listed in an index under a tag that is made of the image's
digest. cosign looks for signatures and attestations under tags of its own. Whatever others have put under any of these
tags stays there.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from freezer.base import tar
from freezer.base.bill import SBOM
from freezer.base.errors import InputError, OutputError
from freezer.base.log import Log
from freezer.base.oci import model
from freezer.base.oci.archive import INDEX_TYPES, ImageArchive
from freezer.base.oci.documents import objects_at, parse_document
from freezer.base.oci.model import Descriptor
from freezer.base.oci.nodes import Node, Part
from freezer.base.oci.referrers import (
    Referrer,
    listed,
    read_referrer,
    referrer_nodes,
    referrers_index,
    subject_of,
)
from freezer.link.layers import PLACE
from freezer.push.blobs import Blob
from freezer.push.connections import Answer, Text
from freezer.push.registry import Registry
from freezer.sign import cosign
from freezer.sign.envelope import IN_TOTO

LARGEST = 64 << 20
"""Bytes of a bill of materials."""
SUBJECT_HEADER = "OCI-Subject"
NAMES = {
    cosign.SIGNATURE_KIND: "signature",
    cosign.ATTESTATION_KIND: "provenance",
    IN_TOTO: "provenance",
    cosign.CYCLONEDX: "bill of materials",
}


@dataclass(frozen=True)
class Said:
    """A referrer, and the digest of the manifest or index that it is about."""

    subject: str
    referrer: Referrer

    @property
    def name(self) -> str:
        """Return what it is, in words."""
        return NAMES.get(self.referrer.artifact_type, self.referrer.artifact_type or "referrer")


@dataclass(frozen=True)
class Loose:
    """Blobs that are in no file, as the source of uploads."""

    blobs: Mapping[str, bytes]

    def piece(self, name: str, at: int, size: int) -> bytes:
        """Return ``size`` bytes of a blob from ``at`` on."""
        return self.blobs[name][at : at + size]

    def wrong(self, why: str) -> InputError:
        """Return the error for a blob that is damaged."""
        return InputError("what is said of the image is damaged", why=why)

    def parts(self) -> list[Part]:
        """Return the blobs, each with its digest as its name."""
        return [Part(Descriptor("", digest, len(data)), digest) for digest, data in self.blobs.items()]


def said_in(archive: ImageArchive, top: Node, *, sbom: bool) -> list[Said]:
    """Return what the file says of its images; with ``sbom``, also the bills of materials that are in the images.

    Raises InputError if there is no bill in any of them.
    """
    found = []
    for node in referrer_nodes(archive):
        found.append(Said(str(subject_of(node)), read_referrer(archive, node)))
    if not sbom:
        return found
    known = {item.subject for item in found if item.referrer.artifact_type == cosign.CYCLONEDX}
    for node in top.manifests():
        data = _bill_in(archive, node) if not node.is_attached else None
        if data is not None and node.descriptor.digest not in known:
            known.add(node.descriptor.digest)
            found.append(Said(node.descriptor.digest, cosign.bill(data, node.descriptor)))
    if not known:
        raise InputError(
            f"{archive.path} has no bill of materials in it",
            why=f"there is no {PLACE}/{SBOM} in its layers",
            hint="leave out --sbom, or build the image with freezer",
        )
    return found


def _bill_in(archive: ImageArchive, node: Node) -> Optional[bytes]:
    """Return the bill of materials in the layers of an image; the small ones are read first."""
    layers = {item.name: item for image in archive.images for item in image.layers}
    for part in sorted(node.parts[1:], key=lambda item: item.descriptor.size):
        for member, content in archive.layer_members(layers[part.name]):
            place = posixpath.normpath(f"/{member.name}")
            if place == f"{PLACE}/{SBOM}" and member.kind is tar.Kind.FILE and member.size <= LARGEST:
                return content.read(member.size)
    return None


class Attaching:
    """Puts referrers into a registry."""

    def __init__(self, registry: Registry, log: Log) -> None:
        self._registry = registry
        self._log = log

    def attach(self, items: Sequence[Said]) -> None:
        """Put all of them; their blobs are there already. Raises OutputError."""
        try:
            unlisted = [item for item in items if not self._put(item)]
            for item in items:
                self._tag(item)
            for subject in dict.fromkeys(item.subject for item in unlisted):
                self._list(subject, [item.referrer for item in unlisted if item.subject == subject])
        except OutputError as error:
            hint = "; or ".join(filter(None, (error.hint, "leave out what is said of the image: --no-referrers")))
            raise OutputError(error.what, why=error.why, hint=hint) from error

    def _put(self, item: Said) -> bool:
        """Put a manifest by its digest, and return whether the registry lists it as a referrer."""
        answer = self._put_manifest(item.referrer.descriptor.digest, item.referrer.manifest, item.name)
        return answer.headers.get(SUBJECT_HEADER) == item.subject

    def _put_manifest(self, name: str, data: bytes, what: str, media_type: str = model.OCI.manifest) -> Answer:
        return self._registry.ask(
            "PUT",
            self._registry.target.address(f"manifests/{name}"),
            f"push the {what}",
            headers={"Content-Type": media_type},
            body=Text(data),
            expected=(200, 201, 202),
        )

    def _get_manifest(self, name: str, what: str) -> Optional[dict[str, Any]]:
        """Return the manifest or index under a tag; None if there is none."""
        answer = self._registry.ask(
            "GET",
            self._registry.target.address(f"manifests/{name}"),
            f"look for the {what} under {name[:19]}",
            headers={"Accept": ", ".join((model.OCI.manifest, *INDEX_TYPES))},
            expected=(200, 404),
        )
        if answer.status == 404:
            return None
        try:
            document = parse_document(answer.body)
        except (ValueError, RecursionError) as error:
            raise self._foreign(name, str(error)) from error
        if not isinstance(document, dict):
            raise self._foreign(name, "it is not a JSON object")
        return document

    def _foreign(self, name: str, why: str) -> OutputError:
        target = self._registry.target.reference
        return OutputError(
            f"{target.domain}/{target.path}:{name} is something else",
            why=f"freezer would add to it what is said of the image, but {why}",
            hint="remove this tag from the registry, if nobody needs it",
        )

    def _tag(self, item: Said) -> None:
        """Put signatures and attestations under cosign's tag, with those of others that are there."""
        tag = cosign.tag_of(item.subject, item.referrer.artifact_type)
        if tag is None:
            return
        there = self._get_manifest(tag, item.name)
        if there is not None and not isinstance(there.get("layers"), list):
            raise self._foreign(tag, "it is not a manifest of signatures")
        both = cosign.merged(item.referrer, there) if there is not None else None
        if both is not None:
            loose = Loose(both.blobs)
            for part in loose.parts():
                Blob(self._registry, loose, part, lambda _at: None).push(())
            self._log.detail(f"    {tag} has signatures of others; they stay")
        self._put_manifest(tag, (both or item.referrer).manifest, item.name)

    def _list(self, subject: str, items: Iterable[Referrer]) -> None:
        """Add referrers to the index under the tag of a digest, for a registry that does not list them itself."""
        tag = referrers_tag(subject)
        there = self._get_manifest(tag, "list of referrers")
        if there is not None and not isinstance(there.get("manifests"), list):
            raise self._foreign(tag, "it is not an index")
        descriptors = objects_at(there, "manifests")
        known = {item.get("digest") for item in descriptors}
        new = [item for item in items if item.descriptor.digest not in known]
        descriptors += [listed(item.descriptor, parse_document(item.manifest)) for item in new]
        if new:
            self._put_manifest(tag, referrers_index(descriptors), "list of referrers", model.INDEX_TYPE)


def referrers_tag(digest: str) -> str:
    """Return the tag of the list of referrers (distribution specification, "Referrers Tag Schema")."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"
