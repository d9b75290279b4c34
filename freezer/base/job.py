"""A job, and the tools that it runs: the one place that starts processes.

Every stage takes the ``Job`` of its command: the log, the work directory, and the way to run a tool. A tool runs in a
session of its own, so that Ctrl-C at the terminal reaches freezer alone, which then ends the whole group; it dies with
freezer (PR_SET_PDEATHSIG) even if that is killed, and it inherits the lock on the work directory, so that this is not
swept as long as any process writes there. Its output goes to the build's log in full.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Optional

from freezer.base.beneath import make_folder, opened_top, write_file
from freezer.base.errors import EnvironmentFailure, FreezerError, ToolError
from freezer.base.log import Log, Step, Verbosity
from freezer.base.received import check_folder
from freezer.base.tools import clean_environment

PR_SET_PDEATHSIG = 1
TAIL_LINES = 12


@dataclass(frozen=True)
class Completed:
    """A finished process: its status as subprocess counts it (negative for a signal) and its captured stdout."""

    status: int
    stdout: str


class CannotStart(Exception):
    """A program cannot be started; the text says why."""


class BuildLog:
    """The file that every tool's output is appended to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()

    def append(self, text: str) -> None:
        """Add one line of freezer's own."""
        with open(self.path, "a", encoding="utf-8", errors="replace") as file:
            file.write(text + "\n")


@dataclass(frozen=True)
class Job:
    """One piece of work: a build, a check, an inspection.

    ``work`` is a directory of its own in the cache directory ``cache``; ``held`` is the descriptor whose lock keeps it
    from being swept; ``holding`` ends with the job, and gives back what it holds of the cache.
    """

    log: Log
    cache: Path
    work: Path
    held: int
    build_log: BuildLog
    holding: contextlib.ExitStack

    def step(self, title: str) -> AbstractContextManager[Step]:
        """Run one stage; see ``Log.step``."""
        return self.log.step(title)

    def folder(self, name: str) -> Path:
        """Return a directory of that name in the work directory, made as needed.

        Programs of another system, which can write to the work directory, may have put a link there. Raises
        EnvironmentFailure if it leads to another place in the work directory; other links give way.
        """
        path = self.work / name
        with opened_top(self.work) as top:
            make_folder(top, name)
        check_folder(path, self.work)
        return path

    def write(self, name: str, text: str) -> Path:
        """Write a file in the work directory, in place of whatever is there, and return its path."""
        path = self.work / name
        with opened_top(self.folder(os.path.dirname(name)) if "/" in name else self.work) as folder:
            write_file(folder, path.name, text.encode())
        return path

    def inside(self, name: str) -> Job:
        """Return the same job with a subdirectory of that name as its work directory."""
        return dataclasses.replace(self, work=self.folder(name))

    def apart(self) -> Job:
        """Return the same job with a new work directory, in which nothing has put anything yet."""
        return dataclasses.replace(self, work=Path(tempfile.mkdtemp(prefix="own-", dir=self.work)))

    def environment(
        self, *, epoch: int = 0, path: Sequence[Path] = (), extra: Optional[Mapping[str, str]] = None
    ) -> dict[str, str]:
        """Return the variables of tools whose output becomes part of the result; see ``clean_environment``."""
        home, temporary = self.folder("home"), self.folder("tmp")
        return clean_environment(home=home, temporary=temporary, path=path, epoch=epoch, extra=extra)

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        what: str,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[Path] = None,
        stdin: Optional[str] = None,
        capture: bool = False,
        check: bool = True,
        on_line: Optional[Callable[[str], bool]] = None,
        error: type[FreezerError] = ToolError,
        hint: Optional[str] = None,
        shown: Optional[Sequence[str]] = None,
        inherited: Sequence[int] = (),
    ) -> Completed:
        """Run a program to its end.

        ``what`` completes "cannot ..." in the error. ``env`` is the job's own environment if it is not given, ``cwd``
        the work directory. ``shown`` is the command in the log and in messages, if ``argv`` only wraps it;
        ``inherited`` are descriptors that it gets. stdout is returned when ``capture`` is set, else it joins stderr in
        the log. ``on_line`` sees each line and may claim it (then it is not shown). Raises ``error`` on a status other
        than 0 when ``check`` is set, EnvironmentFailure if the program cannot be started.
        """
        command = [str(part) for part in argv]
        self.build_log.append(f"\n$ {shlex.join(shown or command)}")
        with contextlib.ExitStack() as stack:
            given = stack.enter_context(memory_file((stdin or "").encode()))
            captured = stack.enter_context(memory_file(b""))
            try:
                status = self._follow(
                    command,
                    on_line,
                    env=dict(self.environment() if env is None else env),
                    cwd=cwd or self.work,
                    stdin=given if stdin is not None else subprocess.DEVNULL,
                    stdout=captured if capture else subprocess.PIPE,
                    stderr=subprocess.PIPE if capture else subprocess.STDOUT,
                    pass_fds=(self.held, *inherited),
                )
            except CannotStart as failure:
                message = f"cannot {what}: {command[0]} cannot be started"
                raise EnvironmentFailure(message, why=str(failure), hint=hint) from failure
            captured.seek(0)
            output = captured.read().decode("utf-8", "replace")
        if check and status != 0:
            name = Path((shown or command)[0]).name
            raise error(
                f"cannot {what}: {name} {describe_status(status)}",
                why="\n".join(tail(self.build_log.path)) or "it printed nothing",
                hint=f"{hint + '; ' if hint else ''}the full log is {self.build_log.path}",
            )
        return Completed(status, output)

    def _follow(self, command: list[str], on_line: Optional[Callable[[str], bool]], **options: Any) -> int:
        """Run a process to its end, with its output in the log; returns its status.

        ``options`` are those of subprocess. Raises CannotStart; whatever is raised, no process is left.
        """
        process: Optional[subprocess.Popen[bytes]] = None
        try:
            with signals_held() as mask:
                process = subprocess.Popen(
                    command,
                    start_new_session=True,
                    preexec_fn=_die_with_parent(mask),
                    umask=0o022,
                    **options,
                )
            _copy_output(process, self.log, self.build_log, on_line)
            return process.wait()
        except BaseException as failure:
            if process is not None:
                _end_group(process)
            elif isinstance(failure, OSError):
                raise CannotStart(failure.strerror or str(failure)) from failure
            raise


