"""Which program a process of the application starts: the table of arguments, and the calls that execute programs."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Optional

import pytest

import freezer.freeze.runtime

RUNTIME = Path(freezer.freeze.runtime.__file__).parent
MAIN = "/tree/_internal/app.py"
PROGRAM = """\
#!{python}
import os, sys
names = sorted(name for name in os.environb if name.endswith(b"D_X"))
print("{name}", *sys.argv[1:], names)
"""
"""A program that says what it is, its arguments, and by which name it has the variable LD_X."""


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module, in an application called ``./app`` with two arguments; its interpreter is a shell script."""
    monkeypatch.syspath_prepend(str(RUNTIME))
    module: Any = importlib.import_module("_freezer_processes")
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    for path, name in ((tree / "bin" / "python3", "interpreter"), (tmp_path / "app", "application")):
        path.write_text(PROGRAM.format(python=sys.executable, name=name))
        path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "app"))
    monkeypatch.setattr(sys, "argv", ["./app", "one", "two"])
    for name, value in (
        ("interpreter", str(tree / "bin" / "python3")),
        ("main_script", MAIN),
        ("called", "./app"),
        ("own", ["one", "two"]),
    ):
        monkeypatch.setattr(module, name, value)
    yield module
    for name in [name for name in sys.modules if name.startswith("_freezer_")]:
        del sys.modules[name]


def wrap_what_subprocess_calls(processes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have subprocess go by the rules, whichever function it calls."""
    import _posixsubprocess

    wrapped = processes.wrap_fork_exec(_posixsubprocess.fork_exec)
    monkeypatch.setattr(subprocess, "_fork_exec", wrapped, raising=False)
    monkeypatch.setattr(_posixsubprocess, "fork_exec", wrapped)
    monkeypatch.setattr(os, "posix_spawn", processes.wrap_execute(os.posix_spawn, True))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        # What the user gave is the application's.
        ([], None),
        (["one", "two"], None),
        (["serve"], None),
        (["--verbose", "-c"], None),
        (["-v"], None),
        (["-k", "-c", "x"], None),
        (["-"], ["-"]),
        # An interpreter, with options in any form that Python takes.
        (["-c", "code", "-v"], ["-c", "code", "-v"]),
        (["-ccode"], ["-ccode"]),
        (["-m", "json.tool", "--x"], ["-m", "json.tool", "--x"]),
        (["-u", "-c", "code"], ["-u", "-c", "code"]),
        (["-uc", "code"], ["-u", "-c", "code"]),
        (["-E", "-s", "-m", "pack"], ["-E", "-s", "-m", "pack"]),
        (["-Esm", "pack"], ["-Es", "-m", "pack"]),
        (["-W", "error", "-Xdev", "-mpack"], ["-Werror", "-Xdev", "-mpack"]),
        (["-S", "-Bsc", "code"], ["-Bs", "-c", "code"]),
        (["--check-hash-based-pycs", "never", "-c", "code"], ["-c", "code"]),
        (["{folder}/script.py", "x"], ["{folder}/script.py", "x"]),
        (["-u", "{folder}/tool", "x"], ["-u", "{folder}/tool", "x"]),
        (["{folder}/with_main"], ["{folder}/with_main"]),
        (["{folder}/shell"], None),
        (["{folder}/missing.py"], None),
        (["{folder}"], None),
    ],
)
def test_the_table(processes: Any, tmp_path: Path, arguments: list[str], expected: Optional[list[str]]) -> None:
    """``expected`` are an interpreter's arguments; None means the application, with the same arguments."""
    (tmp_path / "script.py").write_text("")
    (tmp_path / "tool").write_text("#!/usr/bin/env python3\n")
    (tmp_path / "shell").write_text("#!/bin/sh\n")
    (tmp_path / "with_main").mkdir()
    (tmp_path / "with_main" / "__main__.py").write_text("")
    given = [item.format(folder=tmp_path) for item in arguments]
    wanted, words = processes.choose(given, piped=False)
    assert (wanted, words) == (
        (False, given) if expected is None else (True, [item.format(folder=tmp_path) for item in expected])
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["./app", "one", "two"], ["one", "two"]),
        (["./app", "other"], ["other"]),
        ([MAIN, "-c", "x"], ["-c", "x"]),
        (["-u", "-W", "error", MAIN, "x"], ["x"]),
        (["{executable}", "x"], ["x"]),
        (["other", "one", "two"], ["other", "one", "two"]),
    ],
)
def test_a_restart_by_the_main_scripts_name(processes: Any, arguments: list[str], expected: list[str]) -> None:
    given = [item.format(executable=sys.executable) for item in arguments]
    assert processes.choose(given, piped=False) == (False, expected)


