"""Process 1 as an init: with the launcher, in an unpacked image, and below staticx's start-up code.

A small C program is the application. It runs as the first process of a namespace of its own.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from launching import compile_launcher, executable, record, write_executable
from support import CHECKOUT, ORDINARY, PATIENCE, attended, compile_c, need_program, need_root, open_to_all, wait_until

from freezer.base.elf import read_elf
from freezer.link.launcher import build
from freezer.link.layers import at
from freezer.link.start import INIT, ROOM, STARTER, Container, starter

SOURCE = (CHECKOUT / "tests" / "launcher" / "process1.c").read_text()
# What staticx's start-up code does as process 1: it passes two signals on, and takes deaths by a signal for failures.
START_UP = """
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static pid_t child;
static void forward(int number) { kill(child, number); }
int main(int count, char **words)
{
    char *program = "@PROGRAM@";
    int status = 0;
    sigset_t both, before;
    setenv("STATICX_BUNDLE_DIR", "/nowhere", 1);
    setenv("STATICX_PROG_PATH", realpath("/proc/self/exe", NULL), 1);
    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    sigprocmask(SIG_BLOCK, &both, &before);
    if ((child = fork()) == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        words[0] = program;
        execv(program, words);
        _exit(99);
    }
    signal(SIGINT, forward);
    signal(SIGTERM, forward);
    sigprocmask(SIG_SETMASK, &before, NULL);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 3;
    if (WIFSIGNALED(status))
        raise(WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 2 + 0 * count;
}
"""
CONTAINERS = ("launcher", "layers", "staticx")
NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The launcher and the init, compiled from the sources as they are."""
    folder = tmp_path_factory.mktemp("programs")
    build.build_init(folder, os.environ)
    return compile_launcher(folder).parent


def tree(folder: Path, container: Container, init: bool, built: Path) -> Path:
    """A tree with the program, the library and the init; returns the program."""
    folder.mkdir()
    library = folder / STARTER
    first = init and container is Container.LAYERS
    library.write_bytes(at(str(folder), starter(container, ("-c", "start"), init=init and not first)).data)
    library.chmod(0o755)
    shutil.copy(built / INIT, folder)
    options = ("-Wl,--no-as-needed", f"-Wl,-rpath,{folder}")
    program = compile_c(SOURCE, folder / "program", *options, libraries=[library])
    if first:
        loader = read_elf(program).interpreter
        assert loader is not None
        (folder / "loader").symlink_to(loader)
        room = "/".ljust(ROOM - 1, "@")
        program = compile_c(SOURCE, program, *options, f"-Wl,--dynamic-linker,{room}", libraries=[library])
        names = f"{folder / INIT}\0loader".encode().ljust(ROOM, b"\0")
        program.write_bytes(program.read_bytes().replace(room.encode() + b"\0", names))
    return program


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory, built: Path) -> Callable[[str, bool], Path]:
    """Makes the application in one of the containers, with an init or without."""
    folder = tmp_path_factory.mktemp("applications")
    folder.chmod(0o755)
    static = compile_c(SOURCE, folder / "static", "-static").read_bytes()
    made: dict[tuple[str, bool], Path] = {}

    def make_one(container: str, init: bool = True) -> Path:
        key, name = (container, init), f"{container}-{init}"
        if key not in made and container == "launcher":
            data = executable((built / "launcher").read_bytes(), [record("X", "program", static)], init=init)
            made[key] = write_executable(folder / name, data)
        elif key not in made:
            program = tree(folder / f"{name}-tree", Container[container.upper()], init, built)
            if container == "staticx":
                program = compile_c(START_UP.replace("@PROGRAM@", str(program)), folder / name)
            made[key] = program
        return made[key]

    return make_one


@pytest.fixture(params=CONTAINERS)
def app(request: pytest.FixtureRequest, make: Callable[..., Path]) -> Path:
    """The application with an init, in each container."""
    need_root()
    return make(request.param)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment, with a cache for the launcher."""
    return {"PATH": os.environ["PATH"], "FREEZER_CACHE": str(tmp_path / "cache")}


def reads(process: subprocess.Popen[bytes]) -> str:
    """Read a line, if one comes in time."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
    return process.stdout.readline().decode() if ready else "nothing"


