"""How verification runs the application: one run, or several, each with what it is given and what is expected of it.

On the command line, the options of a run follow its ``--smoke``; those before the first one, and keys beside the tables
of runs in a file, hold for every run that has none of its own. Without any run, they make one without arguments.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Optional

from freezer.base.errors import InputError
from freezer.base.places import is_file
from freezer.plan.build import Request, Smoke
from freezer.plan.choices import Verification, choice
from freezer.plan.learned import ANY_STATUS, Learned
from freezer.plan.settings import RUN_SETTINGS, SMOKE
from freezer.plan.values import FILE_MARK

ATTRIBUTES = tuple(setting.attribute for setting in RUN_SETTINGS.values())
TIMEOUT = 10
MOST_INPUT = 16 << 20
"""Bytes of standard input that a run can be given."""
STATUS = re.compile(r"(?P<path>[^?]*(?:\?(?:.*&)?[^=&]*=[^&]*)?)=(?P<status>[1-5][0-9][0-9])")
"""A path with a status. In a query the first = after a name is the query's own."""


def resolve_smokes(values: Mapping[str, Any]) -> tuple[Smoke, ...]:
    """Return the runs, at least one, of the settings whose names begin with ``smoke``. Raises InputError."""
    every = {key: item.attribute for key, item in RUN_SETTINGS.items() if item.name != SMOKE}
    common = {key: values[attribute] for key, attribute in every.items() if attribute in values}
    smoke = values.get(SMOKE)
    runs = [{"args": smoke}] if isinstance(smoke, str) else smoke or [{}]
    return tuple(_smoke({**common, **run}, asked=is_asked(values)) for run in runs)


def replays(learned: Learned, timeout: Optional[int] = None) -> tuple[Smoke, ...]:
    """Return the runs that ``freezer learn`` has seen, as runs of a proof."""
    return tuple(
        Smoke(tuple(shlex.split(text)), None if end == ANY_STATUS else int(end.split()[1]), timeout or TIMEOUT)
        for text, end in learned.runs.items()
    )


def is_asked(values: Mapping[str, Any]) -> bool:
    """Return whether any setting says how the application shall run."""
    return any(name in values for name in ATTRIBUTES)


def resolve_verification(values: Mapping[str, Any], default: Verification) -> Verification:
    """Return how much proof is wanted. Whoever says how the application shall run wants a proof."""
    if "verify" not in values:
        return Verification.REQUIRE if is_asked(values) else default
    value = values["verify"]
    if isinstance(value, bool):
        return Verification.REQUIRE if value else Verification.NO
    return choice(value, Verification, "--verify")


def merge_runs(values: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Have the options of a command line without runs of its own change every run of the settings file."""
    runs = values.get(SMOKE)
    if SMOKE not in given and isinstance(runs, list):
        fixed = {key for key, setting in RUN_SETTINGS.items() if setting.attribute in given}
        values[SMOKE] = [{key: item for key, item in run.items() if key not in fixed} for run in runs]


def _smoke(run: Mapping[str, Any], asked: bool) -> Smoke:
    requests = tuple(map(_request, run.get("http", ())))
    status = run.get("status", 0 if asked and not requests else None)
    if status is not None and not 0 <= status <= 255:
        raise InputError(f"--smoke-status {status} is not an exit status (0 to 255)")
    if requests and status is not None:
        raise InputError(
            f"--smoke-http {requests[0].path} and --smoke-status {status} are of the same run",
            why="a server does not end by itself: freezer ends it when it has answered",
            hint="give each a --smoke ARGS of its own, and name --smoke-status after its --smoke",
        )
    arguments = _arguments(run["args"]) if "args" in run else None
    return Smoke(
        arguments,
        status,
        run.get("timeout", TIMEOUT),
        endless=status is not None and arguments is None and "status" not in run,
        stdin=_input(run["stdin"]) if "stdin" in run else None,
        expected=tuple(run.get("expect", ())),
        requests=requests,
    )


def _arguments(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise InputError(f"--smoke {text!r} cannot be split into arguments", why=str(error)) from error


def _input(text: str) -> bytes:
    if not text.startswith(FILE_MARK):
        return text.encode("utf-8", "surrogateescape")
    path = Path(os.path.abspath(text[len(FILE_MARK) :]))
    if not is_file(path) or not os.access(path, os.R_OK):
        raise InputError(f"--smoke-stdin {text}: there is no file {path}, or it cannot be read")
    with open(path, "rb") as file:
        content = file.read(MOST_INPUT + 1)
    if len(content) > MOST_INPUT:
        raise InputError(f"--smoke-stdin {text}: the file has more than {MOST_INPUT >> 20} MiB")
    return content


def _request(text: str) -> Request:
    """Split PATH[=STATUS]. Raises InputError for what cannot be asked."""
    match = STATUS.fullmatch(text)
    path = match["path"] if match else text
    if not re.fullmatch(r"/[!-~]*", path) or "#" in path:
        raise InputError(
            f"--smoke-http {text!r} is not PATH or PATH=STATUS",
            why="a path begins with / and has neither spaces, # nor letters outside ASCII",
            hint="for example: --smoke-http / --smoke-http /missing=404; quote other letters as %XX",
        )
    return Request(path, int(match["status"]) if match else None)


def runs_of(value: Any, path: Path, section: str) -> list[tuple[str, Any]]:
    """Return the tables of runs in a file, each with its section: one table, a list of tables, or tables by name.

    Raises InputError for anything else.
    """
    if isinstance(value, dict) and value and all(isinstance(item, dict) for item in value.values()):
        return [(f"{section}.{name}", item) for name, item in value.items()]
    items: Iterable[Any] = value if isinstance(value, list) else [value]
    found = [(section, item) for item in items]
    if not all(isinstance(item, dict) for _, item in found):
        raise InputError(f"{path}: {section} must be a string, or tables, not {value!r}")
    return found
