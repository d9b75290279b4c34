"""``freezer build``: from an application to a static executable, and to an image of it."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path

from freezer.base.errors import ExitStatus
from freezer.cli.image import image_facts
from freezer.cli.options import (
    add_entry,
    add_output_options,
    add_setting,
    add_settings,
    log_of,
    print_paths,
    refuse_two_results,
)
from freezer.plan.image_settings import IMAGE_SETTINGS
from freezer.plan.settings import IMAGE, SETTINGS

DESCRIPTION = """\
ENTRY is a script, a project directory (its console script is frozen), MODULE:FUNCTION, or a PyInstaller .spec file.
Without ENTRY, --console-script or --entry-point name what to freeze among the requirements, and the project in the
current directory is the default. Everything after -- is passed to PyInstaller.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    build = commands.add_parser(
        "build", help="make a static executable of a Python application", description=DESCRIPTION
    )
    add_entry(build)
    add_settings(build, SETTINGS)
    image = build.add_argument_group(IMAGE)
    image.add_argument("--image", metavar="TAR", help="also write an image to this file (-: standard output)")
    for setting in IMAGE_SETTINGS:
        add_setting(image, setting)
    work = build.add_argument_group("work")
    work.add_argument("--keep-work", action="store_true", help="keep the work directory and print its path")
    add_output_options(build)


def run(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Build; ``rest`` is PyInstaller's."""
    from freezer import pipeline
    from freezer.base.log import human_size
    from freezer.plan.resolve import resolve
    from freezer.store.workspace import cache_root

    log = log_of(arguments)
    plan = resolve({**vars(arguments), "rest": rest}, folder=Path.cwd(), environ=os.environ)
    outputs = [plan.sbom, plan.image.output if plan.image is not None else None]
    refuse_two_results(*outputs, as_json=arguments.json)
    built = pipeline.build(plan, cache=cache_root(), keep_work=arguments.keep_work, log=log)
    proof = built.proof
    if not built.unchanged:
        log.line(f"{human_size(built.size)}, {'not verified' if proof is None else proof.sentence}")
    for sentence in built.untried:
        log.line(sentence)
    if built.other is not None and not built.unchanged:
        log.line(built.other.sentence(built.size))
    if arguments.json:
        result = {
            "path": str(built.path),
            "size": built.size,
            "sha256": built.sha256,
            "python": built.python,
            "unchanged": built.unchanged,
            "verified": None if proof is None else dataclasses.asdict(proof),
            "added": [dataclasses.asdict(item) for item in built.added],
            "provided": [dataclasses.asdict(item) for item in built.provided],
            "not_tried": list(built.untried),
            "warnings": log.warnings,
            "seconds": {title: round(seconds, 3) for title, seconds in log.steps},
            "other_linker": None
            if built.other is None
            else {"linker": built.other.linker.value, "size": built.other.size},
            "sbom": None if built.sbom is None else str(built.sbom),
            "image": None if built.image is None else image_facts(built.image),
        }
        print(json.dumps(result))
    else:
        print_paths(built.path, built.image.path if built.image is not None else None, built.sbom)
    sys.stdout.flush()
    return ExitStatus.DONE
