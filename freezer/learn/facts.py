"""Facts: what the processes of a learning run have noted, a file for each, a line for each fact.

``drivers/_freezer_notes.py`` writes them. A process may be killed at any time: a line that is not whole is passed over.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

PROCESS = "process"


@dataclass(frozen=True)
class Fact:
    """One thing that was asked for: its ``kind``, its ``name`` and ``more`` of it, and the file and line that asked.

    Without a file, nobody is known to have asked; ``child`` then says that the process was started by another one that
    noted, and not by the command itself.
    """

    kind: str
    name: str
    more: str
    asker: str
    line: int
    child: bool


@dataclass(frozen=True)
class Facts:
    """All facts of a run, the number of the processes that noted them, and the ``numbers`` that the system has given to
    these."""

    facts: tuple[Fact, ...]
    processes: int
    numbers: frozenset[int] = frozenset()


def read_facts(folder: Path) -> Facts:
    """Read the notes in a directory, in an order that does not depend on the processes' numbers."""
    found: dict[Fact, None] = {}
    files = [path for path in sorted(folder.iterdir()) if path.name != "roots"]
    for path in files:
        found.update(dict.fromkeys(_facts_of(path)))
    numbers = frozenset(int(path.name.partition("-")[0]) for path in files)
    return Facts(
        tuple(sorted(found, key=lambda fact: (fact.kind, fact.name, fact.asker, fact.line))), len(files), numbers
    )


def _facts_of(path: Path) -> Iterator[Fact]:
    child = False
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        fact = _fact(line, child)
        if fact is not None and fact.kind == PROCESS:
            child = fact.more == "child"
        elif fact is not None:
            yield fact


def _fact(line: str, child: bool) -> Optional[Fact]:
    fields = line.split("\t")
    try:
        kind, name, more, asker, number = fields
        texts = [ast.literal_eval(item) for item in (name, more, asker)]
        if all(isinstance(item, str) for item in texts):
            return Fact(kind, texts[0], texts[1], texts[2], int(number), child)
    except (ValueError, SyntaxError):
        pass
    return None