def run(app: Path, *words: str, before: Sequence[str] = NAMESPACE, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [*before, str(app), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, **options)


def answers(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert (done.returncode, done.stderr) == (0, ""), done
    words = done.stdout.replace(":", " : ").split()
    fds = words.index("fds")
    found = dict(zip(words[:fds:2], words[1:fds:2]))
    colon = words.index(":")
    return {**found, "fds": " ".join(words[fds + 1 : colon]), "init": " ".join(words[colon + 1 :])}


@contextlib.contextmanager
def started(app: Path, *words: str, **options: Any) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start it, and wait until it is ready; yield the process to wait for, and the namespace's first."""
    command = [*NAMESPACE, str(app), *words]
    with attended(command, stdout=subprocess.PIPE, bufsize=0, **options) as process:
        assert reads(process) == "ready\n"
        (first,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield process, int(first)


# Its end


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM, signal.SIGABRT, signal.SIGINT])
def test_a_death_by_a_signal(app: Path, env: dict[str, str], number: int) -> None:
    def without_cores() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    done = run(app, "kill", str(int(number)), env=env, preexec_fn=without_cores)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "")


@pytest.mark.parametrize("status", [0, 1, 255])
def test_the_status(app: Path, env: dict[str, str], status: int) -> None:
    assert run(app, "exit", str(status), env=env).returncode == status


@pytest.mark.parametrize("container", ["launcher", "layers"])
def test_children_that_are_ignored(make: Callable[..., Path], env: dict[str, str], container: str) -> None:
    """The kernel reaps them then, and keeps no status; the application gets what was set."""
    need_root()
    app = make(container)
    ignored = [*NAMESPACE, "env", "--ignore-signal=CHLD"]
    assert run(app, "exit", "7", before=ignored, env=env).returncode == 7
    assert answers(run(app, "who", "0", before=ignored, env=env))["chld"] == "1"


def test_orphans_are_reaped(app: Path, env: dict[str, str]) -> None:
    assert run(app, "orphans", "20", env=env).stdout == "left 0\n"


# Signals


def test_what_handles_nothing_is_stopped_at_once(app: Path, env: dict[str, str]) -> None:
    with started(app, "wait", "0", env=env) as (process, first):
        os.kill(first, signal.SIGTERM)
        # By that signal, and nothing else: docker waits for ten seconds, and then kills.
        assert process.wait(PATIENCE) == 128 + signal.SIGTERM


@pytest.mark.parametrize("container", ["launcher", "layers"])
def test_every_signal_is_passed_on(make: Callable[..., Path], env: dict[str, str], container: str) -> None:
    need_root()
    with started(make(container), "catch", "0", env=env) as (process, first):
        # musl, which the launcher may be linked with, uses the first realtime signal itself.
        numbers = {*range(1, 32), signal.SIGRTMIN, signal.SIGRTMAX} - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
        for number in sorted(numbers):
            os.kill(first, number)
            assert reads(process) == f"got {number}\n"
        subprocess.run([need_program("kill"), "-s", f"{signal.SIGRTMIN + 6}", "-q", "4711", str(first)], check=True)
        assert reads(process) == f"got {signal.SIGRTMIN + 6} with 4711\n"


def test_staticx_passes_two_on(make: Callable[..., Path], env: dict[str, str]) -> None:
    need_root()
    with started(make("staticx"), "catch", "0", env=env) as (process, first):
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(first, number)
            assert reads(process) == f"got {int(number)}\n"


# What the application has


def test_what_it_gets(app: Path, env: dict[str, str]) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer):
        words = [*NAMESPACE, "env", "--block-signal=HUP"]
        found = answers(run(app, "who", "0", before=words, env={**env, "LISTEN_PID": "1"}, pass_fds=(reader, writer)))
    assert found["pid"] == found["listen"] != "1"
    assert (found["hup"], found["chld"]) == ("1", "0")
    given = {"0", "1", "2", str(reader), str(writer)}
    assert given <= set(found["fds"].split())
    if "staticx" not in app.name:
        # Others write to a container's output by these; a socket must not stay open that the application closes.
        assert found["init"] == "0 1 2"