def test_a_restart_with_arguments_like_pythons(processes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """``os.execv(sys.executable, sys.argv)``, also after the application has changed sys.argv."""
    monkeypatch.setattr(processes, "own", ["-c", "settings"])
    monkeypatch.setattr(sys, "argv", ["./app", "-m", "changed"])
    for words in (["-c", "settings"], ["-m", "changed"]):
        assert processes.choose(words, piped=False) == (False, words)
    # A name without a directory is the program's only in front of its own arguments.
    monkeypatch.setattr(processes, "called", "app")
    assert processes.choose(["app", "-c", "settings"], piped=False) == (False, ["-c", "settings"])
    assert processes.choose(["app", "other"], piped=False) == (False, ["app", "other"])


def test_an_application_without_arguments(processes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that it pipes to its executable is no restart, which would go on without end."""
    monkeypatch.setattr(processes, "own", [])
    monkeypatch.setattr(sys, "argv", ["./app"])
    assert processes.choose([], piped=True) == (True, [])
    assert processes.choose([], piped=False) == (False, [])


def test_an_interpreter_starts_interpreters(processes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "own", None)
    monkeypatch.setattr(sys, "argv", ["-c", "x"])
    assert processes.choose(["-c", "x"], piped=False) == (True, ["-c", "x"])


@pytest.mark.parametrize(
    ("words", "program"),
    [
        ([], "application"),
        (["-c", "x"], "interpreter -c x"),
        (["-S", "-mx"], "interpreter -mx"),
        (["./app", "y"], "application y"),
    ],
)
def test_subprocess(
    processes: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], program: str
) -> None:
    """An interpreter's own variables of the dynamic loader have other names until start.c gives them back."""
    wrap_what_subprocess_calls(processes, monkeypatch)
    link = tmp_path / "link"
    link.symlink_to(sys.executable)
    for name in (sys.executable, str(link)):
        for environment in (None, {**os.environ, "LD_X": "mine"}):
            done = subprocess.run([name, *words], env=environment, stdout=subprocess.PIPE, text=True, check=True)
            variable = b"\1D_X" if program.startswith("interpreter") else b"LD_X"
            assert done.stdout == f"{program} {[] if environment is None else [variable]}\n"
    done = subprocess.run(["/bin/echo", "-c"], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "-c\n"


def test_a_program_of_the_same_name(processes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of the directories in PATH comes first decides what is executed."""
    wrap_what_subprocess_calls(processes, monkeypatch)
    other = tmp_path / "other"
    other.mkdir()
    (other / "app").write_text('#!/bin/sh\necho other "$@"\n')
    (other / "app").chmod(0o755)
    for path, expected in (([other, tmp_path], "other -c x"), ([tmp_path, other], "interpreter -c x []")):
        env = {"PATH": ":".join(map(str, path))}
        done = subprocess.run(["app", "-c", "x"], env=env, stdout=subprocess.PIPE, text=True, check=True)
        assert done.stdout == expected + "\n"


def test_a_program_on_standard_input(processes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wrap_what_subprocess_calls(processes, monkeypatch)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"input": ""}, "interpreter"),
        ({"stdin": subprocess.DEVNULL}, "application"),
    ]
    for options, program in cases:
        done = subprocess.run([sys.executable], stdout=subprocess.PIPE, text=True, check=True, **options)
        assert done.stdout.startswith(program)


@pytest.mark.parametrize(
    ("standard_input", "program"),
    [
        ("pipe", "interpreter"),
        ("file", "interpreter"),
        ("a file that is opened", "interpreter"),
        ("nothing that is opened", "application"),
        ("nothing", "application"),
        ("a pipe, then nothing", "application"),
        ("what this process has", "application"),
    ],
)
def test_a_program_on_the_standard_input_of_a_spawned_process(
    processes: Any, tmp_path: Path, standard_input: str, program: str
) -> None:
    """So subprocess starts a program that reads from a pipe, from Python 3.13 on. An application that started itself in
    place of the interpreter would do so again, and again."""
    (tmp_path / "file").write_text("print(1)\n")
    out, into = os.pipe()
    given, other = os.pipe()
    os.close(other)
    with open(tmp_path / "file", "rb") as file, open(os.devnull, "rb") as nothing:
        pipe = (os.POSIX_SPAWN_DUP2, given, 0)
        actions: dict[str, list[tuple[Any, ...]]] = {
            "pipe": [pipe],
            "file": [(os.POSIX_SPAWN_DUP2, file.fileno(), 0)],
            "a file that is opened": [(os.POSIX_SPAWN_OPEN, 0, tmp_path / "file", os.O_RDONLY, 0)],
            "nothing that is opened": [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
            "nothing": [(os.POSIX_SPAWN_DUP2, nothing.fileno(), 0)],
            "a pipe, then nothing": [pipe, (os.POSIX_SPAWN_DUP2, nothing.fileno(), 0)],
            "what this process has": [],
        }
        spawn = processes.wrap_execute(os.posix_spawn, True)
        # Any iterable will do.
        wanted = iter([*actions[standard_input], (os.POSIX_SPAWN_DUP2, into, 1)])
        process = spawn(sys.executable, [sys.executable], os.environ, file_actions=wanted)
        os.waitpid(process, 0)
    os.close(into)
    os.close(given)
    with open(out) as result:
        assert result.read().startswith(program)
    assert not processes._streams().is_stream(given)


@pytest.mark.parametrize("name", ["execv", "execve", "posix_spawn"])
@pytest.mark.parametrize(
    ("words", "program"), [(["-c", "x"], "interpreter -c x"), (["one", "two"], "application one two")]
)
def test_execution(processes: Any, tmp_path: Path, name: str, words: list[str], program: str) -> None:
    code = f"""
import os, sys
sys.path.insert(0, {str(RUNTIME)!r})
import _freezer_processes as processes
sys.executable, processes.interpreter = {sys.executable!r}, {processes.interpreter!r}
processes.main_script, processes.own = {MAIN!r}, ["one", "two"]
processes.install()
processes.on_execute.append(lambda: print("told", flush=True))
more = [] if {name!r} == "execv" else [{{"LD_X": "mine", "PATH": os.environ["PATH"]}}]
if {name!r} == "posix_spawn":
    os.waitpid(os.posix_spawn(sys.executable, [sys.executable, *{words!r}], *more), 0)
else:
    getattr(os, {name!r})(sys.executable, [sys.executable, *{words!r}], *more)
"""
    done = subprocess.run(["/usr/bin/env", "python3", "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.startswith(f"told\n{program} [")


def spawn_module() -> Any:
    """Stands in for a module called ``spawn`` of multiprocessing, or of a copy."""

    def main(kind: type[BaseException]) -> int:
        raise kind

    module: Any = ModuleType("multiprocess.spawn")
    module.get_command_line = lambda **values: ["/app", "--some-fork"]
    module.get_executable = lambda: b"/app"
    module._main = main
    return module


def test_helpers_are_interpreters(processes: Any) -> None:
    helpers: Any = importlib.import_module("_freezer_helpers")
    spawn = spawn_module()
    helpers.adapt(spawn)
    *options, flag, command, last = spawn.get_command_line(pipe_handle=5)
    assert options[0] == "/app" and flag == "-c" and last == "--some-fork"
    assert command == "from multiprocess.spawn import spawn_main; spawn_main(pipe_handle=5)"
    assert spawn._main(EOFError) == 1
    with pytest.raises(KeyError):
        spawn._main(KeyError)
    # Whoever chooses the application's arguments must not choose a descriptor to take code from.
    assert spawn.freeze_support() is None


@pytest.mark.parametrize(
    ("ancestors", "is_application"),
    [
        ([("program", ["app"])], True),
        ([("program", ["app", "-c", "x"])], False),  # the same arguments: the application starts itself once more
        ([("bash", ["bash"])], False),
        ([("sh", ["sh", "-c", "app -c x"]), ("program", ["app"])], True),
        ([("sh", ["sh"]), ("program", ["app"])], False),  # somebody types into a shell
        ([("sh", ["sh", "-c", "app -c x"]), ("bash", ["bash"])], False),
        ([("sh", ["sh", "-c", "app"]), ("sh", ["sh", "-c", "app"]), ("program", ["app"])], False),
        ([("sudo", ["sudo", "app"]), ("program", ["app"])], False),
        # staticx: each process has a program of its own, whose parent is the executable.
        ([("app", ["app"]), ("other/program", ["app"]), ("app", ["app"])], True),
        ([("app", ["app"]), ("sh", ["sh", "-c", "app"]), ("other/program", ["app"]), ("app", ["app"])], True),
        ([("app", ["app"]), ("other/program", ["app"]), ("sudo", ["sudo"])], False),
        ([("app", ["app"]), ("bash", ["bash"]), ("app", ["app"])], False),
        ([("app", ["app"]), ("bash", ["bash"])], False),
    ],
)
def test_the_parent(
    processes: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ancestors: list[tuple[str, list[str]]],
    is_application: bool,
) -> None:
    """``ancestors`` are programs, the parent first, with the words of their command lines."""
    parent: Any = importlib.import_module("_freezer_parent")
    programs = tmp_path / "programs"
    (programs / "other").mkdir(parents=True)
    (programs / "program").symlink_to(os.readlink("/proc/self/exe"))
    for name in ("bash", "sh", "sudo", "other/program"):
        (programs / name).touch()
    (programs / "app").symlink_to(sys.executable)

    def exe(process: int) -> str:
        # As in /proc, a link to the program.
        link = tmp_path / f"exe-{process}"
        if not link.is_symlink():
            link.symlink_to(programs / ancestors[process][0])
        return str(link)

    monkeypatch.setattr(parent, "_exe", exe)
    monkeypatch.setattr(parent, "_words", lambda process: ancestors[process][1])
    monkeypatch.setattr(parent, "_parent", lambda process: process + 1)
    monkeypatch.setattr(parent, "_owner", lambda process: os.geteuid())
    monkeypatch.setattr(os, "getppid", lambda: 0)
    assert parent.is_application(["-c", "x"]) == is_application
    monkeypatch.setattr(parent, "_owner", lambda process: os.geteuid() + 1)
    assert not parent.is_application(["-c", "x"])


def test_what_proc_says(processes: Any) -> None:
    parent: Any = importlib.import_module("_freezer_parent")
    own = os.getpid()
    assert parent._parent(own) == os.getppid()
    assert parent._owner(own) == os.geteuid()
    assert os.path.samefile(parent._exe(own), "/proc/self/exe")
    assert parent._words(own)[-1] == Path("/proc/self/cmdline").read_text().split("\0")[-2]
