"""An application linked by staticx is, to whoever starts it, what its script is under Python.

The application is that of test_native.py; asked is what the container could change: where the tree is, who the parent
is, and what staticx's start-up code leaves in the environment.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from applications import PATH, Application, line
from support import PATIENCE, SAMPLES, Freezer, attended, need_program, need_root, wait_until


@pytest.fixture(scope="module")
def app(freezer: Freezer, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """The application, and a directory of its own that it unpacks to."""
    folder = tmp_path_factory.mktemp("probe")
    shutil.copytree(SAMPLES / "probe", folder / "probe")
    options = ("--with", "probe/inside", "--with", "setuptools<81", "--collect-all", "inside", "--smoke", "report")
    path = freezer("build", "probe/probe.py", *options, "--linker", "staticx", cwd=folder).output
    return Application((str(path),), {"PATH": PATH, "TMPDIR": str(tmp_path_factory.mktemp("unpacked"))})


@pytest.fixture(scope="module")
def plain(freezer: Freezer, app: Application) -> Application:
    """Its script, run by the Python that it was built with."""
    pythons = [path.parents[3] / "bin/python" for path in freezer.cache.glob("env/*/lib/python3*/site-packages/inside")]
    words = (str(max(pythons, key=lambda path: path.parents[1].stat().st_mtime)), str(SAMPLES / "probe" / "probe.py"))
    return Application(words, {"PATH": PATH, "PYTHONDONTWRITEBYTECODE": "1"})


def nothing_is_left(app: Application) -> bool:
    return not list(Path(app.environment["TMPDIR"]).iterdir())


@pytest.mark.parametrize(
    ("way", "name"), [("absolute", "two words"), ("relative", "name"), ("path", "h\u00e9llo"), ("link", "new\nline")]
)
def test_the_names_that_it_goes_by(app: Application, way: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if way == "link":
        (tmp_path / "target").mkdir()
        shutil.copy(app.path, tmp_path / "target" / "other")
        path.symlink_to("target/other")
    else:
        shutil.copy(app.path, path)
    called = {"relative": f"./{name}", "path": name}.get(way, str(path))
    found = app.at(called).says("report", "x y", "", env={"PATH": f"{tmp_path}:{PATH}"}, cwd=tmp_path)
    # What staticx's start-up code says comes from /proc, where links are resolved.
    executable = str(tmp_path / "target" / "other" if way == "link" else path)
    assert found["argv"] == [called, "report", "x y", ""]
    assert found["executable"] == found["base_executable"] == executable
    assert found["orig_argv"] == [executable, "report", "x y", ""]
    assert found["comm"] == os.fsdecode(os.fsencode(Path(executable).name)[:15] + b"\n")
    again = app.at(called).run("again", "report", env={"PATH": f"{tmp_path}:{PATH}"}, cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, b"")
    assert [json.loads(item)["argv"][0] for item in again.stdout.splitlines()] == [executable, called]


def test_a_name_of_ones_own_choice(app: Application) -> None:
    done = subprocess.run(
        ["own name", "report"], executable=app.path, env=dict(app.environment), capture_output=True, check=False
    )
    found = json.loads(done.stdout)
    assert (found["argv"], found["executable"]) == (["own name", "report"], str(app.path))


@pytest.mark.parametrize(
    "given",
    [{}, {"LC_ALL": "C", "A": "a\nb=c\udcff", "LD_LIBRARY_PATH": "/nowhere:$ORIGIN", "LD_BIND_NOW": "1", "LDX": "1"}],
    ids=len,
)
def test_children_see_the_callers_environment(app: Application, given: dict[str, str]) -> None:
    """Nothing of staticx's is in it; the order may be another."""
    expected = sorted(f"{name}={value}" for name, value in {**app.environment, **given}.items())
    assert sorted(app.says("report", env=given)["environ"]) == expected
    seen = app.says("child", need_program("env"), "-0", env=given)
    assert sorted(seen["stdout"].split("\0")[:-1]) == expected


@pytest.mark.parametrize("name", ["PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__"])
def test_no_variable_says_where_the_interpreter_is(app: Application, name: str) -> None:
    plain, odd = app.says("report"), app.says("report", env={name: "/nowhere/bin/python3"})
    assert len(odd["path"]) == len(plain["path"]) and odd["executable"] == plain["executable"]


@pytest.mark.parametrize("name", ["STATICX_PROG_PATH", "STATICX_BUNDLE_DIR", "_FREEZER_START", "LD_ORIGIN_PATH"])
def test_no_variable_says_who_started_it(app: Application, name: str) -> None:
    found = app.says("report", env={name: "7:/nowhere"})
    assert (found["executable"], found["bundle"].startswith(app.environment["TMPDIR"])) == (str(app.path), True)


