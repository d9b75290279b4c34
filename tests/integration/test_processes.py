"""Processes that an application starts by its own executable, and what others can make of that.

All run as a user of their own that may have few processes: a fault here starts the application without end.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import resource
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from applications import PATH
from support import PATIENCE, Freezer, Run, attended, need_root, open_to_all, own_user, processes_with, wait_until

USER, FEW = own_user(), 64
LINKERS = ("native", "staticx")
MOMENTS = 12
"""How many moments of a start are tried for each method; 200 were when this was written."""
APPLICATION = """
import json, os, subprocess, sys, time

def work(seconds):
    time.sleep(seconds)

def ran():
    with open(os.environ["RUNS"], "a") as file:
        file.write("run\\n")

def main():
    what, *rest = sys.argv[1:] or ["nothing"]
    if what == "pool":
        import multiprocessing
        context = multiprocessing.get_context(rest[0])
        workers = [context.Process(target=work, args=(0.3,)) for _ in range(2)]
        for worker in workers:
            worker.start()
        print("started", flush=True)
        for worker in workers:
            worker.join()
    elif what == "memory":
        from multiprocessing.shared_memory import SharedMemory
        memory = SharedMemory(create=True, size=10)
        memory.close()
        memory.unlink()
    elif what == "call":
        print(subprocess.run([sys.executable, *rest], stdout=subprocess.PIPE, text=True, check=False).stdout, end="")
    elif what == "file":
        import inspect
        print(os.path.basename(__file__), main.__code__.co_filename == __file__, inspect.getsource(ran).split(":")[0])
    elif what == "shell":
        os.system(rest[0].format(executable=sys.executable))
    elif what == "restart" and "AGAIN" not in os.environ:
        os.environ["AGAIN"] = "1"
        if rest[0] == "execl":
            os.execl(sys.executable, sys.executable, *sys.argv)
        elif rest[0] == "execv":
            os.execv(sys.executable, sys.argv)
        elif rest[0] == "spawn":
            sys.exit(os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-u", __file__, *sys.argv[1:]]))
        else:
            sys.exit(subprocess.call([sys.executable, *sys.orig_argv[1:]]))
    else:
        print(json.dumps(["application", *sys.argv[1:]]))

if __name__ == "__main__":
    ran()
    main()
"""


class Starter:
    """The application, run as a user who may have few processes; ``runs`` counts how often its main script ran."""

    def __init__(self, path: Path, place: Path) -> None:
        self.path = path
        self.place = place
        self.number = 0

    def start(self, *arguments: str, **options: Any) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
        def prepare() -> None:
            resource.setrlimit(resource.RLIMIT_NPROC, (FEW, FEW))
            os.setgroups([])
            os.setgid(USER)
            os.setuid(USER)

        self.number += 1
        env = {"PATH": PATH, "HOME": str(self.place), "TMPDIR": str(self.place), "RUNS": self.log, "MARK": self.mark}
        return attended(
            [self.path, *arguments], preexec_fn=prepare, env={**env, **options.pop("env", {})},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.place, **options,
        )  # fmt: skip

    @property
    def log(self) -> str:
        return str(self.place / f"runs-{self.number}")

    @property
    def mark(self) -> str:
        return f"{self.place}-{self.number}"

    def runs(self) -> int:
        return len(Path(self.log).read_text().splitlines()) if os.path.exists(self.log) else 0

    def says(self, *arguments: str, **options: Any) -> str:
        given = options.pop("input", None)
        stdin = subprocess.PIPE if given is not None else subprocess.DEVNULL
        with self.start(*arguments, stdin=stdin, **options) as process:
            output, errors = process.communicate(given, timeout=PATIENCE)
            assert process.returncode == 0, errors
            return output

    def all_end(self) -> None:
        """Wait until no process of the last start is left; end those that stay."""
        try:
            wait_until(lambda: not processes_with(f"MARK={self.mark}"), "the application's processes to end")
        finally:
            for number in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError):
                    if os.stat(f"/proc/{number}").st_uid == USER:
                        os.kill(int(number), signal.SIGKILL)


@pytest.fixture(scope="module", params=LINKERS)
def starter(
    request: pytest.FixtureRequest, freezer: Freezer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Starter]:
    need_root()
    folder = tmp_path_factory.mktemp("starter")
    # Without a suffix, as scripts that are installed.
    (folder / "starter").write_text(APPLICATION)
    os.environ["RUNS"] = str(folder / "runs")
    built = freezer("build", "starter", "--linker", request.param, "--verify", "no", cwd=folder).output
    place = folder / "place"
    place.mkdir()
    os.chown(place, USER, USER)
    open_to_all(folder)
    yield Starter(built, place)
    del os.environ["RUNS"]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_parent_that_ends_at_any_moment(starter: Starter, method: str) -> None:
    """Ended, killed, or stopped for a while and killed: its main script has run at most once, and nothing stays."""
    begun = time.monotonic()
    with starter.start("pool", method) as process:
        assert process.stdout is not None and process.stdout.readline() == "started\n"
        whole = time.monotonic() - begun
        process.communicate()
    for moment in range(MOMENTS):
        with starter.start("pool", method) as process:
            time.sleep(whole * 1.3 * moment / MOMENTS)
            if moment % 3 == 2:
                process.send_signal(signal.SIGSTOP)
                time.sleep(0.1)
                process.send_signal(signal.SIGCONT)
            process.send_signal((signal.SIGTERM, signal.SIGKILL)[moment % 2])
            process.communicate()
        starter.all_end()
        assert starter.runs() <= 1


def test_a_script_keeps_its_name(starter: Starter) -> None:
    assert starter.says("file") == "starter True def ran()\n"


def test_shared_memory(starter: Starter) -> None:
    """Its tracker outlives the application."""
    for _ in range(5):
        starter.says("memory")
        starter.all_end()
        assert starter.runs() == 1


class Creates:
    """Unpickled, creates a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, int]]:
        return os.mkdir, (self.path, 0o777)


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "open('made', 'w')"],
        ["-m", "json.tool"],
        ["-"],
        ["-I", "-c", "open('made', 'w')"],
        ["script.py"],
        ["--multiprocessing-fork", "pipe_handle=0"],
        ["--multiprocessing-fork", "tracker_fd=0", "pipe_handle=0"],
        ["-c", "from multiprocessing.spawn import spawn_main; spawn_main(pipe_handle=0)", "--multiprocessing-fork"],
        ["-c", "from multiprocessing.forkserver import main; main(0, 0, ['json'])"],
    ],
)
def test_arguments_choose_no_code(starter: Starter, arguments: list[str]) -> None:
    """Whoever may choose the arguments, the standard streams and the variables, as by sudo, gets the application."""
    made = starter.place / "made"
    (starter.place / "script.py").write_text("open('made', 'w')")
    code = pickle.dumps(Creates(str(made)), 0).decode() + "open('made', 'w')\n"
    env = {"PYTHONINSPECT": "1", "PYTHONSTARTUP": "script.py", "_FREEZER_START": "0:/bin/python3"}
    assert json.loads(starter.says(*arguments, input=code, env=env)) == ["application", *arguments]
    starter.all_end()
    assert starter.runs() == 1 and not made.exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-c", "import sys; print(sys.argv, __name__)", "x"], "['-c', 'x'] __main__\n"),
        (["-Esc", "import sys; print(sys.flags.ignore_environment, sys.frozen)"], "1 True\n"),
        (["-c", "import sys; print(sys.executable == sys.orig_argv[0] == {path!r})"], "True\n"),
        (["-c", "import os; print(os.environ['LD_LIBRARY_PATH'], len([x for x in os.environ if 'FREEZER' in x]))"],
         "/nowhere 0\n"),
        (["-m", "venv", "x"], ""),
        (["-x", "y"], '["application", "-x", "y"]\n'),
        (["script.py"], "script\n"),
    ],
)  # fmt: skip
def test_the_application_asks_for_an_interpreter(starter: Starter, arguments: list[str], expected: str) -> None:
    (starter.place / "script.py").write_text("print('script')")
    words = [item.replace("{path!r}", repr(str(starter.path))) for item in arguments]
    assert starter.says("call", *words, env={"LD_LIBRARY_PATH": "/nowhere"}) == expected
    assert starter.runs() == (2 if "application" in expected else 1)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("{executable} -c 'print(7)'", "7\n"),
        ("{executable} -c 'print(7)'; {executable} -c 'print(8)'", "7\n8\n"),
        ("{executable} x -c 1", '["application", "x", "-c", "1"]\n'),
    ],
)
def test_the_application_asks_by_a_shell(starter: Starter, command: str, expected: str) -> None:
    assert starter.says("shell", command) == expected


