"""Requests over HTTP: kept connections, proxies, early answers, and what is said if there is no connection."""

from __future__ import annotations

import base64
import contextlib
import gc
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Optional

import pytest
from registries import FakeRegistry, Fault, fake_registry, make_certificate
from support import PATIENCE

from freezer.base.errors import FreezerError, InputError, OutputError
from freezer.push.connections import Connections, Text, proxies_of
from freezer.push.trouble import Policy, Stopped, Trouble, Unreachable
from freezer.push.trust import make_context

POLICY = Policy(connect=PATIENCE, answer=PATIENCE)


Connect = Callable[..., Connections]


@pytest.fixture
def connections() -> Iterator[Connect]:
    """Makes connections, which end with the test."""
    made: list[Connections] = []

    def make(context: Optional[ssl.SSLContext] = None, policy: Policy = POLICY, **proxies: str) -> Connections:
        made.append(Connections(context or ssl.create_default_context(), proxies, policy, threading.Event()))
        return made[-1]

    yield make
    for item in made:
        item.close()


@contextlib.contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server of one function, which gets each connection; its host and port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                serve(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(PATIENCE)


def request_of(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            break
        data += more
    return data


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_a_request(registry: FakeRegistry, connections: Connect) -> None:
    answer = connections().send("GET", f"http://{registry.name}/v2/", {"X-Test": "yes"})
    assert (answer.status, answer.body) == (200, b"{}")
    (asked,) = registry.asked
    assert asked.headers["X-Test"] == "yes"
    assert asked.headers["Host"] == registry.name
    assert asked.headers["User-Agent"].startswith("freezer/")
    assert "Accept-Encoding" not in asked.headers


def test_a_connection_is_kept(connections: Connect) -> None:
    seen = []

    def serve(connection: socket.socket) -> None:
        seen.append(0)
        while request_of(connection):
            seen[-1] += 1
            connection.sendall(OK)

    with server(serve) as name:
        made = connections()
        for _ in range(3):
            assert made.send("GET", f"http://{name}/", {}).body == b"ok"
        made.close()
    assert seen == [3]


def test_a_kept_connection_that_was_ended(connections: Connect) -> None:
    """By the other side, which is no trouble; but a request with a body is not sent twice without being asked."""

    def serve(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(OK)

    with server(serve) as name:
        made = connections()
        for _ in range(3):
            assert made.send("GET", f"http://{name}/", {}).status == 200
        with pytest.raises(Trouble, match="was lost"):
            made.send("PATCH", f"http://{name}/", {}, Text(b"x" * 10))


def test_an_answer_before_the_whole_request_counts(connections: Connect) -> None:
    def serve(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 507 Full\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfull")
        connection.shutdown(socket.SHUT_WR)
        # Until the client notices; unread data would have the answer thrown away by its system.
        while connection.recv(1 << 20):
            pass

    class Endless:
        size = 1 << 40

        def pieces(self) -> Iterable[bytes]:
            sent = 0
            while True:
                sent += 1
                if sent == 200:
                    raise BrokenPipeError  # as the system does at some time
                yield bytes(1 << 16)

    with server(serve) as name:
        answer = connections().send("PATCH", f"http://{name}/", {}, Endless())
    assert (answer.status, answer.body) == (507, b"full")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "the connection to .* was lost|cannot be understood"),
        (b"nonsense\r\n\r\n", "cannot be understood"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "cannot be understood"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 200 + b"\r\n", "cannot be understood"),
    ],
)
def test_answers_that_are_none(answer: bytes, words: str, connections: Connect) -> None:
    def serve(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(answer)

    with server(serve) as name, pytest.raises(Trouble, match=words):
        connections().send("GET", f"http://{name}/", {})


def test_no_answer(connections: Connect) -> None:
    def serve(connection: socket.socket) -> None:
        while request_of(connection):
            pass

    policy = Policy(connect=PATIENCE, answer=0.2)
    with server(serve) as name, pytest.raises(Trouble, match="gives no answer"):
        connections(policy=policy).send("GET", f"http://{name}/", {})


def test_nobody_listens(connections: Connect) -> None:
    with socket.socket() as deaf:
        # As long as it has the port, it is nobody else's.
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        with pytest.raises(Unreachable, match=f"127.0.0.1:{port} cannot be reached: Connection refused"):
            connections().send("GET", f"http://127.0.0.1:{port}/", {})


def test_no_such_name(connections: Connect) -> None:
    with pytest.raises(Unreachable, match=r"the name nowhere\.invalid cannot be resolved"):
        connections().send("GET", "http://nowhere.invalid/", {})


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", "file:///etc/passwd", "http:///x"])
def test_addresses_that_are_none(url: str, connections: Connect) -> None:
    with pytest.raises(OutputError, match="is not an address"):
        connections().send("GET", url, {})


def test_closing_ends_what_waits(connections: Connect) -> None:
    begun = threading.Event()

    def serve(connection: socket.socket) -> None:
        begun.set()
        while request_of(connection):
            pass

    with server(serve) as name:
        made = connections()
        raised: list[BaseException] = []

        def ask() -> None:
            try:
                made.send("GET", f"http://{name}/", {})
            except BaseException as error:
                raised.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        begun.wait(PATIENCE)
        made.stop.set()
        made.close()
        thread.join(PATIENCE)
        assert [type(error) for error in raised] == [Stopped]
        with pytest.raises(Stopped):
            made.send("GET", f"http://{name}/", {})


# TLS


def test_an_authority_that_is_named(tmp_path: Path, connections: Connect) -> None:
    certificate = make_certificate(tmp_path)
    with fake_registry(tls=certificate.server()) as registry:
        url = f"https://{registry.name}/v2/"
        made = connections(make_context("x", [certificate.path], None))
        assert made.send("GET", url, {}).status == 200
        made.close()
        with pytest.raises(OutputError, match=r"is not trusted: self.signed certificate") as raised:
            connections().send("GET", url, {})
        assert "--ca-cert" in str(raised.value.hint)
        wrong = url.replace("localhost", "127.0.0.1")
        with pytest.raises(FreezerError, match="is not trusted"):
            connections(make_context("x", [certificate.path], None)).send("GET", wrong, {})


def test_no_tls(registry: FakeRegistry, connections: Connect) -> None:
    with pytest.raises(OutputError, match="does not speak TLS") as raised:
        connections().send("GET", f"https://{registry.name}/v2/", {})
    assert str(raised.value.hint).endswith("--plain-http")


# Proxies


def test_proxies_of_variables() -> None:
    environ = {"HTTPS_PROXY": "http://big", "https_proxy": "http://small", "HTTP_PROXY": "", "NO_PROXY": "a", "X": "y"}
    assert proxies_of(environ) == {"https": "http://small", "no": "a"}


@pytest.mark.parametrize(
    ("no_proxy", "direct"),
    [
        ("", False),
        ("other.invalid", False),
        ("egistry.invalid", False),
        ("registry.invalid:81", False),
        ("*", True),
        ("other, registry.invalid", True),
        (".invalid", True),
        ("*.invalid", True),
        ("registry.invalid:80", True),
    ],
)
def test_hosts_without_a_proxy(no_proxy: str, direct: bool, connections: Connect) -> None:
    def serve(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(OK)

    with server(serve) as name:
        made = connections(http=f"http://{name}", no=no_proxy)
        if direct:
            with pytest.raises(Unreachable, match=r"registry\.invalid"):
                made.send("GET", "http://registry.invalid:80/", {})
        else:
            assert made.send("GET", "http://registry.invalid:80/", {}).status == 200


def test_a_proxy_gets_the_whole_address_and_its_password(connections: Connect) -> None:
    seen = []

    def serve(connection: socket.socket) -> None:
        seen.append(request_of(connection).decode())
        connection.sendall(OK)

    with server(serve) as name:
        made = connections(all=f"http://me:p%40ss@{name}")
        assert made.send("GET", "http://registry.invalid/x?y=1", {}).status == 200
    assert seen[0].startswith("GET http://registry.invalid/x?y=1 HTTP/1.1\r\n")
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'me:p@ss').decode()}\r\n" in seen[0]


def test_a_tunnel_through_a_proxy(tmp_path: Path, connections: Connect) -> None:
    """The proxy sees the name and nothing else: TLS is with the registry."""
    certificate = make_certificate(tmp_path)
    seen = []

    def pipe(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)

    with fake_registry(tls=certificate.server()) as registry:
        port = registry.server.server_address[1]

        def serve(connection: socket.socket) -> None:
            seen.append(request_of(connection).decode())
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            with socket.create_connection(("127.0.0.1", port)) as other:
                thread = threading.Thread(target=pipe, args=(other, connection), daemon=True)
                thread.start()
                pipe(connection, other)

        with server(serve) as name:
            context = make_context("x", [certificate.path], None)
            context.check_hostname = False
            made = connections(context, https=name)
            assert made.send("GET", f"https://registry.invalid:{port}/v2/", {"Authorization": "hidden"}).status == 200
            made.close()
    assert seen[0].startswith(f"CONNECT registry.invalid:{port} HTTP/1.")
    assert "hidden" not in seen[0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_proxy_that_refuses(connections: Connect) -> None:
    def serve(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")

    with server(serve) as name, pytest.raises(Unreachable, match=r"the proxy 127\.0\.0\.1 refuses .* 407") as raised:
        connections(https=f"http://{name}").send("GET", "https://registry.invalid/", {})
    assert "no_proxy" in str(raised.value.hint)
    # Python 3.9 leaves the answer of the proxy open.
    del raised
    gc.collect()


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "https://127.0.0.1:1", "http://"])
def test_proxies_that_cannot_be_used(proxy: str, connections: Connect) -> None:
    with pytest.raises(InputError, match="cannot be used"):
        connections(https=proxy).send("GET", "https://registry.invalid/", {})


def test_this_machine_needs_no_proxy(registry: FakeRegistry, connections: Connect) -> None:
    assert connections(http="http://proxy.invalid").send("GET", f"http://{registry.name}/v2/", {}).status == 200


def test_faults_of_the_tests_registry(registry: FakeRegistry, connections: Connect) -> None:
    """It cuts connections where it is told to."""
    registry.faults = [Fault("PUT", "x", 0, cut=2)]
    with pytest.raises(Trouble, match=r"lost|understood"):
        connections().send("PUT", f"http://{registry.name}/x", {}, Text(b"12345"))
