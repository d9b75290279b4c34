"""The beginning of a stream, which is the same as in the build before if only the application's own files have changed.

What was made of it is kept: its frames, and how far the stream's identity is behind them. So a build need not even open
its files, of which there may be thousands. The frames are kept by their contents as all are; here are their keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Optional

from freezer.freeze.drivers.content_memory import ContentMemory
from freezer.link.payload.identity import STATE_SIZE

KIND = "beginning"


@dataclass(frozen=True)
class Made:
    """What was made of a beginning: the ``state`` of the stream's identity behind it, its bytes in the stream and, once
    unpacked, on a disk; the keys of its frames."""

    state: bytes
    size: int
    disk: int
    frames: tuple[str, ...]


def write_kept(about: str, out: IO[bytes], memory: ContentMemory) -> Optional[Made]:
    """Write the frames of a beginning that is kept, and return what else is; None if something is missing or damaged,
    and then nothing is written. ``about`` states all that the beginning depends on."""
    made = _made(memory.get(memory.key(KIND, about)))
    if made is None:
        return None
    place = out.tell()
    # Few frames are in memory at a time.
    for key in made.frames:
        frame = memory.get(key)
        if not isinstance(frame, bytes):
            out.seek(place)
            out.truncate()
            return None
        out.write(frame)
    return made


def keep(about: str, made: Made, memory: ContentMemory) -> None:
    """Keep what was made of a beginning, whose frames are in the memory."""
    memory.put(memory.key(KIND, about), (made.state, made.size, made.disk, made.frames))


def _made(known: object) -> Optional[Made]:
    if not isinstance(known, tuple) or len(known) != 4:
        return None
    made = Made(*known)
    return made if isinstance(made.state, bytes) and len(made.state) == STATE_SIZE else None
