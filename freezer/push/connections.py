"""Requests over HTTP: one at a time for each thread, over connections that are kept, directly or through a proxy.

A registry may answer before it has read all of a request: that it is full, for example. Such an answer counts, and not
the connection that breaks because of it.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import http.client
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Optional, Protocol, Union
from urllib.parse import SplitResult, unquote, urlsplit

from freezer import __version__
from freezer.base.errors import InputError, OutputError
from freezer.push.target import is_loopback
from freezer.push.trouble import Policy, Stopped, Trouble, Unreachable

MAX_ANSWER = 1 << 20
"""Bytes of an answer that are read: errors and tokens are far smaller."""
UNREACHABLE = frozenset(
    (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT, errno.EADDRNOTAVAIL)
)
TIMED_OUT = (TimeoutError, socket.timeout)
"""Two types before Python 3.10."""

_Connection = Union[http.client.HTTPConnection, http.client.HTTPSConnection]


class Body(Protocol):
    """The body of a request, which can be sent again."""

    @property
    def size(self) -> int:
        """Return the number of bytes."""

    def pieces(self) -> Iterable[bytes]:
        """Return the content in pieces, from its start."""


@dataclass(frozen=True)
class Text:
    """A body that is in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """Return the number of bytes."""
        return len(self.data)

    def pieces(self) -> Iterable[bytes]:
        """Return the content in one piece."""
        return (self.data,)


@dataclass(frozen=True)
class Answer:
    """The answer to a request; ``url`` is the one that was asked."""

    url: str
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def text(self) -> str:
        """Return the start of the body as one line of text, for messages."""
        return " ".join(self.body[:1000].decode("utf-8", "replace").split())


