"""What compiled modules import: read from the source beside them, else from the strings in them.

There is no bytecode to see. Cython keeps the names of what a module imports as strings: each with a zero behind it, and
since its version 3.2 one after the other, in order, with nothing between them.
"""

from __future__ import annotations

import functools
import os
import re
import sysconfig
from collections.abc import Iterable, Iterator

import standard_modules
from source_patterns import IMPORT_LINE

EMBEDDED_NAME = re.compile(rb"(?<=\0)[A-Za-z_][A-Za-z0-9_.]{1,80}(?=\0)")
PRINTABLE = re.compile(rb"[\x20-\x7e]*")
MARK = "cline_in_traceback"
"""A string in all modules of Cython."""
OF_CYTHON = "asyncio.coroutines"
"""A string in all modules of Cython 3, which imports it only to make coroutines."""
SHORTEST = 3
"""Letters of a name that is looked for where nothing divides them."""
COMMON_FROM_C = (
    "asyncio base64 collections.abc contextvars copy dataclasses datetime decimal enum fractions functools inspect "
    "ipaddress json logging pathlib re socket ssl traceback types typing uuid warnings weakref zoneinfo"
).split()
"""Standard modules that compiled code imports by name; Rust strings are not terminated, so that only known ones can
be looked for there."""
NEVER_GUESSED = {"test", "idlelib", "tkinter", "turtle", "turtledemo", "lib2to3", "this", "antigravity", "ensurepip"}


def embedded_names(content: bytes, required: Iterable[str]) -> list[str]:
    """The modules that the compiled module ``content`` may import: of the standard library, and of the packages
    ``required`` by its distribution."""
    tokens = {match.decode() for match in EMBEDDED_NAME.findall(content)}
    standard = {name for name in standard_modules.standard_names() if not name.startswith("_")} - NEVER_GUESSED
    names = {token for token in tokens if token in standard or (token != OF_CYTHON and _in_standard(token, standard))}
    required = set(required)
    names |= required & tokens
    for text in _joined(content):
        names |= set(_joined_names(text, standard, required))
    if b"pyo3" in content:
        names |= {name for name in COMMON_FROM_C if name.encode() in content}
    return sorted(names)


def _joined(content: bytes) -> Iterator[str]:
    """Cython's strings in one piece. An expression that begins with what may be before the mark would look at long
    texts again from each of their places."""
    at = content.find(MARK.encode())
    while at >= 0:
        before, behind = (PRINTABLE.match(part) for part in (content[:at][::-1], content[at:]))
        assert before is not None and behind is not None
        yield content[at - before.end() : at + behind.end()].decode()
        at = content.find(MARK.encode(), at + behind.end())


def _joined_names(text: str, standard: Iterable[str], required: Iterable[str]) -> Iterator[str]:
    """The names that may be in strings which are joined in their order."""
    text = text.replace(OF_CYTHON, " ")
    for name in required:
        if _may_have(text, name):
            yield name
    for name in standard:
        if len(name) < SHORTEST or not _may_have(text, name):
            continue
        yield name
        parts = _submodules(name)
        for part in parts:
            if name + "." + part in text:
                yield name + "." + part
                for inner in _submodules(name + "." + part):
                    if len(inner) > SHORTEST and _may_have(text, inner):
                        yield name + "." + part + "." + inner


def _may_have(text: str, name: str) -> bool:
    """Whether a name may be one of the strings: it is on its side of the one that is known to be there, and the next
    one does not come before it in their order."""
    known = text.find(MARK)
    start = -1
    while True:
        start = text.find(name, start + 1)
        if start < 0:
            return False
        rest = text[start + len(name) :]
        if (start > known) == (name > MARK) and (not rest or rest[0] >= name[0] or not rest[0].isalpha()):
            return True


def _in_standard(name: str, standard: Iterable[str]) -> bool:
    top, dot, rest = name.partition(".")
    return bool(dot) and top in standard and rest.split(".")[0] in _submodules(top) and rest.count(".") == 0


@functools.cache
def _submodules(name: str) -> frozenset[str]:
    """The names of the modules in a package of the standard library."""
    folder = os.path.join(sysconfig.get_path("stdlib"), *name.split("."))
    return frozenset(item for item in standard_modules.modules_in(folder) if not item.startswith("_"))


def imports_in_source(text: bytes, name: str, is_package: bool) -> list[str]:
    """The modules that a source text imports, as absolute names; ``name`` is the module's own."""
    found: list[str] = []
    for base, names, plain in IMPORT_LINE.findall(text):
        if plain:
            found += [item.split(b" as ")[0].strip().decode() for item in plain.split(b",")]
            continue
        start = base.decode()
        if start.startswith("."):
            level = len(start) - len(start.lstrip("."))
            parents = name.split(".") if is_package else name.split(".")[:-1]
            parents = parents[: len(parents) - (level - 1)]
            start = ".".join(parents + ([start.lstrip(".")] if start.lstrip(".") else []))
        found.append(start)
        for item in names.replace(b"(", b" ").split(b","):
            word = item.split(b" as ")[0].strip().decode()
            if word.isidentifier():
                found.append(start + "." + word)
    return [item for item in found if item and all(part.isidentifier() for part in item.split("."))]
