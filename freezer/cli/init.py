"""``freezer init``: the settings of a project, and files that build and run its image elsewhere."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from freezer.base.errors import ExitStatus
from freezer.cli.options import add_entry, add_output_options, add_setting, add_settings, log_of, readable_or_layout
from freezer.plan.image_settings import IMAGE_SETTINGS
from freezer.plan.settings import IMAGE, SETTINGS

if TYPE_CHECKING:
    from freezer.base.log import Log
    from freezer.scaffold.drafts import Wish
    from freezer.scaffold.placing import Draft

DESCRIPTION = """\
Look at the application as freezer plan does, and write the settings of its build to [tool.freezer] of pyproject.toml,
so that freezer build needs no options: what starts it, its name, its requirements, the options that are given here. All
else in the file stays as it is. On demand, also write a CI job, a Kubernetes manifest and a compose file. No file and
no setting that is there is replaced without --force. The files that were written are printed.
"""
SERVICES = ("github", "gitlab")
WORKLOADS = ("deployment", "job")
AUTO = "auto"
NOT_WRITTEN = ("refresh", "jobs")
"""Settings that are about one run."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    init = commands.add_parser(
        "init", help="write the settings of a project, a CI job, a Kubernetes manifest", description=DESCRIPTION
    )
    add_entry(init)
    files = init.add_argument_group("files")
    files.add_argument(
        "--ci", choices=SERVICES, help="write a job that builds, checks and publishes the image, without Docker"
    )
    files.add_argument(
        "--k8s",
        nargs="?",
        const=AUTO,
        choices=(AUTO, *WORKLOADS),
        help="write k8s.yaml: a Deployment if the image has a port or a health check, else a Job; or what is named",
    )
    files.add_argument("--compose", action="store_true", help="write compose.yaml")
    files.add_argument(
        "--from",
        dest="described",
        metavar="IMAGE",
        help="write these for this image file or OCI layout, and no settings",
    )
    files.add_argument("--force", action="store_true", help="replace files, and change settings, that are there")
    files.add_argument(
        "-n", "--dry-run", action="store_true", help="write nothing, and print what would change, as a diff"
    )
    add_settings(init, (setting for setting in SETTINGS if setting.name not in NOT_WRITTEN))
    image = init.add_argument_group(IMAGE)
    image.add_argument("--image", metavar="TAR", help="the image file that builds write (default: dist/NAME.tar)")
    for setting in IMAGE_SETTINGS:
        add_setting(image, setting)
    add_output_options(init)


def run(arguments: argparse.Namespace, _rest: list[str]) -> int:
    """Find out what to write, and write it."""
    from freezer.scaffold.placing import place

    log, cwd = log_of(arguments), Path.cwd()
    folder, drafts = _drafts(arguments, cwd, log)
    placed = place(drafts, cwd, force=arguments.force, dry_run=arguments.dry_run)
    for path in placed.unchanged:
        log.line(f"{path} is as it should be")
    if arguments.json:
        written = [] if arguments.dry_run else [str(path) for path in placed.written]
        facts = {"folder": str(folder), "written": written, "unchanged": [str(path) for path in placed.unchanged]}
        print(json.dumps({**facts, "difference": placed.difference}))
    elif arguments.dry_run:
        print(placed.difference, end="")
    else:
        for path in placed.written:
            print(path)
    sys.stdout.flush()
    return ExitStatus.DONE


def _drafts(arguments: argparse.Namespace, cwd: Path, log: Log) -> tuple[Path, list[Draft]]:
    """Return the directory that is written to, and what is to be written."""
    from freezer import pipeline
    from freezer.scaffold.drafts import Command, drafts_for_image, drafts_for_project, folder_for
    from freezer.store.home import cache_root

    wish = _wish(arguments)
    if arguments.described is not None:
        _refuse_settings(arguments, wish)
        name = arguments.tag[0] if arguments.tag else None
        return cwd, drafts_for_image(readable_or_layout(arguments.described), wish, name, cwd)
    given = {key: value for key, value in vars(arguments).items() if value is not None}
    command = Command(given, wish, arguments.force, cwd, os.environ)
    folder = folder_for(arguments.entry, cwd)
    cache = cache_root()
    drafts = drafts_for_project(command, folder, lambda plan: pipeline.survey(plan, cache=cache, log=log), log)
    return folder, drafts


def _wish(arguments: argparse.Namespace) -> Wish:
    from freezer.scaffold.ci_jobs import CiService
    from freezer.scaffold.described import Workload
    from freezer.scaffold.drafts import Wish

    return Wish(
        ci=CiService(arguments.ci) if arguments.ci is not None else None,
        kubernetes=arguments.k8s is not None,
        workload=Workload(arguments.k8s) if arguments.k8s in WORKLOADS else None,
        compose=arguments.compose,
    )


def _refuse_settings(arguments: argparse.Namespace, wish: Wish) -> None:
    """Raise UsageError for what an image that exists has settled already."""
    from freezer.base.errors import UsageError

    settings = [setting for setting in (*SETTINGS, *IMAGE_SETTINGS) if setting.name not in (*NOT_WRITTEN, "tag")]
    given = [setting.name for setting in settings if getattr(arguments, setting.attribute) is not None]
    given += [name for name in ("ci", "image") if getattr(arguments, name) is not None]
    words = [*(["ENTRY"] if arguments.entry is not None else []), *(f"--{name}" for name in given)]
    if words:
        raise UsageError(
            f"{words[0]} cannot be combined with --from",
            why="the image is described as it is, and no settings are written",
        )
    if not (wish.kubernetes or wish.compose):
        raise UsageError("--from alone writes nothing", hint="add --k8s or --compose")