def test_without_one(make: Callable[..., Path], env: dict[str, str]) -> None:
    need_root()
    for container in ("launcher", "layers"):
        found = answers(run(make(container, False), "who", "0", env={**env, "LISTEN_PID": "1"}))
        assert (found["pid"], found["listen"]) == ("1", "1")
    assert run(make("staticx", False), "kill", "15", env=env).returncode == 2


def test_as_another_process(app: Path, env: dict[str, str]) -> None:
    """It is the process that was started, unless that is process 1."""
    parent = ["sh", "-c", 'echo $$; exec "$@"', "sh"]
    done = run(app, "who", "0", before=parent, env={**env, "LISTEN_PID": "1"})
    number, _, rest = done.stdout.partition("\n")
    found = answers(subprocess.CompletedProcess(done.args, done.returncode, rest, done.stderr))
    assert (found["pid" if "staticx" not in app.name else "parent"], found["listen"]) == (number, "1")


@pytest.mark.parametrize("container", ["launcher", "layers"])  # staticx's start-up code does not start then
def test_no_further_process(make: Callable[..., Path], env: dict[str, str], tmp_path: Path, container: str) -> None:
    """Where none is permitted, process 1 is the application, as without an init."""
    need_root()
    app = make(container)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o700)
    os.chown(tmp_path / "open", ORDINARY, ORDINARY)
    for folder in (tmp_path, app.parent):
        open_to_all(folder)
    user = ["setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups", "prlimit", "--nproc=0"]
    done = run(app, "who", "0", before=[*NAMESPACE, *user], env={**env, "FREEZER_CACHE": str(tmp_path / "open" / "c")})
    assert answers(done)["pid"] == "1"


# The dynamic loader


def test_a_loader_that_cannot_be_loaded(make: Callable[..., Path], tmp_path: Path) -> None:
    for content in (None, b"", b"no loader", bytes(4096)):
        folder = tmp_path / f"with-{'none' if content is None else len(content)}"
        folder.mkdir()
        program = bytearray(make("layers").read_bytes())
        start = program.index(f"{make('layers').with_name(INIT)}\0loader".encode())
        program[start : start + ROOM] = f"{folder / INIT}\0loader".encode().ljust(ROOM, b"\0")
        (folder / "program").write_bytes(program)
        (folder / "program").chmod(0o755)
        shutil.copy(make("layers").with_name(INIT), folder)
        if content is not None:
            (folder / "loader").write_bytes(content)
        done = run(folder / "program", "exit", "0", before=())
        said = f"freezer-init: error: it cannot load the application's dynamic loader, {folder}/loader\n"
        assert (done.returncode, done.stderr) == (126, said)


def test_the_kernel_s_place_of_the_loader(make: Callable[..., Path]) -> None:
    """As the kernel loads it: the segments with their rights, and nothing behind."""
    program = make("layers")
    shown = run(program, "maps", "0", before=()).stdout.splitlines()
    ours = [line.split()[1] for line in shown if line.endswith(os.path.realpath(program.with_name("loader")))]
    kernel_s = run(make("layers", False), "maps", "0", before=()).stdout.splitlines()
    assert ours == [
        line.split()[1] for line in kernel_s if line.endswith(os.path.realpath(program.with_name("loader")))
    ]


# The terminal


