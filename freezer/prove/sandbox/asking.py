"""Ask a server over HTTP, at whatever port of this network namespace it listens.

Nobody says which port that is: the kernel's tables of sockets do. They are opened before the root is made, as a
container may refuse a /proc of its own. A thread asks, while the application is watched as in every run. No library for
HTTP is used: what such a library imports late is not there any more in an empty root.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import NamedTuple

from freezer.prove.sandbox.protocol import Message

TABLES = (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6))
LISTENING = "0A"
"""The state of a listening socket, TCP_LISTEN of <linux/tcp.h>."""
POLL_SECONDS = 0.02
SHORT_SECONDS = 2.0
"""How long to wait at a port, before the next is tried, and this one again."""
GRACE_SECONDS = 1.0
"""How long to look for another port after an answer that is not the expected one."""
BODY_SECONDS, BODY_BYTES = 2.0, 256 * 1024
"""How long an answer is read after its first line, and how much of it."""


class Place(NamedTuple):
    """An address at which to connect."""

    family: int
    address: str
    port: int


def open_tables() -> dict[int, int]:
    """Open this network namespace's tables of TCP sockets; return descriptors, with the family of their addresses."""
    tables = {}
    for name, family in TABLES:
        with suppress(OSError):
            tables[os.open(f"/proc/self/net/{name}", os.O_RDONLY | os.O_CLOEXEC)] = int(family)
    return tables


def listening(tables: dict[int, int]) -> list[Place]:
    """Return the places where anybody listens, in the order of the tables."""
    found = []
    for descriptor, family in tables.items():
        os.lseek(descriptor, 0, os.SEEK_SET)
        text = b""
        while chunk := os.read(descriptor, 65536):
            text += chunk
        for line in text.decode("ascii").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == LISTENING:
                address, _, port = fields[1].partition(":")
                found += [Place(*place, int(port, 16)) for place in reached_by(family, address)]
    return list(dict.fromkeys(found))


def reached_by(family: int, address: str) -> list[tuple[int, str]]:
    """Return the addresses that reach a socket bound to ``address``: hexadecimal, in words of the processor's order."""
    words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
    bound = struct.pack(f"={len(words)}I", *words)
    if family == socket.AF_INET6 and bound.startswith(bytes(10) + b"\xff\xff"):
        family, bound = socket.AF_INET, bound[12:]
    if any(bound):
        return [(family, socket.inet_ntop(family, bound))]
    own = [(int(socket.AF_INET), "127.0.0.1")]
    return own if family == socket.AF_INET else [(int(socket.AF_INET6), "::1"), *own]