@pytest.mark.parametrize("closed", ["".join(each) for n in range(4) for each in itertools.combinations("012", n)])
def test_closed_streams(app: Application, closed: str, tmp_path: Path) -> None:
    report = tmp_path / "report"
    script = 'exec "$@" ' + " ".join(f"{number}>&-" for number in closed)
    done = app.run("report", before=("/bin/sh", "-c", script, "sh"), env={"PROBE_REPORT": str(report)})
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    said = json.loads(report.read_text())
    # staticx's start-up code keeps its own archive open for none of them.
    assert {number for number in said["descriptors"] if int(number) < 3} == set("012") - set(closed)


SMALL = """
import ctypes, multiprocessing.spawn, os, sys

def look(_=0):
    return os.readlink('/proc/self/exe'), sys.executable

if __name__ == '__main__' and len(sys.argv) == 1:
    print('x')
elif __name__ == '__main__' and sys.argv[1] == 'interrupted':
    print('x')
    raise KeyboardInterrupt
elif __name__ == '__main__' and sys.argv[1] == 'itself':
    os.chdir('/')
    os.execv('/proc/self/exe', ['itself', 'opens', 'librt.so.1'])
elif __name__ == '__main__' and sys.argv[1] == 'opens':
    print([ctypes.CDLL(name)._name for name in sys.argv[2:]])
elif __name__ == '__main__':
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        found = pool.map(look, [0])[0]
    print(found == look(), os.fsdecode(multiprocessing.spawn.get_executable()) == sys.executable)
"""


