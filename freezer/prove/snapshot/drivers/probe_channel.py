"""Tells the tracer what is noticed in Python, by a write that the tracer reads before it happens."""

import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Optional

CHANNEL, TRACES, SIGNAL = 200, 201, 62
"""As in freezer/prove/snapshot/calls.py and stack_frames.py."""
OWN = "<probe>"
"""What the code of these modules says is its file."""
MOST_FRAMES = 60
PLAIN = " _-.,:;/<>()[]*=+"


def tell(**message: "Any") -> None:
    """Send a message: {"phase"}, {"kind", "value", "frames"}, or what else becomes part of the reply."""
    posix.write(CHANNEL, text_of(message).encode("ascii"))


def text_of(value: "Any") -> str:
    """Return a value in JSON, for which there may be no module."""
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s: %s" % (text_of(key), text_of(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return "[%s]" % ", ".join(map(text_of, value))
    if isinstance(value, int):
        return "%d" % value
    return '"%s"' % "".join(
        letter if letter in PLAIN or (letter.isascii() and letter.isalnum()) else _escaped(letter) for letter in value
    )


def _escaped(letter: str) -> str:
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join("\\u%02x%02x" % (units[at], units[at + 1]) for at in range(0, len(units), 2))


def noted(kind: str, value: str) -> None:
    """Tell of an event, with the place that the caller was called from."""
    tell(kind=kind, value=value, frames=_frames(sys._getframe(1)))


def _frames(frame: "Optional[FrameType]") -> "list[list[Any]]":
    found: list[list[Any]] = []
    while frame is not None and len(found) < MOST_FRAMES:
        if frame.f_code.co_filename != OWN:
            found.append([frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name])
        frame = frame.f_back
    return found
