"""Passwords and tokens: which go where, and what is said if they are refused."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import pytest
from registries import PASSWORD, USER, FakeRegistry, fake_registry, login_file

from freezer.base.errors import OutputError
from freezer.push.authorization import Authorization, Challenge, error_text, parse_challenges
from freezer.push.connections import Answer, Text
from freezer.push.credentials import Credentials
from freezer.push.target import resolve_target


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Basic", [("basic", {})]),
        ('Basic realm="x"', [("basic", {"realm": "x"})]),
        (
            'Bearer realm="https://a.example/t?x=1",service="r, s",scope="repository:a:pull,push"',
            [("bearer", {"realm": "https://a.example/t?x=1", "service": "r, s", "scope": "repository:a:pull,push"})],
        ),
        ('Bearer realm = "a" , Service=b', [("bearer", {"realm": "a", "service": "b"})]),
        ('Basic realm="x", Bearer realm="y"', [("basic", {"realm": "x"}), ("bearer", {"realm": "y"})]),
        ('Negotiate, Basic realm="a \\"b\\""', [("negotiate", {}), ("basic", {"realm": 'a "b"'})]),
        ('Bearer realm="never ends', [("bearer", {})]),
        ("", []),
        ("!!", []),
    ],
)
def test_challenges(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert [(item.scheme, item.parameters) for item in parse_challenges(header)] == expected


def test_a_long_header_takes_no_time() -> None:
    assert next(parse_challenges("Bearer " + "a=b," * 100_000)).scheme == "bearer"
    assert list(parse_challenges('Bearer realm="' + "\\" * 1_000_000)) == [Challenge("bearer", {})]


def answer(status: int, body: Any = b"", *challenges: str) -> Answer:
    headers = http.client.HTTPMessage()
    for item in challenges:
        headers.add_header("WWW-Authenticate", item)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer("https://r.example/v2/", status, headers, data)


class Server:
    """Answers what it is asked for tokens."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Mapping[str, str], Optional[Text]]] = []

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: Optional[Text]) -> Answer:
        self.asked.append((method, url, headers, body))
        return self.answers.pop(0)


def authorization(server: Server, credentials: Optional[Credentials], *mounts: str) -> Authorization:
    return Authorization(resolve_target("r.example/team/app", None), credentials, mounts, server.ask)


ME = Credentials("the file", "me", "p")
BEARER = 'Bearer realm="https://auth.example/token?x=1",service="r.example"'


def test_a_password_is_sent_to_who_asks_for_it() -> None:
    made = authorization(Server(), ME)
    assert made.value is None
    assert made.renew(answer(401, b"", 'Basic realm="x"'), None) == ME.basic
    assert made.value == ME.basic
    # It is wrong, then: there is nothing better.
    assert made.renew(answer(401, b"", 'Basic realm="x"'), ME.basic) is None


def test_a_token_for_the_repository_and_those_to_mount_from() -> None:
    server = Server(answer(200, {"token": "abc"}))
    assert authorization(server, ME, "base").renew(answer(401, b"", BEARER), None) == "Bearer abc"
    ((method, url, headers, body),) = server.asked
    assert (method, body, headers) == ("GET", None, {"Authorization": ME.basic})
    assert url == (
        "https://auth.example/token?x=1&service=r.example"
        "&scope=repository%3Ateam%2Fapp%3Apull%2Cpush&scope=repository%3Abase%3Apull"
    )


def test_a_token_without_credentials() -> None:
    server = Server(answer(200, {"access_token": "abc"}))
    assert authorization(server, None).renew(answer(401, b"", BEARER), None) == "Bearer abc"
    assert server.asked[0][2] == {}


def test_an_identity_token_is_exchanged() -> None:
    server = Server(answer(200, {"access_token": "abc"}))
    made = authorization(server, Credentials("x", identity_token="i&d"))
    assert made.renew(answer(401, b"", BEARER), None) == "Bearer abc"
    ((method, url, _, body),) = server.asked
    assert (method, url) == ("POST", "https://auth.example/token?x=1")
    assert body is not None
    assert body.data.endswith(b"&grant_type=refresh_token&refresh_token=i%26d")


def test_a_token_for_the_registry_is_used_as_it_is() -> None:
    assert authorization(Server(), Credentials("x", registry_token="abc")).value == "Bearer abc"


def test_an_old_token_is_renewed_once_for_all_threads() -> None:
    server = Server(answer(200, {"token": "one"}), answer(200, {"token": "two"}))
    made = authorization(server, ME)
    challenge = answer(401, b"", BEARER)
    assert made.renew(challenge, None) == "Bearer one"
    assert made.renew(challenge, None) == "Bearer one"
    assert made.renew(challenge, "Bearer one") == "Bearer two"
    assert made.renew(challenge, "Bearer one") == "Bearer two"
    assert len(server.asked) == 2


@pytest.mark.parametrize("realm", ["http://auth.example/token", "", "file:///x"])
def test_no_password_without_tls(realm: str) -> None:
    server = Server()
    with pytest.raises(OutputError, match="not safe"):
        authorization(server, ME).renew(answer(401, b"", f'Bearer realm="{realm}"'), None)
    assert server.asked == []


