"""The certificates that a push trusts."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from registries import Certificate, make_certificate

from freezer.base.errors import InputError
from freezer.push import trust
from freezer.push.trust import make_context


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def subjects(context: ssl.SSLContext) -> list[object]:
    return [item["subject"] for item in context.get_ca_certs()]


OURS = ((("commonName", "localhost"),),)


def test_strict_by_default() -> None:
    context = make_context("r.example", [], None)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert OURS not in subjects(context)


def test_named(certificate: Certificate) -> None:
    assert OURS in subjects(make_context("r.example", [certificate.path], None))


def test_kept_for_one_registry(certificate: Certificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / ".config/containers/certs.d/r.example:5000"
    place.mkdir(parents=True)
    (place / "ca.crt").write_bytes(certificate.path.read_bytes())
    (place / "client.cert").write_bytes(certificate.path.read_bytes())
    (place / "client.key").write_bytes(certificate.key.read_bytes())
    assert OURS in subjects(make_context("r.example:5000", [], tmp_path))
    assert OURS not in subjects(make_context("r.example", [], tmp_path))
    monkeypatch.setattr(trust, "SYSTEM_FOLDERS", (str(place.parent),))
    assert OURS in subjects(make_context("r.example:5000", [], None))


def test_a_client_without_its_key(certificate: Certificate, tmp_path: Path) -> None:
    place = tmp_path / ".config/containers/certs.d/r.example"
    place.mkdir(parents=True)
    (place / "client.cert").write_bytes(certificate.path.read_bytes())
    with pytest.raises(InputError, match=r"client\.cert is not a client's certificate"):
        make_context("r.example", [], tmp_path)


@pytest.mark.parametrize("content", [b"", b"text", b"-----BEGIN CERTIFICATE-----\n", None])
def test_files_without_a_certificate(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="is not a certificate in PEM"):
        make_context("r.example", [path], None)


def test_a_python_that_was_built_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks for the system's certificates where there are none; then those of certifi count."""
    nothing = ssl.DefaultVerifyPaths(None, None, "", "", "", "")  # type: ignore[arg-type]
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nothing)
    assert len(subjects(make_context("r.example", [], None))) > 50
