"""``freezer learn``: find out from the running application what a build would not bring by itself."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from freezer.base.errors import ExitStatus
from freezer.cli.options import add_output_options, add_settings, log_of
from freezer.plan.settings import CONTENT, ENTRY, SETTINGS

DESCRIPTION = """\
Run COMMAND in the build environment of ENTRY, and note what the application asks for: modules, files and directories,
libraries, entry points, metadata. What a build would not bring by itself goes to freezer.learned.toml beside ENTRY,
where freezer build looks for it; several runs add to it. COMMAND follows --, such as: -- python -m pytest. ENTRY and
the options are those of freezer build.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    learn = commands.add_parser(
        "learn", help="run a command, and learn what the application needs besides", description=DESCRIPTION
    )
    learn.add_argument(
        "entry",
        nargs="?",
        metavar="ENTRY",
        help="the application (default: the project in the current directory)",
    )
    run = learn.add_argument_group("the run")
    run.add_argument(
        "--tool",
        action="append",
        default=[],
        metavar="REQUIREMENT",
        help="install this for COMMAND alone, such as pytest; it is no part of the application (repeat)",
    )
    run.add_argument(
        "--check-learned",
        action="store_true",
        help="write nothing, and fail if COMMAND needs what is neither brought by a build nor in the file",
    )
    add_settings(learn, (setting for setting in SETTINGS if setting.group in (ENTRY, CONTENT)))
    add_output_options(learn)


def run(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Run the command ``rest``, and write what was learnt. Raises FreezerError if the command or the check fails."""
    from freezer.base.errors import UsageError
    from freezer.learn.learning import learn
    from freezer.plan.resolve import resolve
    from freezer.store.home import cache_root

    if not rest:
        raise UsageError("there is no command to learn from", hint="freezer learn app.py -- python app.py --demo")
    plan = resolve(vars(arguments), folder=Path.cwd(), environ=os.environ, learning=True)
    lesson = learn(
        plan,
        tuple(rest),
        tools=tuple(arguments.tool),
        check=arguments.check_learned,
        environ=os.environ,
        cache=cache_root(),
        log=log_of(arguments),
    )
    if lesson.error is not None:
        raise lesson.error
    if arguments.json:
        result = {
            "path": str(lesson.learned.path),
            "new": [{"table": title, "name": name, "asked": place} for title, name, place in lesson.new.lines()],
            "brought": [{"table": title, "name": name} for title, name, _ in lesson.brought.lines()],
            "left_out": dict(lesson.left_out),
            "processes": lesson.processes,
            "programs": dict(lesson.programs),
            "variables": dict(lesson.variables),
            "unseen": dict(lesson.unseen),
            "kernel": lesson.kernel.value,
        }
        print(json.dumps(result))
    elif not arguments.check_learned and os.path.isfile(lesson.learned.path):
        print(lesson.learned.path)
    sys.stdout.flush()
    return ExitStatus.DONE
