"""Registries on the loopback: one of the tests' own, which can be made to fail, and Debian's docker-registry."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Optional
from urllib.parse import parse_qs, urlsplit

from support import PATIENCE, attended, free_port, need_program

USER, PASSWORD = "tester", "secret"
HTPASSWD = f"{USER}:$2b$04$KT1WOalIy7qA4HmU7TVRNOlZrHJUDE17KpW9kPQzQMZhcEciIHVXa\n"
"""The password as docker-registry reads it: bcrypt, of little strength and so quick."""


class Server(ThreadingHTTPServer):
    """A server that says nothing of clients that hang up, which belongs to what is tested."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


@dataclass
class Fault:
    """What happens to a request instead of its answer: ``status`` with ``headers`` and ``body``, or with status 0 the
    connection is cut after so many bytes of the request's body, or after the work but before the answer (-1)."""

    method: str
    pattern: str
    status: int
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int = 0


@dataclass(frozen=True)
class Asked:
    """A request that a registry got."""

    method: str
    path: str
    headers: dict[str, str]
    size: int


class FakeRegistry:
    """The protocol of registries in memory. ``auth`` is None, basic or bearer; ``referrers`` says that it knows these,
    and lists them itself."""

    def __init__(
        self, *, auth: Optional[str] = None, tls: Optional[ssl.SSLContext] = None, referrers: bool = False
    ) -> None:
        self.auth = auth
        self.referrers = referrers
        self.blobs: dict[str, dict[str, bytes]] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.uploads: dict[str, bytearray] = {}
        self.numbers = itertools.count()
        self.faults: list[Fault] = []
        self.asked: list[Asked] = []
        self.tokens: set[str] = set()
        self.token_requests: list[tuple[str, dict[str, list[str]], Optional[str]]] = []
        self.chunked = True
        self.watch: Callable[[str, str], Optional[Fault]] = lambda _method, _path: None
        """Called for each request; a fault that it returns comes before the others."""
        self.mend: Callable[[str, dict[str, str]], dict[str, str]] = lambda _method, headers: headers
        """Called for each answer; returns its headers."""
        self.lock = threading.Lock()
        self.server = Server(("127.0.0.1", 0), self._handler())
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.scheme = "https" if tls is not None else "http"
        self.name = f"localhost:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def count(self, method: str, pattern: str = "") -> int:
        """How many such requests there were."""
        return sum(item.method == method and re.search(pattern, item.path) is not None for item in self.asked)

    def fault_for(self, method: str, path: str) -> Optional[Fault]:
        watched = self.watch(method, path)
        if watched is not None:
            return watched
        with self.lock:
            for item in self.faults:
                if item.times and item.method == method and re.search(item.pattern, path):
                    item.times -= 1
                    return item
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(_Handler):
            owner = registry

        return Handler


