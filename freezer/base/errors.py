"""The one tree of exceptions. Every error states what failed, why, and what to try; its class sets the exit status.

Only the command line turns these into a message and a status (``cli.main``); everything else raises them, so that
freezer can be used as a library.
"""

from __future__ import annotations

import enum
from typing import Optional


class ExitStatus(enum.IntEnum):
    """The exit statuses, as in the manual page."""

    DONE = 0
    BUG = 1
    USAGE = 2
    INPUT = 3
    ENVIRONMENT = 4
    TOOL = 5
    VERIFICATION = 6
    OUTPUT = 7
    NOT_RUN = 125
    NOT_EXECUTABLE = 126
    NOT_FOUND = 127
    INTERRUPTED = 130


class FreezerError(Exception):
    """Base of all errors that a user can cause or repair.

    ``what`` names the failure in one line; ``why`` is the cause as the failing part stated it; ``hint`` is something to
    try.
    """

    status = ExitStatus.BUG

    def __init__(self, what: str, *, why: Optional[str] = None, hint: Optional[str] = None) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint

    def render(self) -> str:
        """Return the message as it is printed, without the program's name."""
        lines = [f"error: {self.what}"]
        if self.why:
            lines.append("  why: " + self.why.strip().replace("\n", "\n       "))
        if self.hint:
            lines.append("  try: " + self.hint.strip().replace("\n", "\n       "))
        return "\n".join(lines)


class UsageError(FreezerError):
    """The command line itself is wrong."""

    status = ExitStatus.USAGE


class InputError(FreezerError):
    """The plan or one of its inputs cannot work: a missing file, a bad setting, a syntax error in the application."""

    status = ExitStatus.INPUT


class EnvironmentFailure(FreezerError):
    """The build environment cannot be made: no shared libpython, an unresolvable requirement, a missing tool."""

    status = ExitStatus.ENVIRONMENT


class ToolError(FreezerError):
    """An external program failed while doing its work."""

    status = ExitStatus.TOOL


class VerificationError(FreezerError):
    """The result failed its proof: it is not static, or does not run in an empty root."""

    status = ExitStatus.VERIFICATION


class OutputError(FreezerError):
    """The result could not be written."""

    status = ExitStatus.OUTPUT


class NotRun(FreezerError):
    """``freezer run`` did not start the image's command. All other statuses of that command are the application's own:
    these three are those of docker and of shells."""

    status = ExitStatus.NOT_RUN


class NotExecutable(NotRun):
    """The command exists, but cannot be executed."""

    status = ExitStatus.NOT_EXECUTABLE


class NotFound(NotRun):
    """The image has no such command."""

    status = ExitStatus.NOT_FOUND


class Interrupted(FreezerError):
    """SIGINT or SIGTERM arrived."""

    status = ExitStatus.INTERRUPTED
