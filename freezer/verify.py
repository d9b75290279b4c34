"""Proving an executable: static checks, then a run in an empty root.

A run on the build host proves nothing, since what is missing from the bundle is found there. ``sandbox`` runs the file
in private namespaces whose root holds only the file itself, /tmp, /proc and a minimal /dev, without network, as
an unprivileged user, with a clean environment; and lets the bundled loader load every bundled library there once, so
that what the application imports only later is proven too. The file itself knows nothing of this.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from freezer import tools
from freezer.drivers import DRIVERS, MANIFEST
from freezer.elf import Elf, NotElf, find_elves, read_elf
from freezer.errors import InputError, VerificationError
from freezer.log import Log, Step
from freezer.plan import Smoke
from freezer.sandbox import SANDBOX
from freezer.unpack import unpack_bundle
from freezer.workspace import Workspace

UNPRIVILEGED = 65534
"""The user that the application runs as, "nobody" on most systems."""

INSIDE = ("/app/", "/tmp/", "/dev/shm/", "/dev/zero", "/memfd:", "/SYSV")
"""Where a run in the empty root may map files from: the bundle, what the application makes itself, shared memory."""

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
BUNDLE_PATH = re.compile(r"/tmp/(?:staticx-|_MEI)\w+/(?:_internal/)?")


@dataclass(frozen=True)
class Proof:
    """What verification found out. ``isolation`` is how the run was isolated, None if it could not be;
    ``seconds`` until the application's first output, or its end, in the empty root."""

    isolation: Optional[str]
    outcome: str
    seconds: Optional[float]
    libraries: int
    notes: tuple[str, ...] = field(default=())


def check_static(path: Path, machine: Optional[str] = None) -> Elf:
    """The checks that need no run: static, for this machine, executable by everybody.

    Raises InputError for what is no ELF file, VerificationError for what fails.
    """
    try:
        elf = read_elf(path)
    except NotElf as error:
        raise InputError(f"{path} is no executable", why=str(error)) from error
    problem = None
    if elf.kind not in ("ET_EXEC", "ET_DYN"):
        problem = f"it is of type {elf.kind}"
    elif elf.interpreter is not None:
        problem = f"it asks for the interpreter {elf.interpreter}"
    elif elf.needed:
        problem = f"it needs {', '.join(elf.needed)}"
    elif machine is not None and elf.machine != machine:
        problem = f"it is made for {elf.machine}, not {machine}"
    elif path.stat().st_mode & 0o555 != 0o555:
        problem = f"its mode is {path.stat().st_mode & 0o7777:04o}; every user must be able to read and execute it"
    if problem is not None:
        raise VerificationError(f"{path.name} is no static executable", why=problem)
    return elf


def verify(path: Path, smoke: Smoke, *, jobs: int, log: Log, space: Workspace, step: Optional[Step] = None) -> Proof:
    """Prove one executable. Raises VerificationError, with the application's own words, if it fails."""
    elf = check_static(path)
    if elf.machine != read_elf(Path(tools.own_python()).resolve()).machine:
        return Proof(None, f"not run: it is made for {elf.machine}", None, 0)
    bundle = open_bundle(path, log=log, space=space)
    run = {
        "argv": [f"/app/{path.name}", *(smoke.arguments or ())],
        "env": {"PATH": "/usr/bin:/bin", "HOME": "/tmp"},
        "timeout": float(smoke.timeout),
        "trace_maps": True,
    }
    request = {"binary": str(path), "name": path.name, "uid": UNPRIVILEGED, "jobs": jobs, "runs": [run]}
    reply = run_sandbox(request, bundle, log=log, space=space, step=step)
    if "error" in reply:
        return Proof(None, f"not run: {reply['error']}: {reply['reason']}", None, 0)
    judge_loads(reply["loads"], bundle, path.name)
    run = reply["runs"][0]
    outcome = judge_run(run, smoke, path.name)
    first = run.get("first_output")
    return Proof(
        reply["isolation"],
        outcome,
        run["seconds"] if first is None else first,
        len(bundle.loads),
        tuple(reply["notes"]),
    )


@dataclass(frozen=True)
class Bundle:
    """The unpacked bundle of an executable, if it has one: the libraries to load, as the sandbox is asked to, and those
    that the build environment lacked as well."""

    folder: Optional[Path]
    loads: tuple[dict[str, Any], ...]
    known_missing: frozenset[str]


def open_bundle(path: Path, *, log: Log, space: Workspace) -> Bundle:
    """Unpack the bundle of an executable. Raises InputError for a damaged one."""
    folder = space.work / "unpacked"
    if not unpack_bundle(path, folder):
        return Bundle(None, (), frozenset())
    _unpack_onefile(folder, log=log, space=space)
    return Bundle(folder, tuple(_loads(folder)), _known_missing(folder))


