"""Requests to a registry are repeated where that helps, and what does not help is said once and plainly."""

from __future__ import annotations

import io
import json
import socket
from pathlib import Path
from typing import Any, Optional

import pytest
from registries import FakeRegistry, Fault

from freezer.base.errors import OutputError
from freezer.push.trouble import Policy

BUSY = b'{"errors": [{"code": "TOOMANYREQUESTS", "message": "slow down"}]}'


def said_by(code: str, message: str, detail: object = None) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message, "detail": detail}]}).encode()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize(
    ("method", "pattern"),
    [
        ("GET", "/v2/$"),
        ("HEAD", "/blobs/"),
        ("POST", "uploads"),
        ("PATCH", ""),
        ("PUT", "uploads"),
        ("PUT", "manifests"),
    ],
)
def test_what_passes(image: Path, push: Any, registry: FakeRegistry, status: int, method: str, pattern: str) -> None:
    registry.faults = [Fault(method, pattern, status, times=2)]
    pushed = push(image, f"{registry.name}/app")
    assert registry.faults[0].times == 0
    assert registry.manifests["app", "latest"][1] == registry.manifests["app", pushed.digest][1]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH", "PUT"])
@pytest.mark.parametrize("cut", [0, 1000, -1])
def test_connections_that_are_cut(image: Path, push: Any, registry: FakeRegistry, method: str, cut: int) -> None:
    """Before anything was read, within the body, and after the work was done: twice each."""
    registry.faults = [Fault(method, "", 0, times=2, cut=cut)]
    push(image, f"{registry.name}/app")
    assert registry.faults[0].times == 0
    assert ("app", "latest") in registry.manifests


def test_the_time_that_the_registry_asks_for(image: Path, push: Any, registry: FakeRegistry, said: io.StringIO) -> None:
    registry.faults = [Fault("HEAD", "", 429, headers={"Retry-After": "1"}, body=BUSY)]
    push(image, f"{registry.name}/app")
    # The answer to HEAD has no body that could be told.
    assert "is asked too often; again in 1.0 s" in said.getvalue()


def test_a_time_that_is_too_long(image: Path, push: Any, registry: FakeRegistry) -> None:
    registry.faults = [Fault("POST", "", 429, times=100, headers={"Retry-After": "21600"}, body=BUSY)]
    with pytest.raises(OutputError, match=r"is asked too often \(slow down\)") as raised:
        push(image, f"{registry.name}/app")
    assert "21600 seconds" in str(raised.value.why)
    assert registry.count("POST") <= 3


def test_a_registry_that_stays_broken(image: Path, push: Any, registry: FakeRegistry) -> None:
    registry.faults = [Fault("PUT", "manifests", 503, times=100, body=b"<html>Bad gateway</html>")]
    with pytest.raises(OutputError, match=r"cannot push the manifest .* answers 503") as raised:
        push(image, f"{registry.name}/app")
    assert raised.value.why == "4 attempts have failed"
    assert registry.count("PUT", "manifests") == 4


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (507, b""),
        (500, said_by("UNKNOWN", "unknown error", "write /var: no space left on device")),
        (403, said_by("DENIED", "adding 1 MiB of storage resource, which exceeds the quota")),
        (413, said_by("DENIED", "storage quota exceeded")),
    ],
)
def test_a_full_registry(image: Path, push: Any, registry: FakeRegistry, method: str, status: int, body: bytes) -> None:
    registry.faults = [Fault(method, "", status, times=100, body=body)]
    with pytest.raises(OutputError, match=f"{registry.name} is full"):
        push(image, f"{registry.name}/app")
    assert registry.manifests == {}
    # It is not asked again and again.
    assert registry.count(method) <= 3


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("PATCH", "", 413, times=9, body=b"<html>too large"), "takes nothing of that size"),
        (Fault("POST", "", 403, times=9, body=said_by("DENIED", "read only")), "wants credentials"),
        (Fault("POST", "", 404, times=9, body=said_by("NAME_UNKNOWN", "no such project")), "answers 404"),
        (Fault("PUT", "manifests", 400, times=9, body=said_by("MANIFEST_INVALID", "bad manifest")), "answers 400"),
        (Fault("POST", "", 202, times=9), "does not follow the protocol"),
        (Fault("GET", "/v2/$", 404, times=9), "is not a registry"),
        (Fault("GET", "/v2/$", 200, times=9, body=b"<html>"), "is not a registry"),
        (Fault("HEAD", "", 307, times=99, headers={"Location": "/again"}), "redirects a request again and again"),
        (Fault("HEAD", "", 307, times=99, headers={"Location": "http://r.example/x"}), "is not safe"),
        (Fault("POST", "", 202, times=9, headers={"Location": "file:///etc/passwd"}), "is not safe"),
    ],
)
def test_answers_that_end_a_push(image: Path, push: Any, registry: FakeRegistry, fault: Fault, words: str) -> None:
    registry.faults = [fault]
    with pytest.raises(OutputError, match=words) as raised:
        push(image, f"{registry.name}/app")
    assert registry.name in raised.value.what
    assert registry.manifests == {}


def test_what_the_registry_says_is_told(image: Path, push: Any, registry: FakeRegistry) -> None:
    registry.faults = [Fault("PUT", "manifests", 400, body=said_by("MANIFEST_INVALID", "no such layer"))]
    with pytest.raises(OutputError) as raised:
        push(image, f"{registry.name}/app")
    assert raised.value.why == "no such layer"


def test_a_redirection(image: Path, push: Any, registry: FakeRegistry) -> None:
    push(image, f"{registry.name}/app")
    (digest, *_) = registry.blobs["app"]
    elsewhere = {"Location": f"http://127.0.0.1:{registry.name.partition(':')[2]}/v2/app/blobs/{digest}"}
    registry.faults = [Fault("HEAD", digest, 307, headers=elsewhere)]
    assert push(image, f"{registry.name}/app").sent == 0


def test_a_registry_that_is_not_there(image: Path, push: Any) -> None:
    """It is not waited for."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        name = f"127.0.0.1:{probe.getsockname()[1]}"
    policy = Policy(first_wait=1000.0, longest_wait=10_000.0)
    with pytest.raises(OutputError, match=f"{name} cannot be reached: Connection refused") as raised:
        push(image, f"{name}/app", policy=policy)
    assert raised.value.hint is not None


def test_a_registry_that_goes_away(image: Path, push: Any, registry: FakeRegistry) -> None:

    def leaves(method: str, _path: str) -> Optional[Fault]:
        if method != "PATCH":
            return None
        registry.server.server_close()
        return Fault(method, "", 0)

    registry.watch = leaves
    with pytest.raises(OutputError, match=r"cannot push sha256:.* cannot be reached"):
        push(image, f"{registry.name}/app")
