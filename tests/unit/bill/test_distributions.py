"""The distributions of an environment, read from what installers leave."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from bills import distribution

from freezer.bill.distributions import Distribution, for_notices, installed_in, of_freezer, sites_of


def only(home: Path) -> Distribution:
    (found,) = installed_in(home, sites_of(home))
    return found


@pytest.fixture
def site(tmp_path: Path) -> Path:
    place = tmp_path / "env/lib/python3.11/site-packages"
    place.mkdir(parents=True)
    return place


def test_what_is_recorded(site: Path, tmp_path: Path) -> None:
    more = "License-Expression: MIT OR Apache-2.0\nLicense-File: LEGAL\n"
    distribution(site, "Some_Thing", "1.0+local", {"some/x.py": ""}, more=more, LEGAL="do", LICENSE="not")
    found = only(tmp_path / "env")
    part = found.component
    assert (part.name, part.version, part.expression) == ("Some_Thing", "1.0+local", "MIT OR Apache-2.0")
    assert part.purl == "pkg:pypi/some-thing@1.0%2Blocal"
    assert part.texts == (("licenses/LEGAL", "do"), ("licenses/LICENSE", "not"))
    assert found.tops == {"some", "Some_Thing", "Some_Thing-1.0+local.dist-info"}
    assert for_notices(part).texts == () and for_notices(part).notice == "do\n\nnot"


@pytest.mark.parametrize(
    ("more", "licenses"),
    [
        ("License: MIT\n", ("MIT",)),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: BSD License\n", ("BSD License",)),
        ("License: First line\n second line\nClassifier: License :: OSI Approved\n", ()),
        ("Classifier: License :: Free For Home Use\nClassifier: Typing :: Typed\n", ("Free For Home Use",)),
    ],
)
def test_names_of_licences(site: Path, tmp_path: Path, more: str, licenses: tuple[str, ...]) -> None:
    distribution(site, "a", "1", {}, more=more)
    assert only(tmp_path / "env").component.licenses == licenses


def test_the_digest_is_of_the_content_alone(tmp_path: Path) -> None:
    digests = []
    for number, content in enumerate(("same", "same", "other")):
        site = tmp_path / str(number) / "lib/python3.11/site-packages"
        distribution(site, "a", "1", {"a.py": content})
        record = site / "a-1.dist-info/RECORD"
        # What pip writes in one order or another, of programs with the environment's path, and after other installers.
        lines = record.read_text().splitlines(keepends=True)
        record.write_text(
            "".join(reversed(lines)) if number else "".join(lines) + f"../../../bin/a,sha256={number},1\n"
        )
        (site / "a-1.dist-info/INSTALLER").write_text(str(number))
        digests.append(only(tmp_path / str(number)).component.sha256)
    assert digests[0] == digests[1] != digests[2]


def test_files_of_the_prefix(site: Path, tmp_path: Path) -> None:
    distribution(site, "a", "1", {})
    with open(site / "a-1.dist-info/RECORD", "a", encoding="utf-8") as record:
        record.write("../../../share/a/x,sha256=a,1\n")
    assert only(tmp_path / "env").outside == {"share/a/x"}
    assert not any(path.startswith("..") for path in only(tmp_path / "env").files)


def test_nothing_outside_is_read(site: Path, tmp_path: Path) -> None:
    """The environment may be made by the tools of a system that nobody trusts."""
    (tmp_path / "secret").write_text("Name: secret\nVersion: 1\n")
    info = site / "bad-1.dist-info"
    info.mkdir()
    (info / "METADATA").symlink_to(tmp_path / "secret")
    (info / "RECORD").write_text("")
    distribution(site, "good", "1", {})
    (site / "good-1.dist-info/licenses").mkdir()
    (site / "good-1.dist-info/licenses/LICENSE").symlink_to(tmp_path / "secret")
    with open(site / "good-1.dist-info/RECORD", "a", encoding="utf-8") as record:
        record.write("good-1.dist-info/licenses/LICENSE,,\n")
    found = only(tmp_path / "env")
    assert (found.component.name, found.component.texts) == ("good", ())


def test_a_long_record(site: Path, tmp_path: Path) -> None:
    files = {f"a/{'x' * 200}{number}": "" for number in range(6000)}
    distribution(site, "a", "1", {})
    with open(site / "a-1.dist-info/RECORD", "a", encoding="utf-8") as record:
        record.writelines(f"{name},sha256=a,1\n" for name in files)
    assert only(tmp_path / "env").files >= set(files)


def test_what_has_no_metadata() -> None:
    assert of_freezer("no-such-distribution").version is None


def test_what_is_beside_freezer() -> None:
    part = of_freezer("certifi")
    assert (part.name, part.version) == ("certifi", importlib.metadata.version("certifi"))
    assert "Mozilla" in part.notice and part.texts == ()
