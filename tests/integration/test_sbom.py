"""What is said of real builds. Bills of materials: compared with pip and dpkg, complete, and found by what looks for
packages. Provenance and signatures: of what was built, verified by others, and found in a registry."""

from __future__ import annotations

import base64
import email.parser
import fnmatch
import hashlib
import json
import os
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bills import files_of, parts, valid, valid_spdx
from consumers import program
from imagefiles import Opened
from registries import docker_registry
from signing import (
    PASSPHRASE,
    check_statement,
    ed25519_key,
    openssl_verifies,
    payload_of,
    write_key,
)
from support import Freezer, lacking, need_program, sha256

from freezer.base.bill import NOTICES, SBOM
from freezer.bill.cyclonedx import unowned
from freezer.bill.owners import files_of as files_in
from freezer.prove.unpack import unpack_bundle

BUILD = ("build", "app.py", "--with", "click", "--with", "rich", "--linker", "native", "-o", "app", "--notices")
SOURCE = """
import click, rich, ssl, sqlite3

@click.command()
def main():
    rich.print(ssl.OPENSSL_VERSION, sqlite3.sqlite_version)

main()
"""


@dataclass(frozen=True)
class Built:
    """An executable, its unpacked image, its bill, the environment that it was made in, and the key that signed it."""

    executable: Path
    image: Path
    bill: bytes
    environment: Path
    key: Path
    commit: str

    @property
    def parts(self) -> dict[str, dict[str, Any]]:
        return parts(json.loads(self.bill))


