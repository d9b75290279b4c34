"""``freezer plan``: what of the application's own would come along, and why, before anything is built."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path

from freezer.base.errors import ExitStatus
from freezer.cli.options import add_entry, add_output_options, add_settings, log_of
from freezer.plan.settings import CONTENT, ENTRY, SETTINGS

DESCRIPTION = """\
Show which files and modules of the application's own a build would take along without being asked, and why: data beside
a script that asks where its files are, data in its packages, and modules and files that its code names. ENTRY and the
options are those of freezer build. The build environment is made if there is none yet; nothing is frozen.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    plan = commands.add_parser(
        "plan", help="show what of the application's own files a build would take along", description=DESCRIPTION
    )
    add_entry(plan)
    add_settings(plan, (setting for setting in SETTINGS if setting.group in (ENTRY, CONTENT)))
    add_output_options(plan)


def run(arguments: argparse.Namespace, _rest: list[str]) -> int:
    """Find the application, and print what it is made of."""
    from freezer import pipeline
    from freezer.plan.resolve import resolve
    from freezer.store.home import cache_root

    plan = resolve(vars(arguments), folder=Path.cwd(), environ=os.environ)
    application = pipeline.survey(plan, cache=cache_root(), log=log_of(arguments))
    own = application.own
    if arguments.json:
        result = {
            "name": application.name,
            "script": str(application.script) if plan.entry.path is not None else None,
            "sources": [str(path) for path in application.own_files],
            **own.notes(),
            "named": list(own.foreign),
            "left_out": [{"path": path, "why": why} for path, why in own.left_out],
            "limited": own.limited,
            "places": [{**dataclasses.asdict(item), "source": str(item.source)} for item in own.files],
        }
        print(json.dumps(result))
    else:
        print("\n".join(own.lines()))
    sys.stdout.flush()
    return ExitStatus.DONE
