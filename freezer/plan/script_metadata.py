"""What a script says of itself in comments: its dependencies, the Python that it needs, and settings of freezer's.

The format is that of inline script metadata
(https://packaging.python.org/en/latest/specifications/inline-script-metadata/, PEP 723): a block of comment lines from
``# /// script`` to ``# ///``, which contains TOML.
"""

from __future__ import annotations

import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from freezer.base.errors import InputError
from freezer.plan.settings_file import FileSettings, parse_toml, tool_settings

START, END = "# /// script", "# ///"
NO_SETTINGS = FileSettings({}, None)
ENTRIES = ("entry", "entry_point", "console_script")
"""Settings that name what is frozen."""


@dataclass(frozen=True)
class ScriptMetadata:
    """``dependencies`` as pip takes them; ``requires_python`` as version specifiers, None if any will do; ``settings``
    are those in ``[tool.freezer]``."""

    dependencies: tuple[str, ...] = ()
    requires_python: Optional[str] = None
    settings: FileSettings = NO_SETTINGS


def read_script_metadata(path: Path) -> ScriptMetadata:
    """Return the metadata in a script; empty if there is none, or the file is no text.

    Raises InputError for a block that is malformed, for a second one, and for settings as ``read_settings`` does.
    """
    try:
        with tokenize.open(path) as file:
            lines = file.read().splitlines()
    except (SyntaxError, UnicodeDecodeError, OSError):
        # Whoever parses the script says what is wrong with it.
        return ScriptMetadata()
    blocks = _blocks(lines)
    if not blocks:
        return ScriptMetadata()
    if len(blocks) > 1:
        raise InputError(f"{path} has more than one block {START!r}", hint="merge the blocks")
    return _metadata(parse_toml("\n".join(blocks[0]), f"the block {START!r} in {path}"), path)


def _blocks(lines: list[str]) -> list[list[str]]:
    """Return the contents of all blocks. A block ends at the last ``# ///`` of an unbroken run of comment lines; a run
    without one is none."""
    found = []
    at = 0
    while at < len(lines):
        if lines[at].rstrip() != START:
            at += 1
            continue
        end = at + 1
        while end < len(lines) and (lines[end] == "#" or lines[end].startswith("# ")):
            end += 1
        ends = [place for place in range(at + 1, end) if lines[place].rstrip() == END]
        if ends:
            found.append([line[2:] for line in lines[at + 1 : ends[-1]]])
        at = end
    return found


def _metadata(table: dict[str, Any], path: Path) -> ScriptMetadata:
    dependencies, python = table.get("dependencies", []), table.get("requires-python")
    if not isinstance(dependencies, list) or not all(isinstance(item, str) for item in dependencies):
        raise InputError(f"dependencies in {path} must be a list of strings", hint='as in: dependencies = ["rich"]')
    if python is not None and not isinstance(python, str):
        raise InputError(f"requires-python in {path} must be a string", hint='as in: requires-python = ">=3.9"')
    settings = tool_settings(table, path) or NO_SETTINGS
    named = [key for key in ENTRIES if key in settings.values]
    if named:
        raise InputError(
            f"{path}: {named[0].replace('_', '-')} cannot be set in a script", why="the script itself is what is frozen"
        )
    return ScriptMetadata(tuple(dependencies), python, settings)
