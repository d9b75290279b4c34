"""What scanners find in an image: the same packages, whatever its layout."""

from __future__ import annotations

import email.parser
from pathlib import Path

from imagefiles import Opened, make, plan
from judging import judge

from freezer.base.bill import NOTICES, SBOM, Bill, Component
from freezer.bill.cyclonedx import render
from freezer.image.contents import layers
from freezer.image.scanners import METADATA, RELEASE, STATUS, scanned

BILL = Bill(
    Component("application", "app"),
    (
        Component("library", "one-two", "1.0", "pkg:pypi/one-two@1.0", expression="MIT"),
        Component(
            kind="library",
            name="libssl3",
            version="3.0.19-1~deb12u2",
            purl="pkg:deb/debian/libssl3@3.0.19-1~deb12u2",
            supplier="Ada <ada@example.invalid>",
            properties=(
                ("freezer:deb:source", "openssl"),
                ("freezer:deb:architecture", "amd64"),
                ("freezer:deb:source-version", "3.0.19"),
            ),
        ),
        Component("operating-system", "debian", "12", properties=(("freezer:pretty-name", "Debian 12"),)),
        Component("file", "odd", sha256="a" * 64),
    ),
    0,
)
INFO = "one_two-1.0.dist-info"


def test_records_of_package_managers() -> None:
    found = dict(scanned(render(BILL), frozenset()))
    assert set(found) == {f"{STATUS}/libssl3", f"{METADATA}/{INFO}/METADATA", RELEASE}
    fields = email.parser.HeaderParser().parsestr(found[f"{STATUS}/libssl3"])
    assert (fields["Package"], fields["Version"]) == ("libssl3", "3.0.19-1~deb12u2")
    assert (fields["Source"], fields["Status"]) == ("openssl (3.0.19)", "install ok installed")
    about = email.parser.HeaderParser().parsestr(found[f"{METADATA}/{INFO}/METADATA"])
    assert (about["Name"], about["Version"], about["License"]) == ("one-two", "1.0", "MIT")
    assert found[RELEASE] == 'PRETTY_NAME="Debian 12"\nID=debian\nVERSION_ID="12"\n'


def test_metadata_that_is_there_is_not_repeated() -> None:
    assert not any("METADATA" in name for name, _ in scanned(render(BILL), frozenset([INFO])))


def test_the_papers_of_an_executable(program: Path, tmp_path: Path) -> None:
    papers = {SBOM: render(BILL), NOTICES: b"notices"}
    base, application = layers(plan(tmp_path, add_file=[]), program, "app", papers)
    names = {item.name for item in application.entries}
    assert {f"app/{SBOM}", f"app/{NOTICES}", f"{STATUS}/libssl3", RELEASE} <= names
    assert RELEASE not in {item.name for item in base.entries}


def test_what_the_user_adds_goes_before(program: Path, tmp_path: Path) -> None:
    (tmp_path / "release").write_text("ID=mine\n")
    wanted = plan(tmp_path, add_file=["release:/etc/os-release"])
    base, application = layers(wanted, program, "app", {SBOM: render(BILL)})
    assert RELEASE in {item.name for item in base.entries}
    assert RELEASE not in {item.name for item in application.entries}


def test_an_image_of_another_s_executable(program: Path, tmp_path: Path) -> None:
    """Nobody knows what is in it, so nothing is said of it."""
    image = make(program, tmp_path)
    assert not any(name.endswith((".cdx.json", "METADATA", "os-release")) for name in Opened(image.path).files())
    assert judge(image.path) == ""
