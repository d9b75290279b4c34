"""The tables of settings.md, made from the command line's parser and the table of settings.

Run as a program, it writes them into the page, between the marks ``<!-- table: NAME -->`` and ``<!-- end -->``;
``./run man`` does that. tests/unit/test_docs.py fails if the page is older than the program.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE / "settings.md"
MARKED = re.compile(r"<!-- table: (?P<name>[\w ]+) -->\n(?P<text>.*?)<!-- end -->", re.DOTALL)


def tables() -> dict[str, str]:
    """The text of each table, by its name."""
    if str(HERE.parent) not in sys.path:
        sys.path.insert(0, str(HERE.parent))
    from freezer.cli.main import build_parser
    from freezer.plan.image_settings import IMAGE_DATA, IMAGE_OUTPUT, IMAGE_SETTINGS
    from freezer.plan.settings import FILE_ONLY, SETTINGS, SNAPSHOT_SETTINGS

    parsers = _commands(build_parser())
    of_images = (IMAGE_OUTPUT, *IMAGE_SETTINGS, *IMAGE_DATA)
    known = {f"--{no}{setting.name}" for setting in (*SETTINGS, *of_images) for no in ("", "no-")}
    common = {"-h", *_options(parsers["cache list"])}
    made = {}
    for title in dict.fromkeys(setting.group for setting in SETTINGS):
        made[title] = _settings(setting for setting in SETTINGS if setting.group == title)
    made["the image"] = _settings(of_images)
    rows = [(f"`{setting.name}`", setting.kind.value, setting.help) for setting in FILE_ONLY]
    made["files only"] = _table(("key", "value", "meaning"), rows)
    rows = [(f"`{setting.name}`", setting.kind.value, setting.help) for setting in SNAPSHOT_SETTINGS]
    made["snapshots"] = _table(("key", "value", "meaning"), rows)
    for name in ("build", "init", "learn", "image", "push", "check", "inspect", "cache prune", "cache snapshots"):
        made[name] = _actions(parsers[name], known | common)
    made["run"] = _actions(parsers["run"], {"-h"})
    made["every command"] = _actions(parsers["cache list"], {"-h"})
    return made


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                found[name] = child
                found.update({f"{name} {inner}": grandchild for inner, grandchild in _commands(child).items()})
    return found


def _options(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings}


def _settings(settings: Iterable) -> str:
    rows = []
    for setting in settings:
        kind = setting.kind.value.partition(" (")[0]
        value = "" if kind == "true or false" else f" {setting.metavar or setting.name.upper()}"
        if kind.startswith("require, auto or no"):
            value = f"[={setting.metavar}]"
        words = [f"`{flag}`" for flag in setting.flags] + [f"`--{setting.name}{value}`"]
        rows.append((", ".join(words), f"{kind}; its key is `{setting.key}`" if setting.key else kind, setting.help))
    return _table(("option", "value in a file", "meaning"), rows)


def _actions(parser: argparse.ArgumentParser, without: set[str]) -> str:
    rows = []
    for action in parser._actions:
        # Options without a help are not for users.
        shown = action.help is not argparse.SUPPRESS
        if shown and action.option_strings and not without & {*action.option_strings}:
            metavar = action.metavar or ("KIND" if action.choices else None)
            value = f" {metavar}" if metavar else ""
            words = [f"`{flag}`" for flag in action.option_strings[:-1]] + [f"`{action.option_strings[-1]}{value}`"]
            rows.append((", ".join(words), str(action.help)))
    return _table(("option", "meaning"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, *(tuple(cell.replace("|", r"\|") for cell in row) for row in rows)]
    text = ["| " + " | ".join(line) + " |\n" for line in lines]
    return "".join([text[0], "|---" * len(head) + "|\n", *text[1:]])


def filled(text: str) -> str:
    """The page with its tables as they have to be. Raises KeyError for a mark that no table belongs to."""
    made = tables()
    return MARKED.sub(lambda match: f"<!-- table: {match['name']} -->\n{made[match['name']]}<!-- end -->", text)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
