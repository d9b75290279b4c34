"""The table of services and protocols: in the form of the system's files, and in agreement with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import lacking

from freezer.closure.network_names import copy_network_names, protocols, services


def entries(text: str) -> dict[tuple[str, str], str]:
    """{(name, protocol): number} of a file's text."""
    found: dict[tuple[str, str], str] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words:
            number, _, kind = words[1].partition("/")
            for name in (words[0], *words[2:]):
                found.setdefault((name, kind), number)
    return found


@pytest.mark.parametrize(
    ("name", "kind", "number"),
    [("https", "tcp", "443"), ("domain", "udp", "53"), ("www", "tcp", "80"), ("postgresql", "tcp", "5432")],
)
def test_services(name: str, kind: str, number: str) -> None:
    assert entries(services())[name, kind] == number


def test_protocols() -> None:
    found = entries(protocols())
    assert [found[name, ""] for name in ("tcp", "TCP", "udp", "icmp", "IPv6-ICMP")] == ["6", "6", "17", "1", "58"]


@pytest.mark.parametrize(("file", "text"), [("services", services()), ("protocols", protocols())])
def test_no_name_is_there_twice(file: str, text: str) -> None:
    names = [(name, line.split()[1].partition("/")[2]) for line in text.splitlines() for name in line.split()[::2][:1]]
    assert len(names) == len(set(names)) > 40


@pytest.mark.parametrize(("file", "text"), [("services", services()), ("protocols", protocols())])
def test_they_agree_with_the_systems(file: str, text: str) -> None:
    path = Path("/etc", file)
    if not path.exists():
        lacking(f"no {path} (apt-get install netbase)")
    system, own = entries(path.read_text(encoding="utf-8")), entries(text)
    common = system.keys() & own.keys()
    assert len(common) > len(own) / 2
    assert {key: own[key] for key in common} == {key: system[key] for key in common}


def test_the_files(tmp_path: Path) -> None:
    assert copy_network_names(tmp_path, tmp_path / "etc")
    assert (tmp_path / "etc" / "services").read_text() == services()
    assert (tmp_path / "etc" / "protocols").read_text() == protocols()
