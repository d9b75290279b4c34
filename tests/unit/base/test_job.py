"""External programs: run to their end, never left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import Runner, shell
from support import attended, processes_with, wait_until

from freezer.base.errors import EnvironmentFailure, ToolError, VerificationError
from freezer.base.job import Job, tail
from freezer.base.log import Verbosity


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def test_output_goes_to_the_log(runner: Runner) -> None:
    done = runner(*shell("echo out; echo err >&2"))
    assert (done.status, done.stdout) == (0, "")
    assert "\n$ sh -c 'echo out; echo err >&2'\nout\nerr\n" in runner.logged
    assert runner.stream.getvalue() == ""


def test_verbose_shows_it(tmp_path: Path) -> None:
    runner = Runner(tmp_path, Verbosity.VERBOSE)
    runner(*shell("echo out"))
    assert runner.stream.getvalue() == "    out\n"


def test_capture(runner: Runner) -> None:
    assert runner(*shell("echo out; echo err >&2"), capture=True).stdout == "out\n"
    assert "out\n" not in runner.logged.partition("'\n")[2]
    assert "err\n" in runner.logged


def test_much_in_and_out(runner: Runner) -> None:
    """Neither side waits for the other for ever."""
    text = "x" * 3_000_000
    assert runner("cat", stdin=text, capture=True).stdout == text
    assert runner(*shell("exec <&-; echo done"), stdin=text, capture=True).stdout == "done\n"


def test_a_python_of_an_old_c_library(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    assert runner("cat", stdin="text", capture=True).stdout == "text"


def test_no_stdin(runner: Runner) -> None:
    assert runner("cat", capture=True).stdout == ""


def test_odd_bytes(runner: Runner) -> None:
    runner(*shell("printf 'a\\377\\000b\\n'"))
    assert b"a\xff\0b\n" in runner.build_log.path.read_bytes()


def test_lines_are_seen_and_claimed(runner: Runner) -> None:
    seen: list[str] = []

    def watch(line: str) -> bool:
        seen.append(line)
        return line == "mine"

    runner(*shell("echo mine; echo yours"), on_line=watch)
    assert seen == ["mine", "yours"]
    assert "\nmine\n" not in runner.logged and "yours\n" in runner.logged


def test_failure(runner: Runner) -> None:
    runner(*shell("echo earlier"))
    with pytest.raises(ToolError) as caught:
        runner(*shell("for i in $(seq 30); do echo line $i; done; exit 3"), hint="try harder")
    error = caught.value
    assert error.what == "cannot do it: sh exited with status 3"
    assert error.why is not None and error.why.splitlines() == [f"line {i}" for i in range(19, 31)]
    assert error.hint == f"try harder; the full log is {runner.build_log.path}"


def test_silent_failure_of_a_chosen_kind(runner: Runner) -> None:
    with pytest.raises(VerificationError) as caught:
        runner("false", error=VerificationError)
    assert caught.value.why == "it printed nothing"


def test_failure_that_is_none(runner: Runner) -> None:
    assert runner(*shell("exit 3"), check=False).status == 3


def test_death_by_signal(runner: Runner) -> None:
    with pytest.raises(ToolError, match="was killed by SIGSEGV"):
        runner(*shell("kill -SEGV $$"))


@pytest.mark.parametrize("program", ["/no/such/program", "no-such-program"])
def test_not_startable(runner: Runner, program: str) -> None:
    with pytest.raises(EnvironmentFailure) as caught:
        runner(program)
    assert caught.value.what == f"cannot do it: {program} cannot be started"
    assert caught.value.why == "No such file or directory"


def test_the_environment_is_exactly_the_one_given(runner: Runner) -> None:
    done = runner("/usr/bin/env", env={"A": "b c", "PATH": "/bin"}, capture=True)
    assert sorted(done.stdout.splitlines()) == ["A=b c", "PATH=/bin"]


def test_umask_and_directory(runner: Runner, tmp_path: Path) -> None:
    previous = os.umask(0o077)
    try:
        assert runner(*shell("umask; pwd"), capture=True).stdout.split() == ["0022", str(tmp_path)]
    finally:
        os.umask(previous)


def test_only_the_held_descriptor_is_inherited(runner: Runner) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        done = runner(*shell("ls /proc/self/fd"), capture=True)
        assert str(runner.job.held) in done.stdout.split()
        assert str(writing) not in done.stdout.split()
    finally:
        os.close(reading)
        os.close(writing)


def test_the_group_is_its_own(runner: Runner) -> None:
    """Ctrl-C at the terminal goes to freezer alone."""
    done = runner(sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid())", capture=True)
    assert done.stdout == "True\n"


def test_tools_die_with_freezer(tmp_path: Path) -> None:
    mark = f"mark-{tmp_path.name}"
    code = f"""
import contextlib
from pathlib import Path
from freezer.base.job import BuildLog, Job
from freezer.base.log import Log
work = Path({str(tmp_path)!r})
with open(work / "held", "w") as held:
    job = Job(Log(), work, work, held.fileno(), BuildLog(work / "log"), contextlib.ExitStack())
    job.run(["sh", "-c", "echo up; exec sleep 600.0123"], what="wait", env={{"MARK": {mark!r}}}, cwd=Path("/"),
            on_line=lambda line: print(line, flush=True) or True)
"""
    with attended([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        assert processes_with(f"MARK={mark}")
    wait_until(lambda: not processes_with(f"MARK={mark}"), "the tool to die")


def test_tail(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("old\n\n$ first\nx\n\n$ second\n\na\n\nb\n")
    assert tail(path) == ["a", "b"]
    assert tail(path, 1) == ["b"]
    path.write_text("\n$ only\n")
    assert tail(path) == []
    path.write_text("y" * 100_000 + "\nend\n")
    assert tail(path, 1) == ["end"]


def test_nothing_is_written_through_links_in_the_work_directory(job: Job, tmp_path: Path) -> None:
    """Programs of another system may have put them there."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host/file").write_text("precious")
    (job.work / "out").symlink_to(tmp_path / "host")
    (job.work / "file").symlink_to(tmp_path / "host/file")
    (job.work / "real").mkdir()
    (job.work / "near").symlink_to("real")
    for name in ("near", "near/deeper"):
        with pytest.raises(EnvironmentFailure):
            job.folder(name)
    assert job.folder("out/deeper").is_dir()
    assert job.write("out/file", "own").read_text() == "own"
    assert job.write("file", "new").read_text() == "new"
    assert job.write("folder/file", "newer").read_text() == "newer"
    assert [path.name for path in (tmp_path / "host").rglob("*")] == ["file"]
    assert (tmp_path / "host/file").read_text() == "precious"
    assert os.listdir(job.apart().work) == []
