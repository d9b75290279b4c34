"""``freezer check``: prove an executable or an image, whoever made it."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from freezer.base.errors import ExitStatus
from freezer.cli.options import add_output_options, add_setting, is_layout, log_of, readable_or_layout
from freezer.plan.choices import Verification
from freezer.plan.settings import SETTINGS

if TYPE_CHECKING:
    from freezer.base.log import Log
    from freezer.sign.verify_signed import Signed

DESCRIPTION = """\
Prove an executable as a build does: it must be static, run in an empty root, and load all libraries it carries there.
Or prove an image, whoever made it: it must follow the specifications, have the digests it states, meet the restricted
Pod Security Standard, and run in its own root, read-only and without capabilities.
"""
LEARNED = "look for what freezer.learned.toml, or this file of freezer learn, names, and repeat the runs in it"
KEY = "first verify that it is signed with this public key, in PEM or OpenSSH's format"
SIGNATURE = "the file with the signed provenance (default: FILE.intoto.jsonl for an executable; an image has it inside)"
SNAPSHOT = "say where in its imports a snapshot of memory could end, for starts to begin there, and why no later"
IGNORE = "leave variables with such a name out of the snapshot's key (repeat)"
VERIFY = "proof by a run: require (default), auto (if possible), or no (the file is checked, but not run)"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    check = commands.add_parser("check", help="prove a static executable or an image", description=DESCRIPTION)
    check.add_argument("file", metavar="FILE", help="the executable or image to prove")
    for setting in SETTINGS:
        if setting.name == "verify":
            add_setting(check, dataclasses.replace(setting, help=VERIFY))
        elif setting.name.startswith("smoke") or setting.name == "jobs":
            add_setting(check, setting)
    check.add_argument("--key", metavar="FILE", help=KEY)
    check.add_argument("--signature", metavar="FILE", help=SIGNATURE)
    check.add_argument("--learned", nargs="?", const="", metavar="FILE", help=LEARNED)
    check.add_argument("--snapshot", action="store_true", help=SNAPSHOT)
    check.add_argument("--ignore-env", action="append", metavar="PATTERN", help=IGNORE)
    add_output_options(check)


def run(arguments: argparse.Namespace, _rest: list[str]) -> int:
    """Prove the file. Raises VerificationError, also if this system cannot run the proof that is required."""
    from freezer.base.errors import UsageError
    from freezer.base.oci.archive import looks_like_image
    from freezer.plan.learned import FILE_NAME
    from freezer.plan.learned_file import read_learned
    from freezer.plan.smokes import is_asked, replays, resolve_smokes, resolve_verification
    from freezer.prove.existing import check_executable, check_image, check_snapshot
    from freezer.store.home import cache_root

    log = log_of(arguments)
    path = readable_or_layout(arguments.file)
    given = {key: value for key, value in vars(arguments).items() if value is not None}
    smokes, verification = resolve_smokes(given), resolve_verification(given, Verification.REQUIRE)
    if arguments.learned is not None and verification is Verification.NO:
        raise UsageError("--learned and --verify=no contradict each other", hint="leave out one of them")
    learned = read_learned(arguments.learned or FILE_NAME, Path.cwd()) if arguments.learned is not None else None
    if learned is not None and learned.runs:
        smokes = (*(smokes if is_asked(given) else ()), *replays(learned, arguments.smoke_timeout))
    is_image = is_layout(path) or looks_like_image(path)
    _check_snapshot_options(arguments, is_image)
    signed = _verified(arguments, path, is_image, log)
    prove: Any = check_image if is_image else check_executable
    jobs = arguments.jobs or os.cpu_count() or 1
    proof = prove(path, smokes, verification, jobs=jobs, cache=cache_root(), log=log, learned=learned)
    findings = None
    if arguments.snapshot:
        findings = check_snapshot(path, arguments.ignore_env or (), cache=cache_root(), log=log)
    facts = {**dataclasses.asdict(proof), "signature": signed.as_json() if signed is not None else None}
    if findings is not None:
        facts["snapshot"] = [list(line) for line in findings.lines()]
    print(json.dumps(facts) if arguments.json else path)
    sys.stdout.flush()
    return ExitStatus.DONE


def _check_snapshot_options(arguments: argparse.Namespace, is_image: bool) -> None:
    from freezer.base.errors import UsageError

    if arguments.ignore_env and not arguments.snapshot:
        raise UsageError("--ignore-env needs --snapshot", hint="add --snapshot")
    if arguments.snapshot and is_image:
        raise UsageError("--snapshot is about executables, and this is an image", hint="give the executable")


def _verified(arguments: argparse.Namespace, path: Path, is_image: bool, log: Log) -> Optional[Signed]:
    """Verify the signature, if a key is given, before anything of the file is run. Raises VerificationError."""
    from freezer.base.errors import UsageError
    from freezer.plan.signing import beside
    from freezer.sign.keys import read_public
    from freezer.sign.verify_signed import verify_executable, verify_image

    if arguments.key is None:
        if arguments.signature is not None:
            raise UsageError("--signature needs --key", hint="name the public key: --key FILE")
        return None
    key = read_public(Path(os.path.abspath(arguments.key)))
    file = Path(os.path.abspath(arguments.signature)) if arguments.signature is not None else None
    with log.step("signature") as step:
        signed = verify_image(path, key, file) if is_image else verify_executable(path, key, file or beside(path))
        step.result = signed.sentence
    return signed