@pytest.fixture(scope="module")
def small(freezer: Freezer, app: Application, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """An application that prints, or starts a helper process."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "small.py").write_text(SMALL)
    made = freezer("build", "small.py", "--linker", "staticx", cwd=folder).output
    return Application((str(made),), app.environment)


@pytest.mark.parametrize(("arguments", "status"), [([], 120), (["interrupted"], -signal.SIGINT)])
@pytest.mark.parametrize("where", ["full disk", "closed pipe"])
def test_a_failed_write_at_the_end_is_a_failure(
    small: Application, plain: Application, where: str, arguments: list[str], status: int, tmp_path: Path
) -> None:
    """print() into what takes nothing: status 120 and Python's words, not 0; nor a place in code that is not the
    user's. After an interrupt the words are the same, and the status is the signal's."""
    (tmp_path / "small.py").write_text(SMALL)
    script = Application((plain.words[0], str(tmp_path / "small.py")), plain.environment)
    found = []
    for each in (small, script):
        if where == "full disk":
            stream = os.open("/dev/full", os.O_WRONLY)
        else:
            reader, stream = os.pipe()
            os.close(reader)
        try:
            done = subprocess.run(
                [*each.words, *arguments],
                env=dict(each.environment),
                stdout=stream,
                stderr=subprocess.PIPE,
                check=False,
            )
        finally:
            os.close(stream)
        found.append((done.returncode, re.sub(rb'File "[^"]*/', b'File "', done.stderr)))
    assert found[0] == found[1]
    assert found[0][0] == status


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_helpers_are_the_program_itself(small: Application, method: str) -> None:
    """They unpack nothing, and know the executable by its own path."""
    done = small.run(method)
    assert (done.stdout, done.stderr, done.returncode) == (b"True True\n", b"", 0)


def test_it_starts_itself_by_the_kernels_name_for_it(small: Application) -> None:
    done = small.run("itself")
    assert (done.stdout, done.stderr, done.returncode) == (b"['librt.so.1']\n", b"", 0)


def test_python_is_all_there(app: Application, plain: Application, tmp_path: Path) -> None:
    found = []
    for number, each in enumerate((app, plain)):
        (tmp_path / str(number)).mkdir()
        found.append(each.says("facilities", str(tmp_path / str(number))))
    assert found[0] == found[1]


def test_processes_and_threads(app: Application, plain: Application) -> None:
    """Processes by every method of multiprocessing; none of them unpacks anything anew."""
    assert app.says("processes") == plain.says("processes")
    wait_until(lambda: nothing_is_left(app), "the end of what it unpacked")


@pytest.mark.parametrize("how", ["plain", "chained", "thread", "message", "hook", "atexit"])
def test_uncaught_exceptions(app: Application, plain: Application, how: str) -> None:
    done, expected = app.run("uncaught", how), plain.run("uncaught", how)
    assert (done.returncode, done.stdout) == (expected.returncode, expected.stdout)
    assert b"<string>" not in done.stderr
    last = re.compile(rb"^\w[\w.]*(?:Error|Exception|Interrupt|Exit|Warning)\b.*$", re.MULTILINE)
    assert last.findall(done.stderr) == last.findall(expected.stderr)


def test_signals_are_passed_on(app: Application) -> None:
    """As far as staticx's start-up code does: SIGINT and SIGTERM."""
    with app.started("catch") as process:
        process.send_signal(signal.SIGINT)
        assert line(process.stdout) == str(int(signal.SIGINT))
        process.send_signal(signal.SIGTERM)
        assert line(process.stdout) == str(int(signal.SIGTERM))
        assert process.wait(PATIENCE) == 100 + signal.SIGTERM
    wait_until(lambda: nothing_is_left(app), "the end of what it unpacked")


@pytest.mark.parametrize("place", ["with space", "new\nline", "h\u00e9llo", "x" * 60])
def test_where_it_unpacks(app: Application, place: str, tmp_path: Path) -> None:
    (tmp_path / place).mkdir()
    found = app.says("report", env={"TMPDIR": str(tmp_path / place)})
    assert found["bundle"].startswith(str(tmp_path / place)) and found["path"][-1] == found["bundle"]
    assert list((tmp_path / place).iterdir()) == []


@pytest.mark.parametrize(
    ("options", "reason"), [("ro", "Read-only file system"), ("noexec", "Permission denied"), ("", "No such file")]
)
def test_where_it_cannot_unpack(app: Application, tmp_path: Path, options: str, reason: str) -> None:
    """One message with the place and the reason, and nothing is left there."""
    need_root()
    place = str(tmp_path / "place") if options else str(tmp_path / "nowhere")
    (tmp_path / "place").mkdir()
    script = f'mount -t tmpfs -o "$0" tmpfs "$1"; shift; "$@"; status=$?; ls -A {place}; exit $status'
    before = (need_program("unshare"), "--mount", "sh", "-c", script, options or "rw", str(tmp_path / "place"))
    done = app.run("report", before=before, env={"TMPDIR": place})
    text = done.stderr.decode()
    assert done.returncode != 0 and done.stdout == b"", done
    assert place in text.splitlines()[0] and reason in text.splitlines()[0]


def test_starts_at_once(app: Application) -> None:
    """Each unpacks for itself, and leaves nothing."""
    command = [*app.words, "report"]
    options: dict[str, object] = {"env": app.environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with contextlib.ExitStack() as stack:
        starts = [stack.enter_context(attended(command, **options)) for _ in range(8)]
        said = [start.communicate(timeout=PATIENCE) for start in starts]
    assert [(start.returncode, errors) for start, (_, errors) in zip(starts, said)] == [(0, b"")] * 8
    assert len({json.loads(output)["bundle"] for output, _ in said}) == 8
    assert nothing_is_left(app)


def test_no_file_of_the_system_is_loaded(app: Application) -> None:
    """The search for libraries ends in the tree, also for those that are looked for by their names alone."""
    found = app.says("report")
    inside = found["bundle"].rpartition("/")[0]
    assert {path for path in found["code"] if not path.startswith((inside, "[", str(app.path)))} == set()


def test_parts_of_the_c_library_are_there_by_name(small: Application) -> None:
    """No collection brings them, as they are part of every system; here the search ends in the tree."""
    names = ["libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libanl.so.1", "libm.so.6", "libc.so.6"]
    done = small.run("opens", *names)
    assert (done.stdout.decode(), done.stderr, done.returncode) == (f"{names}\n", b"", 0)


def test_what_the_other_linker_would_give_is_said(freezer: Freezer, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('x')\n")
    command = [sys.executable, "-m", "freezer", "build", "app.py", "--json"]
    sizes = {}
    for linker, other in (("staticx", "native"), ("native", "staticx")):
        done = subprocess.run(
            [*command, "--linker", linker, "-o", linker], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "XDG_CACHE_HOME": str(freezer.cache.parent)}, check=True, timeout=PATIENCE * 5,
        )  # fmt: skip
        made = json.loads(done.stdout)
        assert made["other_linker"]["linker"] == other
        assert f"--linker {other} would give" in done.stderr
        sizes[linker] = (made["size"], made["other_linker"]["size"])
    assert sizes["native"][0] == sizes["staticx"][1]
    # What patchelf adds to the program is not counted.
    assert abs(sizes["staticx"][0] - sizes["native"][1]) < 100_000