class _Handler(BaseHTTPRequestHandler):
    owner: FakeRegistry
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE
    disable_nagle_algorithm = True

    def log_message(self, *_arguments: Any) -> None:
        pass

    def reply(self, status: int, headers: Optional[dict[str, str]] = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in self.owner.mend(self.command, headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)

    def error(self, status: int, code: str, message: str, **headers: str) -> None:
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self.reply(status, {"Content-Type": "application/json", **headers}, body)

    def cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def serve(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        owner, path = self.owner, self.path
        with owner.lock:
            owner.asked.append(Asked(self.command, path, dict(self.headers.items()), size))
        fault = owner.fault_for(self.command, path)
        if fault is not None and fault.status:
            self.rfile.read(size)
            self.reply(fault.status, fault.headers, fault.body)
            return
        if fault is not None and fault.cut >= 0:
            self.receive(self.rfile.read(min(size, fault.cut)))
            self.cut()
            return
        body = self.rfile.read(size)
        if fault is not None:
            # The work is done, and nobody is told.
            self.wfile = _Nowhere()  # type: ignore[assignment]
        if urlsplit(path).path == "/token":
            self.token(body)
        elif self.authorized():
            self.work(body)
        if fault is not None:
            self.cut()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def receive(self, data: bytes) -> None:
        """Keep what came of a request before it was cut."""
        match = re.search(r"/blobs/uploads/([0-9]+)", self.path)
        if match and match[1] in self.owner.uploads:
            self.owner.uploads[match[1]] += data

    def authorized(self) -> bool:
        owner, sent = self.owner, self.headers.get("Authorization")
        if owner.auth is None:
            return True
        if owner.auth == "basic":
            if sent == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode():
                return True
            self.error(401, "UNAUTHORIZED", "authentication required", **{"WWW-Authenticate": 'Basic realm="x"'})
            return False
        if sent is not None and sent.partition(" ")[2] in owner.tokens:
            return True
        challenge = f'Bearer realm="{owner.scheme}://{owner.name}/token",service="the, service",scope="a:b:c"'
        self.error(401, "UNAUTHORIZED", "authentication required", **{"WWW-Authenticate": challenge})
        return False

    def token(self, body: bytes) -> None:
        owner, sent = self.owner, self.headers.get("Authorization")
        query = parse_qs(body.decode() if self.command == "POST" else urlsplit(self.path).query)
        with owner.lock:
            owner.token_requests.append((self.command, query, sent))
            known = sent == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            if known or query.get("refresh_token") == ["identity"]:
                owner.tokens.add(f"token{len(owner.token_requests)}")
                self.reply(200, {}, json.dumps({"token": f"token{len(owner.token_requests)}"}).encode())
                return
        self.error(401, "UNAUTHORIZED", "who are you?")

    def work(self, body: bytes) -> None:
        url = urlsplit(self.path)
        if url.path == "/v2/":
            self.reply(200, {}, b"{}")
            return
        match = re.fullmatch(r"/v2/(.+)/(blobs/uploads|blobs|manifests)/([^/]*)", url.path)
        if match is None:
            self.error(404, "NAME_UNKNOWN", "no such page")
            return
        repository, kind, last = match.groups()
        with self.owner.lock:
            if kind == "blobs":
                self.blob(repository, last)
            elif kind == "manifests":
                self.manifest(repository, last, body)
            else:
                self.upload(repository, last, parse_qs(url.query), body)

    def blob(self, repository: str, digest: str) -> None:
        data = self.owner.blobs.get(repository, {}).get(digest)
        if data is None:
            self.error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        else:
            self.reply(200, {"Docker-Content-Digest": digest}, data if self.command == "GET" else b"")

    def manifest(self, repository: str, name: str, body: bytes) -> None:
        if self.command == "GET":
            found = self.owner.manifests.get((repository, name))
            if found is None:
                self.error(404, "MANIFEST_UNKNOWN", "manifest unknown")
            else:
                self.reply(200, {"Content-Type": found[0]}, found[1])
            return
        document = json.loads(body)
        known = self.owner.blobs.get(repository, {})
        for item in [document.get("config"), *document.get("layers", [])]:
            if item is not None and item["digest"] not in known:
                self.error(400, "MANIFEST_BLOB_UNKNOWN", f"blob unknown: {item['digest']}")
                return
        for item in document.get("manifests", []):
            if (repository, item["digest"]) not in self.owner.manifests:
                self.error(400, "MANIFEST_UNKNOWN", f"manifest unknown: {item['digest']}")
                return
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        for key in {name, digest}:
            self.owner.manifests[repository, key] = (self.headers["Content-Type"], body)
        headers = {"Docker-Content-Digest": digest, "Location": f"/v2/{repository}/manifests/{digest}"}
        if self.owner.referrers and "subject" in document:
            headers["OCI-Subject"] = document["subject"]["digest"]
        self.reply(201, headers)

    def upload(self, repository: str, name: str, query: dict[str, list[str]], body: bytes) -> None:
        owner = self.owner
        if self.command == "POST":
            (digest,), (source,) = query.get("mount", [""]), query.get("from", [""])
            if digest in owner.blobs.get(source, {}):
                owner.blobs.setdefault(repository, {})[digest] = owner.blobs[source][digest]
                self.reply(201)
                return
            name = str(next(owner.numbers))
            owner.uploads[name] = bytearray()
            self.reply(202, {"Location": f"/v2/{repository}/blobs/uploads/{name}?state=0", "Range": "0-0"})
            return
        if name not in owner.uploads:
            self.error(404, "BLOB_UPLOAD_UNKNOWN", "upload unknown")
            return
        data = owner.uploads[name]

        def place() -> dict[str, str]:
            return {"Location": f"/v2/{repository}/blobs/uploads/{name}?state={len(data)}"}

        if self.command == "PATCH":
            if "Content-Range" in self.headers and not owner.chunked:
                self.error(400, "UNSUPPORTED", "no chunks")
                return
            if self.headers.get("Content-Range", f"{len(data)}-").partition("-")[0] != str(len(data)):
                self.error(416, "RANGE_INVALID", "invalid content range")
                return
            data += body
            self.reply(202, {**place(), "Range": f"0-{max(0, len(data) - 1)}"})
        elif self.command == "GET":
            self.reply(204, {**place(), "Range": f"0-{max(0, len(data) - 1)}"})
        elif self.command == "PUT":
            data += body
            (digest,) = query["digest"]
            del owner.uploads[name]
            if digest != "sha256:" + hashlib.sha256(data).hexdigest():
                self.error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
                return
            owner.blobs.setdefault(repository, {})[digest] = bytes(data)
            self.reply(201, {"Docker-Content-Digest": digest})


class _Nowhere:
    closed = False

    def write(self, data: bytes) -> int:
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


@contextlib.contextmanager
def fake_registry(**options: Any) -> Iterator[FakeRegistry]:
    """A registry of the tests' own."""
    registry = FakeRegistry(**options)
    try:
        yield registry
    finally:
        registry.close()


@dataclass(frozen=True)
class Certificate:
    """A certificate for localhost that has signed itself, and its key."""

    path: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path, self.key)
        return context


def make_certificate(folder: Path) -> Certificate:
    made = Certificate(folder / "localhost.pem", folder / "localhost.key")
    command = [need_program("openssl"), "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += [
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "keyUsage=digitalSignature,keyCertSign",
    ]
    command += ["-keyout", str(made.key), "-out", str(made.path)]
    subprocess.run(command, check=True, capture_output=True)
    return made


def login_file(folder: Path, registry: str, **fields: str) -> Path:
    """A file of credentials, as docker and podman write it."""
    entry = fields or {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
    path = folder / "auth.json"
    path.write_text(json.dumps({"auths": {registry: entry}}))
    return path


# Debian's


@contextlib.contextmanager
def docker_registry(folder: Path, sections: dict[str, Any], prefix: Sequence[str] = ()) -> Iterator[str]:
    """Debian's docker-registry, with these parts of its configuration; its name."""
    program = need_program("docker-registry")
    port = free_port()
    name = f"localhost:{port}"
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
        **sections,
        "http": {"addr": f"127.0.0.1:{port}", "secret": "x", **sections.get("http", {})},
    }
    path = folder / "registry.yml"
    path.write_text(json.dumps(config))
    with (
        open(folder / "registry.log", "w", encoding="utf-8") as log,
        attended([*prefix, program, "serve", str(path)], stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process,
    ):
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), PATIENCE):
                break
            said = (folder / "registry.log").read_text()
            assert process.poll() is None and time.monotonic() < deadline, said
            time.sleep(0.05)
        yield name
        process.terminate()
        process.wait(PATIENCE)


