"""Verifying: what was signed passes; another key, other bytes, no signature and damage are each told apart."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import pytest
from imagefiles import NOWHERE, plan
from images import Made, archive, blob, file, pack
from judging import GOOD
from signing import KINDS, changed, image, public_in, signer_in
from signing import provenance as provenance_of
from support import sha256

from freezer.base.errors import InputError, VerificationError
from freezer.base.log import Log
from freezer.base.oci.archive import open_image
from freezer.base.oci.reference import parse_reference
from freezer.image.check import validate
from freezer.image.index import join_images
from freezer.image.make import image_of_executable
from freezer.plan.signing import Signing, beside
from freezer.sign import verify_signed
from freezer.sign.crypto import PublicKey, Signer
from freezer.sign.envelope import IN_TOTO, sealed
from freezer.sign.verify_signed import verify_executable, verify_image

KIND = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def executable(tmp_path: Path, program: Path) -> Path:
    path = tmp_path / "app"
    path.write_bytes(program.read_bytes())
    path.chmod(0o755)
    return path


def signed(executable: Path, signer: Optional[Signer]) -> Path:
    provenance_of(signer).of_file(executable, "app").write(beside(executable))
    return beside(executable)


@pytest.mark.parametrize("kind", KINDS)
def test_an_executable(executable: Path, tmp_path: Path, kind: str) -> None:
    place = signed(executable, signer_in(tmp_path, kind=kind))
    found = verify_executable(executable, public_in(tmp_path), place)
    assert found.digests == (f"sha256:{sha256(executable)}",)
    assert found.sentence == f"signed with the key {found.fingerprint[:24]}; provenance: commit 111111111111"
    assert found.as_json()["key"] == public_in(tmp_path).fingerprint
    json.dumps(found.as_json())


def fails(executable: Path, key: PublicKey, place: Path) -> VerificationError:
    with pytest.raises(VerificationError) as raised:
        verify_executable(executable, key, place)
    return raised.value


def test_other_bytes(executable: Path, signer: Signer) -> None:
    place = signed(executable, signer)
    data = executable.read_bytes()
    for other in (data + b"\0", data[:-1], data[:100] + bytes([data[100] ^ 1]) + data[101:], b""):
        executable.write_bytes(other)
        error = fails(executable, signer.public, place)
        assert error.what == f"{executable} is not what was signed"
        assert f"this is app, sha256:{sha256(executable)}" in str(error.why)


def test_another_key(executable: Path, signer: Signer, stranger: PublicKey) -> None:
    error = fails(executable, stranger, signed(executable, signer))
    assert error.what == f"{executable} is not signed with this key"
    assert "it has 1 other signature" in str(error.why)


def test_no_signature(executable: Path, signer: Signer) -> None:
    error = fails(executable, signer.public, beside(executable))
    assert error.what == f"{executable} is not signed" and f"there is no {executable}.intoto.jsonl" in str(error.why)
    for content in ("", "\n\n"):
        beside(executable).write_text(content)
        assert fails(executable, signer.public, beside(executable)).what == f"{executable} is not signed"
    # A statement that nobody signed is none, whatever it says.
    error = fails(executable, signer.public, signed(executable, None))
    assert error.what == f"the signature of {executable} is damaged"


def envelope(executable: Path, signer: Signer, **changes: Any) -> bytes:
    document = json.loads(signed(executable, signer).read_bytes())
    return json.dumps({**document, **changes}).encode()


def statement(executable: Path, **changes: Any) -> bytes:
    document = json.loads(provenance_of(None).of_file(executable, "app").render())
    return json.dumps({**document, **changes}).encode()


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda path, signer: b"{", "is damaged"),
        (lambda path, signer: b"\0" * 100, "is damaged"),
        (lambda path, signer: envelope(path, signer)[:-20], "is damaged"),
        (lambda path, signer: envelope(path, signer, payload="####"), "is damaged"),
        (lambda path, signer: envelope(path, signer, signatures=[]), "is not signed with this key"),
        (lambda path, signer: envelope(path, signer, signatures=[{"sig": ""}]), "is not signed with this key"),
        (lambda path, signer: envelope(path, signer, payloadType="text/plain"), "is not signed with this key"),
        (
            lambda path, signer: envelope(path, signer, payload=base64.b64encode(statement(path)).decode()),
            "is not signed with this key",
        ),
        # Signed, but no statement about anything.
        (lambda path, signer: sealed(b"hello", IN_TOTO, signer), "is damaged"),
        (lambda path, signer: sealed(statement(path), "text/plain", signer), "is damaged"),
        (lambda path, signer: sealed(statement(path, subject=[]), IN_TOTO, signer), "is damaged"),
    ],
)
def test_damage(executable: Path, signer: Signer, damage: Callable[[Path, Signer], bytes], what: str) -> None:
    data = damage(executable, signer)
    beside(executable).write_bytes(data)
    assert fails(executable, signer.public, beside(executable)).what.endswith(what)


def test_every_flipped_bit_of_an_envelope(executable: Path, signer: Signer) -> None:
    """Of what is signed, and of the signature: none passes. The name of the key is a hint, and no more."""
    place = signed(executable, signer)
    data = place.read_bytes()
    document = json.loads(data)
    hint = data.index(document["signatures"][0]["keyid"].encode())
    parts = [document["payload"], document["signatures"][0]["sig"], document["payloadType"]]
    places = [data.index(part.encode()) + at for part in parts for at in range(0, len(part), 7)]
    assert len(places) > 50 and hint not in places
    for at in places:
        for bit in (1, 2, 4):
            place.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
            with pytest.raises(VerificationError):
                verify_executable(executable, signer.public, place)
    place.write_bytes(data[:hint] + b"x" + data[hint + 1 :])
    verify_executable(executable, signer.public, place)


def test_several_envelopes(executable: Path, signer: Signer, tmp_path: Path) -> None:
    """One in each line, as of several makers; one that fits is enough."""
    other = signer_in(tmp_path, "other")
    lines = [sealed(statement(executable), IN_TOTO, other), sealed(statement(executable, subject=[]), IN_TOTO, signer)]
    lines += [b"{damaged\n", sealed(statement(executable), IN_TOTO, signer)]
    beside(executable).write_bytes(b"\n".join(lines))
    for key in (signer.public, other.public):
        assert len(verify_executable(executable, key, beside(executable)).statements) == 1


def test_one_document_of_several_lines(executable: Path, signer: Signer) -> None:
    document = json.loads(signed(executable, signer).read_bytes())
    beside(executable).write_text(json.dumps(document, indent=4))
    verify_executable(executable, signer.public, beside(executable))


def test_files_that_cannot_be_read(executable: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    beside(executable).mkdir()
    assert "cannot read the signature" in fails(executable, signer.public, beside(executable)).what
    beside(executable).rmdir()
    monkeypatch.setattr(verify_signed, "LARGEST", 10)
    assert "has no signature" in fails(executable, signer.public, signed(executable, signer)).what


@pytest.mark.parametrize("form", ["oci", "docker"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_image(program: Path, tmp_path: Path, kind: str, form: str) -> None:
    path = image(program, tmp_path, signer_in(tmp_path, kind=kind), image_format=form)
    found = verify_image(path, public_in(tmp_path))
    with open_image(path) as opened:
        assert validate(opened).problems == ()
        assert found.digests == (opened.images[0].manifest_digest,)
    assert "provenance: commit 111111111111" in found.sentence


def test_a_layout(program: Path, tmp_path: Path, signer: Signer) -> None:
    with tarfile.open(image(program, tmp_path, signer)) as tar:
        # As in tests/consumers.py: Python 3.12 asks for this, and some of 3.9 to 3.11 know no filters.
        tar.extraction_filter = staticmethod(lambda member, _path: member)
        tar.extractall(tmp_path / "layout")
    assert verify_image(tmp_path / "layout", signer.public).statements


def refused(path: Path, key: PublicKey, place: Optional[Path] = None) -> str:
    with pytest.raises((VerificationError, InputError)) as raised:
        verify_image(path, key, place)
    return f"{raised.value.what}\n{raised.value.why}"


def test_images_that_are_not_signed(program: Path, tmp_path: Path, signer: Signer, stranger: PublicKey) -> None:
    path = image(program, tmp_path, signer)
    assert f"{path} is not signed with this key" in refused(path, stranger)
    path = image(program, tmp_path, None, "unsigned.tar")
    assert f"{path} is not signed\n" in refused(path, signer.public)
    made = Made(GOOD).write(tmp_path / "other.tar")
    assert f"{made} is not signed\n" in refused(made, signer.public)


def test_every_blob_counts(program: Path, tmp_path: Path, signer: Signer) -> None:
    path = image(program, tmp_path, signer)
    with tarfile.open(path) as tar:
        names = [member.name for member in tar.getmembers() if member.isfile() and "blobs" in member.name]
        contents = {name: tar.extractfile(name).read() for name in names}  # type: ignore[union-attr]
    assert len(names) == 14
    for name, data in contents.items():
        flipped = data[:-1] + bytes([data[-1] ^ 1])
        assert refused(changed(path, tmp_path / "changed.tar", **{name: flipped}), signer.public)
        assert refused(changed(path, tmp_path / "changed.tar", **{name: b""}), signer.public), name


def test_the_signature_of_another_image(program: Path, tmp_path: Path, signer: Signer) -> None:
    """Put beside an image that it is not of, and with the subject changed to it."""
    path = image(program, tmp_path, signer)
    with tarfile.open(path) as tar:
        contents = {item.name: tar.extractfile(item).read() for item in tar if item.isfile()}  # type: ignore[union-attr]
    index = json.loads(contents["index.json"])
    other = Made(GOOD, archive(file("run", b"other", mode=0o755)))
    files = other.contents()
    (descriptor,) = other.index["manifests"]
    referrers = json.loads(contents["blobs/" + index["annotations"]["io.github.freezer.referrers"].replace(":", "/")])
    listed = []
    for item in referrers["manifests"]:
        manifest = json.loads(contents["blobs/" + item["digest"].replace(":", "/")])
        manifest["subject"] = descriptor
        data = json.dumps(manifest).encode()
        files[blob(data)] = data
        listed.append({**item, "digest": Made.descriptor(data, KIND)["digest"], "size": len(data)})
    data = json.dumps({**referrers, "manifests": listed}).encode()
    files[blob(data)] = data
    annotations = {"io.github.freezer.referrers": Made.descriptor(data, "x")["digest"]}
    files["index.json"] = json.dumps({**other.index, "annotations": annotations}).encode()
    pack(tmp_path / "other.tar", {**contents, **files})
    said = refused(tmp_path / "other.tar", signer.public)
    assert (
        "is not what was signed" in said and f"the signature is of the image {index['manifests'][0]['digest']}" in said
    )


def test_an_envelope_beside_an_image(program: Path, tmp_path: Path, signer: Signer, stranger: PublicKey) -> None:
    """For those that other tools have packed anew: what is signed is the manifest."""
    path = image(program, tmp_path, None)
    with open_image(path) as opened:
        digest = str(opened.images[0].manifest_digest)
    provenance_of(signer).of_image("app:1", digest).write(tmp_path / "app.jsonl")
    assert verify_image(path, signer.public, tmp_path / "app.jsonl").digests == (digest,)
    assert "is not signed with this key" in refused(path, stranger, tmp_path / "app.jsonl")
    assert "is not signed\n" in refused(path, stranger, tmp_path / "missing.jsonl")
    provenance_of(signer).of_image("app:1", "sha256:" + "0" * 64).write(tmp_path / "app.jsonl")
    assert "is not what was signed" in refused(path, signer.public, tmp_path / "app.jsonl")


def two(program: Path, tmp_path: Path, signer: Optional[Signer], other: Optional[Signer]) -> list[Path]:
    """Images for two architectures."""
    data = bytearray(program.read_bytes())
    data[18:20] = (22).to_bytes(2, "little")
    (tmp_path / "s390x").mkdir()
    (tmp_path / "s390x/app").write_bytes(data)
    return [image(program, tmp_path, signer, "one.tar"), image(tmp_path / "s390x/app", tmp_path, other, "two.tar")]


def plain(program: Path, tmp_path: Path) -> list[Path]:
    """The same images without what is said of them."""
    found = []
    for number, path in enumerate((program, tmp_path / "s390x/app")):
        found.append(tmp_path / f"plain{number}.tar")
        image_of_executable(plan(tmp_path, output=found[-1].name), path, NOWHERE, Log(stream=io.StringIO()), "app")
    return found


def join(sources: list[Path], target: Path, signing: Signing, signer: Optional[Signer]) -> Path:
    join_images(sources, [parse_reference("a:1")], target, Log(), signing, signer)
    with open_image(target) as opened:
        assert validate(opened).problems == ()
    return target


def test_an_index(program: Path, tmp_path: Path, signer: Signer) -> None:
    """Signatures of the images stay with them; one of the index is for all."""
    sources = two(program, tmp_path, signer, signer)
    both = join(sources, tmp_path / "both.tar", Signing(), None)
    assert len(verify_image(both, signer.public).digests) == 2
    both = join(plain(program, tmp_path), tmp_path / "unsigned.tar", Signing(), None)
    with open_image(both) as opened:
        images = [str(item.manifest_digest) for item in opened.images]
    lines = [provenance_of(signer).of_image("a:1", digest).render() for digest in images]
    (tmp_path / "said.jsonl").write_bytes(lines[0])
    assert "is not what was signed" in refused(both, signer.public, tmp_path / "said.jsonl")
    (tmp_path / "said.jsonl").write_bytes(b"".join(lines))
    assert verify_image(both, signer.public, tmp_path / "said.jsonl").digests == tuple(images)
    mixed = join(
        [sources[0], image(tmp_path / "s390x/app", tmp_path, None, "x.tar")], tmp_path / "y.tar", Signing(), None
    )
    assert "is not signed\n" in refused(mixed, signer.public)
    whole = join([sources[0], tmp_path / "x.tar"], tmp_path / "z.tar", Signing(key=tmp_path / "key"), signer)
    found = verify_image(whole, signer.public)
    with open_image(whole) as opened:
        assert found.digests == (opened.parsed("index.json")["manifests"][0]["digest"],)
    assert [item.subjects[-1].sha256 for item in found.statements] == [found.digests[0].partition(":")[2]]


def test_what_is_called_no_image_is_verified_all_the_same(tmp_path: Path, program: Path, signer: Signer) -> None:
    """An index could call an image an attestation, which nothing would run, and have it run."""
    sources = two(program, tmp_path, signer, None)
    both = join(sources, tmp_path / "both.tar", Signing(), None)
    with tarfile.open(both) as tar:
        contents = {item.name: tar.extractfile(item).read() for item in tar if item.isfile()}  # type: ignore[union-attr]
    index = json.loads(contents["index.json"])
    inner = json.loads(contents["blobs/" + index["manifests"][0]["digest"].replace(":", "/")])
    inner["manifests"][1]["platform"] = {"os": "unknown", "architecture": "unknown"}
    data = json.dumps(inner).encode()
    contents[blob(data)] = data
    index["manifests"][0].update(Made.descriptor(data, index["manifests"][0]["mediaType"]))
    contents["index.json"] = json.dumps(index).encode()
    assert "is not signed\n" in refused(pack(tmp_path / "hostile.tar", contents), signer.public)
