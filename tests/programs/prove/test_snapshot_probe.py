"""The parts of the probe, each by itself. The whole is tried in tests/integration/test_snapshot_probe.py."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any

import pytest

from freezer.base.isolation import seccomp
from freezer.freeze import RUNTIME
from freezer.prove.snapshot import calls, probing, program, rules, stack_frames
from freezer.prove.snapshot.breakpoints import ENDBR64, _pushed
from freezer.prove.snapshot.calls import CHANNEL, MMAP, PROT_EXEC, RETURN_KILL, RETURN_TRACE, SEEN, TRACES, UNSEEN
from freezer.prove.snapshot.findings import Reason, SnapshotFindings
from freezer.prove.snapshot.memory import Map, at, follows_call, maps_of, symbols_of
from freezer.prove.snapshot.stack_frames import Frame, module_of, parse

DRIVERS = program.DRIVERS
X86_64 = seccomp.MACHINES["x86_64"].arch


def decision(number: int, *arguments: int, arch: int = X86_64) -> int:
    """What the filter decides of a system call, by the rules of the kernel's machine."""
    data = struct.pack("=iIQ6Q", number, arch, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    steps, place, value = calls.tracing_filter(), 0, 0
    while True:
        code, if_true, if_false, operand = steps[place]
        place += 1
        if code == seccomp.LOAD:
            (value,) = struct.unpack_from("=I", data, operand)
        elif code == seccomp.RETURN:
            return operand
        else:
            test = {seccomp.EQUAL: value == operand, seccomp.AT_LEAST: value >= operand}
            place += if_true if test.get(code, bool(value & operand)) else if_false


def test_nobody_waits_at_the_terminal() -> None:
    terminal = program.open_terminal()
    assert os.isatty(terminal)
    assert [os.read(terminal, 100) for _ in range(5)] == [b""] * 5
    assert os.write(terminal, b"x" * (1 << 20)) > 0
    os.close(terminal)


@pytest.mark.parametrize("number", [*SEEN.values(), 1000, 59, 0x40000000 | 1])
def test_what_stops_the_process(number: int) -> None:
    assert decision(number) == RETURN_TRACE


@pytest.mark.parametrize("number", UNSEEN.values())
def test_what_does_not(number: int) -> None:
    assert decision(number) == seccomp.RETURN_ALLOW


@pytest.mark.parametrize("name", ["read", "fstat", "write", "fcntl", "lseek", "pread64"])
def test_the_standard_streams(name: str) -> None:
    number = calls.FILES[name]
    assert [decision(number, stream) for stream in (0, 1, 2)] == [RETURN_TRACE] * 3
    assert [decision(number, other) for other in (3, 99)] == [seccomp.RETURN_ALLOW] * 2
    assert decision(number, TRACES) == seccomp.RETURN_ALLOW


def test_messages_libraries_and_other_machines_calls() -> None:
    assert decision(calls.FILES["write"], CHANNEL) == RETURN_TRACE
    assert decision(MMAP, 0, 4096, PROT_EXEC | 1) == RETURN_TRACE
    assert decision(MMAP, 0, 4096, 3) == seccomp.RETURN_ALLOW
    assert decision(20, arch=0x40000003) == RETURN_KILL


def test_a_call_is_in_one_table() -> None:
    numbers = [number for table in (UNSEEN, calls.FILES, SEEN) for number in table.values()]
    assert len(numbers) == len(set(numbers))
    assert set(rules.RULES) <= set(calls.NAMES.values())


def call(name: str, *arguments: int, phase: str = "imports", main: bool = True) -> rules.Call:
    return rules.Call(name, os.getpid(), main, phase, (*arguments, 0, 0, 0, 0, 0, 0)[:6])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (call("getpid"), ("identity", "process")),
        (call("getrandom", 0, 16), ("random", "16")),
        (call("clock_gettime"), ("clock", "clock_gettime")),
        (call("never_heard_of"), ("call", "never_heard_of")),
        (call("ioctl", 1, 0x5401), ("ask", "terminal")),
        (call("ioctl", 1, 0x5413), ("ask", "terminal")),
        (call("ioctl", 1, 0x5414), ("call", "ioctl 0x5414")),
        (call("ioctl", 5, 0x5401), None),
        (call("prctl", 38), ("call", "prctl 38")),
        (call("prctl", 15), ("call", "prctl 15")),
        (call("prctl", 15, main=False), None),
        (call("prlimit64", 0, 7), ("ask", "limit 7")),
        (call("prlimit64", 0, 7, 4096), ("call", "setrlimit")),
        (call("rt_sigaction", 15, 4096), ("signal", "handle 15")),
        (call("rt_sigaction", 33, 4096), None),
        (call("rt_sigaction", 15, 4096, phase="start"), None),
        (call("clone", 0x10000), ("thread", "")),
        (call("clone", 17), ("process", "clone")),
        (call("uname", phase="start"), None),
        (call("uname"), ("ask", "hostname")),
        (call("write", 2), ("output", "2")),
        (call("read", 0), ("stream", "read 0")),
    ],
)
def test_rules(made: rules.Call, wanted: Any) -> None:
    event = rules.judge(made)
    assert (event and (event.kind, event.value)) == wanted


