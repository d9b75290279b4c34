"""Reading an application's output for what its bundle lacks.

An application may fail without its arguments, files or network; that proves nothing against its bundle. What counts is
an error of the dynamic loader, and an exception about something missing from the bundle. An application may also print
such text on purpose, so what ends a failed run counts for more than what is somewhere in the output.
"""

from __future__ import annotations

import re
from typing import Optional

LOADER_ERRORS = re.compile(
    r"error while loading shared libraries|cannot open shared object file|version `[^']+' not found"
    r"|undefined symbol:|\[PYI-\d+:ERROR\] (?!Failed to execute script)|ELF load command|wrong ELF class"
)
HEADER = "Traceback (most recent call last)"
LAST_EXCEPTION = re.compile(r"^(?P<type>[A-Za-z_][\w.]*(?:Error|Exception|NotFound))(?:: (?P<text>.*))?$", re.MULTILINE)
CHAINED = re.compile(
    r"\n\n(?:The above exception was the direct cause of the following exception"
    r"|During handling of the above exception, another exception occurred):\n\n"
)
UNCAUGHT = re.compile(
    r"^(?:Exception in thread .+:|Process .+:|Task exception was never retrieved\nfuture: .+)\n(?=Traceback)",
    re.MULTILINE,
)
"""How the interpreter introduces the traceback of an exception that does not end the application."""
IMPORT_ERRORS = frozenset(
    ("ModuleNotFoundError", "ImportError", "PackageNotFoundError", "DistributionNotFound", "ZoneInfoNotFoundError")
)
FILE_ERRORS = frozenset(("FileNotFoundError", "NotADirectoryError", "OSError"))
NO_MODULE = re.compile(r"No module named '(?P<name>[\w.]+)'")
NO_FILE = re.compile(r"No such file or directory|Not a directory")
NO_SOURCE = "could not get source code"
BUNDLE_PATH = re.compile(
    r"/(?:tmp/(?:staticx-|_MEI)\w+|(?:[^\s'\"]+/)?(?:freezer/apps|freezer-\d+)/[0-9a-f]{64}/tree)/(?:_internal/)?"
)
"""Where staticx, PyInstaller and the native linker's launcher unpack bundles."""


def ended_by_fault(said: str) -> bool:
    """Return whether the output of a failed run reports something missing from the bundle as the reason."""
    if LOADER_ERRORS.search(said) or _says_missing(_last_line(said)):
        return True
    if HEADER not in said:
        return False
    chain = _last_chain(said)
    return bool(chain) and (_is_fault(chain[0]) or any(_says_missing(link.group(0)) for link in chain[1:]))


def ended_by_missing_module(stderr: str) -> bool:
    """Return whether standard error ends with the traceback of a module that is missing, as an exception that nobody
    catches ends it."""
    found = _exceptions(stderr)
    return bool(found) and HEADER in stderr and _last_line(stderr) == found[-1].group(0) and _is_import(found[-1])


def has_uncaught_fault(stderr: str) -> bool:
    """Return whether a thread, a task or a process of the application ended with something missing from the bundle,
    whatever the application's own end was."""
    for start in UNCAUGHT.finditer(stderr):
        exception = LAST_EXCEPTION.search(stderr, start.end())
        if exception is not None and _is_fault(exception):
            return True
    return False


def find_suspicion(said: str) -> Optional[str]:
    """Return a line of the output that may report something missing from the bundle, in a run that is no failure."""
    if HEADER in said:
        for exception in _exceptions(said):
            if _is_fault(exception):
                return exception.group(0)
    return None


def last_exception(said: str) -> tuple[str, str]:
    """Return the type and the text of the last exception in the output; without one, "" and the last line."""
    exceptions = _exceptions(said)
    if not exceptions:
        return "", _last_line(said)
    return exceptions[-1]["type"], exceptions[-1]["text"] or ""


def reasons(said: str) -> list[tuple[str, str]]:
    """Return the types and texts of the last exception and of those that it was raised from, the latest first; without
    one, "" and the last line."""
    chain = [(link["type"], link["text"] or "") for link in _last_chain(said)]
    return chain or [last_exception(said)]


def last_lines(said: str, count: int) -> str:
    """Return the last ``count`` lines of the output that are not blank."""
    return "\n".join(_lines(said)[-count:]) or "it printed nothing"


def _last_chain(said: str) -> list[re.Match[str]]:
    """Return the last exception in the output, and those that it was raised from, the latest first."""
    chain = []
    for part in reversed(CHAINED.split(said)):
        found = _exceptions(part)
        if not found:
            break
        chain.append(found[-1])
        if part.count(HEADER) != 1:  # the exception before belongs to another traceback of this part
            break
    return chain


def _exceptions(said: str) -> list[re.Match[str]]:
    return list(LAST_EXCEPTION.finditer(said))


def _is_fault(exception: re.Match[str]) -> bool:
    """Return whether an exception is about something missing from the bundle."""
    text = exception["text"] or ""
    is_file = _kind(exception) in FILE_ERRORS and (BUNDLE_PATH.search(text) or NO_SOURCE in text)
    return _is_import(exception) or bool(is_file)


def _is_import(exception: re.Match[str]) -> bool:
    return _kind(exception) in IMPORT_ERRORS


def _kind(exception: re.Match[str]) -> str:
    return exception["type"].rpartition(".")[2]


def _says_missing(line: str) -> bool:
    """Return whether a line says, in the words of Python, that a module or a file of the bundle is missing."""
    return bool(NO_MODULE.search(line) or (NO_FILE.search(line) and BUNDLE_PATH.search(line)))


def _last_line(said: str) -> str:
    lines = _lines(said)
    return lines[-1] if lines else ""


def _lines(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.strip()]