def _die_with_parent(mask: set[int]) -> Callable[[], None]:
    # Looked up before the fork: the child must import and allocate as little as possible.
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    return prepare


def memory_file(content: bytes) -> IO[bytes]:
    """Return a file without a name. Unlike a pipe, it does not have to be read or written while a process runs."""
    file = os.fdopen(os.memfd_create("freezer"), "w+b")
    file.write(content)
    file.seek(0)
    return file


def _copy_output(
    process: subprocess.Popen[bytes], log: Log, build_log: BuildLog, on_line: Optional[Callable[[str], bool]]
) -> None:
    """Copy the output of a process to the build's log, line by line, until it ends."""
    lines = process.stdout or process.stderr
    assert lines is not None
    with lines, open(build_log.path, "ab") as file:
        for raw in lines:
            text = raw.decode("utf-8", "replace").rstrip("\n")
            if on_line is not None and on_line(text):
                continue
            file.write(raw)
            file.flush()
            if log.verbosity >= Verbosity.VERBOSE:
                log.detail("    " + text)


@contextlib.contextmanager
def signals_held() -> Iterator[set[int]]:
    """Hold back the signals that interrupt a build, so that work begun inside the block can be undone.

    Gives the signal mask from before, for a process started inside.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield {int(number) for number in before}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a tool with all its children, and return only when none of them can write any more."""
    for number, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 10.0)):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                process.poll()
            try:
                os.killpg(process.pid, number)
            except (ProcessLookupError, PermissionError):
                return
            time.sleep(0.02)


def describe_status(status: int) -> str:
    """Return "exited with status 2", or "was killed by SIGSEGV"."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def tail(path: Path, lines: int = TAIL_LINES) -> list[str]:
    """Return the last non-empty lines of a log, read from its end, without the line that names the command."""
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 16384))
        text = file.read().decode("utf-8", "replace")
    last_command = text.rfind("\n$ ")
    if last_command >= 0:
        text = text[last_command + 1 :].partition("\n")[2]
    return [line for line in text.splitlines() if line.strip()][-lines:]


def run_quietly(argv: Sequence[str]) -> None:
    """Run a program that belongs to no job, and ignore its failure."""
    with contextlib.suppress(OSError):
        subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
