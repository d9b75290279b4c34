"""Whether a file is signed with a key: an executable by its digest, an image by that of its manifest or index.

An executable's provenance is in a file beside it, an image's signature and provenance are in its own file. Everything
is compared before anything of the file runs. There are three ways to fail, and each has its message: nothing is signed,
it is signed with another key, or what is signed is something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from freezer.base.errors import VerificationError
from freezer.base.oci.archive import ImageArchive, open_image
from freezer.base.oci.documents import object_at, objects_at, parse_document
from freezer.base.oci.nodes import Node, top_nodes
from freezer.base.oci.referrers import Referrer, read_referrer, referrer_nodes, subject_of
from freezer.base.publish import digest_file
from freezer.base.streams import read_small
from freezer.sign import cosign
from freezer.sign.envelope import IN_TOTO, Damaged, decoded, parse_envelope
from freezer.sign.statement import PROVENANCE, Statement, parse_statement, source_of

if TYPE_CHECKING:
    from freezer.sign.crypto import PublicKey

LARGEST = 16 << 20
"""Bytes of a file with signatures."""
HOW = "sign it while building: freezer build ... --sign-key FILE; an image: freezer image ... --sign-key FILE"


@dataclass(frozen=True)
class Signed:
    """What a key has signed of a file: ``digests`` are of its content, and ``statements`` what is said of it."""

    fingerprint: str
    digests: tuple[str, ...]
    statements: tuple[Statement, ...]

    @property
    def sentence(self) -> str:
        """Return it in words."""
        provenance = next((item for item in self.statements if item.predicate_type == PROVENANCE), None)
        words = [f"signed with the key {self.fingerprint[:24]}"]
        if provenance is None:
            words.append("no provenance")
        else:
            words.append("provenance: " + (source_of(provenance) or "no commit is named"))
        return "; ".join(words)

    def as_json(self) -> dict[str, object]:
        """Return it as values for JSON."""
        return {
            "key": self.fingerprint,
            "digests": list(self.digests),
            "statements": [
                {"predicate_type": item.predicate_type, "predicate": dict(item.predicate)} for item in self.statements
            ],
        }


@dataclass
class _Found:
    """What was found for one digest, and why it does not count."""

    statements: list[Statement] = field(default_factory=list)
    is_signed: bool = False
    others: int = 0
    elsewhere: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)


def verify_executable(path: Path, key: PublicKey, file: Path) -> Signed:
    """Verify an executable by the envelopes in a file. Raises VerificationError if it is not signed with the key."""
    found, digest = _Found(), digest_file(path)
    for data in _envelopes(file, path):
        _look_at_envelope(data, key, digest, found)
    if not found.is_signed:
        raise _refusal(path, key, found, where=f"{path.name}, sha256:{digest}")
    return Signed(key.fingerprint, (f"sha256:{digest}",), tuple(found.statements))


def verify_image(path: Path, key: PublicKey, file: Optional[Path] = None) -> Signed:
    """Verify all images in a file: each must be signed, or an index that it is in. ``file`` has envelopes for them
    besides. Raises VerificationError if one is not signed with the key, InputError for a damaged image."""
    with open_image(path) as archive:
        referrers: dict[str, list[Referrer]] = {}
        for node in referrer_nodes(archive):
            referrers.setdefault(str(subject_of(node)), []).append(read_referrer(archive, node))
        more = list(_envelopes(file, path)) if file is not None else []
        verdict = _Images(key, referrers, more)
        for top in top_nodes(archive):
            verdict.judge(top, path)
        _check_digests(archive)
    return Signed(key.fingerprint, tuple(verdict.digests), tuple(verdict.statements))


class _Images:
    """Judges the manifests and indexes of a file."""

    def __init__(self, key: PublicKey, referrers: dict[str, list[Referrer]], envelopes: list[bytes]) -> None:
        self._key = key
        self._referrers = referrers
        self._envelopes = envelopes
        self.digests: list[str] = []
        self.statements: list[Statement] = []

    def judge(self, node: Node, path: Path) -> None:
        """Note a node that is signed, or all below it. Raises VerificationError."""
        found = self._look(node.descriptor.digest)
        if found.is_signed:
            self.digests.append(node.descriptor.digest)
            self.statements += found.statements
            return
        if not node.below:
            raise _refusal(path, self._key, found, where=f"the image {node.descriptor.digest}")
        try:
            for below in node.below:
                # All of them, whatever the index says of their platforms: one of them is going to run.
                self.judge(below, path)
        except VerificationError:
            if not (found.others or found.elsewhere or found.damage):
                raise
            raise _refusal(path, self._key, found, where=f"the index {node.descriptor.digest}") from None

    def _look(self, digest: str) -> _Found:
        found, sha256 = _Found(), digest.partition(":")[2]
        for data in self._envelopes:
            _look_at_envelope(data, self._key, sha256, found)
        for item in self._referrers.get(digest, ()):
            for media_type, data, noted in _contents(item):
                if media_type == cosign.ENVELOPE:
                    _look_at_envelope(data, self._key, sha256, found)
                elif media_type == cosign.SIMPLE_SIGNING:
                    signature = str(noted.get(cosign.SIGNATURE_ANNOTATION, ""))
                    _look_at_claim(data, signature, self._key, digest, found)
        return found


def _contents(item: Referrer) -> Iterator[tuple[str, bytes, dict[str, object]]]:
    for layer in objects_at(parse_document(item.manifest), "layers"):
        data = item.blobs.get(str(layer.get("digest")), b"")
        yield str(layer.get("mediaType")), data, object_at(layer, "annotations")


def _look_at_envelope(data: bytes, key: PublicKey, sha256: str, found: _Found) -> None:
    try:
        envelope = parse_envelope(data)
        if not envelope.is_signed_by(key):
            found.others += 1
            return
        if envelope.payload_type != IN_TOTO:
            raise Damaged(f"its payload is of the type {envelope.payload_type!r}")
        statement = parse_statement(envelope.payload)
    except Damaged as damage:
        found.damage.append(str(damage))
        return
    if statement.is_about(sha256):
        found.is_signed = True
        found.statements.append(statement)
    else:
        found.elsewhere += [f"{item.name or 'something'}, sha256:{item.sha256}" for item in statement.subjects]


def _look_at_claim(payload: bytes, signature: str, key: PublicKey, digest: str, found: _Found) -> None:
    try:
        if not key.verifies(decoded(signature), payload):
            found.others += 1
            return
        claimed = cosign.claimed_digest(payload)
    except Damaged as damage:
        found.damage.append(str(damage))
        return
    if claimed == digest:
        found.is_signed = True
    else:
        found.elsewhere.append(f"the image {claimed}")


def _envelopes(file: Path, path: Path) -> Iterable[bytes]:
    """Return the envelopes in a file: one, or one in each line. Raises VerificationError if it cannot be read."""
    try:
        data, _ = read_small(file, LARGEST)
    except FileNotFoundError as error:
        raise VerificationError(
            f"{path} is not signed", why=f"there is no {file}", hint=f"name the file: --signature FILE; or {HOW}"
        ) from error
    except OSError as error:
        raise VerificationError(f"cannot read the signature in {file}: {error.strerror}") from error
    if len(data) > LARGEST:
        raise VerificationError(f"{file} has no signature", why=f"it is larger than {LARGEST} bytes")
    try:
        parse_document(data)
    except (ValueError, RecursionError):
        return [line for line in data.splitlines() if line.strip()]
    return [data]


def _check_digests(archive: ImageArchive) -> None:
    """Compare the layers with their digests: a signature is of these, and not of the bytes."""
    for image in archive.images:
        for blob in image.layers:
            if blob.digest is not None:
                for _ in archive.blob_chunks(blob.name, blob.digest):
                    pass


def _refusal(path: Path, key: PublicKey, found: _Found, where: str) -> VerificationError:
    """Return the error for what is not signed, by the reason that is nearest to a signature."""
    if found.elsewhere:
        return VerificationError(
            f"{path} is not what was signed",
            why=f"the signature is of {'; '.join(found.elsewhere[:5])}\nthis is {where}",
            hint="get the file anew, and its signature with it; if it was built again, sign it again",
        )
    if found.others:
        return VerificationError(
            f"{path} is not signed with this key",
            why=f"it has {found.others} other {'signature' if found.others == 1 else 'signatures'}; "
            f"the key is {key.fingerprint}",
            hint="ask the maker of the file for the right public key; do not run it before",
        )
    if found.damage:
        return VerificationError(
            f"the signature of {path} is damaged", why=f"{where}: {found.damage[0]}", hint="get both files anew"
        )
    return VerificationError(f"{path} is not signed", why=f"{where} has no signature", hint=HOW)
