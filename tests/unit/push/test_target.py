"""Where a push goes, and when it may do without TLS."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from freezer.base.errors import InputError, OutputError, UsageError
from freezer.push.target import is_loopback, resolve_repository, resolve_target


@pytest.mark.parametrize(
    ("name", "plain", "base"),
    [
        ("app", None, "https://registry-1.docker.io"),
        ("registry.example/team/app", None, "https://registry.example"),
        ("localhost:5000/app", None, "https://localhost:5000"),
        ("localhost:5000/app", "", "http://localhost:5000"),
        ("127.9.9.9:5000/app", "", "http://127.9.9.9:5000"),
        ("[::1]:5000/app", "", "http://[::1]:5000"),
        ("registry.example:5000/app", "registry.example:5000", "http://registry.example:5000"),
    ],
)
def test_addresses(name: str, plain: str, base: str) -> None:
    target = resolve_target(name, plain)
    assert target.base == base
    assert target.address("x").startswith(f"{base}/v2/{target.reference.path}/")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("registry.example/app", ""),
        ("app", ""),
        ("10.0.0.1/app", ""),
        ("localhost.example/app", ""),
        ("registry.example/app", "other.example"),
        ("registry.example:5000/app", "registry.example"),
        ("localhost/app", "other.example"),
    ],
)
def test_no_plain_http_by_mistake(name: str, plain: str) -> None:
    with pytest.raises(UsageError, match="does not name"):
        resolve_target(name, plain)


def test_names_are_checked() -> None:
    with pytest.raises(InputError, match="not a valid image name"):
        resolve_target("registry.example/App", None)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "localhost.example", "10.0.0.1", "0.0.0.0", "1270.0.0.1", "::2"])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("text", "path"),
    [("other/app", "other/app"), ("r.example/other/app", "other/app"), ("base", "base"), ("other/app:1", "other/app")],
)
def test_other_repositories(text: str, path: str) -> None:
    assert resolve_repository(text, resolve_target("r.example/team/app", None)) == path


def test_a_repository_elsewhere() -> None:
    with pytest.raises(UsageError, match=r"not in r\.example"):
        resolve_repository("else.example/app", resolve_target("r.example/team/app", None))


@pytest.mark.parametrize(
    ("name", "plain", "url", "safe"),
    [
        ("r.example/app", None, "https://cdn.example/x", True),
        ("r.example/app", None, "http://r.example/x", False),
        ("localhost:1/app", "", "http://localhost:1/x", True),
        ("localhost:1/app", "", "http://127.0.0.1:2/x", True),
        ("localhost:1/app", "", "http://cdn.example/x", False),
        ("r.example/app", "r.example", "http://r.example/x", True),
        ("r.example/app", "r.example", "http://cdn.example/x", False),
        ("r.example/app", "r.example", "file:///etc/passwd", False),
        ("r.example/app", None, "", False),
    ],
)
def test_where_a_registry_may_send(name: str, plain: str, url: str, safe: bool) -> None:
    target = resolve_target(name, plain)
    if safe:
        target.check_safe(urlsplit(url))
    else:
        with pytest.raises(OutputError, match="not safe"):
            target.check_safe(urlsplit(url))
