"""Packages of Debian, by the database of dpkg."""

from __future__ import annotations

from pathlib import Path

import pytest
from bills import package

from freezer.bill.debian import System, inside

MACHINE = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n# comment\n')
    text = f"{MACHINE}\nFiles: *\nLicense: LGPL-2.1+\n text\nLicense: BSD\n\nLicense: BSD\n"
    text += " in /usr/share/common-licenses/X.\n"
    package(
        tmp_path, "libone", "1:2.3~rc1-4+deb12u1", "/lib/libone.so.1", copyright_text=text, Source="one (1:2.3~rc1-4)"
    )
    package(tmp_path, "libtwo", "5", "/usr/lib/libtwo.so.2", copyright_text="License: free text\n")
    (tmp_path / "usr/share/common-licenses").mkdir(parents=True)
    (tmp_path / "usr/share/common-licenses/X").write_text("the text of X")
    return tmp_path


def test_owners_with_a_merged_usr(root: Path) -> None:
    system = System(root)
    paths = ["/usr/lib/libone.so.1", "/usr/lib/libtwo.so.2", "/lib/libtwo.so.2", "/usr/lib/nobody"]
    assert system.owners(paths) == {
        "/usr/lib/libone.so.1": "libone:amd64",
        "/usr/lib/libtwo.so.2": "libtwo:amd64",
        "/lib/libtwo.so.2": "libtwo:amd64",
    }


def test_a_package(root: Path) -> None:
    part = System(root).component("libone:amd64")
    assert part is not None
    assert part.purl == "pkg:deb/debian/libone@1%3A2.3~rc1-4%2Bdeb12u1?arch=amd64&distro=debian-12"
    assert part.licenses == ("BSD", "LGPL-2.1+")
    assert dict(part.properties) == {
        "freezer:deb:source": "one",
        "freezer:deb:architecture": "amd64",
        "freezer:deb:source-version": "1:2.3~rc1-4",
    }
    assert part.supplier == "Ada <ada@example.invalid>" and part.version == "1:2.3~rc1-4+deb12u1"
    other = System(root).component("libtwo")
    assert other is not None and other.licenses == () and other.notice == "License: free text\n"
    assert System(root).component("nobody") is None


def test_licences_that_are_only_referred_to(root: Path) -> None:
    part = System(root).component("libone:amd64")
    assert part is not None
    assert System(root).common_licenses([part.notice, "/usr/share/common-licenses/nosuch"]) == (("X", "the text of X"),)


def test_the_system_itself(root: Path) -> None:
    part = System(root).operating_system()
    assert part is not None
    assert (part.kind, part.name, part.version) == ("operating-system", "debian", "12")


def test_a_system_without_a_database(tmp_path: Path) -> None:
    system = System(tmp_path)
    assert system.owners(["/usr/lib/x"]) == {}
    assert system.component("x") is None and system.operating_system() is None


def test_nothing_outside_the_root_is_read(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("outside") / "secret"
    secret.write_text("secret")
    (root / "usr/share/doc/libone/copyright").unlink()
    (root / "usr/share/doc/libone/copyright").symlink_to(secret)
    part = System(root).component("libone:amd64")
    assert part is not None and part.notice == ""


def test_places_in_a_root(tmp_path: Path) -> None:
    assert inside(tmp_path, tmp_path / "usr/lib/x") == "/usr/lib/x"
    assert inside(Path("/"), Path("/usr/lib/x")) == "/usr/lib/x"
    assert inside(tmp_path, Path("/elsewhere")) is None
