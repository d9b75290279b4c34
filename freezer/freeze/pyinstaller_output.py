"""What PyInstaller says: in its log while it runs, in its file of warnings, and when it fails."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from freezer.base.errors import FreezerError, InputError, ToolError
from freezer.plan.pyinstaller_args import SPEC_ARGUMENTS
from freezer.plan.pyinstaller_options import OPTIONS

MISSING = re.compile(r"(?:missing|invalid) module named '?([^\s']+)'? - imported by (.*)")
NOT_FOUND = re.compile(r"Hidden import '?([\w.]+)'? not found")
IGNORED = re.compile(r"^IGNORED: (\w+)$")
"""A line of ``drivers.spec_classes``."""
OWN_LINE = re.compile(r"\d+ [A-Z]+: ")
"""The beginning of a line that PyInstaller prints, and not the spec file."""


class SpecHelp(InputError):
    """The spec file has printed its help, as it was asked to: ``why`` is the help."""


class Output:
    """The lines of one run: ``not_found`` are the hidden imports that it did not find, ``ignored`` options of its
    command line for what a spec file asks for and freezer has not."""

    def __init__(self) -> None:
        self.not_found: list[str] = []
        self.ignored: list[str] = []
        self._last: deque[str] = deque(maxlen=40)

    def read(self, line: str) -> bool:
        """Take notice of a line; leave it to the log."""
        self.not_found.extend(NOT_FOUND.findall(line))
        self.ignored.extend("--" + name.replace("_", "-") for name in IGNORED.findall(line))
        if not OWN_LINE.match(line):
            self._last.append(line)
        return False

    def warnings(self) -> list[str]:
        """Return a sentence on each thing that a spec file asks for and freezer has not."""
        asked = [option for option in OPTIONS if option.name in self.ignored]
        return [f"{option.name[2:]} in the spec file has no effect: {option.refused}" for option in asked]

    def of_ended_spec(self, arguments: Sequence[str]) -> InputError:
        """Return the error of a spec file that has ended the run; it is SpecHelp if the file's own ``arguments``, those
        behind another ``--``, ask for its help."""
        own = arguments[arguments.index(SPEC_ARGUMENTS) :] if SPEC_ARGUMENTS in arguments else ()
        return (SpecHelp if {"-h", "--help"} & set(own) else InputError)(
            "the spec file ended the build before it made an executable",
            why="\n".join(self._last) or "it printed nothing",
            hint="arguments of its own follow a second --",
        )


def explained(error: ToolError) -> FreezerError:
    """Return the error of a failed run: an InputError if PyInstaller says that the user's input is wrong."""
    for line in (error.why or "").splitlines():
        if line.startswith("ERROR: --") or "ERROR: the spec file" in line:
            return InputError(line.replace("ERROR: ", "", 1), hint=error.hint)
    return error


def read_warnings(path: Path) -> dict[str, str]:
    """Read PyInstaller's warn-NAME.txt: the modules that were not found, and who imports them how."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        match = MISSING.match(line)
        if match:
            found[match.group(1)] = match.group(2)
    return found