@pytest.mark.parametrize("how", ["execl", "execv", "spawn", "orig_argv"])
def test_a_restart(starter: Starter, how: str) -> None:
    """As reloaders do it; ``-c`` is one of the application's own arguments then."""
    arguments = ["restart", how, "-c", "x y", ""]
    assert json.loads(starter.says(*arguments)) == ["application", *arguments]
    assert starter.runs() == 2


def test_a_message_for_what_is_not_there(starter: Starter) -> None:
    with starter.start("call", "-m", "venv", "x") as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert errors == (
        f"error: {starter.path} has no module venv to run with -m\n"
        "  why: it is a frozen application, and has the modules that it was built with\n"
        "  try: freezer build --hidden-import venv, or a Python that is installed\n"
    )


# Entries that have a main module of their own


def test_a_package(freezer: Freezer, tmp_path: Path, run_in_empty_root: Callable[..., Run]) -> None:
    """As ``python -m package``."""
    package = tmp_path / "tool"
    package.mkdir()
    (package / "__init__.py").write_text("NAME = 'tool'\n")
    (package / "part.py").write_text("def value():\n    return 5\n")
    (package / "__main__.py").write_text(
        "import sys\nfrom . import NAME\nfrom .part import value\n"
        "print(NAME, value(), __name__, __package__, __spec__.name, sys.argv[1:])\n"
        "if sys.argv[1:] == ['fail']:\n    raise ValueError('x')\n"
    )
    built = freezer("build", "tool", "--linker", "native", cwd=tmp_path).output
    assert run_in_empty_root(built, "x").stdout == "tool 5 __main__ tool tool.__main__ ['x']\n"
    failed = run_in_empty_root(built, "fail")
    assert failed.status == 1
    frames = [line for line in failed.stderr.splitlines() if line.startswith("  File ")]
    assert len(frames) == 1 and frames[0].endswith('/_internal/tool/__main__.py", line 6, in <module>')
    assert "    raise ValueError('x')\n" in failed.stderr


