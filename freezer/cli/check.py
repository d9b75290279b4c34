"""``freezer check``: prove an executable or an image, whoever made it."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from typing import Any

from freezer.base.errors import ExitStatus
from freezer.cli.options import add_output_options, add_setting, is_layout, log_of, readable_or_layout
from freezer.plan.settings import SETTINGS

DESCRIPTION = """\
Prove an executable as a build does: it must be static, run in an empty root, and load all libraries it carries there.
Or prove an image, whoever made it: it must follow the specifications, have the digests it states, meet the restricted
Pod Security Standard, and run in its own root, read-only and without capabilities.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    check = commands.add_parser("check", help="prove a static executable or an image", description=DESCRIPTION)
    check.add_argument("file", metavar="FILE", help="the executable or image to prove")
    for setting in SETTINGS:
        if setting.name.startswith("smoke") or setting.name == "jobs":
            add_setting(check, setting)
    add_output_options(check)


def run(arguments: argparse.Namespace, _rest: list[str]) -> int:
    """Prove the file. Raises VerificationError, also if this system cannot run the proof."""
    from freezer.base.errors import VerificationError
    from freezer.base.oci.archive import looks_like_image
    from freezer.plan.resolve import resolve_smoke
    from freezer.prove.existing import check_executable, check_image
    from freezer.store.workspace import cache_root

    log = log_of(arguments)
    path = readable_or_layout(arguments.file)
    smoke = resolve_smoke({key: value for key, value in vars(arguments).items() if value is not None})
    is_image = is_layout(path) or looks_like_image(path)
    prove: Any = check_image if is_image else check_executable
    proof = prove(path, smoke, jobs=arguments.jobs or os.cpu_count() or 1, cache=cache_root(), log=log)
    if proof.isolation is None:
        how = "follows the rules" if is_image else "is static"
        raise VerificationError(f"{path} {how}, but is not proven", why=proof.outcome)
    print(json.dumps(dataclasses.asdict(proof)) if arguments.json else path)
    sys.stdout.flush()
    return ExitStatus.DONE
