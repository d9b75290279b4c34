"""What of the host's network configuration a root gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from freezer.base.errors import EnvironmentFailure
from freezer.base.job import Job
from freezer.system.chroot.network import network_files, parse_configuration


def test_pip_configuration() -> None:
    text = "global.find-links='/a /b'\n:env:.index-url='https://x/simple'\ninstall.no-binary='x\\ny'\nrubbish\n"
    assert parse_configuration(text) == [
        ("global", "find-links", "/a /b"),
        (":env:", "index-url", "https://x/simple"),
        ("install", "no-binary", "x\ny"),
    ]


def test_the_users_certificates(job: Job, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    found = network_files({"SSL_CERT_FILE": str(tmp_path / "ca.pem")}, job)
    place = found.variables["SSL_CERT_FILE"]
    assert (tmp_path / "ca.pem", place) in found.files


def test_certificates_that_are_not_there(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The root would trust its own authorities in their place."""
    monkeypatch.setattr(Job, "run", None)  # said at once: pip is not asked for anything before
    for path in (tmp_path / "nosuch.pem", tmp_path):
        with pytest.raises(EnvironmentFailure, match=f"SSL_CERT_FILE names {path}, which does not exist"):
            network_files({"SSL_CERT_FILE": str(path)}, job)
