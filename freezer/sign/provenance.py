"""The provenance of one result, on its way: what it was made from is known first, then what it is called, and at last
the digests of what was made."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from freezer.base.bill import SBOM
from freezer.base.oci import model
from freezer.base.oci.model import Descriptor
from freezer.base.oci.reference import Reference, parse_reference
from freezer.base.oci.referrers import Referrer
from freezer.base.publish import digest_file, writing
from freezer.plan.image import ImagePlan
from freezer.sign import cosign
from freezer.sign.envelope import IN_TOTO, sealed
from freezer.sign.statement import IMAGE, INDEX, Made, Resource, Subject, render, resource

if TYPE_CHECKING:
    from freezer.sign.crypto import Signer


@dataclass(frozen=True)
class Provenance:
    """What is said of a result: how it was ``made``, its ``subjects``, and who signs that, if anybody does."""

    made: Made
    signer: Optional[Signer]
    subjects: tuple[Subject, ...] = ()

    def of_file(self, path: Path, name: str) -> Provenance:
        """Return the same, with a file as another subject."""
        return self._with(Subject(name, digest_file(path)))

    def of_image(self, name: str, digest: str) -> Provenance:
        """Return the same, with an image as another subject; ``digest`` is that of its manifest or index."""
        reference = parse_reference(name)
        return self._with(Subject(f"{reference.domain}/{reference.path}", digest.partition(":")[2]))

    def _with(self, subject: Subject) -> Provenance:
        return dataclasses.replace(self, subjects=(*self.subjects, subject))

    def render(self) -> bytes:
        """Return the statement; in its envelope if it is signed."""
        data = render(self.subjects, self.made)
        return data if self.signer is None else sealed(data, IN_TOTO, self.signer)

    def write(self, target: Path) -> None:
        """Write it to a file or a stream. Raises OutputError."""
        data = self.render()
        with writing(target, mode=0o644) as out:
            out.write(data)

    def attached(self, reference: Reference, image: Descriptor, sbom: Optional[bytes] = None) -> Sequence[Referrer]:
        """Return what the file of an image has of this: signature, provenance, and the image's bill of materials."""
        whole = self.of_image(str(reference), image.digest)
        found = []
        if self.signer is not None:
            found.append(cosign.signature(self.signer, reference, image))
        found.append(cosign.attestation(whole.render(), image, is_signed=self.signer is not None))
        if sbom is not None:
            found.append(cosign.bill(sbom, image))
        return found


def byproducts(sbom: Optional[bytes]) -> tuple[Resource, ...]:
    """Return the further documents of a build."""
    if sbom is None:
        return ()
    return ({"name": SBOM, "digest": {"sha256": model.digest(sbom).partition(":")[2]}},)


def image_of_existing_made(plan: ImagePlan, executable: Path, sbom: Optional[bytes]) -> Made:
    """Return how an image of an existing executable is made: of that, and of the files that are added."""
    inputs = [resource("executable", name=executable.name, sha256=digest_file(executable))]
    for item in plan.files:
        if item.source.is_file():
            inputs.append(resource("input", name=item.destination, sha256=digest_file(item.source)))
    return Made(IMAGE, {"executable": executable.name}, {}, tuple(inputs), byproducts(sbom))


def index_made(images: Sequence[tuple[str, Descriptor]]) -> Made:
    """Return how an index is made: of images, each with its platform."""
    inputs = [resource("image", name=name, sha256=item.digest.partition(":")[2]) for name, item in images]
    return Made(INDEX, {"platforms": [name for name, _ in images]}, {}, tuple(inputs))
