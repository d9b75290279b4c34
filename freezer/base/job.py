"""A job, and the tools that it runs: the one place that starts processes.

Every stage takes the ``Job`` of its command: the log, the work directory, and the way to run a tool. Each tool runs in
a new session, so that Ctrl-C at the terminal reaches only freezer, which then ends the whole group. A tool dies with
freezer (PR_SET_PDEATHSIG), even if freezer is killed. It inherits the lock on the work directory, so that the directory
is not swept while any process writes there. Its full output goes to the build's log.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Optional

from freezer.base.beneath import make_folder, opened_top, write_file
from freezer.base.errors import EnvironmentFailure, FreezerError, ToolError
from freezer.base.log import Log, Step, Verbosity
from freezer.base.processes import describe_status, die_with_parent, end_group, has_ended, lines_until_end, signals_held
from freezer.base.received import check_folder
from freezer.base.timings import TOOL, processor_time
from freezer.base.tools import clean_environment

TAIL_LINES = 12


@dataclass(frozen=True)
class Completed:
    """A finished process: its status as subprocess counts it (negative for a signal) and its captured stdout."""

    status: int
    stdout: str


class CannotStart(Exception):
    """A program cannot be started; the text is the reason."""


class BuildLog:
    """The file to which the output of every tool is appended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()

    def drop_if_empty(self) -> None:
        """Remove the file if no tool was run."""
        with contextlib.suppress(OSError):
            if self.path.stat().st_size == 0:
                self.path.unlink()

    def append(self, text: str) -> None:
        """Append one line by freezer itself."""
        with open(self.path, "a", encoding="utf-8", errors="replace") as file:
            file.write(text + "\n")


@dataclass(frozen=True)
class Job:
    """One piece of work: a build, a check, an inspection.

    ``work`` is the job's own directory in the cache directory ``cache``; ``held`` is the descriptor whose lock keeps it
    from being swept; ``holding`` ends with the job, and then releases the items of the cache that the job holds.
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
                    what,
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

    def _follow(self, command: list[str], what: str, on_line: Optional[Callable[[str], bool]], **options: Any) -> int:
        """Run a process to its end, with its output in the log and its times in the timings; return its status.

        ``options`` are those of subprocess. Raises CannotStart. After any exception, no process is left.
        """
        started = self.log.timings.elapsed
        process: Optional[subprocess.Popen[bytes]] = None
        try:
            with signals_held() as mask:
                try:
                    process = subprocess.Popen(
                        command,
                        start_new_session=True,
                        preexec_fn=die_with_parent(mask),
                        umask=0o022,
                        **options,
                    )
                except OSError as failure:
                    raise CannotStart(failure.strerror or str(failure)) from failure
            pipe = process.stdout or process.stderr
            assert pipe is not None
            _copy_output(lines_until_end(pipe, process), self.log, self.build_log, on_line)
            has_ended(process, wait=True)
            self.log.timings.add(TOOL, what, started, processor_time(process.pid))
            return process.wait()
        finally:
            if process is not None:
                # What a tool leaves in the background would write into the work directory after its end. The pipe is
                # open until then: SIGPIPE would kill a tool that says something before it has cleaned up.
                end_group(process)
                for pipe in (process.stdout, process.stderr):
                    if pipe is not None:
                        pipe.close()


def memory_file(content: bytes) -> IO[bytes]:
    """Return a file without a name. Unlike a pipe, it need not be read or written while a process runs."""
    if hasattr(os, "memfd_create"):
        file: IO[bytes] = os.fdopen(os.memfd_create("freezer"), "w+b")
    else:
        # A Python that was built against a C library before 2.27.
        file = tempfile.TemporaryFile()  # noqa: SIM115
    file.write(content)
    file.seek(0)
    return file


def _copy_output(
    lines: Iterator[bytes], log: Log, build_log: BuildLog, on_line: Optional[Callable[[str], bool]]
) -> None:
    """Copy the output of a process to the build's log, but for the lines that ``on_line`` claims."""
    with open(build_log.path, "ab") as file:
        for raw in lines:
            text = raw.decode("utf-8", "replace").rstrip("\n")
            if on_line is not None and on_line(text):
                continue
            file.write(raw)
            file.flush()
            if log.verbosity >= Verbosity.VERBOSE:
                log.detail("    " + text)


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
