"""Bills of materials of real builds: compared with pip and dpkg, complete, and found by what looks for packages."""

from __future__ import annotations

import email.parser
import fnmatch
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bills import files_of, parts, valid, valid_spdx
from imagefiles import Opened
from support import Freezer, lacking

from freezer.base.bill import NOTICES, SBOM
from freezer.bill.cyclonedx import unowned
from freezer.bill.owners import files_of as files_in
from freezer.prove.unpack import unpack_bundle

SOURCE = """
import click, rich, ssl, sqlite3

@click.command()
def main():
    rich.print(ssl.OPENSSL_VERSION, sqlite3.sqlite_version)

main()
"""


@dataclass(frozen=True)
class Built:
    """An executable, its unpacked image, its bill, and the environment that it was made in."""

    executable: Path
    image: Path
    bill: bytes
    environment: Path

    @property
    def parts(self) -> dict[str, dict[str, Any]]:
        return parts(json.loads(self.bill))


@pytest.fixture(scope="module")
def built(freezer: Freezer, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("sbom")
    (folder / "app.py").write_text(SOURCE)
    words = ["build", "app.py", "--with", "click", "--with", "rich", "--linker", "native", "-o", "app", "--notices"]
    words += ["--image", "unpacked.tar", "--image-layout", "unpacked", "--sbom", "app.cdx.json"]
    freezer(*words, cwd=folder)
    [record] = [
        item
        for item in (json.loads(path.read_text()) for path in freezer.cache.glob("record/*.json"))
        if item["output"] == str(folder / "app")
    ]
    [environment] = record["environment"]
    return Built(folder / "app", folder / "unpacked.tar", (folder / "app.cdx.json").read_bytes(), Path(environment))


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
