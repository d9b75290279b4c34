"""Judging the sandbox's report: whether libraries load from the bundle alone, and what a run's end and output mean.

An application may fail without its arguments, files or network; that proves nothing against its bundle. The failures
that count are a crash, an error of the dynamic loader or the launcher, and an exception about something missing from
the bundle.
"""

from __future__ import annotations

import os
import re
from typing import Any, Optional

from freezer.base.errors import VerificationError
from freezer.base.processes import describe_status
from freezer.plan.build import Smoke

INSIDE = ("/app/", "/tmp/", "/dev/shm/", "/dev/zero", "/memfd:", "/SYSV")
"""Where a run in the empty root may map files from: the bundle, the application's own files, shared memory."""

CRASHES = frozenset((4, 5, 6, 7, 8, 11, 31))
"""The signals of a broken program: ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS."""

LOADER_ERRORS = re.compile(
    r"error while loading shared libraries|cannot open shared object file|version `[^']+' not found"
    r"|undefined symbol:|\[PYI-\d+:ERROR\] (?!Failed to execute script)|ELF load command|wrong ELF class"
)
LAST_EXCEPTION = re.compile(r"^(?P<type>[A-Za-z_][\w.]*(?:Error|Exception|NotFound))(?:: (?P<text>.*))?$", re.MULTILINE)
IMPORT_ERRORS = frozenset(
    ("ModuleNotFoundError", "ImportError", "PackageNotFoundError", "DistributionNotFound", "ZoneInfoNotFoundError")
)
BUNDLE_PATH = re.compile(
    r"/(?:tmp/(?:staticx-|_MEI)\w+|(?:[^\s'\"]+/)?(?:freezer/apps|freezer-\d+)/[0-9a-f]{64}/tree)/(?:_internal/)?"
)
"""Where staticx, PyInstaller and the native linker's launcher unpack bundles."""

CANNOT_RUN = 126
"""The exit status of the native linker's launcher, and of ``start.so``, if the application could not be started."""
LAUNCHER_ERROR = re.compile(r"^.+: error: .+\n  why: |^error: not enough memory to start Python$", re.MULTILINE)


def judge_loads(loads: list[dict[str, Any]], known: frozenset[str], name: str) -> None:
    """Raise VerificationError if a library of a bundle cannot be loaded from the bundle alone; ``known`` are libraries
    that the build environment lacked, too."""
    problems = []
    for load in loads:
        file = load["file"].replace("/bundle/", "", 1)
        for soname, place in load["libraries"].items():
            if place is None and os.path.basename(soname) not in known:
                problems.append(f"{file} needs {soname}, which is not in the bundle")
            elif place is not None and place.startswith("/") and not place.startswith("/bundle/"):
                problems.append(f"{file} takes {soname} from {place}, outside the bundle")
        for line in load["problems"]:
            # The program that loads the library may provide a symbol; only files that can never load count.
            if "undefined symbol" not in line and not any(item in line for item in known):
                problems.append(f"{file}: {line}")
    if problems:
        distinct = list(dict.fromkeys(problems))
        more = [f"and {len(distinct) - 12} more"] if len(distinct) > 12 else []
        raise VerificationError(
            f"{name} is not complete",
            why="\n".join(distinct[:12] + more),
            hint="install the library on the build machine, or add it with --library FILE",
        )


def judge_run(run: dict[str, Any], smoke: Smoke, name: str, places: tuple[str, ...] = INSIDE) -> str:
    """Judge one run in the empty root, and return a short description of its end. ``places`` are the directories that
    it may map files from.

    Raises VerificationError.
    """
    said = (run.get("stderr") or "") + (run.get("stdout") or "")
    if run.get("exec_error"):
        raise VerificationError(f"{name} cannot be started in an empty root", why=run["exec_error"])
    if run["status"] == CANNOT_RUN and LAUNCHER_ERROR.search(run.get("stderr") or ""):
        # Whatever status was expected: the application has not run.
        raise VerificationError(f"{name} cannot unpack or start itself in an empty root", why=_last_words(said))
    strangers = [path for path in run["mapped"] if not path.startswith(places)]
    if strangers:
        raise VerificationError(f"{name} uses files outside its bundle", why="\n".join(strangers))
    status, signal = run["status"], run["signal"]
    how = "is still running" if run["timed_out"] else describe_status(-signal if signal else status)
    failed = not run["timed_out"] and (signal is not None or status != 0)
    if smoke.arguments is not None or smoke.status is not None:
        if run["timed_out"]:
            raise VerificationError(
                f"{name} did not end within {smoke.timeout} s in an empty root",
                why=_last_words(said),
                hint="give it more time: --smoke-timeout SECONDS",
            )
        if status != smoke.status:
            raise VerificationError(
                f"{name} {how} in an empty root; the expected status was {smoke.status}",
                why=_last_words(said),
                hint=_advice(said) or "if that status is right: --smoke-status N",
            )
        return f"ran in an empty root: {how}"
    if signal in CRASHES or (failed and _broken(said)):
        raise VerificationError(
            f"{name} does not run in an empty root: it {how}",
            why=_last_words(said),
            hint=_advice(said) or "if it needs arguments to run: --smoke ARGS",
        )
    return f"ran in an empty root: {how}" + (f" after {smoke.timeout} s" if run["timed_out"] else "")


def _broken(said: str) -> bool:
    """Return whether the output of a failed run reports something missing from the bundle."""
    if LOADER_ERRORS.search(said):
        return True
    exceptions = list(LAST_EXCEPTION.finditer(said))
    if "Traceback (most recent call last)" not in said or not exceptions:
        return False
    last = exceptions[-1].groupdict("")
    kind = last["type"].rpartition(".")[2]
    if kind in IMPORT_ERRORS:
        return True
    return kind in ("FileNotFoundError", "NotADirectoryError", "OSError") and bool(BUNDLE_PATH.search(last["text"]))


def _advice(said: str) -> Optional[str]:
    exceptions = list(LAST_EXCEPTION.finditer(said))
    if not exceptions:
        return None
    last = exceptions[-1].groupdict("")
    module = re.search(r"No module named '([\w.]+)'", last["text"])
    if module:
        return (
            f"--hidden-import {module.group(1)}  if it is imported by name at run time\n"
            f"--with NAME  if its distribution is not among the requirements"
        )
    if "getpwuid" in last["text"]:
        return "an empty root has no /etc/passwd; the application needs one, or USER and LOGNAME, where it will run"
    if last["type"].endswith(("PackageNotFoundError", "DistributionNotFound")):
        return "--copy-metadata NAME"
    if BUNDLE_PATH.search(last["text"]):
        inside = BUNDLE_PATH.sub("", last["text"]).rstrip("'\"").rpartition("'")[2]
        return f"--add-data SOURCE:{os.path.dirname(inside) or '.'}"
    return None


def _last_words(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return "\n".join(lines[-15:]) or "it printed nothing"
