"""Every sample, built with nothing but its entry and its requirements, on two kinds of Python, behaves in an empty
root as the catalogue says, and so as under plain Python."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import pytest
from samples.catalogue import SAMPLES, Need, Sample
from support import Freezer, Run, attended, need_program, processes_with, run_on_host, wait_until

PYTHONS = ("system", "runpath")
LINKERS = ("staticx", "native")
BY_NAME = {sample.name: sample for sample in SAMPLES}
LEFT_OUT = {
    (name, "native", "runpath")
    for name in ("fastapi_app", "flask_app", "formats", "tls", "db", "daemon", "cext_abs", "processes", "numeric")
} | {
    *((name, "staticx", "runpath") for name in ("fastapi_app", "flask_app", "processes", "compiled", "numeric")),
    *(("compiled", *rest) for rest in (("staticx", "system"), ("native", "runpath"))),
}
"""Builds that take long, and in which nothing differs that does not differ in others."""


@pytest.mark.parametrize(
    ("sample", "linker", "python"),
    [
        pytest.param(sample, linker, python, id=f"{sample.name}-{linker}-{python}")
        for sample, linker, python in itertools.product(SAMPLES, LINKERS, PYTHONS)
        if Need.HOST_TOOLS not in sample.needs and (sample.name, linker, python) not in LEFT_OUT
    ],
)
def test_sample_in_an_empty_root(
    application: Path, sample: Sample, linker: str, run_in_empty_root: Callable[..., Run]
) -> None:
    run = run_in_empty_root(application, *sample.run)
    assert run.status is not None, run
    assert sample.accepts(run.stdout, run.status), run
    # The one entry in the cache is for the next start.
    place = r"\.cache/freezer/apps/[0-9a-f]{64}/(lock|used|manifest|seen|tree/.*)"
    assert [item for item in run.leftovers if linker == "staticx" or not re.fullmatch(place, item)] == []


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("linker", LINKERS)
@pytest.mark.parametrize("sample", [BY_NAME["empty_root"]], ids=lambda s: s.name)
def test_the_environment_is_the_callers(application: Path, run_in_empty_root: Callable[..., Run]) -> None:
    given = {"LC_ALL": "C.UTF-8", "ODD": "a\nb=c", "LD_LIBRARY_PATH": "/nowhere"}
    run = run_in_empty_root(application, "environ", "--started-with", ",".join(given), env=given)
    assert json.loads(run.stdout) == {"environ": {"self": [], "child": []}}, run
    names = run_in_empty_root(application, "env", env=given)
    assert json.loads(names.stdout) == sorted(given)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("linker", LINKERS)
@pytest.mark.parametrize("sample", [BY_NAME["tools"]], ids=lambda s: s.name)
@pytest.mark.parametrize("path", [None, "/nowhere:/lib:"])
def test_host_tools_see_the_callers_environment(application: Path, sample: Sample, path: Optional[str]) -> None:
    need_program("env")
    given = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MARK": "freezer"}
    if path is not None:
        given["LD_LIBRARY_PATH"] = path
    done = run_on_host(application, *sample.run, env=given)
    assert sample.accepts(done.stdout, done.returncode), done
    report = json.loads(done.stdout)
    assert report["environ"] == report["child_environ"] == given
    assert set(report["status"].values()) <= {0, None}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("sample", [BY_NAME["hello"]], ids=lambda s: s.name)
def test_nothing_is_left_on_the_host(application: Path, sample: Sample, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    mark = f"FREEZER_TEST={tmp_path}"
    given = {"PATH": "/usr/bin:/bin", "TMPDIR": str(temporary), "FREEZER_TEST": str(tmp_path)}
    done = run_on_host(application, *sample.run, env=given)
    assert sample.accepts(done.stdout, done.returncode), done
    assert list(temporary.iterdir()) == []
    wait_until(lambda: not processes_with(mark), "the application's processes to end")


ENDS = """
import os, signal, sys, threading, time

what, value = sys.argv[1], sys.argv[2]
if what == "exit":
    sys.exit(int(value))
elif what == "message":
    sys.exit(value)
