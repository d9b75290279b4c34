"""Compress the stream of a payload: in frames (RFC 8878), each alone, one after the other.

Frames are compressed at the same time. Each begins where the content says so, or at the size of a frame, so that a
change of a part of an application leaves the other frames as they were; those of an earlier build are not made again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Optional

from freezer.freeze.drivers.content_memory import ContentMemory
from freezer.plan.choices import Packing

if TYPE_CHECKING:
    import zstandard

FRAME = 8 << 20
"""Bytes of content of a frame, at most: frames are compressed at the same time, and those of an earlier build kept."""
WORKERS = 4
"""Frames that are compressed at the same time, unless it is said."""


def parameters(packing: Packing) -> zstandard.ZstdCompressionParameters:
    """Return the parameters for zstd.

    FAST is zstd's level 9 with shorter matches and a smaller table: of 24 MB of a frozen hello, filtered, in frames of
    8 MB, it makes 7.1 MB in 0.4 s. Its window is 4 MB, as the launcher's first start touches all of it: with 32 MB that
    took 3.9 times as long as python3, with 4 MB 3.1 times. SMALL is level 22, in one frame.
    """
    import zstandard

    # zstd's checksum is not needed: the executable's own digest covers more.
    common = {"write_checksum": False, "write_content_size": False}
    if packing is Packing.SMALL:
        return zstandard.ZstdCompressionParameters.from_level(22, window_log=25, **common)
    return zstandard.ZstdCompressionParameters(
        strategy=zstandard.STRATEGY_LAZY2,
        window_log=22,
        hash_log=20,
        chain_log=19,
        search_log=4,
        min_match=4,
        target_length=32,
        **common,
    )


def compressed(
    content: Iterator[bytes], packing: Packing, memory: Optional[ContentMemory], workers: int = WORKERS
) -> Iterator[tuple[str, bytes]]:
    """Yield the frames of a content, in their order, with the keys by which ``memory`` keeps them; an empty piece of
    the content stands where a new frame begins. ``workers`` frames are compressed at the same time."""
    import zstandard

    values = parameters(packing)

    def frame(data: bytes) -> tuple[str, bytes]:
        return "", zstandard.ZstdCompressor(compression_params=values).compress(data)

    def kept(data: bytes) -> tuple[str, bytes]:
        assert memory is not None
        key = memory.key(packing.value, data)
        known = memory.get(key)
        if isinstance(known, bytes):
            return key, known
        _, made = frame(data)
        memory.put(key, made)
        return key, made

    if packing is Packing.SMALL:
        # Its window is larger than a frame.
        yield frame(b"".join(content))
        return
    with ThreadPoolExecutor(workers) as pool:
        # Few frames are in memory at a time.
        running: deque[Future[tuple[str, bytes]]] = deque()
        for data in frames(content):
            running.append(pool.submit(frame if memory is None else kept, data))
            if len(running) > workers:
                yield running.popleft().result()
        for future in running:
            yield future.result()


def frames(content: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the content in pieces of a frame's size, and smaller ones where an empty piece says so."""
    pieces: list[bytes] = []
    size = 0
    for data in content:
        if not data and pieces:
            yield b"".join(pieces)
            pieces, size = [], 0
        rest = data
        while size + len(rest) >= FRAME:
            pieces.append(rest[: FRAME - size])
            rest = rest[FRAME - size :]
            yield b"".join(pieces)
            pieces, size = [], 0
        if rest:
            pieces.append(rest)
            size += len(rest)
    if pieces:
        yield b"".join(pieces)
