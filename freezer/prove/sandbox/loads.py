"""Ask the dynamic loader whether the bundle has everything that its files need, without running any of their code.

A run loads only the modules that the application imports in it. In its trace mode, which ldd(1) uses, the loader
resolves the libraries, versions and symbols of any file. There may be hundreds of files, so several are traced at once.
"""

from __future__ import annotations

import os
import re
import select
import signal
import time
from contextlib import suppress
from typing import Any, NamedTuple

from freezer.base.isolation.privileges import drop_privileges
from freezer.prove.sandbox.protocol import Cell, Message

MAXIMUM_PROBLEMS = 100
LOAD_SECONDS = 10.0


class Trace(NamedTuple):
    """A dynamic loader at work on the load with the number ``place``."""

    place: int
    pid: int | None
    deadline: float
    output: bytearray


def trace_loads(loads: list[Message], cell: Cell, jobs: int, progress: int | None) -> list[Message]:
    """Ask the dynamic loader about each file, ``jobs`` at once."""
    drop_privileges(cell.uid, cell.gid, real_root=cell.real_root)
    replies: dict[int, Message] = {}
    active: dict[int, Trace] = {}
    while len(replies) < len(loads):
        while len(active) < jobs and len(active) + len(replies) < len(loads):
            place = len(active) + len(replies)
            reading, trace = start_trace(place, loads[place])
            active[reading] = trace
        for reading in select.select(list(active), [], [], 0.1)[0]:
            chunk = os.read(reading, 65536)
            active[reading].output.extend(chunk)
            if not chunk:
                os.close(reading)
                trace = active.pop(reading)
                replies[trace.place] = finish_trace(loads[trace.place], trace)
                tell_progress(progress, len(replies), len(loads))
        for trace in active.values():
            if trace.pid is not None and time.monotonic() > trace.deadline:
                os.kill(trace.pid, signal.SIGKILL)
    return [replies[place] for place in range(len(loads))]


def start_trace(place: int, load: Message) -> tuple[int, Trace]:
    """Start the loader in the mode of ``ldd -r``; return the pipe with its output.

    Do not use ``--list``, which stops at the first missing library, and does not look up symbols.
    """
    environment = {"LD_TRACE_LOADED_OBJECTS": "1", "LD_WARN": "1", "LD_BIND_NOW": "1"}
    if load["preload"]:
        environment["LD_PRELOAD"] = ":".join(load["preload"])
    argv = [load["loader"], "--library-path", ":".join(load["library_path"]), load["file"]]
    reading, writing = os.pipe()
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, writing, 1),
        (os.POSIX_SPAWN_DUP2, writing, 2),
    ]
    defaults = [signal.SIGPIPE, signal.SIGXFSZ]
    options: dict[str, Any] = {"file_actions": actions, "setsigmask": [], "setsigdef": defaults}
    pid = None
    try:
        pid = os.posix_spawn(argv[0], argv, environment, **options)
    except OSError as error:
        os.write(writing, f"{argv[0]}: {error.strerror}".encode())
    os.close(writing)
    return reading, Trace(place, pid, time.monotonic() + LOAD_SECONDS, bytearray())


def finish_trace(load: Message, trace: Trace) -> Message:
    """Return the reply for a loader that has closed its output."""
    libraries, problems = parse_trace(trace.output.decode("utf-8", "replace"), load["file"])
    code = None if trace.pid is None else os.waitstatus_to_exitcode(os.waitpid(trace.pid, 0)[1])
    if time.monotonic() > trace.deadline:
        problems.append(f"the loader did not end within {LOAD_SECONDS:g} seconds")
    elif code is not None and code < 0:
        problems.append(f"the loader was killed by {signal.Signals(-code).name}: the file may be damaged")
    # If Python is built into its program, its extension modules have hundreds of undefined symbols, which do no harm.
    symbols = [problem for problem in problems if "undefined symbol" in problem][:MAXIMUM_PROBLEMS]
    problems = [problem for problem in problems if "undefined symbol" not in problem]
    if len(problems) > MAXIMUM_PROBLEMS:
        problems[MAXIMUM_PROBLEMS:] = [f"... and {len(problems) - MAXIMUM_PROBLEMS} more"]
    problems += symbols
    return {
        "file": load["file"],
        "status": None if code is None or code < 0 else code,
        "libraries": libraries,
        "problems": problems,
    }


def parse_trace(text: str, file: str) -> tuple[dict[str, str | None], list[str]]:
    """Split what ld.so printed into libraries and problems.

    Only the lines about libraries start with a tab: ``NAME => PATH (ADDRESS)``, ``NAME => not found``,
    ``PATH (ADDRESS)`` for files that were named by their path (preloaded files, the loader itself),
    ``linux-vdso.so.1 (ADDRESS)``, which is not a file, and ``statically linked`` for a file without DT_NEEDED.
    """
    libraries: dict[str, str | None] = {}
    problems = []
    for line in text.splitlines():
        if not line.startswith("\t"):
            problems.append(line.removeprefix(f"{file}: ").replace("\t", " "))
            continue
        match = re.fullmatch(r"\t(?:(?P<name>.+) => )?(?P<path>/.*) \(0x[0-9a-f]+\)", line)
        if match:
            libraries[os.path.basename(match["name"] or match["path"])] = match["path"]
        elif line.endswith(" => not found"):
            libraries[line.strip().removesuffix(" => not found")] = None
    return libraries, problems


def tell_progress(progress: int | None, done: int, total: int) -> None:
    """Write the number of finished loads to the descriptor ``progress``, if there is one."""
    if progress is not None and (done % 10 == 0 or done == total):
        with suppress(OSError):
            os.write(progress, f"{done} {total}\n".encode())
