"""Asking a server: where it listens is read from tables, what it answers is read to its end. The whole way, in a cell,
is tried in test_sandbox.py."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import PATIENCE, wait_until

from freezer.prove.sandbox import asking
from freezer.prove.sandbox.asking import Asking, Place, listening, open_tables, parse_answer, reached_by

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
REST = "00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n"
LOOPBACK = "0100007F"


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Callable[..., dict[int, int]]]:
    """Return a function that writes a table of sockets, as /proc/net/tcp has it, and returns it opened."""
    opened: list[int] = []

    def write(*places: tuple[str, int], state: str = "0A", family: int = socket.AF_INET) -> dict[int, int]:
        lines = [f"   {number}: {place}:{port:04X} " for number, (place, port) in enumerate(places)]
        (tmp_path / "tcp").write_text(HEAD + "".join(line + REST.format(state=state) for line in lines))
        opened.append(os.open(tmp_path / "tcp", os.O_RDONLY))
        return {opened[-1]: family}

    yield write
    for descriptor in opened:
        os.close(descriptor)


class Server:
    """Answers every connection with the same bytes; ``asked`` is what it was sent."""

    def __init__(self, answer: bytes) -> None:
        self.answer, self.asked = answer, b""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            with connection:
                self.asked = connection.recv(65536)
                connection.sendall(self.answer)


@pytest.fixture
def serve() -> Iterator[Callable[[bytes], Server]]:
    servers: list[Server] = []

    def start(answer: bytes) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.socket.close()


def ask(tables: dict[int, int], *paths: str, seconds: float = PATIENCE) -> Asking:
    wanted = [{"path": path, "low": 200, "high": 399} for path in paths]
    found = Asking(wanted, tables, time.monotonic() + seconds)
    assert os.read(found.done, 1) == b""
    found.stop()
    return found


def test_addresses() -> None:
    assert reached_by(socket.AF_INET, LOOPBACK) == [(socket.AF_INET, "127.0.0.1")]
    assert reached_by(socket.AF_INET, "00000000") == [(socket.AF_INET, "127.0.0.1")]
    six = reached_by(socket.AF_INET6, "0" * 32)
    assert six == [(socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1")]
    assert reached_by(socket.AF_INET6, "0" * 24 + "01000000") == [(socket.AF_INET6, "::1")]
    mapped = reached_by(socket.AF_INET6, "0000000000000000FFFF00000100007F")
    assert mapped == [(socket.AF_INET, "127.0.0.1")]


def test_only_sockets_that_listen_count(table: Callable[..., dict[int, int]]) -> None:
    assert listening(table((LOOPBACK, 8000), (LOOPBACK, 80))) == [
        Place(socket.AF_INET, "127.0.0.1", 8000),
        Place(socket.AF_INET, "127.0.0.1", 80),
    ]
    assert listening(table((LOOPBACK, 8000), state="01")) == []


def test_the_kernels_tables(serve: Callable[[bytes], Server]) -> None:
    """Opened once, and read again: they tell what is new."""
    tables = open_tables()
    before = listening(tables)
    server = serve(b"")
    assert {place.port for place in listening(tables)} - {place.port for place in before} >= {server.port}
    for descriptor in tables:
        os.close(descriptor)


def test_paths_are_asked(serve: Callable[[bytes], Server], table: Callable[..., dict[int, int]]) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    found = ask(table((LOOPBACK, server.port)), "/a?b=c", "/d")
    (first, second) = found.answers
    assert first == {"path": "/a?b=c", "port": server.port, "status": 200, "reason": "OK", "body": "hello"}
    assert (second["path"], found.listened, found.complaint) == ("/d", True, None)
    assert server.asked.startswith(f"GET /d HTTP/1.1\r\nHost: localhost:{server.port}\r\n".encode())


def test_the_first_wrong_answer_is_the_last(
    serve: Callable[[bytes], Server], table: Callable[..., dict[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "GRACE_SECONDS", 0.05)
    server = serve(b"HTTP/1.0 500 Internal Server Error\r\n\r\nsorry")
    found = ask(table((LOOPBACK, server.port)), "/", "/never")
    assert [(item["path"], item["status"], item["body"]) for item in found.answers] == [("/", 500, "sorry")]


def test_the_right_one_of_several_ports(serve: Callable[[bytes], Server], table: Callable[..., dict[int, int]]) -> None:
    answers = (b"SSH-2.0-x\r\n", b"HTTP/1.1 404 No\r\n\r\n", b"HTTP/1.1 204 Yes\r\n\r\n")
    ports = [serve(answer).port for answer in answers]
    found = ask(table(*((LOOPBACK, port) for port in ports)), "/")
    assert [(item["port"], item["status"]) for item in found.answers] == [(ports[2], 204)]


def test_what_does_not_speak_http(serve: Callable[[bytes], Server], table: Callable[..., dict[int, int]]) -> None:
    server = serve(b"SSH-2.0-x\r\n")
    found = Asking(
        [{"path": "/", "low": 200, "high": 399}], table((LOOPBACK, server.port)), time.monotonic() + PATIENCE
    )
    wait_until(lambda: found.complaint, "an answer")
    found.stop()
    assert (found.answers, found.listened) == ([], True)
    assert found.complaint == f"port {server.port}: no answer in HTTP, but b'SSH-2.0-x\\r\\n'"


def test_nobody_listens(table: Callable[..., dict[int, int]]) -> None:
    found = ask(table(), "/", seconds=0.1)
    assert (found.answers, found.listened, found.complaint) == ([], False, None)


def test_it_gives_up_when_told(table: Callable[..., dict[int, int]]) -> None:
    until = time.monotonic() + PATIENCE
    found = Asking([{"path": "/", "low": 200, "high": 399}], table(), until)
    found.stop()
    assert time.monotonic() < until


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nbody", (200, "OK", "body")),
        (b"HTTP/1.0 302\r\n\r\n", (302, "", "")),
        (b"HTTP/1.1 200 OK", (200, "OK", "")),
        (CHUNKED + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", (200, "OK", "abcde")),
        (CHUNKED + b"zz\r\nabc", (200, "OK", "")),
        (b"HTTP/2 200 OK\r\n\r\n", None),
        (b"HTTP/1.1 abc\r\n\r\n", None),
        (b"hello", None),
        (b"", None),
    ],
)
def test_answers(data: bytes, answer: Any) -> None:
    found = parse_answer(data)
    assert (None if found is None else (found["status"], found["reason"], found["body"])) == answer


def test_the_end_of_an_answer() -> None:
    """A server that keeps the connection open is not waited for."""

    def whole(text: bytes) -> bool:
        return asking.is_whole(bytearray(text))

    assert whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert not whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
    assert whole(CHUNKED + b"2\r\nok\r\n0\r\n\r\n")
    assert not whole(CHUNKED + b"2\r\nok\r\n")
    assert not whole(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
    assert not whole(b"HTTP/1.1 200 OK\r\nContent-")
    assert whole(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(asking.BODY_BYTES + 1))
