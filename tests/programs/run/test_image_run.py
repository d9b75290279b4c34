"""Images that run, as a user runs them: in files that are made by hand, with a program that needs nothing."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from images import Entry, file, folder, link
from probes import make_probe, probe_image
from support import PATIENCE, Freezer, Outcome, processes_with, wait_until

from freezer.base.errors import ExitStatus, NotFound
from freezer.run.image_run import with_advice
from freezer.run.wanted import Wanted

MARK = "FREEZER_TEST_RUN"


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_probe(tmp_path_factory.mktemp("probe") / "probe")


@pytest.fixture(scope="module")
def image(probe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    passwd = file("etc/passwd", b"app:x:1000:1001::/home/app:\n")
    layer = [passwd, folder("data", 0o777), file("data/file", b"of the image\n")]
    settings: dict[str, Any] = {"Env": ["A=image", "B=2"], "WorkingDir": "/data", "Volumes": {"/data": {}}}
    made = probe_image(probe, layer, Cmd=["where"], User="app", **settings)
    return made.write(tmp_path_factory.mktemp("image") / "app.tar")


@pytest.fixture
def run(image: Path, tmp_path: Path) -> Callable[..., Outcome]:
    """Runs the image; the last words are its command."""
    freezer = Freezer(tmp_path / "cache")

    def call(*words: str | Path, options: tuple[str | Path, ...] = (), **more: Any) -> Outcome:
        done = freezer("run", *options, image, *words, cwd=tmp_path, check=False, **more)
        freezer.assert_tidy()
        assert list((freezer.cache / "log").glob("*")) == []
        return done

    return call


def test_as_the_image_states(run: Callable[..., Outcome]) -> None:
    assert (run().stdout, run().stderr) == ("/data 1000 1001\n", "")
    variables = run("show", "/proc/self/environ").stdout.split("\0")
    assert {"A=image", "B=2", "HOME=/home/app"} <= set(variables)
    assert not any(item.startswith(("XDG_", "PWD=")) for item in variables)


def test_as_the_caller_wants(run: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/file").write_text("of the host\n")
    options = ("-e", "A=caller", "-u", "5:6", "-w", "/srv", "-v", "./own:/data:ro")
    always = ("-it", "--rm", "--init", "--read-only")
    assert run(options=(*options, *always)).stdout == "/srv 5 6\n"
    assert run("show", "/data/file", options=options).stdout == "of the host\n"
    assert "A=caller" in run("show", "/proc/self/environ", options=options).stdout.split("\0")
    assert run("words", "-v", "--", "--memory", options=("-q",)).stdout == "-v\n--\n--memory\n"
    name = run("show", "/proc/sys/kernel/hostname", options=("--hostname", "box", "--network", "none"))
    assert name.stdout == "box\n"


def test_what_can_be_written_to(run: Callable[..., Outcome], tmp_path: Path) -> None:
    names = ("/x", "/etc/x", "/data/x", "/tmp/x")
    assert [bool(int(word)) for word in run("touch", *names).stdout.split()] == [True, True, False, False]
    user = ("-u", "0") if os.geteuid() == 0 else ()
    assert run("touch", *names, options=("--writable", *user)).stdout == "0\n0\n0\n0\n"
    assert run("show", "/data/file").stdout == "of the image\n"
    assert run("show", "/data/x").stdout == ""


@pytest.mark.parametrize(
    ("words", "status"),
    [(("exit", "0"), 0), (("exit", "7"), 7), (("exit", "125"), 125), (("kill", "9"), 137), (("kill", "15"), 143)],
)
def test_statuses_of_the_application(run: Callable[..., Outcome], words: tuple[str, ...], status: int) -> None:
    done = run(*words)
    assert (done.status, done.stderr) == (status, "")


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--entrypoint", "nothing"), ExitStatus.NOT_FOUND, "the image has no nothing"),
        (("--entrypoint", "/etc/passwd"), ExitStatus.NOT_EXECUTABLE, "cannot start /etc/passwd"),
        (("--entrypoint", "/etc"), ExitStatus.NOT_EXECUTABLE, "cannot start /etc"),
        (("-w", "/etc/passwd"), ExitStatus.NOT_EXECUTABLE, "cannot enter /etc/passwd in the image"),
        (("-u", "nobody"), ExitStatus.NOT_RUN, "the image has no user 'nobody'"),
        (("-p", "80:80"), ExitStatus.USAGE, "there are no ports to publish"),
        (("-d",), ExitStatus.USAGE, "stays in the foreground"),
        (("-v", "./no-such:/data"), ExitStatus.NOT_RUN, "does not exist"),
        (("-v", "data:/data"), ExitStatus.USAGE, "no volumes with names"),
    ],
)
def test_what_does_not_start(run: Callable[..., Outcome], options: Any, status: int, message: str) -> None:
    done = run(options=options)
    assert (done.status, done.stdout) == (status, "")
    assert message in done.error


@pytest.mark.parametrize("name", ["no-such.tar", "."])
def test_what_is_no_image(tmp_path: Path, name: str) -> None:
    (tmp_path / "here").mkdir()
    message = Freezer(tmp_path / "cache").fails("run", name, cwd=tmp_path / "here", status=ExitStatus.NOT_RUN)
    assert str(tmp_path / "here") in message


def test_standard_input(run: Callable[..., Outcome], image: Path, tmp_path: Path) -> None:
    freezer = Freezer(tmp_path / "cache")
    for name, source, wanted in (("-", image, "end\n"), (str(image), tmp_path / "lines", "read a line\n")):
        (tmp_path / "lines").write_text("a line\n")
        with open(source, "rb") as stream:
            done = subprocess.run(
                freezer.command("run", name, "read"), stdin=stream, capture_output=True, text=True, check=True,
                env=freezer.environment(), cwd=tmp_path, timeout=PATIENCE,
            )  # fmt: skip
        assert done.stdout == wanted


def test_closed_streams(image: Path, tmp_path: Path) -> None:
    """No descriptor of freezer's takes their place."""
    freezer = Freezer(tmp_path / "cache")
    command = ["sh", "-c", 'exec "$@" <&- 2>&-', "sh", *freezer.command("run", image, "list", "/proc/self/fd")]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env=freezer.environment(), timeout=PATIENCE
    )
    assert sorted(done.stdout.split()) == ["0", "1", "2", "3"]