def sign_token(certificate: Certificate, issuer: str, service: str, scopes: list[str]) -> str:
    """A token as docker-registry wants it: a JWT, with the certificate in it."""
    access = []
    for scope in scopes:
        kind, name, actions = scope.split(":")
        access.append({"type": kind, "name": name, "actions": actions.split(",")})
    der = "".join(certificate.path.read_text().splitlines()[1:-1])
    now = int(time.time())
    header = {"typ": "JWT", "alg": "ES256", "x5c": [der]}
    claims = {"iss": issuer, "sub": USER, "aud": service, "exp": now + 600, "nbf": now - 60, "iat": now, "jti": "1",
              "access": access}  # fmt: skip
    text = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
    command = [need_program("openssl"), "dgst", "-sha256", "-sign", str(certificate.key)]
    signature = subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout
    return f"{text}.{_encoded(_raw_signature(signature))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _raw_signature(der: bytes) -> bytes:
    """The two numbers of an ECDSA signature in DER, as JWS has them (RFC 7518)."""
    at, numbers = 2, []
    for _ in range(2):
        length = der[at + 1]
        numbers.append(der[at + 2 : at + 2 + length].lstrip(b"\0").rjust(32, b"\0"))
        at += 2 + length
    return b"".join(numbers)


@contextlib.contextmanager
def token_server(certificate: Certificate, issuer: str) -> Iterator[str]:
    """A server that gives tokens to the user; its address. Everybody else gets none."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: Any) -> None:
            pass

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            known = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            status, answer = 401, {"details": "incorrect username or password"}
            if self.headers.get("Authorization") == known:
                status, answer = 200, {"token": sign_token(certificate, issuer, query["service"][0], query["scope"])}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = certificate.server().wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}/token"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