class Terminal:
    """A terminal, and what runs on it."""

    def __init__(self, words: Sequence[str | Path], env: dict[str, str]) -> None:
        self.process, self.file = pty.fork()
        if self.process == 0:
            os.execvpe(words[0], [str(word) for word in words], env)
        self.text = ""

    def type(self, text: str) -> None:
        os.write(self.file, text.encode())

    def reads(self, pattern: str) -> None:
        """Wait for a text behind those that were found before."""
        end = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self.text)) is None:
            assert time.monotonic() < end, (pattern, self.text)
            if select.select([self.file], [], [], 0.5)[0]:
                self.text += os.read(self.file, 4096).decode()
        self.text = self.text[found.end() :]

    def status(self) -> int:
        """Wait for the end of the process."""
        ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
        wait_until(lambda: os.waitid(os.P_PID, self.process, ended), "the end of the process")
        found = os.waitid(os.P_PID, self.process, ended)
        assert found is not None
        return found.si_status

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)
        os.close(self.file)
        os.waitpid(self.process, 0)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Starts words on a terminal."""
    with contextlib.ExitStack() as stack:

        def start(words: Sequence[str | Path], env: dict[str, str]) -> Terminal:
            made = Terminal(words, env)
            stack.callback(made.end)
            return made

        yield start


@pytest.mark.parametrize("container", ["launcher", "layers"])
def test_a_containers_terminal(
    make: Callable[..., Path], env: dict[str, str], terminal: Callable[..., Terminal], container: str
) -> None:
    """Engines start process 1 as the leader of a session, with the terminal. The application leads one then."""
    need_root()
    leader = [*NAMESPACE, need_program("setsid"), "--ctty", make(container)]
    found = terminal([*leader, "who", "0"], env)
    found.reads(r"leads 1 terminal 1 hup 0")
    caught = terminal([*leader, "catch", "0"], env)
    caught.reads("ready\r\n")
    for key, number in (("\x03", signal.SIGINT), ("\x1a", signal.SIGTSTP), ("\x03", signal.SIGINT)):
        caught.type(key)
        # Once: another line before the next one would be found below.
        caught.reads(rf"^(?:\^.)?got {int(number)}\r\n")
    waits = terminal([*leader, "wait", "0"], env)
    waits.reads("ready\r\n")
    waits.type("\x1a\x03")  # the first does nothing, as there is nobody to continue it
    assert waits.status() == 130


@pytest.mark.parametrize("container", ["launcher", "layers"])
def test_giving_the_terminal_away_sends_nothing(
    make: Callable[..., Path], env: dict[str, str], terminal: Callable[..., Terminal], tmp_path: Path, container: str
) -> None:
    """The kernel sends process 1 a hangup and a continuation when it leaves its terminal. An application that is quick
    to handle these would get them from the init."""
    need_root()
    notes = tmp_path / "notes"
    watch = [need_program("strace"), "-f", "-o", notes, "-e", "trace=rt_sigtimedwait,ioctl,kill"]
    found = terminal([*watch, *NAMESPACE, need_program("setsid"), "--ctty", make(container), "who", "0"], env)
    found.reads(r"leads 1 terminal 1 hup 0")
    found.status()
    calls = notes.read_text().splitlines()
    assert any("TIOCNOTTY" in line for line in calls)
    received = [line for line in calls if "rt_sigtimedwait" in line and "si_signo" in line]
    assert any("SIGCHLD" in line for line in received)
    assert not [line for line in received if "SIGCONT" in line or "SIGHUP" in line]
    assert not [line for line in calls if "kill(" in line and "SIGCONT" in line]


@pytest.mark.parametrize("container", ["launcher", "layers"])
def test_a_job_of_a_shell(
    make: Callable[..., Path], env: dict[str, str], terminal: Callable[..., Terminal], container: str
) -> None:
    need_root()
    shell = terminal([need_program("sh"), "-i"], {**env, "PS1": "prompt> ", "ENV": ""})
    shell.reads("prompt> ")
    namespace = " ".join(word for word in NAMESPACE if word != "--kill-child")
    shell.type(f"{namespace} {make(container)} wait 0\n")
    shell.reads("ready\r\n")
    shell.type("\x1a")
    shell.reads("prompt> ")
    shell.type("fg\n")
    shell.reads("wait 0\r\n")
    # It says what it continues before it does.
    wait_until(lambda: os.tcgetpgrp(shell.file) != shell.process, "the job to have the terminal")
    shell.type("\x03")
    shell.reads("prompt> ")
    shell.type("echo status $?.\n")
    shell.reads(r"status 130\.")
