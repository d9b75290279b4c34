"""Names of secrets, of what is for tools, and of what programs leave behind."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from freezer.application import never_taken


@pytest.mark.parametrize(
    "name",
    [
        ".env", ".env.production", "prod.env", "id_rsa", "id_ed25519", "server.key", "cert.p12", "credentials.json",
        "client_secret_1.json", "service-account.json", "secrets.toml", "app-secrets.yaml", ".netrc", ".pypirc",
    ],
)  # fmt: skip
def test_secrets(name: str) -> None:
    assert never_taken.is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        ".env.example", ".env.sample", "environment.json", "secrets.py", "id_rsa.pub", "secret.html", "keys.json",
        "monkey.txt", "credentials.example.json", "settings.json", "cacert.pem",
    ],
)  # fmt: skip
def test_what_is_no_secret(name: str) -> None:
    assert not never_taken.is_secret_name(name)


def test_the_ends_of_patterns_are_looked_at_first() -> None:
    """With the same result."""
    patterns = (*never_taken.SECRETS, *never_taken.EXAMPLES, *never_taken.TOOLS, *never_taken.LEFTOVERS, "[a-c]", "a?")
    names = {name for item in patterns for name in (item, item.replace("*", "x"), item.replace("*", ""), f"{item}x")}
    names |= {
        "a-secret.b",
        "service_account.json",
        "core.1",
        "k8s.yml",
        "k8s.yaml",
        "b",
        "ab",
        "x.pyi",
        "",
        ".",
        "a.env.b",
    }
    for name in names:
        for pattern in patterns:
            assert never_taken._matches(name, [pattern]) == fnmatchcase(name, pattern), (name, pattern)


def test_private_keys_by_their_content(tmp_path: Path) -> None:
    path = tmp_path / "server.pem"
    for text in ("PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"):
        path.write_text(f'{{"key": "-----BEGIN {text}-----\\nx"}}')
        assert never_taken.has_private_key(path)
    path.write_text("-----BEGIN CERTIFICATE-----")
    assert not never_taken.has_private_key(path)
    assert never_taken.has_private_key(tmp_path / "gone")


def test_what_is_for_tools_and_left_over() -> None:
    assert all(map(never_taken.is_for_tools, ("README.md", "Dockerfile", "requirements-dev.txt", "app.spec")))
    assert not any(map(never_taken.is_for_tools, ("VERSION", "settings.json", "schema.sql")))
    assert all(map(never_taken.is_left_over, ("app.log", "x.swp", "x.pyc", "db.sqlite3-journal")))
    assert not any(map(never_taken.is_left_over, ("db.sqlite3", "catalog.json")))


def test_folders_of_tests_are_told_by_what_is_in_them() -> None:
    assert never_taken.holds_tests("tests", ["test_app.py"])
    assert never_taken.holds_tests("test", ["conftest.py"])
    assert not never_taken.holds_tests("test", ["limits.ini"])
    assert not never_taken.holds_tests("profiles", ["test_app.py"])
    assert never_taken.is_test("test_app.py")
    assert not never_taken.is_test("tests.py")