def test_opening() -> None:
    opened = [rules._opened("/etc/x", flags) for flags in (0, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY, os.O_PATH)]
    assert [event.kind for event in opened if event is not None] == ["open"] * 3
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_CREAT, os.O_RDONLY | os.O_TRUNC, os.O_TMPFILE | os.O_RDWR):
        event = rules._opened("/etc/x", flags)
        assert event is not None and (event.kind, event.value) == ("change", "open /etc/x")
    assert rules._opened("/dev/null", os.O_RDWR) is None


STACK = """\
Stack (most recent call first):
  File "/t/_internal/package/sub/__init__.py", line 12 in <module>
  File "<frozen importlib._bootstrap>", line 241 in _call_with_frames_removed
  File "/t/_internal/a b, line 3 in x.py", line 7 in <lambda>
  File "<string>", line ??? in <module>
  ...
"""


def test_stacks() -> None:
    assert parse(STACK, "/t/_internal") == [
        Frame("package.sub", 12, "<module>"),
        Frame("importlib._bootstrap", 241, "_call_with_frames_removed"),
        Frame("a b, line 3 in x", 7, "<lambda>"),
        Frame("<string>", 0, "<module>"),
    ]
    assert module_of("/elsewhere/x.py", "/t/_internal") == "/elsewhere/x.py"
    assert module_of("/t/bin/../_internal/a/b.py", "/t/_internal") == "a.b"


def test_what_faulthandler_writes_is_read(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = f"""if 1:
        import faulthandler, os, sys
        file = open({str(out)!r}, "w")
        faulthandler.register({stack_frames.SIGNAL}, file=file, all_threads=False)
        def asked():
            os.kill(os.getpid(), {stack_frames.SIGNAL})
        asked()
        """
    subprocess.run([sys.executable, "-c", code], check=True)
    assert parse(out.read_text(), "/t") == [Frame("<string>", 6, "asked"), Frame("<string>", 7, "<module>")]


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        (b"\x90\x90\x90\xe8\1\2\3\4", True),
        (b"\x90\x90\x90\x90\x90\x90\xff\xd0", True),
        (b"\x90\x90\xff\x15\1\2\3\4", True),
        (b"\x90\x90\x90\x90\x90\xff\x50\x18", True),
        (b"\x90" * 8, False),
        (b"\x90\x90\x90\x90\x90\x90\xff\xe0", False),
    ],
)
def test_where_functions_return_to(before: bytes, wanted: bool) -> None:
    assert follows_call(before) is wanted


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        (b"\x55\x90\x90\x90", "rbp"),
        (b"\x41\x57\x41\x56", "r15"),
        (b"\x53\1\2\3", "rbx"),
        (b"\x48\x8b\5\6", None),
        (ENDBR64, None),
    ],
)
def test_what_functions_begin_with(code: bytes, wanted: Any) -> None:
    assert _pushed(code) == wanted


def test_maps_and_symbols() -> None:
    maps = maps_of(os.getpid())
    library = next(item for item in maps if os.path.basename(item.path).startswith(("libc.so", "libc-")))
    assert at(maps, library.start) == library
    assert at([Map(16, 32, "r-x", 0, "")], 32) is None
    symbols = symbols_of(Path(library.path), frozenset(("getenv", "environ", "no_such_symbol")))
    assert set(symbols) == {"getenv", "environ"}
    assert symbols_of(Path(__file__), frozenset(("getenv",))) == {}


