"""Keys for tests, and verification by others: openssl, and securesystemslib where it is installed."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any, Optional

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from imagefiles import NOWHERE, plan
from support import need_program

from freezer.base.bill import SBOM as SBOM_NAME
from freezer.base.log import Log
from freezer.image.make import image_of_executable
from freezer.sign.crypto import PublicKey, Signer
from freezer.sign.keys import read_public, read_signer
from freezer.sign.provenance import Provenance
from freezer.sign.statement import BUILD, Made, resource

PASSPHRASE = b"a passphrase"


def ed25519_key() -> Any:
    return ed25519.Ed25519PrivateKey.generate()


def p256_key() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


KINDS = {"ed25519": ed25519_key, "p256": p256_key}


def write_key(path: Path, key: Any, form: str = "PKCS8", passphrase: bytes = b"", *, mode: int = 0o600) -> Path:
    """Write a private key, and the public one beside it: KEY.pub in the format of the same people."""
    encryption: Any = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), encryption)
    )
    path.chmod(mode)
    of_openssh = form == "OpenSSH"
    encoding = serialization.Encoding.OpenSSH if of_openssh else serialization.Encoding.PEM
    public = serialization.PublicFormat.OpenSSH if of_openssh else serialization.PublicFormat.SubjectPublicKeyInfo
    path.with_name(path.name + ".pub").write_bytes(key.public_key().public_bytes(encoding, public))
    return path


def never(path: Path) -> bytes:
    raise AssertionError(f"asked for the passphrase of {path}")


def signer_in(folder: Path, name: str = "key", kind: str = "ed25519") -> Signer:
    return read_signer(write_key(folder / name, KINDS[kind]()), never)


def public_in(folder: Path, name: str = "key") -> PublicKey:
    return read_public(folder / f"{name}.pub")


def openssl_verifies(public: Path, signature: bytes, data: bytes, folder: Path) -> bool:
    """Whether openssl takes a signature of either kind of key."""
    (folder / "signature").write_bytes(signature)
    (folder / "signed").write_bytes(data)
    words = [need_program("openssl"), "pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-rawin"]
    words += ["-in", str(folder / "signed"), "-sigfile", str(folder / "signature")]
    if "Ed25519" not in key_text(public) and "ED25519" not in key_text(public):
        words += ["-digest", "sha256"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def key_text(public: Path) -> str:
    words = [need_program("openssl"), "pkey", "-pubin", "-in", str(public), "-noout", "-text"]
    return subprocess.run(words, capture_output=True, check=True, text=True).stdout


def payload_of(envelope: bytes) -> Any:
    return json.loads(base64.b64decode(json.loads(envelope)["payload"]))


def check_statement(document: Any) -> None:
    """What in-toto's statement and SLSA's provenance ask for, written from their specifications."""
    assert document["_type"] == "https://in-toto.io/Statement/v1"
    assert document["predicateType"] == "https://slsa.dev/provenance/v1"
    assert set(document) == {"_type", "subject", "predicateType", "predicate"}
    assert document["subject"]
    for item in document["subject"]:
        assert set(item) == {"name", "digest"} and item["name"]
        assert len(bytes.fromhex(item["digest"]["sha256"])) == 32
    names = [item["name"] for item in document["subject"]]
    assert len(set(names)) == len(names)
    assert set(document["predicate"]) == {"buildDefinition", "runDetails"}
    definition, run = document["predicate"]["buildDefinition"], document["predicate"]["runDetails"]
    known = {"buildType", "externalParameters", "internalParameters", "resolvedDependencies"}
    assert {"buildType", "externalParameters"} <= set(definition) <= known
    assert not set(definition["externalParameters"]) & set(definition.get("internalParameters", {}))
    for uri in (definition["buildType"], run["builder"]["id"]):
        scheme, colon, rest = uri.partition(":")
        assert scheme.isalpha() and colon and rest
    assert set(run) <= {"builder", "metadata", "byproducts"}
    assert set(run["builder"]) <= {"id", "version", "builderDependencies"}
    assert all(isinstance(value, str) for value in run["builder"]["version"].values())
    for item in (*definition.get("resolvedDependencies", ()), *run.get("byproducts", ())):
        check_resource(item)


def check_resource(item: Any) -> None:
    """A ResourceDescriptor: at least one of uri, digest and content."""
    known = {"name", "uri", "digest", "content", "downloadLocation", "mediaType", "annotations"}
    assert set(item) <= known
    assert item.get("uri") or item.get("digest") or item.get("content"), item
    for algorithm, text in item.get("digest", {}).items():
        size = {"sha256": (32,), "gitCommit": (20, 32)}[algorithm]
        assert len(bytes.fromhex(text)) in size and text == text.lower()
    assert isinstance(item.get("annotations", {}), dict)


SBOM = b'{"bomFormat":"CycloneDX","components":[]}\n'


def made(**parameters: Any) -> Made:
    """How nothing in particular was made."""
    noted = {"changed": False}
    source = resource("source", name="source", annotations=noted, gitCommit="1" * 40, sha256="2" * 64)
    return Made(BUILD, parameters, {}, (source,))


def provenance(signer: Optional[Signer]) -> Provenance:
    return Provenance(made(), signer)


def image(program: Path, folder: Path, signer: Optional[Signer], name: str = "image.tar", **values: Any) -> Path:
    """An image with what is said of it."""
    planned = plan(folder, output=name, **values)
    attach = provenance(signer).attached
    papers = {SBOM_NAME: SBOM}
    image_of_executable(planned, program, NOWHERE, Log(stream=io.StringIO()), "app", papers, attach=attach)
    return folder / name


def changed(path: Path, target: Path, **contents: bytes) -> Path:
    """A copy of an image file with other contents of some of its members, and none where that is empty."""
    with tarfile.open(path) as old, tarfile.open(target, "w") as new:
        for member in old.getmembers():
            data = old.extractfile(member).read() if member.isfile() else b""  # type: ignore[union-attr]
            data = contents.get(member.name, data)
            if data or not member.isfile():
                member.size = len(data)
                new.addfile(member, io.BytesIO(data))
    return target
