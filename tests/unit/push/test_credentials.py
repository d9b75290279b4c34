"""Credentials are found where docker and podman keep them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Optional

import pytest

from freezer.base.errors import EnvironmentFailure, FreezerError, InputError
from freezer.push import credentials
from freezer.push.credentials import Credentials, credential_files, find_credentials


def auth(user: str, password: str = "p") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_RUNTIME_DIR": str(tmp_path / "run")}


def find(tmp_path: Path, environ: dict[str, str], registry: str = "r.example", repository: str = "team/app") -> Any:
    return find_credentials(registry, repository, environ=environ, home=tmp_path)


def user_in(tmp_path: Path, environ: dict[str, str], **names: str) -> Optional[str]:
    found = find(tmp_path, environ, **names)
    return found.user if found is not None else None


def test_none(tmp_path: Path, environ: dict[str, str]) -> None:
    assert find(tmp_path, environ) is None


def test_the_order_of_files(tmp_path: Path, environ: dict[str, str]) -> None:
    places = list(credential_files(environ, tmp_path))
    assert places == [
        tmp_path / "run/containers/auth.json",
        tmp_path / ".config/containers/auth.json",
        tmp_path / ".docker/config.json",
    ]
    for number, path in reversed(list(enumerate(places))):
        write(path, {"auths": {"r.example": auth(f"user{number}")}})
        assert user_in(tmp_path, environ) == f"user{number}"
    environ["REGISTRY_AUTH_FILE"] = str(write(tmp_path / "named.json", {"auths": {"r.example": auth("named")}}))
    assert user_in(tmp_path, environ) == "named"


def test_a_file_without_the_registry_is_passed_over(tmp_path: Path, environ: dict[str, str]) -> None:
    write(tmp_path / "run/containers/auth.json", {"auths": {"other.example": auth("other"), "r.example": {}}})
    write(tmp_path / "docker/config.json", {"auths": {"https://r.example/v2/": auth("right")}})
    assert user_in(tmp_path, {**environ, "DOCKER_CONFIG": str(tmp_path / "docker")}) == "right"


def test_without_a_home(environ: dict[str, str]) -> None:
    assert find_credentials("r.example", "a", environ=environ, home=None) is None


@pytest.mark.parametrize(
    ("keys", "registry", "repository", "expected"),
    [
        (["r.example"], "r.example", "team/app", "r.example"),
        (["r.example", "r.example/team"], "r.example", "team/app", "r.example/team"),
        (["r.example/team", "r.example/team/app"], "r.example", "team/app", "r.example/team/app"),
        (["r.example/te", "r.example/team/application"], "r.example", "team/app", None),
        (["r.example:5000", "example"], "r.example", "team/app", None),
        (["r.example"], "r.example:5000", "team/app", None),
        (["http://r.example/v1/"], "r.example", "team/app", "http://r.example/v1/"),
        (["https://index.docker.io/v1/"], "docker.io", "library/app", "https://index.docker.io/v1/"),
        (["docker.io", "docker.io/library"], "docker.io", "library/app", "docker.io/library"),
        (["registry-1.docker.io"], "docker.io", "library/app", "registry-1.docker.io"),
    ],
)
def test_the_entry_for_a_repository(
    tmp_path: Path, environ: dict[str, str], keys: list[str], registry: str, repository: str, expected: Optional[str]
) -> None:
    write(tmp_path / ".docker/config.json", {"auths": {key: auth(key.replace(":", "|")) for key in keys}})
    found = user_in(tmp_path, environ, registry=registry, repository=repository)
    assert found == (expected.replace(":", "|") if expected is not None else None)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (auth("me", "a:b"), ("me", "a:b", "", "")),
        (auth("me", "p\0\0"), ("me", "p", "", "")),
        ({"username": "me", "password": "p"}, ("me", "p", "", "")),
        ({**auth("me", ""), "identitytoken": "t"}, ("me", "", "t", "")),
        (auth("<token>", "t"), ("", "t", "t", "")),
        ({"registrytoken": "t"}, ("", "", "", "t")),
    ],
)
def test_what_an_entry_says(tmp_path: Path, environ: dict[str, str], entry: Any, expected: tuple[str, ...]) -> None:
    path = write(tmp_path / ".docker/config.json", {"auths": {"r.example": entry}})
    assert find(tmp_path, environ) == Credentials(str(path), *expected)


def test_a_user_for_each_request() -> None:
    assert Credentials("x", "me", "p").basic == "Basic bWU6cA=="
    assert Credentials("x", identity_token="t").basic is None


def test_secrets_are_not_printed() -> None:
    assert "hidden" not in repr(Credentials("x", "me", "hidden", "hidden", "hidden"))


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "\x00", {"auths": {"r.example": {"auth": "%%%"}}}, {"auths": {"r.example": {"auth": "/w=="}}}],
)
def test_damaged_files(tmp_path: Path, environ: dict[str, str], content: Any) -> None:
    path = write(tmp_path / ".docker/config.json", content)
    with pytest.raises(InputError, match="is damaged") as raised:
        find(tmp_path, environ)
    assert str(path) in raised.value.what


@pytest.mark.parametrize("content", ["", "{}", {"auths": []}, {"auths": {"r.example": 1}}, {"credHelpers": "x"}])
def test_files_without_any(tmp_path: Path, environ: dict[str, str], content: Any) -> None:
    write(tmp_path / ".docker/config.json", content)
    assert find(tmp_path, environ) is None


def test_a_file_that_is_named_and_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        find(tmp_path, {"REGISTRY_AUTH_FILE": str(tmp_path / "gone")})


# Helpers


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A helper called test, which notes what it is asked for, and does what a file says."""
    path = write(
        tmp_path / "bin/docker-credential-test",
        f'#!/bin/sh\nread -r key\necho "$1 $key" >>{tmp_path}/asked\n. {tmp_path}/do\n',
    )
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return path