def test_a_zip_application(freezer: Freezer, tmp_path: Path, run_in_empty_root: Callable[..., Run]) -> None:
    """All of it is the application's, whether the code names it or not; a change of it makes another build."""
    for value in ("one", "two"):
        with zipfile.ZipFile(tmp_path / "tool.pyz", "w") as archive:
            archive.writestr("__main__.py", "import importlib, pkgutil\nprint(importlib.import_module('pack').VALUE)\n"
                             "print(pkgutil.get_data('pack', 'data.txt').decode())\n")  # fmt: skip
            archive.writestr("pack/__init__.py", f"VALUE = {value!r}\n")
            archive.writestr("pack/data.txt", "data")
        built = freezer("build", "tool.pyz", "--linker", "native", cwd=tmp_path).output
        assert run_in_empty_root(built).stdout == f"{value}\ndata\n"
    assert "is up to date" in freezer("build", "tool.pyz", "--linker", "native", cwd=tmp_path).stderr


def test_a_script_with_metadata(freezer: Freezer, tmp_path: Path, run_in_empty_root: Callable[..., Run]) -> None:
    head = "# /// script\n# {}\n# ///\n"
    (tmp_path / "app.py").write_text(head.format("dependencies = ['six']") + "import six\nprint(six.__name__)\n")
    built = freezer("build", "app.py", "--linker", "native", cwd=tmp_path).output
    assert run_in_empty_root(built).stdout == "six\n"
    (tmp_path / "app.py").write_text(head.format("requires-python = '<3'"))
    assert "requires Python <3" in freezer.fails("build", "app.py", cwd=tmp_path, status=3)


@pytest.mark.parametrize("which", ["none", "all"])
def test_sources(freezer: Freezer, tmp_path: Path, which: str) -> None:
    (tmp_path / "app.py").write_text(
        "import helper, json, os, re\n"
        "for file in (helper.__file__, json.__file__, re.__file__, __file__):\n"
        "    print(os.path.exists(file))\n"
    )
    (tmp_path / "helper.py").write_text("")
    built = freezer("build", "app.py", "--linker", "native", "--source", which, "--verify", "no", cwd=tmp_path).output
    done = subprocess.run([built], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == f"{which == 'all'}\n" * 4