def test_advice_for_arguments() -> None:
    config = {"config": {"Cmd": ["/app/x y", "serve"]}}
    error = with_advice(NotFound("the image has no --help"), config, Wanted(arguments=("--help",)))
    assert error.hint == "freezer run IMAGE '/app/x y' serve --help"
    for settings, wanted in (
        ({"Cmd": ["a"]}, Wanted()),
        ({"Cmd": ["a"], "Entrypoint": ["b"]}, Wanted(arguments=("c",))),
        ({"Cmd": ["a"]}, Wanted(arguments=("c",), entrypoint="d")),
        ({}, Wanted(arguments=("c",))),
    ):
        assert with_advice(NotFound("none"), {"config": settings}, wanted).hint is None


def test_hostile_images(probe: Path, tmp_path: Path) -> None:
    """Refused, or harmless: nothing outside is written, and nothing is left."""
    victim = tmp_path / "victim"
    victim.mkdir()
    freezer = Freezer(tmp_path / "cache")
    hostile: list[tuple[list[Entry], dict[str, Any]]] = [
        ([link("out", str(victim)), file("out/x")], {}),
        ([file("../x")], {}),
        ([link("tmp", str(victim))], {"Volumes": {"/tmp": {}}}),
        ([link("etc", str(victim))], {"WorkingDir": "/etc/made"}),
        ([link("etc", "../" * 30 + str(victim).lstrip("/"))], {"Volumes": {"/etc/v": {}}}),
        ([], {"Volumes": {"/proc/self/cwd": {}}}),
        ([], {"User": "4294967295"}),
    ]
    for number, (layer, settings) in enumerate(hostile):
        given: dict[str, Any] = {"User": "0", **settings}
        path = probe_image(probe, layer, **given).write(tmp_path / f"{number}.tar")
        done = freezer("run", path, "touch", "/tmp/x", "/etc/x", cwd=tmp_path, check=False)
        assert done.status in (0, ExitStatus.NOT_RUN)
        assert list(victim.iterdir()) == []
        freezer.assert_tidy()


# Signals and terminals