@pytest.fixture(scope="module")
def built(freezer: Freezer, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("sbom")
    (folder / "app.py").write_text(SOURCE)
    commit = committed(folder)
    key = write_key(tmp_path_factory.mktemp("key") / "key", ed25519_key(), passphrase=PASSPHRASE)
    words = [*BUILD, "--image", "unpacked.tar", "--image-layout", "unpacked", "--sbom", "app.cdx.json"]
    secret = {"FREEZER_SIGN_PASSPHRASE": PASSPHRASE.decode()}
    freezer(*words, "--sign-key", key, cwd=folder, env=secret)
    [record] = [
        item
        for item in (json.loads(path.read_text()) for path in freezer.cache.glob("record/*.json"))
        if item["output"] == str(folder / "app")
    ]
    [environment] = record["environment"]
    return Built(
        folder / "app", folder / "unpacked.tar", (folder / "app.cdx.json").read_bytes(), Path(environment), key, commit
    )


def committed(folder: Path) -> str:
    """Make a repository of a folder; its commit."""
    git = [need_program("git"), "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(folder)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def test_the_schemas(built: Built, freezer: Freezer, tmp_path: Path) -> None:
    valid(built.bill)
    freezer("inspect", str(built.executable), "--sbom", "same.json", cwd=tmp_path)
    assert (tmp_path / "same.json").read_bytes() == built.bill
    found = []
    for name in ("one.spdx.json", "two.spdx.json"):
        freezer("inspect", str(built.image), "--sbom", name, cwd=tmp_path)
        found.append((tmp_path / name).read_bytes())
    assert found[0] == found[1]
    packages = {item["name"] for item in valid_spdx(found[0], tmp_path)["packages"]}
    assert packages == set(parts(json.loads(Opened(built.image).content(f"app/{SBOM}"))))


def test_pip_lists_the_same_distributions(built: Built) -> None:
    words = [sys.executable, "-m", "pip", "--python", str(built.environment / "bin/python"), "list", "--format=json"]
    listed = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    expected = {(item["name"].lower(), item["version"]) for item in listed}
    ours = ("pyinstaller", "static-freezer", "certifi", "tzdata")
    found = {
        (name.lower(), part["version"])
        for name, part in built.parts.items()
        if part.get("purl", "").startswith("pkg:pypi/") and name not in ours
    }
    assert found == expected and len(found) >= 4
    assert all(part["hashes"] for name, part in built.parts.items() if (name.lower(), part.get("version")) in found)
    assert all(built.parts[name]["evidence"]["licenses"] for name in ("click", "rich"))


def test_dpkg_knows_the_same_packages(built: Built) -> None:
    if not Path("/var/lib/dpkg/status").exists():
        lacking("this is no Debian")
    compared = 0
    for name, part in built.parts.items():
        for path in files_of(part):
            real = next((os.path.realpath(f"{place}/{path}") for place in libraries() if path.count("/") == 0), "")
            if not part.get("purl", "").startswith("pkg:deb/") or not os.path.exists(real):
                continue
            # With a merged /usr, one of the two names is unknown.
            assert name in {line.partition(":")[0] for line in said_by("dpkg", "-S", real, real.removeprefix("/usr"))}
            assert said_by("dpkg-query", "-W", "-f", "${Version}", name) == [part["version"]]
            compared += 1
    assert compared >= 5


def said_by(*words: str) -> list[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.splitlines()


def libraries() -> list[str]:
    return [str(path.parent) for path in Path("/usr/lib").glob("*/libc.so.6")]


def test_every_file_belongs_to_a_component(built: Built, tmp_path: Path) -> None:
    unpacked = unpack_bundle(built.executable, tmp_path / "tree")
    assert unpacked is not None
    files = files_in(tmp_path / "tree")
    document = json.loads(built.bill)
    assert len(files) > 50 and unowned(document, files) == []
    for part in list(document["components"]):
        own = set(files_of(part)) - {
            path for other in built.parts.values() if other != part for path in files_of(other)
        }
        rest = {**document, "components": [item for item in document["components"] if item != part]}
        assert unowned(rest, files) == sorted(own & set(files))


def test_both_layouts_show_scanners_the_same(built: Built, freezer: Freezer, tmp_path: Path) -> None:
    freezer("image", str(built.executable), "-o", "binary.tar", "-q", cwd=tmp_path)
    found = [packages_in(path) for path in (tmp_path / "binary.tar", built.image)]
    container = {"zstd", "musl", "glibc"}
    named = {
        (part["name"].lower(), part.get("version"))
        for name, part in built.parts.items()
        if part.get("purl", "").startswith(("pkg:pypi/", "pkg:deb/")) and name not in container
    }
    assert found[0] == found[1] == named
    release = Opened(tmp_path / "binary.tar").content("etc/os-release").decode()
    assert "ID=" in release
    freezer("check", str(tmp_path / "binary.tar"), cwd=tmp_path)


def packages_in(image: Path) -> set[tuple[str, str]]:
    """What the records of package managers in an image say, by the patterns of scanners."""
    opened, found = Opened(image), set()
    for name in opened.files():
        if fnmatch.fnmatch(name, "*.dist-info/METADATA") or fnmatch.fnmatch(name, "var/lib/dpkg/status.d/*"):
            fields = email.parser.HeaderParser().parsestr(opened.content(name).decode())
            found.add(((fields["Name"] or fields["Package"]).lower(), fields["Version"]))
    return found


def test_the_same_bytes_in_two_builds(built: Built, freezer: Freezer, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SOURCE)
    words = ["build", "app.py", "--with", "click", "--with", "rich", "--linker", "native", "-o", "app", "--notices"]
    freezer(*words, "--sbom", "app.cdx.json", cwd=tmp_path)
    assert (tmp_path / "app.cdx.json").read_bytes() == built.bill
    assert (tmp_path / "app").read_bytes() == built.executable.read_bytes()


def test_notices(built: Built, freezer: Freezer, tmp_path: Path) -> None:
    freezer("inspect", str(built.executable), "--licenses", "notices.txt", cwd=tmp_path)
    text = (tmp_path / "notices.txt").read_text()
    for name, part in built.parts.items():
        if part["type"] in ("library", "platform"):
            assert f"\n{' '.join(filter(None, (name, part.get('version'))))}\nLicence: " in text
    assert "Permission is hereby granted" in text
    assert Opened(built.image).content(f"app/{NOTICES}")


def provenance_of(built: Built) -> Any:
    return payload_of(built.executable.with_name("app.intoto.jsonl").read_bytes())


def test_the_provenance(built: Built, freezer: Freezer) -> None:
    statement = provenance_of(built)
    check_statement(statement)
    assert [(item["name"], item["digest"]["sha256"]) for item in statement["subject"]] == [
        ("app", sha256(built.executable)),
        ("docker.io/library/app", Opened(built.image).index["manifests"][0]["digest"][7:]),
    ]
    definition = statement["predicate"]["buildDefinition"]
    found: dict[str, list[Any]] = {}
    for item in definition["resolvedDependencies"]:
        found.setdefault(item["annotations"]["role"], []).append(item)
    (source,) = found["source"]
    assert (source["digest"]["gitCommit"], source["annotations"]["changed"]) == (built.commit, False)
    listed = {part["purl"] for part in built.parts.values() if part.get("purl", "").startswith("pkg:pypi/")}
    required = {item["uri"]: item["digest"]["sha256"] for item in found["requirement"]}
    assert {"pkg:pypi/click", "pkg:pypi/rich"} <= {uri.partition("@")[0] for uri in required}
    assert set(required) <= listed
    assert all(item["digest"]["sha256"] for item in found["toolchain"]) and len(found["toolchain"]) >= 3
    assert {item["name"]: item["digest"]["sha256"] for item in statement["predicate"]["runDetails"]["byproducts"]} == {
        SBOM: hashlib.sha256(built.bill).hexdigest()
    }
    # Without building again, the same is said; nothing is signed if no key is given.
    freezer(*BUILD, "--provenance", "again.json", cwd=built.executable.parent)
    again = json.loads(built.executable.with_name("again.json").read_bytes())
    assert again["predicate"] == statement["predicate"] and again["subject"] == statement["subject"][:1]


def test_only_what_was_signed_passes(built: Built, freezer: Freezer, tmp_path: Path) -> None:
    public = f"{built.key}.pub"
    for path in (built.executable, built.image):
        said = freezer("check", path, "--key", public, cwd=tmp_path).stderr
        assert f"provenance: commit {built.commit[:12]}" in said and "proven:" in said
    write_key(tmp_path / "other", ed25519_key())
    data = bytearray(built.executable.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "app").write_bytes(data)
    (tmp_path / "app").chmod(0o755)
    place = built.executable.with_name("app.intoto.jsonl")
    cases: tuple[tuple[list[str | Path], str], ...] = (
        ([built.executable, "--key", "other.pub"], "is not signed with this key"),
        ([built.image, "--key", "other.pub"], "is not signed with this key"),
        (["app", "--key", public], "is not signed"),
        (["app", "--key", public, "--signature", place], "is not what was signed"),
    )
    for words, why in cases:
        said = freezer.fails("check", *words, cwd=tmp_path, status=6)
        assert why in said and "verify " not in said
    assert openssl_signed(place.read_bytes(), Path(public), tmp_path)


def openssl_signed(envelope: bytes, public: Path, folder: Path) -> bool:
    """Whether openssl takes the signature of an envelope, encoded here as DSSE says."""
    document = json.loads(envelope)
    (signature,) = document["signatures"]
    kind, payload = document["payloadType"].encode(), base64.b64decode(document["payload"])
    data = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])
    return openssl_verifies(public, base64.b64decode(signature["sig"]), data, folder)


def test_what_is_said_goes_to_the_registry(built: Built, freezer: Freezer, tmp_path: Path) -> None:
    """The image's manifest is signed under cosign's tag; all of it is listed; and others can copy it."""
    with docker_registry(tmp_path, {}) as name:
        words: list[str | Path] = ["push", built.image, f"{name}/team/app:1", "--plain-http", "--json"]
        pushed = json.loads(freezer(*words, cwd=tmp_path).stdout)
        tag = pushed["digest"].replace(":", "-")

        def got(path: str) -> bytes:
            headers = {"Accept": "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"}
            request = urllib.request.Request(f"http://{name}/v2/team/app/{path}", headers=headers)
            with urllib.request.urlopen(request) as answer:
                return bytes(answer.read())

        listed = json.loads(got(f"manifests/{tag}"))["manifests"]
        assert [item["digest"] for item in listed] == [item["digest"] for item in pushed["referrers"]]
        for item in listed:
            document = json.loads(got(f"manifests/{item['digest']}"))
            assert document["subject"]["digest"] == pushed["digest"]
        (layer,) = json.loads(got(f"manifests/{tag}.sig"))["layers"]
        payload = got(f"blobs/{layer['digest']}")
        assert json.loads(payload)["critical"]["image"] == {"docker-manifest-digest": pushed["digest"]}
        signature = base64.b64decode(layer["annotations"]["dev.cosignproject.cosign/signature"])
        assert openssl_verifies(Path(f"{built.key}.pub"), signature, payload, tmp_path)
        (layer,) = json.loads(got(f"manifests/{tag}.att"))["layers"]
        assert got(f"blobs/{layer['digest']}") == built.executable.with_name("app.intoto.jsonl").read_bytes()
        (layer,) = json.loads(got(f"manifests/{listed[2]['digest']}"))["layers"]
        assert got(f"blobs/{layer['digest']}") == Opened(built.image).content(f"app/{SBOM}")
        for suffix in ("", f":{tag}.sig", f":{tag}.att"):
            copy = [program("skopeo"), "copy", "--insecure-policy", "--preserve-digests", "--src-tls-verify=false"]
            where = f"docker://{name}/team/app{suffix or ':1'}"
            subprocess.run([*copy, where, f"dir:{tmp_path}/copy{suffix}"], check=True, capture_output=True)