@pytest.mark.parametrize(
    "given",
    [
        answer(200, {"token": ""}),
        answer(200, {"token": "a\r\nX: y"}),
        answer(200, {"token": 1}),
        answer(200, []),
        answer(200, b"<html>"),
        answer(404, b""),
    ],
)
def test_servers_that_give_no_token(given: Answer) -> None:
    with pytest.raises(OutputError, match=r"auth\.example gives no token for r\.example"):
        authorization(Server(given), ME).renew(answer(401, b"", BEARER), None)


@pytest.mark.parametrize(
    ("credentials", "status", "words"),
    [
        (None, 401, ("wants credentials to push to team/app", "podman login r.example")),
        (ME, 401, ("refuses the credentials of me", "they are from the file")),
        (Credentials("h", identity_token="t"), 401, ("refuses the credentials (a token)", "they are from h")),
        (ME, 403, ("does not allow to push to team/app", "of me are from the file")),
    ],
)
def test_refusals(credentials: Optional[Credentials], status: int, words: tuple[str, str]) -> None:
    error = authorization(Server(), credentials).refusal(answer(status, {"errors": [{"message": "go away"}]}))
    assert all(item in error.render() for item in (*words, "go away"))
    assert "hidden" not in error.render()


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_server_of_tokens_that_refuses(status: int) -> None:
    for credentials, words in ((ME, "credentials of me|does not allow"), (None, "wants credentials")):
        with pytest.raises(OutputError, match=words):
            authorization(Server(answer(status)), credentials).renew(answer(401, b"", BEARER), None)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"errors": [{"code": "DENIED", "message": "no\n  way"}]}, "no way"),
        ({"errors": [{"code": "DENIED"}]}, "DENIED"),
        ({"errors": [{"message": "x", "detail": "y"}, {"message": "z", "detail": {"a": 1}}]}, 'x; y; z; {"a": 1}'),
        ({"details": "incorrect username or password"}, "incorrect username or password"),
        ({"errors": None}, ""),
        ({"errors": ["x"]}, '{"errors": ["x"]}'),
        (b"plain\ntext", "plain text"),
        (b"<html>x", ""),
        (b"", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_what_a_registry_says(body: Any, expected: str) -> None:
    assert error_text(answer(400, body)) == expected


# With a registry


def test_basic(image: Path, push: Any) -> None:
    with fake_registry(auth="basic") as registry:
        push(image, f"{registry.name}/team/app", logged_in=True)
        assert ("team/app", "latest") in registry.manifests
        # The first request finds out; the others have it at once.
        assert sum("Authorization" not in item.headers for item in registry.asked) == 1


def test_bearer(image: Path, push: Any) -> None:
    with fake_registry(auth="bearer") as registry:
        push(image, f"{registry.name}/team/app", logged_in=True, mounts=["base"])
        ((method, query, _),) = registry.token_requests
        assert (method, query["service"]) == ("GET", ["the, service"])
        assert query["scope"] == ["repository:team/app:pull,push", "repository:base:pull"]


def test_a_token_that_ends_meanwhile(image: Path, push: Any) -> None:
    with fake_registry(auth="bearer") as registry:
        push(image, f"{registry.name}/team/app", logged_in=True)
        registry.tokens.clear()
        push(image, f"{registry.name}/team/app", logged_in=True, jobs=1)
        before = len(registry.token_requests)
        registry.blobs.clear()

        def forgets(method: str, _path: str) -> None:
            if method == "PATCH" and len(registry.token_requests) == before + 1:
                registry.tokens.clear()

        registry.watch = forgets
        push(image, f"{registry.name}/team/app", logged_in=True, jobs=1)
        assert len(registry.token_requests) == before + 2


def test_an_identity_token_of_a_file(image: Path, push: Any, tmp_path: Path) -> None:
    with fake_registry(auth="bearer") as registry:
        path = login_file(tmp_path, registry.name, identitytoken="identity")
        push(image, f"{registry.name}/team/app", environ={"REGISTRY_AUTH_FILE": str(path)})
        assert [item[0] for item in registry.token_requests] == ["POST"]


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_wrong_and_missing_credentials(image: Path, push: Any, tmp_path: Path, auth: str) -> None:
    with fake_registry(auth=auth) as registry:
        with pytest.raises(OutputError, match="wants credentials to push to team/app"):
            push(image, f"{registry.name}/team/app")
        path = login_file(tmp_path, registry.name, username=USER, password=f"not {PASSWORD}")
        with pytest.raises(OutputError, match=f"refuses the credentials of {USER}") as raised:
            push(image, f"{registry.name}/team/app", environ={"REGISTRY_AUTH_FILE": str(path)})
        assert str(path) in str(raised.value.why)
        assert (registry.uploads, registry.manifests) == ({}, {})


def test_no_authorization_for_others(image: Path, push: Any, registry: FakeRegistry) -> None:
    """An upload may lead to another server, which gets no password."""
    with fake_registry(auth="basic") as own:
        own.blobs, own.uploads = registry.blobs, registry.uploads

        def elsewhere(_method: str, headers: dict[str, str]) -> dict[str, str]:
            place = headers.get("Location", "")
            return {**headers, "Location": f"http://{registry.name}{place}"} if "uploads" in place else headers

        own.mend = elsewhere
        push(image, f"{own.name}/team/app", logged_in=True)
        assert registry.count("PATCH") == registry.count("PUT") == 3
        assert not any("Authorization" in item.headers for item in registry.asked)
