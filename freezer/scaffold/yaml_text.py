"""Write documents as YAML 1.2, with comments.

The documents are made of dictionaries, lists, texts, numbers and booleans. Their texts stand without quotes only where
no reader, of YAML 1.1 neither, takes them for something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

PLAIN = re.compile(r"[A-Za-z/][\w./$@+-]*(?::[\w./$@+-]+)*(?: [\w./$@+-]+)*", re.ASCII)
WORDS = frozenset(("true", "false", "yes", "no", "on", "off", "null", "y", "n"))
"""Texts that are no texts for some reader."""
ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


class Noted(NamedTuple):
    """A value with a comment above its key."""

    value: Any
    note: str


class Block(str):
    """A text of several lines that is shown as such, such as a script. Its lines are printable, and end with one."""


def yaml(document: dict[str, Any], note: str = "") -> str:
    """Return a document as text, with a comment at its beginning."""
    return "".join(f"{line}\n" for line in (*_comment(note, ""), *_lines(document, "")))


def _lines(value: Any, indent: str) -> Iterator[str]:
    """Yield the lines of a dictionary or list that is not empty."""
    if isinstance(value, dict):
        for key, item in value.items():
            inner = item.value if isinstance(item, Noted) else item
            if isinstance(item, Noted):
                yield from _comment(item.note, indent)
            yield from _entry(f"{indent}{_scalar(key)}:", inner, indent)
    else:
        for item in value:
            if _is_nested(item):
                first, *rest = _lines(item, f"{indent}  ")
            else:
                first, *rest = _entry(f"{indent} ", item, indent)
            if first.lstrip().startswith("#"):
                raise ValueError("an entry of a list cannot begin with a comment")
            yield f"{indent}- {first[len(indent) + 2 :]}"
            yield from rest


def _entry(start: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Block):
        yield f"{start} |"
        yield from (f"{indent}  {line}".rstrip() for line in value.splitlines())
    elif _is_nested(value):
        yield start
        yield from _lines(value, f"{indent}  ")
    else:
        yield f"{start} {_scalar(value)}"


def _is_nested(value: Any) -> bool:
    return isinstance(value, (dict, list)) and bool(value)


def _comment(text: str, indent: str) -> Iterator[str]:
    yield from (f"{indent}# {line}" for line in text.splitlines())


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (dict, list)):
        return "{}" if isinstance(value, dict) else "[]"
    if PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return str(value)
    return '"' + "".join(_escaped(letter) for letter in value) + '"'


def _escaped(letter: str) -> str:
    if letter in ESCAPES:
        return ESCAPES[letter]
    if letter.isprintable():
        return letter
    number = ord(letter)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