def run_sandbox(
    wanted: Mapping[str, Any], bundle: Bundle, *, log: Log, space: Workspace, step: Optional[Step]
) -> dict[str, Any]:
    """Have the sandbox do what is ``wanted`` of it, and load the bundle's libraries (see ``sandbox.protocol``)."""
    request = {
        **wanted,
        "root": str(space.folder("root")),
        "bundle": str(bundle.folder) if bundle.folder is not None else None,
        "loads": list(bundle.loads),
        "progress_fd": 2 if step is not None else None,
    }

    def progress(line: str) -> bool:
        match = re.fullmatch(r"(\d+) (\d+)", line)
        if match and step is not None:
            step.advance(int(match.group(1)), int(match.group(2)))
        return match is not None

    done = tools.run(
        [tools.own_python(), "-I", "-S", SANDBOX],
        log=log,
        build_log=space.build_log,
        what="run the application in an empty root",
        env=tools.clean_environment(home=space.folder("home"), temporary=space.folder("tmp"), epoch=0),
        cwd=space.work,
        stdin=json.dumps(request),
        hold=space.held,
        capture=True,
        on_line=progress,
        error=VerificationError,
    )
    space.build_log.append(done.stdout)
    reply: dict[str, Any] = json.loads(done.stdout)
    return reply


def _known_missing(bundle: Path) -> frozenset[str]:
    """The libraries that the build environment lacked as well, from the note that the linker left in the bundle."""
    if not (bundle / MANIFEST).is_file():
        return frozenset()
    try:
        content = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
        return frozenset(str(item) for item in content["missing_libraries"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("the bundle's manifest is damaged", why=str(error)) from error


def _loads(bundle: Path) -> list[dict[str, Any]]:
    """One request for each shared library in the bundle, with the libraries found as the running application would."""
    elves = find_elves(bundle)
    program = bundle / ".staticx.prog"
    interpreter = bundle / ".staticx.interp"
    if not program.exists() or not interpreter.exists():
        return []
    machine = read_elf(program.resolve()).machine
    contents = bundle / "_internal"
    path = [f"/bundle/{place}" for place in ("_internal", "_onefile") if (bundle / place).is_dir()] + ["/bundle"]
    python = sorted(contents.glob("libpython*.so*")) or sorted((bundle / "_onefile").glob("libpython*.so*"))
    return [
        {
            "loader": f"/bundle/{os.readlink(interpreter)}",
            "library_path": path,
            "preload": [f"/bundle/{os.path.relpath(item, bundle)}" for item in python[:1]],
            "file": f"/bundle/{os.path.relpath(elf.path, bundle)}",
        }
        for elf in elves
        if elf.is_library and elf.machine == machine and not elf.path.name.startswith("ld-")
    ]


def _unpack_onefile(bundle: Path, *, log: Log, space: Workspace) -> None:
    """Unpack a PyInstaller one-file program inside the bundle too, as the hand-made recipe makes them."""
    program = bundle / ".staticx.prog"
    if (bundle / "_internal").is_dir() or not program.exists():
        return
    tools.run(
        [tools.own_python(), "-s", DRIVERS / "unpack_onefile.py"],
        log=log,
        build_log=space.build_log,
        what=f"read {program.resolve().name}",
        env=tools.clean_environment(home=space.folder("home"), temporary=space.folder("tmp"), epoch=0),
        cwd=space.work,
        stdin=json.dumps({"program": str(program.resolve()), "folder": str(bundle / "_onefile")}),
        hold=space.held,
        error=VerificationError,
    )


def judge_loads(loads: list[dict[str, Any]], bundle: Bundle, name: str) -> None:
    """Raise VerificationError if a library of a bundle cannot be loaded from the bundle alone."""
    known = bundle.known_missing
    problems = []
    for load in loads:
        file = load["file"].replace("/bundle/", "", 1)
        for soname, place in load["libraries"].items():
            if place is None and os.path.basename(soname) not in known:
                problems.append(f"{file} needs {soname}, which is not in the bundle")
            elif place is not None and place.startswith("/") and not place.startswith("/bundle/"):
                problems.append(f"{file} takes {soname} from {place}, outside the bundle")
        for line in load["problems"]:
            # A symbol may be meant to come from whoever loads the library; only what can never load counts.
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
    """Decide about one run in the empty root; the result says what happened in a few words. ``places`` are where it
    may map files from.

    Raises VerificationError.
    """
    said = (run.get("stderr") or "") + (run.get("stdout") or "")
    if run.get("exec_error"):
        raise VerificationError(f"{name} cannot be started in an empty root", why=run["exec_error"])
    strangers = [path for path in run["mapped"] if not path.startswith(places)]
    if strangers:
        raise VerificationError(f"{name} uses files outside its bundle", why="\n".join(strangers))
    status, signal = run["status"], run["signal"]
    how = "is still running" if run["timed_out"] else tools.describe_status(-signal if signal else status)
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
                f"{name} {how} in an empty root, expected was {smoke.status}",
                why=_last_words(said),
                hint=_advice(said) or "if that is right: --smoke-status N",
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
    """Whether a failed run's words speak of something missing from the bundle."""
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
            f"--with NAME  if the distribution that has it is not among the requirements"
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
    return "\n".join(lines[-15:]) or "it said nothing"
