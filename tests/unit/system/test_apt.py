"""What the host's apt is configured with: archives, suites and proxies."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from freezer.system.chroot.apt import mirror, proxies, suites

DEBIAN = "http://ftp.debian.org/debian"
SECURITY = "http://security.debian.org/debian-security"

# What the host has


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("sources.list", "# deb http://no/debian sid main\ndeb http://a.example/debian/ bookworm main", "a"),
        (
            "sources.list",
            "deb [arch=amd64 signed-by=/x/debian-archive-keyring.gpg] http://a.example/debian sid main",
            "a",
        ),
        (
            "sources.list.d/x.list",
            "deb-src http://no/debian sid main\ndeb http://a.example/debian sid contrib main",
            "a",
        ),
        (
            "sources.list.d/x.sources",
            "# about\nTypes: deb deb-src\nURIs: http://security.example/debian-security http://a.example/debian\n"
            "Suites: bookworm\n bookworm-updates\nComponents: main\n",
            "a",
        ),
        (
            "sources.list.d/x.sources",
            "types: deb\nuris: http://no/debian\nsuites: sid\ncomponents: main\nenabled: no\n \n"
            "Types: deb\nURIs: http://a.example/debian\nSuites: sid\nComponents: main\nSigned-By:\n"
            " -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n debian-archive\n",
            "a",
        ),
        ("sources.list", "deb http://download.docker.example/linux/debian bookworm stable", None),
        ("sources.list", "deb [signed-by=/etc/x.gpg] http://other.example/debian bookworm main", None),
        ("sources.list", "deb http://security.example/debian bookworm main", None),
        ("sources.list", "deb http://a.example/debian bookworm-security main", None),
        ("sources.list", "deb http://a.example/debian-security bookworm main", None),
        ("sources.list", "deb http://archive.ubuntu.com/ubuntu noble main", None),
        ("sources.list", "deb file:/srv/debian bookworm main\ndeb cdrom:[x]/ bookworm main", None),
        ("sources.list", "\0nonsense [\ndeb\ndeb [", None),
    ],
)
def test_mirror(tmp_path: Path, name: str, text: str, expected: str | None) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / name).write_text(text)
    assert mirror("debian", tmp_path) == (DEBIAN if expected is None else f"http://{expected}.example/debian")


def test_mirror_of_ubuntu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "sources.list"
    file.write_text("deb http://ppa.example/x/ubuntu jammy main\n")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert mirror("ubuntu", tmp_path) == "http://archive.ubuntu.com/ubuntu"
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert mirror("ubuntu", tmp_path) == "http://ports.ubuntu.com/ubuntu-ports"
    file.write_text("deb http://a.example/ubuntu-ports/ jammy main universe\n")
    assert mirror("ubuntu", tmp_path) == "http://a.example/ubuntu-ports"


def test_host_without_apt(tmp_path: Path) -> None:
    assert mirror("debian", tmp_path / "none") == DEBIAN


@pytest.mark.parametrize(
    ("environ", "configuration", "expected"),
    [
        ({}, "", {}),
        ({"http_proxy": "http://u", "no_proxy": "x", "PATH": "/"}, "", {"http_proxy": "http://u", "no_proxy": "x"}),
        (
            {"http_proxy": "http://u"},
            'APT "";\nAcquire::http::Proxy "http://p:3142/";\nAcquire::http::Proxy::some.host "DIRECT";',
            {"http_proxy": "http://p:3142/", "https_proxy": "http://p:3142/"},
        ),
        (
            {"https_proxy": "http://u"},
            'Acquire::HTTP::proxy "http://p";\nAcquire::https::Proxy "DIRECT";',
            {"http_proxy": "http://p"},
        ),
    ],
)
def test_proxies(environ: dict[str, str], configuration: str, expected: dict[str, str]) -> None:
    assert proxies(environ, configuration.splitlines()) == expected


def test_suites(tmp_path: Path) -> None:
    """Security updates come along, from the configured archive if there is one."""
    (tmp_path / "sources.list").write_text(
        "deb http://m.example/debian bookworm main\ndeb http://m.example/debian-security bookworm-security main\n"
    )
    assert suites("debian", "bullseye", DEBIAN, tmp_path) == [
        (DEBIAN, "bullseye"),
        ("http://m.example/debian-security", "bullseye-security"),
    ]
    assert suites("debian", "bullseye", DEBIAN, tmp_path / "none")[1][0] == SECURITY
    assert suites("debian", "sid", DEBIAN, tmp_path) == [(DEBIAN, "sid")]
    ubuntu = suites("ubuntu", "jammy", "http://u", tmp_path)
    assert ubuntu == [("http://u", "jammy"), ("http://u", "jammy-updates"), ("http://u", "jammy-security")]