def proxies_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the proxies that variables name, by the scheme, and under ``no`` the hosts that need none. Small letters
    win, as for curl."""
    found: dict[str, str] = {}
    for name in sorted(environ, key=lambda text: text.islower()):
        if name.lower().endswith("_proxy"):
            found[name.lower()[: -len("_proxy")]] = environ[name]
    return {scheme: value for scheme, value in found.items() if value}


class Connections:
    """The connections of a push. ``stop`` ends it: each thread finds that out at its next piece."""

    def __init__(
        self, context: ssl.SSLContext, proxies: Mapping[str, str], policy: Policy, stop: threading.Event
    ) -> None:
        self._context = context
        self._proxies = proxies
        self._policy = policy
        self.stop = stop
        self._own = threading.local()
        self._lock = threading.Lock()
        self._open: set[_Connection] = set()

    def close(self) -> None:
        """End all connections, also those that other threads wait for."""
        with self._lock:
            connections = list(self._open)
            self._open.clear()
        for connection in connections:
            # Its own thread may close it at the same time.
            link = connection.sock
            if link is not None:
                with contextlib.suppress(OSError):
                    link.shutdown(socket.SHUT_RDWR)
                link.close()

    def send(self, method: str, url: str, headers: Mapping[str, str], body: Optional[Body] = None) -> Answer:
        """Send a request and return the answer. Raises Trouble if there is none, OutputError if there never will be
        one, and Stopped."""
        if self.stop.is_set():
            raise Stopped
        parts = urlsplit(url)
        key = f"{parts.scheme}://{parts.netloc}"
        kept: dict[str, _Connection] = self._own.__dict__.setdefault("kept", {})
        connection = kept.pop(key, None)
        if connection is not None and body is not None:
            return self._exchange(connection, method, parts, headers, body, kept)
        if connection is not None:
            # The other side may have ended the connection meanwhile; that says nothing about this request. One with a
            # body might have been read in part: then it is asked first how far that came.
            with contextlib.suppress(Trouble):
                return self._exchange(connection, method, parts, headers, body, kept)
        return self._exchange(self._connect(parts), method, parts, headers, body, kept)

    def _exchange(
        self,
        connection: _Connection,
        method: str,
        parts: SplitResult,
        headers: Mapping[str, str],
        body: Optional[Body],
        kept: dict[str, _Connection],
    ) -> Answer:
        answered = False
        try:
            try:
                self._write(connection, method, parts, headers, body)
            except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError) as error:
                response = _early_answer(connection, error)
            else:
                response = connection.getresponse()
            data = response.read(MAX_ANSWER)
            if response.length and len(data) < MAX_ANSWER:
                raise http.client.IncompleteRead(data, response.length)
            answered = response.isclosed() and not response.will_close
        except (OSError, http.client.HTTPException) as error:
            if self.stop.is_set():
                raise Stopped from error
            raise Trouble(_reason(error, parts)) from error
        finally:
            if answered:
                kept[f"{parts.scheme}://{parts.netloc}"] = connection
            else:
                with self._lock:
                    self._open.discard(connection)
                connection.close()
        return Answer(parts.geturl(), response.status, response.headers, data)

    def _write(
        self, connection: _Connection, method: str, parts: SplitResult, headers: Mapping[str, str], body: Optional[Body]
    ) -> None:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        proxy = self._proxy(parts)
        own = {}
        if proxy is not None and parts.scheme == "http":
            target = f"http://{parts.netloc}{target}"
            own = _proxy_headers(proxy)
        connection.putrequest(method, target, skip_accept_encoding=True, skip_host=True)
        own.update({"Host": parts.netloc.rpartition("@")[2], "User-Agent": f"freezer/{__version__}", **headers})
        if body is not None or method in ("POST", "PUT", "PATCH"):
            own["Content-Length"] = str(body.size if body is not None else 0)
        for name, value in own.items():
            connection.putheader(name, value)
        connection.endheaders()
        for piece in body.pieces() if body is not None else ():
            if self.stop.is_set():
                raise Stopped
            connection.send(piece)

    def _connect(self, parts: SplitResult) -> _Connection:
        if self.stop.is_set():
            raise Stopped
        try:
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise OutputError(f"{parts.geturl()!r} is not an address", why=str(error)) from error
        if host is None or parts.scheme not in ("http", "https"):
            raise OutputError(f"{parts.geturl()!r} is not an address of HTTP")
        proxy = self._proxy(parts)
        through = proxy if proxy is not None else parts
        default = 443 if through.scheme == "https" else 80
        place = (through.hostname or "", through.port or default)
        connection: _Connection
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(*place, timeout=self._policy.connect, context=self._context)
            if proxy is not None:
                connection.set_tunnel(host, port or 443, _proxy_headers(proxy))
        else:
            connection = http.client.HTTPConnection(*place, timeout=self._policy.connect)
        with self._lock:
            self._open.add(connection)
        try:
            connection.connect()
            connection.sock.settimeout(self._policy.answer)
            if self.stop.is_set():
                # ``close`` may have come before there was a socket.
                raise ConnectionAbortedError
        except (OSError, http.client.HTTPException) as error:
            with self._lock:
                self._open.discard(connection)
            connection.close()
            if self.stop.is_set():
                raise Stopped from error
            raise _refusal(error, parts, proxy) from error
        return connection

    def _proxy(self, parts: SplitResult) -> Optional[SplitResult]:
        """Return the proxy for an address; None if there is none, as for this machine itself."""
        text = self._proxies.get(parts.scheme) or self._proxies.get("all")
        if not text or is_loopback(parts.hostname or "") or _needs_no_proxy(parts, self._proxies.get("no", "")):
            return None
        proxy = urlsplit(text if "://" in text else f"http://{text}")
        if proxy.scheme != "http" or not proxy.hostname:
            raise InputError(
                f"the proxy {text!r} cannot be used",
                why="freezer speaks HTTP with proxies, whose addresses begin with http://",
                hint=f"set {parts.scheme}_proxy to such an address, or name the registry in no_proxy",
            )
        return proxy


def _needs_no_proxy(parts: SplitResult, hosts: str) -> bool:
    """Return whether an address is among the hosts of no_proxy: names with all below them, perhaps with a port."""
    for item in hosts.lower().replace(",", " ").split():
        name = item.lstrip("*").lstrip(".")
        for known in (parts.hostname or "", parts.netloc.lower()):
            if item == "*" or (name and (known == name or known.endswith(f".{name}"))):
                return True
    return False


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    text = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(text.encode()).decode("ascii")}


def _early_answer(connection: _Connection, error: OSError) -> http.client.HTTPResponse:
    """Return the answer that was sent before the request was read. Raises ``error`` if there is none."""
    try:
        return connection.getresponse()
    except (OSError, http.client.HTTPException):
        raise error from None


def _reason(error: Exception, parts: SplitResult) -> str:
    if isinstance(error, TIMED_OUT):
        return f"{parts.netloc} gives no answer"
    if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
        return f"the answer of {parts.netloc} cannot be understood ({type(error).__name__})"
    return f"the connection to {parts.netloc} was lost"


def _refusal(error: Exception, parts: SplitResult, proxy: Optional[SplitResult]) -> Exception:
    """Return what to raise if there is no connection."""
    where = parts.netloc if proxy is None else f"{parts.netloc} through the proxy {proxy.hostname}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return OutputError(
            f"{parts.netloc} is not trusted: {error.verify_message}",
            why=str(error),
            hint="if the certificate is right, name the authority that has signed it: --ca-cert FILE",
        )
    if isinstance(error, ssl.SSLError):
        hint = "if it is meant to have no TLS: --plain-http"
        hint += "" if is_loopback(parts.hostname or "") else f"={parts.netloc}"
        return OutputError(f"{where} does not speak TLS", why=str(error), hint=hint)
    if isinstance(error, socket.gaierror):
        reason = f"the name {parts.hostname if proxy is None else proxy.hostname} cannot be resolved: {error.strerror}"
        return Unreachable(reason, hint="check the name, and the network")
    if proxy is not None and str(error).startswith("Tunnel connection failed"):
        return Unreachable(
            f"the proxy {proxy.hostname} refuses the connection to {parts.netloc}: {error}",
            hint="check the proxy's address and password, or name the registry in no_proxy",
        )
    if isinstance(error, TIMED_OUT) or (isinstance(error, OSError) and error.errno in UNREACHABLE):
        return Unreachable(
            f"{where} cannot be reached: {getattr(error, 'strerror', None) or 'no answer'}",
            hint="check the registry's name and port, and the network",
        )
    return Trouble(f"the connection to {where} was lost")