elif what == "_exit":
    os._exit(int(value))
elif what == "raise":
    raise ValueError(value)
elif what == "kill":
    signal.signal(int(value), signal.SIG_DFL) if int(value) not in (9, 19) else None
    os.kill(os.getpid(), int(value))
    time.sleep(60)
elif what == "wait":
    if value != "default":
        def handler(number, frame):
            os.write(1, b"got %d\\n" % number)
            sys.exit(40 + number)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, handler)
    print("ready", flush=True)
    time.sleep(600)
elif what == "copy":
    data = sys.stdin.buffer.read()
    sys.stdout.buffer.write(data[::-1])
    sys.stderr.write(str(len(data)))
"""


@pytest.fixture(scope="session", params=LINKERS)
def ends(
    request: pytest.FixtureRequest, freezer: Freezer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """An application that ends in the way it is told, frozen and as a script."""
    folder = tmp_path_factory.mktemp("ends")
    (folder / "ends.py").write_text(ENDS)
    options = ("--linker", request.param, "--smoke", "exit 0")
    return freezer("build", "ends.py", *options, cwd=folder).output, folder / "ends.py"


@pytest.mark.parametrize(
    "arguments",
    [
        *(("exit", str(number)) for number in (0, 1, 3, 127, 255)),
        ("_exit", "7"),
        ("message", "the end"),
        ("raise", "wrong"),
        *(("kill", str(int(number))) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)),
        *(("kill", str(int(number))) for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGPIPE)),
    ],
    ids="-".join,
)
def test_the_end_is_passed_on(ends: tuple[Path, Path], arguments: tuple[str, ...]) -> None:
    frozen, script = ends
    environment = {"PATH": "/usr/bin:/bin"}
    plain = subprocess.run([sys.executable, script, *arguments], capture_output=True, env=environment, check=False)
    done = subprocess.run([frozen, *arguments], capture_output=True, env=environment, check=False)
    assert done.returncode == plain.returncode
    assert done.stdout == plain.stdout
    last = [lines[-1:] for lines in (plain.stderr.splitlines(), done.stderr.splitlines())]
    if arguments[0] == "message":
        assert last[0] == last[1]
    if arguments[0] == "raise":
        assert b"ValueError: wrong" in done.stderr


@pytest.mark.parametrize("mode", ["default", "handler"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_application(
    ends: tuple[Path, Path], number: signal.Signals, mode: str, tmp_path: Path
) -> None:
    given = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path), "FREEZER_TEST": str(tmp_path)}
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with attended([ends[0], "wait", mode], env=given, **streams) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        output, _ = process.communicate()
    if mode == "handler":
        assert (process.returncode, output) == (40 + number, f"got {int(number)}\n")
    else:
        assert process.returncode == -number
    wait_until(lambda: not processes_with(f"FREEZER_TEST={tmp_path}"), "the application's processes to end")
    assert list(tmp_path.iterdir()) == []


def test_standard_streams(ends: tuple[Path, Path]) -> None:
    data = bytes(range(256)) * 1000
    done = subprocess.run([ends[0], "copy", "-"], input=data, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, data[::-1], str(len(data)).encode())


def test_the_relocated_python_builds(
    freezer: Freezer, relocated_python: Path, samples: Path, tmp_path: Path, run_in_empty_root: Callable[..., Run]
) -> None:
    """The stand-in for pyenv's Python is one: machines without pyenv test with it alone."""
    from freezer.base.elf import read_elf

    prefix = relocated_python.parents[1]
    modules = list(prefix.glob("lib/python3*/lib-dynload/*.so"))
    assert read_elf(relocated_python.resolve()).runpath == (str(prefix / "lib"),)
    assert modules and all(read_elf(path).runpath == (str(prefix / "lib"),) for path in modules)
    sample = BY_NAME["hello"]
    arguments = sample.build_arguments(samples)
    output = freezer("build", *arguments, "--python", relocated_python, "-o", "app", cwd=tmp_path).output
    run = run_in_empty_root(output, *sample.run)
    assert sample.accepts(run.stdout, run.status or 0), run