@pytest.fixture
def started(image: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Starts the image, and waits until it is up."""
    freezer = Freezer(tmp_path / "cache")
    with contextlib.ExitStack() as stack:

        def start(*words: str) -> Any:
            process = stack.enter_context(freezer.start("run", "-e", f"{MARK}={tmp_path}", image, *words, cwd=tmp_path))
            stack.callback(process.kill)
            assert process.stdout.readline() == "up\n"
            return process

        yield start


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals(started: Callable[..., Any], number: int) -> None:
    process = started("sleep")
    process.send_signal(number)
    assert process.wait(PATIENCE) == 128 + number


def test_stopping_and_going_on(started: Callable[..., Any]) -> None:
    process = started("wait")
    process.send_signal(signal.SIGTSTP)
    process.send_signal(signal.SIGCONT)
    process.send_signal(signal.SIGUSR1)
    assert process.stdout.readline() == f"got {int(signal.SIGUSR1)}\n"
    process.send_signal(signal.SIGINT)
    assert (process.stdout.readline(), process.wait(PATIENCE)) == (f"got {int(signal.SIGINT)}\n", 0)


def test_killed(started: Callable[..., Any], tmp_path: Path) -> None:
    """Nothing is left: no process, no mount, no directory."""
    process = started("litter")
    mark = f"{MARK}={tmp_path}"
    wait_until(lambda: len(processes_with(mark)) >= 2, "what it has left behind")
    process.kill()
    wait_until(lambda: processes_with(mark) == [], "the end of all processes")
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    assert list((tmp_path / "cache/freezer/work").iterdir()) == []


class Typist:
    """Somebody at a terminal, with a command that runs there."""

    def __init__(self, freezer: Freezer, command: list[str], cwd: Path) -> None:
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.chdir(cwd)
            os.execvpe(command[0], command, {**freezer.environment(), "TERM": "dumb", "PS1": "ready> "})
        self.seen = ""
        self.has_left = False

    def sees(self, text: str) -> None:
        """Wait for a text, behind those that were seen before."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} is not in {self.seen!r}"
            if select.select([self.terminal], [], [], 0.1)[0]:
                self.seen += os.read(self.terminal, 4096).decode(errors="replace")
        self.seen = self.seen.partition(text)[2]

    def insists(self, text: str, wanted: str) -> None:
        """Type a text until another one is seen: the shell tells what it continues before it does."""
        while wanted not in self.seen:
            self.types(text)
            if select.select([self.terminal], [], [], 1)[0]:
                self.seen += os.read(self.terminal, 4096).decode(errors="replace")
        self.seen = ""

    def types(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def leaves(self) -> int:
        """The status of the command, which must end; a shell at the same terminal would end, too."""
        deadline = time.monotonic() + PATIENCE
        while (found := os.waitpid(self.child, os.WNOHANG)) == (0, 0):
            assert time.monotonic() < deadline, self.seen
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    os.read(self.terminal, 4096)
                except OSError:
                    time.sleep(0.01)
        os.close(self.terminal)
        self.has_left = True
        return os.waitstatus_to_exitcode(found[1])

    def is_driven_out(self) -> None:
        """End the command, if the test has not come to that."""
        if not self.has_left:
            os.kill(self.child, signal.SIGKILL)
            os.close(self.terminal)
            os.waitpid(self.child, 0)


@pytest.fixture
def typing(tmp_path: Path) -> Iterator[Callable[..., Typist]]:
    """Gives a command a terminal, and somebody there."""
    with contextlib.ExitStack() as stack:

        def begin(freezer: Freezer, *command: str) -> Typist:
            typist = Typist(freezer, list(command), tmp_path)
            stack.callback(typist.is_driven_out)
            return typist

        yield begin


def test_keys(image: Path, tmp_path: Path, typing: Callable[..., Typist]) -> None:
    """The application has the terminal, but cannot type in the caller's place."""
    freezer = Freezer(tmp_path / "cache")
    typist = typing(freezer, *freezer.command("run", image, "read"))
    time.sleep(0.1)
    typist.types("words\n")
    typist.sees("read words")
    assert typist.leaves() == 0
    typist = typing(freezer, *freezer.command("run", image, "push"))
    typist.sees("1\r\n")
    assert typist.leaves() == 0
    typist = typing(freezer, *freezer.command("run", image, "sleep"))
    typist.sees("up")
    typist.types("\x03")
    assert typist.leaves() == 130


@pytest.mark.parametrize("behind", ["", " | cat"])
def test_job_control(image: Path, tmp_path: Path, typing: Callable[..., Typist], behind: str) -> None:
    """Ctrl-Z gives the terminal back to the shell, and fg to the application, with a pipe and without."""
    freezer = Freezer(tmp_path / "cache")
    typist = typing(freezer, "bash", "--norc", "--noprofile", "-i")
    typist.sees("ready> ")
    words = " ".join(freezer.command("run", image, "sleep"))
    typist.types(f"{words}{behind}\n")
    typist.sees("up")
    typist.types("\x1a")
    typist.sees("Stopped")
    typist.sees("ready> ")
    typist.types("echo the shell is $((1 + 1)); fg\n")
    typist.sees("the shell is 2")
    typist.sees("freezer run")
    typist.insists("\x03", "ready> ")
    typist.types("echo ${PIPESTATUS[0]}; exit 5\n")
    assert typist.leaves() == 5


# Limits


def test_limits(run: Callable[..., Outcome]) -> None:
    """Where a group can be made, they hold; elsewhere nothing runs, and the message says what else would do."""
    done = run("forks", options=("--pids-limit", "5"))
    if done.status == ExitStatus.NOT_RUN:
        assert "systemd-run --user --scope -p TasksMax=5 freezer run" in done.error
    else:
        assert (done.stdout, done.status) == ("4\n", 0)
    assert run("forks").stdout == "50\n"
