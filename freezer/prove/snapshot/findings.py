"""Whether starts of an application may begin from a snapshot, and what such a snapshot's key has.

The findings become the file ``snapshot.key`` of the tree, which the launcher and ``start.so`` read; they fill in the
values on the user's machine. It has a line for each item: a word that names its kind, a tab, and the value. No value
has a tab or a line's end, as a name that has one is a reason against a snapshot.

==========  ===================================================================================================
snapshot    the version of the format: the first line
verdict     "yes" or "no": the second line
reason      MODULE, LINE, WHAT and HINT, with tabs between them: why not; for people
variable    a variable of the environment whose value, or absence, is part of the key
unset       a variable that must not be set: its value could lead the imports to files that nobody has noted, or be a
            secret
prefix      no variable whose name begins so may be set
file        a path whose identity (device, inode, size, mtime, ctime), or absence, is part of the key
absent      a path that must not exist
listing     a directory, as ``file``: its times move with its entries
content     a file of /proc or /sys, which has no identity: its content, or absence, is part of the key
ask         cwd, terminal (which standard streams are some), hostname, cpus (those that the process may use), umask,
            user, year (by UTC; no snapshot on the last and first day), or "limit N" (getrlimit(2)): part of the key
ignored     a variable that was asked for, and is no part of the key as the author wants it so; for people
before      a module: when it, or one in it, is looked for first, a snapshot is taken, if it has not been by then
import      a module that is imported in addition, before a snapshot is taken where the script's first imports end
limit       as ``reason``: what has modules be in the lines before; for people
boundary    FILE and LINE, with a tab between them: where the imports end; for people
end         the last line
==========  ===================================================================================================

A path begins with "/", or with "~/" for what HOME says. All are outside of the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

FILE_NAME = "snapshot.key"
VERSION = "1"
FILE, ABSENT, LISTING, CONTENT = "file", "absent", "listing", "content"
KINDS_OF_FILES = (FILE, ABSENT, LISTING, CONTENT)
UNSUITABLE = frozenset("\t\n\r\0")
"""What no value may have."""


class Reason(NamedTuple):
    """Why an application cannot be saved: what the code at a line of a module does, and what helps."""

    module: str
    line: int
    what: str
    hint: str

    def __str__(self) -> str:
        """The reason as a person reads it."""
        place = f"{self.module}:{self.line}" if self.line else self.module
        return f"{place}: {self.what}"


@dataclass(frozen=True)
class SnapshotFindings:
    """What a probe has found. ``files`` has (path, kind), the kind being one of KINDS_OF_FILES; ``boundary`` the file
    and the line where the imports end: before any of ``before``, with ``imports`` in addition. ``limits`` would be
    reasons if they ended later."""

    reasons: tuple[Reason, ...] = ()
    variables: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    asks: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    boundary: tuple[str, int] = ("", 0)
    before: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    limits: tuple[Reason, ...] = ()

    @property
    def verdict(self) -> bool:
        """Whether the application may be saved."""
        return not self.reasons

    def lines(self) -> Iterator[tuple[str, ...]]:
        """Yield the lines of the file, each as its fields."""
        yield "snapshot", VERSION
        yield "verdict", "yes" if self.verdict else "no"
        for kind, reasons in (("reason", self.reasons), ("limit", self.limits)):
            yield from ((kind, *(_plain(str(item)) for item in reason)) for reason in reasons)
        for kind, names in (("variable", self.variables), ("unset", self.unset), ("prefix", self.prefixes)):
            yield from ((kind, name) for name in sorted(names))
        for wanted in KINDS_OF_FILES:
            yield from ((kind, path) for path, kind in sorted(self.files) if kind == wanted)
        for kind, names in (("ask", self.asks), ("ignored", self.ignored), ("before", self.before)):
            yield from ((kind, name) for name in sorted(names))
        yield from (("import", name) for name in self.imports)
        yield "boundary", _plain(self.boundary[0]), str(self.boundary[1])
        yield "end", ""

    def text(self) -> bytes:
        """Return the content of the file."""
        return "".join("\t".join(line) + "\n" for line in self.lines()).encode("utf-8", "surrogateescape")


def _plain(text: str) -> str:
    return "".join("?" if letter in UNSUITABLE else letter for letter in text)


def parse(content: bytes) -> SnapshotFindings:
    """Read the content of the file. Raises ValueError if it is damaged, or of another version."""
    lines = [line.split("\t") for line in content.decode("utf-8", "surrogateescape").split("\n")]
    if lines[:1] != [["snapshot", VERSION]] or lines[-2:] != [["end", ""], [""]]:
        raise ValueError(f"{FILE_NAME} is damaged, or of another version")
    of: dict[str, list[list[str]]] = {}
    for kind, *values in lines[1:-2]:
        of.setdefault(kind, []).append(values)

    def names(kind: str) -> tuple[str, ...]:
        return tuple(values[0] for values in of.get(kind, ()))

    def reasons_of(kind: str) -> tuple[Reason, ...]:
        return tuple(Reason(module, int(line), what, hint) for module, line, what, hint in of.get(kind, ()))

    reasons = reasons_of("reason")
    if of.get("verdict") != [["no" if reasons else "yes"]]:
        raise ValueError(f"{FILE_NAME} contradicts itself")
    files = tuple((path, kind) for kind in KINDS_OF_FILES for path in names(kind))
    file, line = of["boundary"][0]
    return SnapshotFindings(
        reasons,
        names("variable"),
        names("unset"),
        names("prefix"),
        files,
        names("ask"),
        names("ignored"),
        (file, int(line)),
        names("before"),
        names("import"),
        reasons_of("limit"),
    )