def does(tmp_path: Path, script: str) -> None:
    (tmp_path / "do").write_text(script)


def gives(tmp_path: Path, user: str) -> None:
    does(tmp_path, f"""echo '{{"ServerURL": "x", "Username": "{user}", "Secret": "s"}}'\n""")


def test_a_helper_for_the_registry(tmp_path: Path, environ: dict[str, str], helper: Path) -> None:
    """It goes before an entry."""
    gives(tmp_path, "of the helper")
    write(tmp_path / ".docker/config.json", {"credHelpers": {"r.example": "test"}, "auths": {"r.example": auth("x")}})
    assert find(tmp_path, environ) == Credentials("docker-credential-test", "of the helper", "s")
    assert (tmp_path / "asked").read_text() == "get r.example\n"
    assert find(tmp_path, environ, registry="other.example") is None


def test_a_helper_for_all(tmp_path: Path, environ: dict[str, str], helper: Path) -> None:
    """An entry goes before it; docker leaves empty ones."""
    gives(tmp_path, "of the store")
    write(tmp_path / ".docker/config.json", {"credsStore": "test", "auths": {"r.example": {}, "o.example": auth("o")}})
    assert user_in(tmp_path, environ) == "of the store"
    assert user_in(tmp_path, environ, registry="o.example") == "o"


def test_a_token_of_a_helper(tmp_path: Path, environ: dict[str, str], helper: Path) -> None:
    gives(tmp_path, "<token>")
    write(tmp_path / ".docker/config.json", {"credsStore": "test"})
    assert find(tmp_path, environ) == Credentials("docker-credential-test", identity_token="s")


def test_a_helper_without_credentials(tmp_path: Path, environ: dict[str, str], helper: Path) -> None:
    """docker's own registry has two names."""
    does(tmp_path, "echo credentials not found in native keychain; exit 1\n")
    write(tmp_path / ".docker/config.json", {"credsStore": "test"})
    assert find(tmp_path, environ, registry="docker.io", repository="library/app") is None
    assert (tmp_path / "asked").read_text() == "get https://index.docker.io/v1/\nget docker.io\n"


@pytest.mark.parametrize(
    ("name", "script", "kind", "words"),
    [
        ("test", "echo the keyring is locked; exit 1\n", EnvironmentFailure, "the keyring is locked"),
        ("test", "exit 3\n", EnvironmentFailure, "status 3"),
        ("test", "echo hidden\n", EnvironmentFailure, "not that of a credential helper"),
        ("test", 'echo \'{"Username": "hidden"}\'\n', EnvironmentFailure, "not that of a credential helper"),
        ("gone", "", EnvironmentFailure, "docker-credential-gone is not on PATH"),
        ("../bin/sh", "", InputError, "credential helper"),
    ],
)
def test_helpers_that_fail(
    tmp_path: Path, environ: dict[str, str], helper: Path, name: str, script: str, kind: type[FreezerError], words: str
) -> None:
    does(tmp_path, script)
    write(tmp_path / ".docker/config.json", {"credsStore": name})
    with pytest.raises(kind) as raised:
        find(tmp_path, environ)
    assert words in raised.value.render()
    assert "hidden" not in raised.value.render()


def test_a_helper_that_waits(
    tmp_path: Path, environ: dict[str, str], helper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "HELPER_SECONDS", 0.2)
    does(tmp_path, "exec sleep 100\n")
    write(tmp_path / ".docker/config.json", {"credsStore": "test"})
    with pytest.raises(EnvironmentFailure, match="gave no answer"):
        find(tmp_path, environ)
