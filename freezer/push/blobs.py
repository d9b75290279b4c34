"""One blob on its way to a registry: not at all if it is there, by mounting it from another repository, or in chunks.

After trouble, the registry is asked how much it has, and gets the rest. Some registries forget an upload that broke off
(docker's before version 3 does, within a chunk), and some take no second chunk: then it begins anew, whole if need be.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional, Protocol
from urllib.parse import quote, urlencode, urlsplit

from freezer.base.errors import InputError, OutputError
from freezer.base.oci.nodes import Part
from freezer.push.connections import Answer
from freezer.push.registry import Registry, is_full
from freezer.push.trouble import Trouble

CHUNK = 32 << 20
"""Bytes of a chunk: most layers are sent whole, which every registry takes."""
PIECE = 1 << 18
"""Bytes that are sent at a time."""
MAX_BEGINNINGS = 6
"""Uploads of one blob that are begun, each after the one before was lost."""
OCTETS = "application/octet-stream"


class Way(enum.Enum):
    """How a blob came to be in the registry."""

    PRESENT = "present"
    MOUNTED = "mounted"
    SENT = "sent"


class Source(Protocol):
    """What blobs are read from: an image file, for one."""

    def piece(self, name: str, at: int, size: int) -> bytes:
        """Return ``size`` bytes of a blob from ``at`` on; threads share the source."""

    def wrong(self, why: str) -> InputError:
        """Return the error for a blob that is damaged."""


@dataclass(frozen=True)
class Slice:
    """A part of a blob as the body of a request; ``sent`` is called with the place that has been reached."""

    source: Source
    part: Part
    start: int
    end: int
    sent: Callable[[int], None]

    @property
    def size(self) -> int:
        """Return the number of bytes."""
        return self.end - self.start

    def pieces(self) -> Iterator[bytes]:
        """Yield the content."""
        for at in range(self.start, self.end, PIECE):
            data = self.source.piece(self.part.name, at, min(PIECE, self.end - at))
            yield data
            self.sent(at + len(data))


class Blob:
    """One blob of an image, to be in a registry. ``progress`` is called with the bytes that the registry has."""

    def __init__(self, registry: Registry, source: Source, part: Part, progress: Callable[[int], None]) -> None:
        self._registry = registry
        self._source = source
        self._part = part
        self._progress = progress
        self._digest = part.descriptor.digest
        self._size = part.descriptor.size
        self._what = f"push {self._digest[:19]}"
        self._chunk = CHUNK
        self._location: Optional[str] = None
        self._at = 0

    def push(self, mounts: Sequence[str]) -> Way:
        """Have the blob in the registry. Raises OutputError, InputError if the file is damaged, and Stopped."""
        if self._is_there():
            return self._done(Way.PRESENT)
        self._verify()
        for repository in mounts:
            if self._mount(repository):
                return self._done(Way.MOUNTED)
        self._send()
        return self._done(Way.SENT)

    def _done(self, way: Way) -> Way:
        self._progress(self._size)
        return way

    def _is_there(self) -> bool:
        url = self._registry.target.address(f"blobs/{self._digest}")
        answer = self._registry.ask("HEAD", url, self._what, expected=(200, 404))
        return answer.status == 200

    def _verify(self) -> None:
        """Compare the digest, before anything is sent that the registry would refuse in the end."""
        hasher = hashlib.new(self._digest.partition(":")[0])
        for at in range(0, self._size, 1 << 20):
            hasher.update(self._source.piece(self._part.name, at, min(1 << 20, self._size - at)))
        found = f"{hasher.name}:{hasher.hexdigest()}"
        if found != self._digest:
            raise self._source.wrong(f"{self._part.name} has the digest {found}, not {self._digest}")

    def _mount(self, repository: str) -> bool:
        """Have the registry take the blob from another repository, if it can. An upload that it begins instead is used
        for the blob."""
        query = urlencode({"mount": self._digest, "from": repository})
        url = self._registry.target.address(f"blobs/uploads/?{query}")
        # The other repository may be out of this user's reach; that is no failure.
        answer = self._registry.ask("POST", url, self._what, expected=(201, 202, 400, 401, 403, 404, 405))
        if answer.status == 202:
            self._location = self._registry.location(answer)
        return answer.status == 201

    def _send(self) -> None:
        patience, beginnings = self._registry.patience(self._what), 0
        while True:
            try:
                if self._location is None:
                    if beginnings and self._is_there():
                        return
                    if beginnings == MAX_BEGINNINGS:
                        raise self._lost()
                    self._begin()
                    beginnings += 1
                while self._at < self._size:
                    before = self._at
                    self._send_chunk()
                    if self._at > before:
                        patience.restore()
                if self._finish():
                    return
            except Trouble as trouble:
                patience.pause(trouble)
                self._resume()

    def _lost(self) -> OutputError:
        domain = self._registry.target.reference.domain
        return OutputError(
            f"cannot {self._what}: {domain} loses the upload again and again",
            why=f"{MAX_BEGINNINGS} uploads were begun, and none could be ended",
            hint="if the connection is poor, try again elsewhere or later; else ask the registry's administrator",
        )

    def _begin(self) -> None:
        answer = self._registry.attempt("POST", self._registry.target.address("blobs/uploads/"))
        self._registry.judge(answer, self._what, (202,))
        self._location, self._at = self._registry.location(answer), 0
        least = answer.headers.get("OCI-Chunk-Min-Length", "")
        if least.isascii() and least.isdigit():
            self._chunk = max(self._chunk, int(least))

    def _send_chunk(self) -> None:
        assert self._location is not None
        body = Slice(self._source, self._part, self._at, min(self._size, self._at + self._chunk), self._progress)
        headers: Mapping[str, str] = {"Content-Type": OCTETS}
        if body.size < self._size:
            headers = {**headers, "Content-Range": f"{body.start}-{body.end - 1}"}
        answer = self._registry.attempt("PATCH", self._location, headers, body)
        if answer.status in (201, 202, 204):
            self._location = self._registry.location(answer)
            stated = _received(answer, body.end)
            if stated > body.end:
                raise Trouble(f"the registry says that it has {stated} bytes, and was sent up to {body.end}")
            # Some registries take everything, and always say 0-0.
            self._at = stated if stated > body.start else body.end
        elif answer.status in (404, 416) and not is_full(answer):
            raise Trouble(f"the registry does not know the upload (it answers {answer.status})")
        elif body.size < self._size and 400 <= answer.status < 500 and answer.status not in (401, 403, 413):
            # No chunks, then: once more, as a whole.
            self._chunk, self._location = self._size, None
            raise Trouble(f"the registry takes no chunks (it answers {answer.status})", wait=0.0)
        else:
            self._registry.judge(answer, self._what, ())

    def _finish(self) -> bool:
        """End the upload, and return whether the registry has the blob."""
        assert self._location is not None
        separator = "&" if urlsplit(self._location).query else "?"
        url = f"{self._location}{separator}digest={quote(self._digest, safe='')}"
        answer = self._registry.attempt("PUT", url, {"Content-Type": OCTETS})
        if answer.status == 404:
            self._location = None
            return False
        self._registry.judge(answer, self._what, (201, 204))
        return True

    def _resume(self) -> None:
        """Ask how much the registry has. If it does not know, begin anew."""
        location, self._location = self._location, None
        if location is not None:
            try:
                answer = self._registry.attempt("GET", location)
            except Trouble:
                return
            if answer.status in (200, 202, 204) and answer.headers.get("Location"):
                self._at = _received(answer, 0)
                if self._at <= self._size:
                    self._location = self._registry.location(answer)
        if self._location is None:
            self._at = 0
        self._progress(self._at)


def _received(answer: Answer, otherwise: int) -> int:
    """Return how many bytes the registry has, by the Range of its answer; ``0-0`` stands for none."""
    match = re.fullmatch(r"(?:bytes=)?0-([0-9]{1,18})", answer.headers.get("Range", "").strip())
    if match is None:
        return otherwise
    return int(match[1]) + 1 if int(match[1]) else 0
