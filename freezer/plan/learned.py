"""The lines of what ``freezer learn`` has seen an application ask for, and their text.

The file (``learned_file``) is meant to be committed: a line for each thing, sorted, without anything of the machine
that it was learnt on, so that git merges it. Each line has the place in the code that asked.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE_NAME = "freezer.learned.toml"
"""The file's name, beside the settings file or the entry."""
HEADER = """\
# What freezer learn has seen the application ask for, and what a build would not have brought by itself: each with the
# place that asked for it. freezer build takes it along. Commit this file; freezer learn adds to it.
"""
RUNS_HEADER = """
# How the application was run; freezer check --learned runs it like this in an empty root.
[runs]
"""
TABLES = {
    "modules": "modules",
    "files": "files",
    "package-files": "package_files",
    "metadata": "metadata",
    "entry-points": "entry_points",
    "libraries": "libraries",
}
"""The tables of needs in the file, in their order, and the attributes that have their lines."""
RUNS = "runs"
STATUS, ANY_STATUS = "status {}", "any status"
"""How a run ended, if that is known."""


@dataclass(frozen=True)
class Learned:
    """The lines of a file; each maps a name to the place that asked for it.

    ``files`` are the application's own, relative to the directory ``base``, and ``package_files`` those of the packages
    in its environment, relative to where these are installed; one that ends with a slash is a directory, of which the
    files come along, but not the directories. ``metadata`` are distributions, ``entry_points`` groups of these,
    ``libraries`` sonames. ``runs`` are no needs: the arguments of runs, as for a shell, and how they ended.
    """

    path: Path
    base: Path
    modules: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    package_files: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    entry_points: Mapping[str, str] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    runs: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> Iterator[tuple[str, str, str]]:
        """Yield all needs as (table, name, place)."""
        for title, attribute in TABLES.items():
            for name, place in sorted(getattr(self, attribute).items()):
                yield title, name, place

    def text(self) -> str:
        """Return the text of the file."""
        parts = [HEADER]
        for title, attribute in TABLES.items():
            parts += _table(f"\n[{title}]\n", getattr(self, attribute))
        return "".join([*parts, *_table(RUNS_HEADER, self.runs)])

    def added_to(self, other: Learned) -> Learned:
        """Return the other lines with these; where both have a line, the other's place stays, as it is committed. The
        newest end of a run counts, if it is known."""
        tables: dict[str, Any] = {name: {**getattr(self, name), **getattr(other, name)} for name in TABLES.values()}
        known = {text: end for text, end in self.runs.items() if end != ANY_STATUS}
        return dataclasses.replace(other, **tables, runs={**self.runs, **other.runs, **known})

    def without(self, other: Learned) -> Learned:
        """Return the needs that the other does not have."""
        tables: dict[str, Any] = {
            name: {key: place for key, place in getattr(self, name).items() if key not in getattr(other, name)}
            for name in TABLES.values()
        }
        return dataclasses.replace(self, **tables)


def _table(header: str, lines: Mapping[str, str]) -> list[str]:
    return [header, *(f"{_quoted(key)} = {_quoted(value)}\n" for key, value in sorted(lines.items()))] if lines else []


def _quoted(text: str) -> str:
    """Return a basic string of TOML: JSON's escapes are TOML's, but DEL must be escaped, too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