@pytest.fixture
def drivers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The modules that run in the interpreter; what they find of the application is a stub."""
    archive: Any = ModuleType("_freezer_archive")
    archive.archives = []
    monkeypatch.syspath_prepend(str(DRIVERS))
    monkeypatch.syspath_prepend(str(RUNTIME))
    monkeypatch.setitem(sys.modules, "_freezer_archive", archive)
    names = ("_freezer_boundary", "probe_channel", "probe_boundary", "probe_watch", "probe_left")
    yield {name: importlib.import_module(name) for name in names}
    for name in names:
        del sys.modules[name]


def test_both_sides_have_the_same_numbers(drivers: dict[str, Any]) -> None:
    channel = drivers["probe_channel"]
    assert (channel.CHANNEL, channel.TRACES, channel.SIGNAL) == (CHANNEL, TRACES, stack_frames.SIGNAL)
    assert set(DRIVERS.glob("probe_*.py")) == {path for path in program.MODULES if path.parent == DRIVERS}
    assert f'"{channel.OWN}"' in program.START


@pytest.mark.parametrize("value", [{"a": ["x", 1]}, 'a "b" \\ \n \x00 é 𝄞', "lone \udcff", [], {}])
def test_messages(drivers: dict[str, Any], value: object) -> None:
    assert json.loads(drivers["probe_channel"].text_of(value)) == value


SCRIPTS = {
    '"""Text."""\nimport a\nfrom b.c import d as e, f\nimport g.h.i as j, k\nprint(1)\n': 5,
    "import a\nif a:\n    import b\n": 2,
    "import a\n\n\ndef f():\n    import b\n": 4,
    "from a import *\nX = 1\nimport b\n": 2,
    "import a\ntry:\n    import b\nexcept ImportError:\n    b = None\n": 2,
    "print(1)\nimport a\n": 1,
    "from __future__ import annotations\nimport a\nX: int\nY = 2\n": 3,
    "".join(f"import m{number}\n" for number in range(300)) + "X = m1\n": 301,
}


@pytest.mark.parametrize("text", SCRIPTS)
def test_the_imports_that_a_script_begins_with(drivers: dict[str, Any], text: str) -> None:
    boundary = drivers["probe_boundary"]
    if sys.version_info[:2] not in boundary.OPCODES:
        assert boundary.beginning(compile(text, "main.py", "exec")) is None
        return
    code, (path, line) = boundary.beginning(compile(text, "main.py", "exec"))
    asked: list[str] = []

    def imported(name: str, *_: object) -> Any:
        asked.append(name)
        return SimpleNamespace(**dict.fromkeys("abcdefghijk", SimpleNamespace(i=1)), annotations=0, __all__=[])

    names = {"__builtins__": {"__import__": imported, "print": None}}
    exec(code, names)
    before = "\n".join(text.splitlines()[: line - 1])
    assert len(asked) == before.count("import ") + before.count(", k")
    assert (path, line) == ("main.py", SCRIPTS[text])


def test_a_script_that_the_build_has_marked(drivers: dict[str, Any]) -> None:
    boundary = drivers["probe_boundary"]
    marked = compile("import a\n_freezer_boundary()\nprint(1)\n", "main.py", "exec")
    archive = SimpleNamespace(toc={"_freezer_marked_script": 0}, code=lambda name, path: marked)
    boundary._freezer_archive.archives.append(archive)
    code, (path, _line) = boundary.beginning(compile("import a\n\n\nprint(1)\n", "main.py", "exec"))
    assert isinstance(code, CodeType)
    assert code is marked
    assert path == "main.py"


REASONS = {name: Reason(name, 1, "reads the clock", "later") for name in "abc"}


@pytest.mark.parametrize(
    ("rounds", "asked", "before", "limits", "reasons"),
    [
        ([("", "")], 1, "x", "", ""),
        # Before b there is nothing; or before a, which another round shows; or there always is something.
        ([("bc", "bc"), ("", "")], 2, "bcx", "bc", ""),
        ([("b", "b"), ("a", "a"), ("", "")], 3, "abx", "ba", ""),
        ([("b", "b"), ("a", "b")], 2, "", "", "ab"),
        ([("a", "")], 1, "", "", "a"),
    ],
)
def test_where_the_imports_have_to_end(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    rounds: list[tuple[str, str]],
    asked: int,
    before: str,
    limits: str,
    reasons: str,
) -> None:
    wanted: list[Any] = []

    def judge(replies: Any, _ignore: Any) -> tuple[SnapshotFindings, set[str]]:
        found, stops = rounds[len(wanted) - 1]
        return SnapshotFindings(tuple(REASONS[name] for name in found)), set(stops)

    monkeypatch.setattr(probing, "find_payload", lambda _path: object())
    monkeypatch.setattr(probing, "run_imports", lambda _path, _job, before, imports: wanted.append((*before, imports)))
    monkeypatch.setattr(probing, "judge_run", judge)
    job: Any = None
    findings = probing.find_snapshot(Path(sys.executable), (), job, before=["x"], imports=["y"])
    assert len(wanted) == asked and wanted[0] == ("x", ["y"])
    assert "".join(findings.before) == before and findings.imports == (("y",) if before else ())
    assert "".join(reason.module for reason in findings.limits) == limits
    assert "".join(reason.module for reason in findings.reasons) == reasons


def test_variables_are_noticed(drivers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    watch = drivers["probe_watch"]
    seen: list[tuple[str, str]] = []
    monkeypatch.setattr(watch, "noted", lambda kind, value: seen.append((kind, value)))
    variables = watch.Variables({b"A": b"1"})
    assert variables[b"A"] == b"1"
    assert variables.get("B") is None
    assert b"C" not in variables
    variables[b"D"] = b"2"
    assert seen == [("asked", "A"), ("asked", "B"), ("asked", "C"), ("set", "D")]
    for whole in (
        list,
        dict,
        repr,
        len,
        sorted,
        lambda data: {**data},
        lambda data: data.copy(),
        lambda data: data == {},
    ):
        seen.clear()
        whole(variables)
        assert ("asked", "*") in seen


class Lazy:
    """Stands in for an object that cannot be made yet."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("too early")


