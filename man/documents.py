"""What is derived from the command line's parser: the manual page and the completions of the shells.

They are made when freezer is built, so that none of them can be older than the program. ``freezer.1.in`` adds the
sections of the manual page that no parser knows. Run as a program, it writes all of them below a directory.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WIDTH = "10000"
"""Columns for argparse: no line is broken, since a line that happens to start with a dot is a command to troff."""

COMPLETIONS = {
    "bash": "share/bash-completion/completions/freezer",
    "zsh": "share/zsh/site-functions/_freezer",
    "fish": "share/fish/vendor_completions.d/freezer.fish",
}
"""Where each shell looks below a prefix, when it looks for the completion of ``freezer``."""

MANUAL = "share/man/man1/freezer.1"
PLACES = re.compile(r"\b(FILE|PATH|DIR|SOURCE|ENTRY|TAR)\b")
"""The metavars of arguments that are files."""


def load_parser() -> argparse.ArgumentParser:
    """A fresh parser of the checkout's own command line."""
    if str(HERE.parent) not in sys.path:
        sys.path.insert(0, str(HERE.parent))
    from freezer.cli.main import build_parser

    return build_parser()


def manual_page() -> str:
    """The manual page in troff. Its date is SOURCE_DATE_EPOCH's; without that it has none, never today's."""
    from argparse_manpage.manpage import Manpage

    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = WIDTH
    try:
        parser = load_parser()
        from freezer import __version__

        data = {
            "project_name": "freezer",
            "version": __version__,
            "description": "turn a Python application into one static Linux executable",
            "manual_title": "User Commands",
            "include": str(HERE / "freezer.1.in"),
        }
        page = Manpage(parser, format="single-commands-section", _data=data)
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        page.date = (
            datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc).strftime("%Y-%m-%d") if epoch else ""
        )
        return _troff(str(page))
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def _troff(text: str) -> str:
    """Mend what argparse-manpage leaves plain: the titles of a command's groups, and quotes at the start of a line."""
    titles = {
        group.title for parser in commands(load_parser()).values() for group in parser._action_groups if group.title
    }
    lines = []
    for line in text.splitlines():
        if line == "POSITIONAL ARGUMENTS":
            lines.append("COMMANDS")
        elif line in titles or line in ("arguments:", "options:"):
            lines.append(f".PP\n.B {line.rstrip(':').capitalize()}")
        else:
            lines.append(r"\&" + line if line.startswith("'") else line)
    return "\n".join(lines) + "\n"


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parser of each command, by its name; those of a command's own commands by both names."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in _subparsers(parser):
        for name, child in action.choices.items():
            found[name] = child
            found.update({f"{name} {inner}": grandchild for inner, grandchild in commands(child).items()})
    return found


def _subparsers(parser: argparse.ArgumentParser) -> Iterator[argparse._SubParsersAction[Any]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield action


def completion(shell: str) -> str:
    """The completion script for one of COMPLETIONS."""
    import shtab

    parser = load_parser()
    for child in [parser, *commands(parser).values()]:
        for action in _subparsers(child):
            for choice in action._choices_actions:
                # A menu has room for one line, not for the description.
                action.choices[choice.dest].description = choice.help
        for argument in child._actions:
            metavar = argument.metavar if isinstance(argument.metavar, str) else ""
            # A path with a status is a server's.
            if PLACES.search(metavar) and "=" not in metavar:
                argument.complete = shtab.FILE  # type: ignore[attr-defined]
            # A colon ends a field in zsh's specifications.
            argument.metavar = metavar.replace(":", r"\:") or None
    return str(shtab.complete(parser, shell))


def write(prefix: Path) -> list[Path]:
    """Write everything below ``prefix``, where an installation has it; the paths written, relative to it."""
    contents = {MANUAL: manual_page(), **{place: completion(shell) for shell, place in COMPLETIONS.items()}}
    for place, text in contents.items():
        path = prefix / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [Path(place) for place in contents]


if __name__ == "__main__":
    for written in write(Path(sys.argv[1])):
        print(Path(sys.argv[1]) / written)