class Asking:
    """Asks for each of ``wanted`` ({path, low, high}: the range of the expected status), until the monotonic time
    ``deadline``. ``done`` is a descriptor that ends when all is answered, or will not be.

    ``answers`` has {path, port, status, reason, body} for each path that was answered, until one is not as expected.
    """

    def __init__(self, wanted: list[Message], tables: dict[int, int], deadline: float) -> None:
        """Start the thread that asks."""
        self.answers: list[Message] = []
        self.listened = False
        self.complaint: str | None = None
        self.done, self._finished = os.pipe()
        self.wanted, self._tables, self._deadline = wanted, tables, deadline
        self._stopped = False
        self._thread = threading.Thread(target=self._ask_all)
        self._thread.start()

    def stop(self) -> None:
        """Give up, and wait for the thread: nobody answers any more."""
        self._stopped = True
        self._thread.join()
        os.close(self.done)

    def _goes_on(self) -> bool:
        return not self._stopped and time.monotonic() < self._deadline

    def _ask_all(self) -> None:
        try:
            for item in self.wanted:
                answer = self._ask(item)
                if answer is None:
                    break
                self.answers.append(answer)
                if not item["low"] <= answer["status"] <= item["high"]:
                    break
        finally:
            os.close(self._finished)

    def _ask(self, item: Message) -> Message | None:
        """Return the expected answer of any port, else the first answer that is another; None if there is none."""
        other: Message | None = None
        asked: set[int] = set()
        until = self._deadline
        while self._goes_on() and time.monotonic() < until:
            places = listening(self._tables)
            several = len({place.port for place in places}) > 1
            for place in places:
                self.listened = True
                if place.port in asked:
                    continue
                answer = self._answer(place, item["path"], SHORT_SECONDS if several else self._deadline)
                if answer is None:
                    continue
                if item["low"] <= answer["status"] <= item["high"]:
                    return answer
                asked.add(place.port)
                if other is None:
                    other, until = answer, min(until, time.monotonic() + GRACE_SECONDS)
            time.sleep(POLL_SECONDS)
        return other

    def _answer(self, place: Place, path: str, seconds: float) -> Message | None:
        """Ask at one place, for so many seconds; None if what is there does not answer in HTTP."""
        data = bytearray()
        until = min(self._deadline, time.monotonic() + seconds)
        try:
            with socket.socket(place.family, socket.SOCK_STREAM) as connection:
                connection.settimeout(max(0.01, until - time.monotonic()))
                connection.connect((place.address, place.port))
                connection.sendall(question(place.port, path))
                while self._goes_on() and time.monotonic() < until and not is_whole(data):
                    if not select.select([connection], [], [], 0.05)[0]:
                        continue
                    chunk = connection.recv(65536)
                    if not chunk:
                        break
                    if b"\n" not in data and b"\n" in chunk:
                        until = min(until, time.monotonic() + BODY_SECONDS)
                    data += chunk
        except OSError as error:
            if not data:
                self.complaint = f"port {place.port}: {error.strerror or error}"
                return None
        answer = parse_answer(bytes(data))
        if answer is None:
            self.complaint = f"port {place.port}: no answer in HTTP" + (f", but {bytes(data[:40])!r}" if data else "")
            return None
        return {"path": path, "port": place.port, **answer}


def question(port: int, path: str) -> bytes:
    """Return the request for a path (RFC 9112)."""
    lines = (f"GET {path} HTTP/1.1", f"Host: localhost:{port}", "User-Agent: freezer", "Accept: */*")
    return "\r\n".join((*lines, "Connection: close", "", "")).encode("ascii")


def fields_of(head: bytes) -> dict[bytes, bytes]:
    """Return the fields of a response's head, their names in lower case."""
    pairs = (line.partition(b":")[::2] for line in head.split(b"\r\n")[1:])
    return {name.strip().lower(): value.strip() for name, value in pairs}


def is_whole(data: bytearray) -> bool:
    """Return whether all of a response is there that is of interest; its end may be the connection's."""
    head, end, body = bytes(data).partition(b"\r\n\r\n")
    if not end:
        return len(data) > BODY_BYTES
    fields = fields_of(head)
    if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
        return body.endswith(b"0\r\n\r\n") or len(body) > BODY_BYTES
    length = fields.get(b"content-length", b"")
    return len(body) >= min(int(length) if length.isdigit() else BODY_BYTES + 1, BODY_BYTES + 1)


def parse_answer(data: bytes) -> Message | None:
    """Return {status, reason, body} of a response; None if it is none."""
    head, _, body = data.partition(b"\r\n\r\n")
    words = head.split(b"\r\n")[0].split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not (len(words[1]) == 3 and words[1].isdigit()):
        return None
    if b"chunked" in fields_of(head).get(b"transfer-encoding", b"").lower():
        body = joined_chunks(body)
    return {
        "status": int(words[1]),
        "reason": words[2].decode("latin-1") if len(words) > 2 else "",
        "body": body[:BODY_BYTES].decode("utf-8", "replace"),
    }


def joined_chunks(body: bytes) -> bytes:
    """Return the content of a body in chunks, as far as it is there (RFC 9112, 7.1)."""
    content = bytearray()
    while body:
        size, _, body = body.partition(b"\r\n")
        try:
            length = int(size.split(b";")[0], 16)
        except ValueError:
            break
        if length <= 0:
            break
        content += body[:length]
        body = body[length + 2 :]
    return bytes(content)