def test_generators_are_found(drivers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    left = drivers["probe_left"]
    own: Any = ModuleType("sample_with_generator")
    own.LAZY = Lazy()
    own.RNG, own.HELD, own.STATELESS = random.Random(), [random.Random(3)], random.SystemRandom()
    monkeypatch.setitem(sys.modules, "sample_with_generator", own)
    names = {left._owner(generator) for generator in left._generators()}
    assert {"sample_with_generator.RNG", "sample_with_generator.HELD"} <= names
    assert "sample_with_generator.STATELESS" not in names
    assert random._inst not in left._generators()


def test_streams_are_compared(drivers: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    left = drivers["probe_left"]
    with capsys.disabled():
        before = left.streams()
        assert left.streams() == before
        errors = sys.stderr.errors
        sys.stderr.reconfigure(errors="replace")  # type: ignore[union-attr]
        try:
            assert left.streams() != before
        finally:
            sys.stderr.reconfigure(errors=errors)  # type: ignore[union-attr]


def test_who_uses_the_generator_for_all(drivers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.find_spec("random")
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    seen: list[tuple[str, str]] = []
    monkeypatch.setattr(drivers["probe_watch"], "noted", lambda kind, value: seen.append((kind, value)))
    states = {"random": repr(module.getstate())}
    drivers["probe_watch"].name_users(module, states)
    module.seed(3)
    assert module.choice([1]) == 1
    assert 0 <= module.random() < 1
    module.Random(3).random()
    module.getstate()
    module.SystemRandom().random()
    assert seen == [("rolled", "seed"), ("rolled", "choice"), ("rolled", "random")]
    assert states["random"] == repr(module.getstate())
    module._inst.random()
    module.random()
    assert states["random"] != repr(module.getstate()), "somebody has used it without a word"


def test_a_generator_for_all_is_watched(drivers: dict[str, Any]) -> None:
    state = random.getstate()
    try:
        beginnings = drivers["probe_watch"].Beginnings()
        assert beginnings.changed() == []
        random.random()
        assert beginnings.changed() == ["random"]
        random.setstate(state)
        random.seed(0)
        assert beginnings.changed() == ["random"]
    finally:
        random.setstate(state)
