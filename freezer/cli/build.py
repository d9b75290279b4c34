"""``freezer build``: from an application to a static executable, and to an image of it."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

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

if TYPE_CHECKING:
    from freezer.base.log import Log
    from freezer.plan.build import Plan
    from freezer.plan.signing import Signing
    from freezer.results import Built
    from freezer.sign.crypto import Signer

DESCRIPTION = """\
ENTRY is a script, a project directory (its console script is frozen), MODULE:FUNCTION, or a PyInstaller .spec file.
Without ENTRY, --console-script or --entry-point name what to freeze among the requirements; a single --with NAME alone
means its script of that name; and the project in the current directory is the default. Everything after -- is passed to
PyInstaller.
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
    work.add_argument(
        "--watch", action="store_true", help="build again at each change of a source, until interrupted (Ctrl-C)"
    )
    work.add_argument(
        "--timings",
        nargs="?",
        const="",
        metavar="FILE.html",
        help="say at the end where the time went, in lines, or in a page if one is named",
    )
    add_output_options(build)


def run(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Build; ``rest`` is PyInstaller's."""
    from freezer.sign.passphrase import find_signer

    if arguments.watch:
        from freezer.cli.watch import watch

        known: dict[Signing, Optional[Signer]] = {}

        def again(plan: Plan, log: Log) -> Built:
            # The passphrase is asked for once.
            if plan.signing not in known:
                known[plan.signing] = find_signer(plan.signing, os.environ)
            return _build(arguments, plan, known[plan.signing], log)

        return watch(arguments, lambda: plan_of(arguments, rest), again)
    plan = plan_of(arguments, rest)
    _build(arguments, plan, find_signer(plan.signing, os.environ), log_of(arguments))
    return ExitStatus.DONE


def plan_of(arguments: argparse.Namespace, rest: list[str]) -> Plan:
    """Return the plan that the options and the settings files describe. Raises UsageError, InputError."""
    from freezer.plan.resolve import resolve

    plan = resolve({**vars(arguments), "rest": rest}, folder=Path.cwd(), environ=os.environ)
    outputs = [plan.sbom, plan.signing.provenance, plan.image.output if plan.image is not None else None]
    refuse_two_results(*outputs, as_json=arguments.json)
    return plan


def _build(arguments: argparse.Namespace, plan: Plan, signer: Optional[Signer], log: Log) -> Built:
    """Build once, and report."""
    from freezer import pipeline
    from freezer.base.log import human_size
    from freezer.cli import timings
    from freezer.store.workspace import cache_root

    page = timings.page_of(arguments.timings)
    built = pipeline.build(plan, cache=cache_root(), keep_work=arguments.keep_work, log=log, signer=signer)
    proof = built.proof
    if not built.unchanged:
        log.line(f"{human_size(built.size)}, {'not verified' if proof is None else proof.sentence}")
    for sentence in built.untried:
        log.line(sentence)
    if built.other is not None and not built.unchanged:
        log.line(built.other.sentence(built.size))
    if page is not None:
        timings.write_page(log.timings, f"{built.path.name}: where the time of its build went", page)
    elif arguments.timings is not None:
        for text in timings.lines(log.timings):
            log.line(text)
    if arguments.json:
        print(json.dumps(_facts(built, log)))
    elif not arguments.watch:
        image = built.image.path if built.image is not None else None
        print_paths(built.path, image, built.sbom, built.provenance)
    sys.stdout.flush()
    return built


def _facts(built: Built, log: Log) -> dict[str, Any]:
    """Return the result of a build as values for JSON."""
    from freezer.base.timings import as_fields

    return {
        "path": str(built.path),
        "size": built.size,
        "sha256": built.sha256,
        "python": built.python,
        "unchanged": built.unchanged,
        "verified": None if built.proof is None else dataclasses.asdict(built.proof),
        "added": [dataclasses.asdict(item) for item in built.added],
        "provided": [dataclasses.asdict(item) for item in built.provided],
        "not_tried": list(built.untried),
        "warnings": log.warnings,
        "seconds": {stage.title: round(stage.seconds, 3) for stage in log.timings.stages},
        "timings": [as_fields(span) for span in log.timings.spans],
        "other_linker": None if built.other is None else {"linker": built.other.linker.value, "size": built.other.size},
        "sbom": None if built.sbom is None else str(built.sbom),
        "provenance": None if built.provenance is None else str(built.provenance),
        "image": None if built.image is None else image_facts(built.image),
    }
