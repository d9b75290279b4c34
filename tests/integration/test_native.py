"""An application linked natively is, to whoever starts it and to whomever it starts, what its script is under Python.

One application does everything (tests/samples/probe). It is linked once and started in all the ways, places and
circumstances in which the start, the unpacked files or the interpreter could show; where a thing can be asked of plain
Python as well, that gives the answer to expect.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import itertools
import json
import os
import pty
import random
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Optional, Union

import consumers
import pytest
from applications import PATH, Application, Environment, line, tell
from consumers import Docker
from launching import frames_of
from support import ORDINARY, PATIENCE, SAMPLES, Freezer, compile_c, need_program, need_root, wait_until

from freezer.link.payload.identity import IDENTITY
from freezer.link.payload.pack import END_MAGIC, MAGIC, RECORD, TRAILER, VERSION, Type
from freezer.link.payload.read import find_payload

CANNOT_RUN = 126


# The application


@pytest.fixture(scope="session")
def link(freezer: Freezer, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Links a script of the sample's natively, in an environment that is made once."""
    folder = tmp_path_factory.mktemp("probe")
    shutil.copytree(SAMPLES / "probe", folder / "probe")
    options = ("--with", "probe/inside", "--with", "setuptools<81", "--collect-all", "inside", "--linker", "native")
    return lambda name, *more: freezer("build", f"probe/{name}.py", *options, *more, cwd=folder).output


@pytest.fixture(scope="session")
def built(link: Callable[..., Path]) -> Path:
    """The application, linked natively."""
    return link("probe", "--smoke", "report")


@pytest.fixture(scope="session")
def app(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """The same, with a cache that is filled already."""
    made = Application((str(built),), {"PATH": PATH, "FREEZER_CACHE": str(tmp_path_factory.mktemp("warm"))})
    made.says("report")
    return made


@pytest.fixture(scope="session")
def plain(freezer: Freezer, built: Path) -> Application:
    """Its script, run by the Python that it was built with."""
    pythons = [path.parents[3] / "bin/python" for path in freezer.cache.glob("env/*/lib/python3*/site-packages/inside")]
    words = (str(max(pythons, key=lambda path: path.parents[1].stat().st_mtime)), str(SAMPLES / "probe" / "probe.py"))
    return Application(words, {"PATH": PATH, "PYTHONDONTWRITEBYTECODE": "1"})


def identity(path: Path) -> str:
    found = find_payload(path)
    assert found is not None
    return found.identity.hex()


def patched(path: Path, output: Path, extra: bytes = b"") -> Path:
    """The executable linked once more, uncompressed, with ``extra`` records: as another version of it would be."""
    trailer = find_payload(path)
    assert trailer is not None
    data = path.read_bytes()
    packed = data[trailer.offset : trailer.offset + trailer.size]
    stream = extra + b"".join(frames_of(packed))
    own = hashlib.blake2b(stream, digest_size=32, person=IDENTITY).digest()
    numbers = (trailer.offset, len(stream), len(stream), trailer.disk + 4096, trailer.records + bool(extra), 0)
    body = data[: trailer.offset] + stream + TRAILER.pack(MAGIC, VERSION, 0, *numbers, own, b"", b"")[:88]
    output.write_bytes(body + hashlib.blake2b(body, digest_size=32).digest() + END_MAGIC)
    output.chmod(0o755)
    return output


# Another root


class Root:
    """A root with nothing but the executable, /app, and the directories and files asked for."""

    def __init__(self, app: Application, folder: Path, folders: Sequence[str] = ("tmp",)) -> None:
        need_root()
        self.folder = folder
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
        for name in folders:
            (folder / name).mkdir(parents=True)
            (folder / name).chmod(0o1777)
        shutil.copy(app.path, folder / "app")

    def put(self, source: Path, place: str) -> None:
        target = self.folder / place.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)

    def run(
        self,
        *arguments: str,
        mounts: str = "",
        user: int = 0,
        env: Environment = None,
        program: str = "/app",
        **options: Any,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it there, after the commands ``mounts``, which see nothing but the root in the current directory."""
        words = [need_program("chroot"), f"--userspec={user}:{user}", ".", program, *arguments]
        if mounts:
            words = [need_program("unshare"), "--mount", "/bin/sh", "-c", f'{mounts} && exec "$@"', "sh", *words]
        return subprocess.run(
            words,
            cwd=self.folder,
            env=dict(env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            **options,
        )

    def says(self, *arguments: str, **options: Any) -> Any:
        done = self.run(*arguments, **options)
        assert (done.returncode, done.stderr) == (0, b""), done
        return json.loads(done.stdout)


PROC = "{ mount -t proc proc proc 2>/dev/null || mount --rbind /proc proc; }"


@pytest.fixture
def root(app: Application, tmp_path: Path) -> Callable[..., Root]:
    return lambda *folders: Root(app, tmp_path / "root", folders or ("tmp",))


def names(folder: Path) -> set[str]:
    """The names of everything in a directory."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def refusal(done: subprocess.CompletedProcess[bytes]) -> str:
    """The one message of a start that was refused before any of the application ran."""
    text = done.stderr.decode()
    assert (done.returncode, done.stdout) == (CANNOT_RUN, b""), done
    assert text.count(": error: ") == 1 and "\n  why: " in text and "\n  try: " in text, text
    return text


# Processes and signals


def test_there_is_one_process(app: Application, tmp_path: Path) -> None:
    for each in (app.cold(tmp_path / "cache"), app):
        with subprocess.Popen([each.path], env=dict(each.environment), stdout=subprocess.PIPE) as process:
            found = json.load(process.stdout)  # type: ignore[arg-type]
        assert (found["pid"], found["ppid"]) == (process.pid, os.getpid())
        assert (found["threads"], found["children"]) == (1, "")
        tree = each.cache / identity(app.path) / "tree"
        assert found["exe"] == str(tree / "program")
        assert [name for name in found["code"] if tree not in Path(name).parents] == []
        kept = {name for number, name in found["descriptors"].items() if int(number) > 2}
        assert kept == {str(tree / "modules")}


def test_every_signal_reaches_a_handler(app: Application) -> None:
    wanted = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM}
    with app.started("catch") as process:
        for number in sorted(wanted):
            process.send_signal(number)
            # One by one, for signals of one number that are pending together are one.
            assert line(process.stdout) == str(int(number))
        process.send_signal(signal.SIGTERM)
        assert line(process.stdout) == "15"
        assert process.wait(PATIENCE) == 115


def after(process: subprocess.Popen[bytes], number: int) -> Union[int, str]:
    """What comes of a process that waits, once a signal is sent: its status, "stopped" or "alive"."""
    process.send_signal(number)
    tell(process)
    found: list[Union[int, str]] = []

    def seen() -> bool:
        result = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
        if result is not None and result.si_code == os.CLD_STOPPED:
            found.append("stopped")
        elif result is not None:
            found.append(process.wait(PATIENCE))
        elif ready(process):
            found.append(line(process.stdout))
        return bool(found) and found[-1] != ""

    wait_until(seen, f"the effect of signal {number}")
    return found[-1]


def ready(process: subprocess.Popen[bytes]) -> bool:
    assert process.stdout is not None
    return bool(select.select([process.stdout], [], [], 0)[0])


def without_cores() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def to_be_stopped() -> None:
    """In a process group of its own, as whoever started the tests may have left theirs orphaned: the signals of
    terminals do not stop processes of those (POSIX.1-2017, 2.4.3)."""
    without_cores()
    os.setpgid(0, 0)


def test_every_signal_without_a_handler_does_what_it_does_to_python(app: Application, plain: Application) -> None:
    numbers = sorted(signal.valid_signals())
    results = []
    for each in (app, plain):
        with contextlib.ExitStack() as stack:
            # Those for applications' own use are alike; Python is asked about two of them only.
            some = numbers if each is app else [number for number in numbers if number < 32 or number in (34, 64)]
            processes = [stack.enter_context(each.started("wait", preexec_fn=to_be_stopped)) for _ in some]
            results.append({int(number): after(process, number) for process, number in zip(processes, some)})
    found, expected = results
    assert {number: found.pop(number) for number in expected} == expected
    assert found == {number: -number for number in range(35, 64)}
    assert expected[signal.SIGTERM] == -signal.SIGTERM and expected[signal.SIGTSTP] == "stopped"


def test_a_terminals_interrupt_comes_once(app: Application) -> None:
    process, terminal = pty.fork()
    if process == 0:
        os.execve(app.path, [app.words[0], "interrupts"], dict(app.environment))
    with open(terminal, "r+b", buffering=0) as stream:
        assert stream.readline() == b"ready\r\n"
        stream.write(b"\x03")
        output = stream.readline()
        assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    assert output == b"^Ccount 1\r\n"


NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child")
ENDS = [("exit", "0"), ("exit", "7"), *(("kill", str(int(n))) for n in (9, 11, 15, 2, 10))]


@pytest.fixture(scope="session")
def bare(app: Application, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """The same as a build with --no-init makes it."""
    data = bytearray(app.path.read_bytes())
    begin = len(data) - TRAILER.size
    assert data[begin + 52] == 1
    data[begin + 52] = 0
    data[begin + 88 : begin + 120] = hashlib.blake2b(data[: begin + 88], digest_size=32).digest()
    path = tmp_path_factory.mktemp("bare") / app.path.name
    path.write_bytes(data)
    path.chmod(0o755)
    return app.at(path)


@pytest.mark.parametrize("arguments", ENDS, ids="-".join)
def test_the_first_process_ends(app: Application, plain: Application, arguments: tuple[str, str]) -> None:
    """It is an init, and the application ends as it does elsewhere."""
    need_root()
    done = app.run("ends", *arguments, before=NAMESPACE, preexec_fn=without_cores)
    expected = plain.run("ends", *arguments, preexec_fn=without_cores)
    assert (done.stdout, done.stderr.splitlines()[-1:]) == (expected.stdout, expected.stderr.splitlines()[-1:])
    assert done.returncode == (128 + int(arguments[1]) if arguments[0] == "kill" else int(arguments[1]))


@pytest.mark.parametrize("arguments", ENDS, ids="-".join)
def test_the_first_process_without_an_init_ends(
    bare: Application, plain: Application, arguments: tuple[str, str]
) -> None:
    need_root()
    results = []
    for each in (bare, plain):
        done = each.run("ends", *arguments, before=NAMESPACE, preexec_fn=without_cores)
        results.append((done.returncode, done.stdout, done.stderr))
    assert results[0] == results[1]
    assert results[0][0] == (7 if arguments[1] == "7" else 0)  # the kernel spares it


def test_the_first_process_adopts_orphans(app: Application, bare: Application, plain: Application) -> None:
    need_root()
    found = [each.says("reap", before=NAMESPACE) for each in (app, bare, plain)]
    assert found[0] == {"pid": 2, "statuses": []}
    assert found[1] == found[2] == {"pid": 1, "statuses": [5, 6]}


def inside(process: subprocess.Popen[bytes]) -> int:
    """The first process of the namespace that ``process`` made."""
    (number,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(number)


def test_the_first_process_and_signals(app: Application, bare: Application, plain: Application) -> None:
    need_root()
    killed = []
    with app.started("wait", before=NAMESPACE) as process:
        os.kill(inside(process), signal.SIGTERM)
        assert process.wait(PATIENCE) == 128 + signal.SIGTERM
    with app.started("catch", before=NAMESPACE) as process:
        os.kill(inside(process), signal.SIGTERM)
        assert process.wait(PATIENCE) == 115
    for each in (bare, plain):
        with each.started("wait", before=NAMESPACE) as process:
            os.kill(inside(process), signal.SIGTERM)
            tell(process)
            assert line(process.stdout) == "alive"
            os.kill(inside(process), signal.SIGKILL)
            killed.append(process.wait(PATIENCE))  # unshare's way to say so
        with each.started("catch", before=NAMESPACE) as process:
            os.kill(inside(process), signal.SIGTERM)
            assert process.wait(PATIENCE) == 115
    assert killed[0] == killed[1] != 0


# How it is called

NAMES = ("name", "two words", "new\nline", "h\u00e9llo \u4e16", "-dash", "a:b$ORIGIN", "\udcff", "n" * 200)


@pytest.mark.parametrize(
    ("way", "name"),
    [*(("absolute", name) for name in NAMES), *itertools.product(("relative", "dotted", "path", "link"), NAMES[1:3])],
    ids=ascii,
)
def test_the_names_that_it_goes_by(app: Application, way: str, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "some place"
    folder.mkdir()
    path = folder / name
    if way == "link":
        (folder / "target").mkdir()
        os.link(app.path, folder / "target" / "other")
        path.symlink_to("target/other")
    else:
        os.link(app.path, path)
    called = {"relative": f"./{name}", "dotted": f"../{folder.name}/{name}", "path": name}.get(way, str(path))
    words = app.at(called)
    found = words.says("report", "x y", "", env={"PATH": f"{folder}:{PATH}"}, cwd=folder)
    executable = f"{folder}/{called}" if way == "dotted" else str(path)
    assert found["argv"] == [called, "report", "x y", ""]
    assert found["executable"] == found["base_executable"] == executable
    assert found["orig_argv"] == [executable, "report", "x y", ""]
    assert found["cmdline"] == "\0".join([called, "report", "x y", "", ""])
    assert found["comm"] == os.fsdecode(os.fsencode(name)[:15] + b"\n")
    again = words.run("again", "report", env={"PATH": f"{folder}:{PATH}"}, cwd=folder)
    assert (again.returncode, again.stderr) == (0, b"")
    assert [json.loads(item)["argv"][0] for item in again.stdout.splitlines()] == [executable, called]


def test_a_name_of_ones_own_choice(app: Application) -> None:
    done = subprocess.run(
        ["own name", "report"], executable=app.path, env=dict(app.environment), capture_output=True, check=False
    )
    found = json.loads(done.stdout)
    assert (found["argv"], found["executable"]) == (["own name", "report"], str(app.path))


def test_no_arguments_at_all(app: Application, tmp_path: Path) -> None:
    source = "#include <unistd.h>\nint main(int c, char **v) { char *n[] = {0}; execve(v[1], n, v + 2); return 1; }"
    starter = compile_c(source, tmp_path / "starter")
    given = [f"{name}={value}" for name, value in app.environment.items()]
    done = subprocess.run([starter, app.path, *given], capture_output=True, check=True)
    found = json.loads(done.stdout)
    # Since Linux 5.18 there always is one, an empty one.
    assert found["argv"] in ([""], [str(app.path)]) and found["executable"] == str(app.path)


def test_from_a_scripts_first_line_without_proc(root: Callable[..., Root]) -> None:
    system = root("tmp")
    (system.folder / "script").write_text("#!/app report\n")
    (system.folder / "script").chmod(0o755)
    done = system.run(program="/script")
    assert done.returncode == 0 or "/proc" in refusal(done)


def test_from_a_scripts_first_line(app: Application, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    os.link(app.path, tmp_path / "bin" / "app")
    script = tmp_path / "script"
    script.write_text(f"#!{tmp_path}/bin/app report\nanything\n")
    script.chmod(0o755)
    found = app.at(script).says("more")
    assert found["argv"] == [f"{tmp_path}/bin/app", "report", str(script), "more"]
    assert found["executable"] == f"{tmp_path}/bin/app"


def test_from_memory(app: Application) -> None:
    file = os.memfd_create("some", 0)
    os.write(file, app.path.read_bytes())
    try:
        found = app.at(f"/proc/self/fd/{file}").says("report", pass_fds=[file])
        assert found["executable"] == found["argv"][0] == f"/proc/self/fd/{file}"
    finally:
        os.close(file)


def test_arguments_at_the_limit(root: Callable[..., Root]) -> None:
    """What the launcher adds may be too much; then no place is better than the first."""
    system = root("var/tmp", "tmp")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 20))

    def start(size: int) -> Optional[subprocess.CompletedProcess[bytes]]:
        words = ["x" * 991] * (size // 1000) + ["y" * (size % 1000 + 1)]
        # chroot's own call has the same arguments and more.
        return system.run("ends", "exit", "0", *words, preexec_fn=limit)

    low, high = 100000, 400000
    refused = None
    while high - low > 1:
        size = (low + high) // 2
        try:
            done = start(size)
        except OSError:
            high = size
            continue
        assert done is not None
        if done.returncode != CANNOT_RUN:
            low = size
            continue
        refused, high = done, size
    assert refused is not None and "too long" in refusal(refused)
    assert len(list(system.folder.glob("*/**/freezer-0/*"))) == 1


@pytest.mark.parametrize("proc", [False, True])
def test_one_that_cannot_be_read(root: Callable[..., Root], proc: bool) -> None:
    place = root("tmp", "proc")
    (place.folder / "app").chmod(0o711)
    done = place.run("report", user=ORDINARY, mounts=PROC if proc else "")
    assert "cannot read itself" in refusal(done)
    assert names(place.folder) == {"app", "tmp", "proc"}


@pytest.mark.parametrize("how", ["replaced", "removed", "overwritten"])
def test_the_executable_changes_while_it_runs(app: Application, how: str, tmp_path: Path) -> None:
    path = shutil.copy(app.path, tmp_path / "app")
    with app.at(path).started("lazy") as process:
        if how == "overwritten":
            Path(path).write_bytes(b"#!/bin/sh\necho other\n")  # nothing executes the file any more
        else:
            Path(path).unlink()
            if how == "replaced":
                Path(path).write_text("#!/bin/sh\necho other\n")
        tell(process)
        assert set(json.loads(line(process.stdout)).values()) == {None}


# The environment

ODD = {
    "Z": "",
    "LD_LIBRARY_PATH": "/nowhere:$ORIGIN",
    "A": "a\nb=c\udcff",
    "LC_ALL": "C",
    "LD_ORIGIN_PATH": "/nowhere",
    "LD_BIND_NOW": "1",
    "GLIBC_TUNABLES": "glibc.malloc.check=0",
    "PYTHONHOME": "/nowhere",
    "PYTHONPATH": "/nowhere",
    "PYTHONIOENCODING": "latin-1",
    "PYTHONWARNINGS": "error",
    "VIRTUAL_ENV": "/nowhere",
    "_MEIPASS2": "/nowhere",
    "_PYI_APPLICATION_HOME_DIR": "/nowhere",
    "STATICX_PROG_PATH": "/nowhere",
    "FREEZER_ODD": "1",
    "LDX": "1",
    "HOME": "/nowhere",
}


@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("given", [{}, ODD, {"LC_ALL": ""}, {"LC_CTYPE": "POSIX"}, {"LANG": "xx_XX"}], ids=len)
def test_children_see_the_callers_environment(
    app: Application, given: dict[str, str], cold: bool, tmp_path: Path
) -> None:
    each = app.cold(tmp_path / "cache") if cold else app
    expected = [f"{name}={value}" for name, value in {**each.environment, **given}.items()]
    found = each.says("report", env=given)
    assert found["environ"] == expected
    assert [item for item in found["proc_environ"] if item] == expected
    seen = each.says("child", need_program("env"), "-0", env=given)
    assert seen["stdout"].split("\0")[:-1] == expected


def test_the_environment_picks_no_code(app: Application, plain: Application, tmp_path: Path) -> None:
    plant, marks = tmp_path / "plant", tmp_path / "marks"
    for folder in (plant / "encodings", plant / "lib" / "python3.11", marks):
        folder.mkdir(parents=True)
    for name in ("sitecustomize", "usercustomize", "json", "os", "startup", "ssl", "inside", "encodings/__init__"):
        mark = marks / name.replace("/", ".")
        (plant / f"{name}.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    source = f"""
        #include <fcntl.h>
        unsigned la_version(unsigned version) {{ return version; }}
        __attribute__((constructor)) static void start(void) {{ open("{marks}/library", O_CREAT | O_WRONLY, 0644); }}
        int gconv(void) {{ return 5; }}
        int gconv_init(void) {{ return 5; }}
    """
    library = compile_c(source, plant / "planted.so", "-shared", "-fPIC")
    for name in ("libssl.so.3", "libcrypto.so.3", "libz.so.1", "libc.so.6", "libm.so.6", "libdl.so.2", "start.so"):
        shutil.copy(library, plant / name)
    (plant / "gconv-modules").write_text("module PLANTED// INTERNAL planted 1\nmodule INTERNAL PLANTED// planted 1\n")
    places = ["PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX", "LOCPATH"]
    places += ["LD_LIBRARY_PATH", "LD_ORIGIN_PATH", "_MEIPASS2", "_PYI_APPLICATION_HOME_DIR"]
    given = {name: str(plant) for name in places}
    given.update(PYTHONSTARTUP=str(plant / "startup.py"), PYTHONINSPECT="1", PYTHONBREAKPOINT="startup")
    given.update(PYTHONOPTIMIZE="2", PYTHONWARNINGS="error::startup.W", PYTHONPLATLIBDIR="plant")
    given.update(LD_PRELOAD=str(library), LD_AUDIT=str(library), _FREEZER_START=f"0:{plant}/app")
    given.update({f"FREEZER_{name}": str(plant) for name in ("HOME", "TREE", "PROGRAM", "MODULES", "PYTHON", "START")})
    for each in (app, app.cold(tmp_path / "cache")):
        done = each.run("lazy", env=given, input=b"\n", cwd=plant)
        assert (done.returncode, done.stderr) == (0, b"")
        assert set(json.loads(done.stdout.splitlines()[-1]).values()) == {None}
        found = each.says("report", env=given, cwd=plant)
        assert each.cache / identity(app.path) / "tree" in Path(found["json"]).parents
        assert not [path for path in found["path"] if str(plant) in path]
        assert (found["executable"], found["flags"]) == (str(app.path), each.says("report")["flags"])
        each.says("gconv", env={"GCONV_PATH": str(plant)})
    assert names(marks) == set()
    # What was planted does grow.
    plain.says("gconv", env={"GCONV_PATH": str(plant)})
    assert names(marks) == {"library"}


@pytest.mark.parametrize("name", ["PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__", "PYTHONHOME"])
def test_no_variable_says_where_the_interpreter_is(app: Application, name: str, tmp_path: Path) -> None:
    """Python 3.11 and later go by PYTHONEXECUTABLE, whatever they are told to ignore."""
    mark = tmp_path / "mark"
    for version in range(9, 20):
        library = tmp_path / "lib" / f"python3.{version}"
        (library / "lib-dynload").mkdir(parents=True)
        (library / "encodings").mkdir()
        (library / "os.py").write_text("")
        (library / "encodings" / "__init__.py").write_text(f"import posix; posix.mkdir({str(mark)!r})\n")
    found = app.says("report", env={name: str(tmp_path / "bin" / "python3")})
    assert (found["executable"], found["prefix"]) == (str(app.path), found["bundle"])
    assert not mark.exists()


def test_the_interpreters_settings(app: Application, plain: Application) -> None:
    found = app.says("report")
    code = "import sys; print(sys.flags, end='')"
    command = [plain.words[0], "-c", code]
    assert found["flags"] == subprocess.run(command, env={}, capture_output=True, text=True, check=True).stdout
    assert found["frozen"] is True and found["warnings"] == []
    assert Path(found["bundle"]) == app.cache / identity(app.path) / "tree" / "_internal"
    assert found["prefix"] == found["bundle"] and Path(found["file"]) == Path(found["bundle"], "probe.py")
    assert not {"importlib.metadata", "inspect", "multiprocessing", "ctypes", "ssl", "typing"} & set(found["modules"])


HOST_TOOLS = (
    ("curl", "--version"),
    ("openssl", "version"),
    ("python3", "-c", "import ssl, sqlite3, ctypes; print(ssl.OPENSSL_VERSION)"),
    ("env", "true"),
    ("sh", "-c", "echo $0"),
)


@pytest.mark.parametrize("tool", HOST_TOOLS, ids=lambda tool: tool[0])
def test_host_tools(app: Application, tool: tuple[str, ...]) -> None:
    words = (need_program(tool[0]), *tool[1:])
    direct = subprocess.run(words, env=dict(app.environment), capture_output=True, check=True, text=True)
    expected = {"status": 0, "stdout": direct.stdout, "stderr": direct.stderr}
    assert app.says("child", *words) == expected
    assert app.says("child", *words, env={"LD_LIBRARY_PATH": "/nowhere"})["status"] == 0


# Other systems


@pytest.mark.parametrize("user", [0, ORDINARY])
@pytest.mark.parametrize("proc", [False, True])
def test_an_empty_root(root: Callable[..., Root], app: Application, plain: Application, user: int, proc: bool) -> None:
    place = root("tmp", "proc")
    for _ in range(2):
        found = place.says("report", user=user, mounts=PROC if proc else "")
        assert found["executable"] == "/app" and {item[:4] for item in found["environ"]} <= {"PWD="}
        assert found["bundle"] == f"/tmp/freezer-{user}/{identity(app.path)}/tree/_internal"
    entry = f"tmp/freezer-{user}/{identity(app.path)}"
    kept = {name for name in names(place.folder) if not name.startswith(f"{entry}/tree/")}
    parts = {f"{entry}/{name}" for name in ("lock", "used", "manifest", "seen", "tree")}
    assert kept - {f"{entry}/seen"} == {"app", "tmp", "proc", f"tmp/freezer-{user}", entry} | parts - {f"{entry}/seen"}
    done = place.run("lazy", user=user, mounts=PROC if proc else "")
    assert set(json.loads(done.stdout.splitlines()[-1]).values()) == {None}
    # Semaphores are files there.
    shared = "mkdir -p dev && mount -t tmpfs tmpfs dev && mkdir -m 1777 dev/shm && : > dev/null"
    assert place.says("processes", user=user, mounts=f"{PROC if proc else ':'} && {shared}") == plain.says("processes")


def test_a_system_with_musl_alone(root: Callable[..., Root], tmp_path: Path) -> None:
    place = root("tmp", "proc")
    source = '#include <stdio.h>\n#ifdef __GLIBC__\n#error\n#endif\nint main(void) { return puts("musl") < 0; }'
    program = tmp_path / "program"
    subprocess.run([need_program("musl-gcc"), "-x", "c", "-", "-o", str(program)], input=source.encode(), check=True)
    loader = Path("/lib/ld-musl-x86_64.so.1")
    place.put(loader.resolve(), str(loader))
    place.put(program, "/bin/program")
    (place.folder / "dev").mkdir()
    (place.folder / "dev" / "null").touch()
    assert place.run(program="/bin/program").stdout == b"musl\n"
    for variables in ({}, {"LD_LIBRARY_PATH": "/lib:/usr/lib", "LD_PRELOAD": ""}):
        found = place.says("child", "/bin/program", env=variables)
        assert found == {"status": 0, "stdout": "musl\n", "stderr": ""}
    assert not list(place.folder.glob("lib*/**/*linux-gnu*")) and not (place.folder / "lib64").exists()
    assert set(json.loads(place.run("lazy").stdout.splitlines()[-1]).values()) == {None}


@pytest.mark.parametrize("suite", ["bullseye", "trixie"])
def test_another_release(request: pytest.FixtureRequest, app: Application, suite: str) -> None:
    need_root()
    system: Path = request.getfixturevalue(suite)
    before = names(system)
    mounts = " && ".join(f"mount -t tmpfs -o mode=1777 tmpfs {name}" for name in ("tmp", "var/tmp", "mnt"))
    mounts = f'cd "{system}" && {mounts} && {PROC} && mount --rbind /dev dev && cp "{app.path}" mnt/app'

    def run(*words: str) -> Any:
        place = Root.__new__(Root)
        place.folder = system
        return place.says(*words, mounts=mounts, program="/mnt/app", env={"PATH": PATH, "LANG": "C.UTF-8"})

    found = run("report")
    assert found["bundle"].startswith("/var/tmp/freezer-0/")
    assert [name for name in found["code"] if not name.startswith("/var/tmp/freezer-0/")] == []
    own = run("child", "/usr/bin/python3", "-c", "import ssl, sys, ctypes; print(sys.version_info[1])")
    assert (own["status"], own["stdout"]) == (0, {"bullseye": "9\n", "trixie": "13\n"}[suite])
    for tool in HOST_TOOLS:
        if any((system / folder / tool[0]).exists() for folder in ("usr/bin", "bin")):
            child = run("child", *tool)
            assert (child["status"], child["stderr"]) == (0, ""), child
    assert names(system) == before


@pytest.fixture(scope="session")
def image(freezer: Freezer, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of the executable, which waits for signals."""
    folder = tmp_path_factory.mktemp("image")
    freezer("image", built, "-o", "probe.tar", "--tag", "probe:1", "--entrypoint", "--cmd", "catch", cwd=folder)
    return folder / "probe.tar"


@pytest.mark.parametrize("make", [consumers.docker, consumers.podman], ids=lambda make: str(make.__name__))
def test_containers(image: Path, make: Callable[[], contextlib.AbstractContextManager[Docker]]) -> None:
    name = "docker.io/library/probe:1"
    with make() as engine:
        engine.load(image)
        found = json.loads(engine.run(name, "report").stdout)
        assert found["pid"] != 1 and found["bundle"].startswith("/tmp/")
        assert engine.run(name, "ends", "exit", "9").returncode == 9
        with engine.start(name, "waits") as process:
            try:
                assert process.stdout is not None and process.stdout.readline() == "ready\n"
                engine.stop("waits")
                assert (process.stdout.read(), process.wait(PATIENCE)) == ("15\n", 115)
            finally:
                process.kill()
        # As people write it, which mounts it noexec: it starts from memory, and its helper processes do.
        words = [word.replace(f"/tmp:{consumers.TMPFS}", "/tmp") for word in engine._run(name, "none")]
        done = engine.place.run(*words, "report")
        assert done.returncode == 0, done
        assert json.loads(done.stdout)["bundle"].startswith(("/tmp/", "/dev/shm/"))
        # With nothing at all to write to, there is no place for the links.
        bare = [word for word in words if not word.startswith(("/tmp", "--tmpfs"))]
        done = engine.place.run(*bare, "report")
        if done.returncode != 0:
            assert (done.returncode, done.stdout) == (CANNOT_RUN, ""), done
            assert "--image-layout unpacked" in done.stderr
        else:
            # podman adds a /tmp to a read-only root; docker always has /dev/shm.
            assert json.loads(done.stdout)["bundle"].startswith(("/tmp/", "/dev/shm/"))
        engine.remove(name)


# Circumstances


@pytest.mark.parametrize("closed", ["".join(each) for n in range(4) for each in itertools.combinations("012", n)])
def test_closed_streams(app: Application, plain: Application, closed: str, tmp_path: Path) -> None:
    found = []
    for each in (app.cold(tmp_path / "cache"), app, plain):
        report = tmp_path / "report"
        script = 'exec "$@" ' + " ".join(f"{number}>&-" for number in closed)
        done = each.run("report", before=("/bin/sh", "-c", script, "sh"), env={"PROBE_REPORT": str(report)})
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        said = json.loads(report.read_text())
        standard = {number: place for number, place in said["descriptors"].items() if int(number) < 3}
        assert set(standard) == set("012") - set(closed)
        found.append(said["encodings"][1])
        assert each.run("ends", "exit", "3", before=("/bin/sh", "-c", script, "sh")).returncode == 3
    assert found[0] == found[1] == found[2]


def test_what_the_caller_set(app: Application, plain: Application, tmp_path: Path) -> None:
    def prepare() -> None:
        os.umask(0o777)
        for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, 40])
        resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
        os.nice(1)

    for restore in (True, False):
        found = []
        for each in (app.cold(tmp_path / f"cache{restore}"), app, plain):
            said = each.says("report", preexec_fn=prepare, restore_signals=restore)
            found.append([said[name] for name in ("umask", "blocked", "ignored", "caught", "cwd")])
            child = each.says("child", "/bin/sh", "-c", "umask; exit 4", preexec_fn=prepare)
            found[-1].append(child)
        assert found[0] == found[1] == found[2]
        assert found[0][0] == 0o777


def test_no_shared_memory(app: Application, plain: Application) -> None:
    """As plain Python: without /dev/shm there are no semaphores, so what needs them fails, and the rest works."""
    need_root()
    before = (
        need_program("unshare"),
        "--mount",
        "/bin/sh",
        "-c",
        'mount -t tmpfs -o ro tmpfs /dev/shm && exec "$@"',
        "sh",
    )
    found = [each.run("processes", before=before) for each in (app, plain)]
    last = [done.stderr.splitlines()[-1:] for done in found]
    assert (found[0].returncode, last[0]) == (found[1].returncode, last[1])
    assert app.says("report", before=before)["pid"] > 0


ODD_PLACES = (
    "/a:b",
    "/a$b",
    "/two words",
    "/new\nline",
    "/" + "/".join(["n" * 200] * 15),
    "/\u00e9\udcff",
    "/%s{}",
)


@pytest.mark.parametrize("place", ODD_PLACES, ids=lambda place: ascii(place[:12]))
@pytest.mark.parametrize("proc", [False, True])
def test_odd_places(root: Callable[..., Root], app: Application, place: str, proc: bool) -> None:
    system = root(place.lstrip("/"), "proc")
    for variable in ("TMPDIR", "FREEZER_CACHE"):
        given = {variable: place if variable == "TMPDIR" else f"{place}/own"}
        for _ in range(2):
            found = system.says("report", env=given, mounts=PROC if proc else "")
            folder = f"{place}/freezer-0" if variable == "TMPDIR" else f"{place}/own"
            assert found["bundle"] == f"{folder}/{identity(app.path)}/tree/_internal"
        done = system.run("lazy", env=given, mounts=PROC if proc else "")
        reasons = set(json.loads(done.stdout.splitlines()[-1]).values())
        if "\udcff" in place and tuple(found["version"][:2]) >= (3, 13):
            # CPython states an extension module's path in UTF-8 since then, and has none from such a place.
            assert all(reason is None or "surrogates not allowed" in reason for reason in reasons), done
        else:
            assert reasons == {None}, done


@pytest.mark.parametrize("place", ["/$ORIGIN", "/a/${LIB}/b"])
def test_places_that_mean_others_to_the_dynamic_loader(root: Callable[..., Root], place: str) -> None:
    """Extension modules are opened by their paths, in which the loader replaces these (ld.so(8))."""
    system = root(place.lstrip("/"), "fine")
    done = system.run("report", env={"FREEZER_CACHE": f"{place}/own"})
    mark = "$ORIGIN" if "ORIGIN" in place else "${"
    assert done.returncode == 126
    assert f"{place}/own: the dynamic loader would replace the {mark} in its path".encode() in done.stderr
    assert system.says("report", env={"TMPDIR": place, "FREEZER_CACHE": "/fine/own"})["bundle"].startswith("/fine/own/")


def test_nowhere(root: Callable[..., Root]) -> None:
    system = root("proc", "readonly")
    (system.folder / "readonly").chmod(0o555)
    done = system.run("report", user=ORDINARY, env={"HOME": "/home/none", "TMPDIR": "/readonly", "XDG_CACHE_HOME": ""})
    text = refusal(done)
    for reason in ("$FREEZER_CACHE: not set", "$XDG_CACHE_HOME: empty", "/home does not exist", "/readonly"):
        assert reason in text
    assert names(system.folder) == {"app", "proc", "readonly"}


NOEXEC = """
mount -t tmpfs tmpfs /mnt && cp "$1" /mnt/app && shift || exit 99
for place in /tmp /var/tmp /dev/shm; do mount -t tmpfs -o noexec,mode=1777 tmpfs $place || exit 99; done
exec "$@"
"""


def test_where_nothing_allows_execution(app: Application, plain: Application) -> None:
    """It starts from memory, finds its files, imports extension modules later, and starts processes of its own."""
    need_root()
    before = ["unshare", "--mount", "sh", "-c", NOEXEC, "sh", str(app.path)]
    there = Application(("/mnt/app",), {"PATH": PATH, "HOME": "/nonexistent"})
    said = there.says("report", before=before)
    assert said["bundle"].startswith("/var/tmp/freezer-0/") and said["executable"] == "/mnt/app"
    found = there.says("processes", before=before)
    assert found == plain.says("processes")


# The cache


def entries(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir()}


def test_one_entry_is_all_that_is_left(root: Callable[..., Root], app: Application) -> None:
    system = root("tmp", "var/tmp", "dev/shm", "home", "proc", "here")
    before = names(system.folder)
    for arguments in (("report",), ("lazy",), ("uncaught", "plain"), ("processes",), ("ends", "kill", "9")):
        system.run(*arguments, env={"HOME": "/home", "TMPDIR": "/here"}, mounts=PROC)
    entry = f"home/.cache/freezer/apps/{identity(app.path)}"
    new = {name for name in names(system.folder) - before if not name.startswith(f"{entry}/")}
    assert new == {"home/.cache", "home/.cache/freezer", "home/.cache/freezer/apps", entry}
    assert entries(system.folder / entry) == {"lock", "used", "manifest", "seen", "tree"}


def test_who_shares_an_entry(app: Application, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cold = app.cold(cache)
    first = cold.says("report")
    copy = cold.at(shutil.copy(app.path, tmp_path / "copy"))
    packed = cold.at(patched(app.path, tmp_path / "packed"))
    assert copy.says("report")["exe"] == packed.says("report")["exe"] == first["exe"]
    assert entries(cache) == {identity(app.path)}
    extra = RECORD.pack(Type.FILE, 7, 0, 2, 0) + b"version" + b"2\n"
    second = cold.at(patched(app.path, tmp_path / "second", extra))
    assert second.says("report")["exe"] != first["exe"]
    assert cold.says("report")["exe"] == first["exe"]
    assert entries(cache) == {identity(app.path), identity(second.path)}


def edit(tree: Path) -> None:
    with open(tree / "modules", "r+b") as file:
        file.seek(100)
        file.write(b"changed")


def same_size_and_time(tree: Path) -> None:
    status = (tree / "modules").stat()
    edit(tree)
    os.utime(tree / "modules", ns=(status.st_atime_ns, status.st_mtime_ns))


TAMPERED: dict[str, Callable[[Path], object]] = {
    "edited": edit,
    "same time": same_size_and_time,
    "removed": lambda tree: (tree / "start.so").unlink(),
    "added": lambda tree: (tree / "_internal" / "json.py").write_text("raise SystemExit('added')\n"),
    "replaced": lambda tree: os.replace(shutil.copy("/bin/true", tree / "new"), tree / "program"),
    "mode": lambda tree: (tree / "_internal").chmod(0o777),
    "truncated": lambda tree: os.truncate(tree / "modules", 5000),
    "emptied": lambda tree: shutil.rmtree(tree / "_internal"),
    "no tree": shutil.rmtree,
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_changed_entry_is_made_again(app: Application, how: str, tmp_path: Path) -> None:
    cold = app.cold(tmp_path / "cache")
    entry = cold.cache / identity(app.path)
    cold.says("report")
    before = names(entry)
    with cold.started("lazy") as running:
        TAMPERED[how](entry / "tree")
        done = cold.run("lazy", input=b"\n")
        assert (done.returncode, done.stderr) == (0, b"")
        assert set(json.loads(done.stdout.splitlines()[-1]).values()) == {None}
        tell(running)
        said = json.loads(line(running.stdout))
        # What it had open it reads on; what it opens now is the new tree's.
        assert [problem for problem in said.values() if problem and "Error" not in problem] == []
        assert running.wait(PATIENCE) == 0
    assert names(entry) == before and entries(cold.cache) == {identity(app.path)}


def test_the_cache_is_deleted_under_a_running_application(app: Application, tmp_path: Path) -> None:
    cold = app.cold(tmp_path / "cache")
    with cold.started("lazy") as first:
        shutil.rmtree(cold.cache)
        with cold.started("lazy") as second:
            for process in (first, second):
                tell(process)
                assert set(json.loads(line(process.stdout)).values()) == {None}
    with cold.started("lazy") as first:
        shutil.rmtree(cold.cache)
        tell(first)
        said = json.loads(line(first.stdout))
        # Modules are read from the open archive; extension modules and data are files, which plain Python lacks then.
        assert {said[name].split(":")[0] for name in said if said[name]} <= {"ImportError", "FileNotFoundError"}
        assert said["package"] is None
        assert first.wait(PATIENCE) == 0


def test_a_daemon_keeps_its_entry(app: Application, freezer: Freezer, tmp_path: Path) -> None:
    cold = app.cold(tmp_path / "cache")
    entry = cold.cache / identity(app.path)
    report, stop = tmp_path / "report", tmp_path / "stop"
    prune = ("cache", "prune", "--all", "--kind", "apps")
    # Not the caches of whoever runs the tests.
    given = {"FREEZER_CACHE": str(cold.cache), "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = cold.run("daemon", str(stop), env={"PROBE_REPORT": str(report)})
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    wait_until(report.exists, "the daemon's report")
    said = json.loads(report.read_text())
    try:
        assert set(said["modules"].values()) == {None}
        assert str(entry) not in freezer(*prune, cwd=tmp_path, env=given).stdout
        assert cold.says("report")["exe"] == f"{entry}/tree/program"
    finally:
        stop.touch()
    wait_until(lambda: not Path(f"/proc/{said['pid']}").exists(), "the daemon's end")
    assert str(entry) in freezer(*prune, cwd=tmp_path, env=given).stdout
    assert not entry.exists()


# Damage


def test_flipped_bits_and_truncation(app: Application, tmp_path: Path) -> None:
    trailer = find_payload(app.path)
    assert trailer is not None
    data = app.path.read_bytes()
    choice = random.Random(5)
    # All over the payload; in the trailer; in the padding. The launcher's own code has tests of its own.
    places = [trailer.offset + choice.randrange(trailer.size) for _ in range(44)]
    places += [len(data) - 1 - choice.randrange(128) for _ in range(14)] + [trailer.offset, trailer.offset - 1]
    path = Path(shutil.copy(app.path, tmp_path / "app"))
    for number, place in enumerate(places):
        with open(path, "r+b", buffering=0) as file:
            file.seek(place)
            file.write(bytes([data[place] ^ 1 << choice.randrange(8)]))
        each = app.at(path) if number % 2 else app.at(path).cold(tmp_path / "cold")
        text = refusal(each.run("report"))
        assert "is damaged" in text, (place, text)
        with open(path, "r+b", buffering=0) as file:
            file.seek(place)
            file.write(data[place : place + 1])
    sizes = [len(data) - 1, len(data) - 128, trailer.offset + 5, trailer.offset, trailer.offset - 1, len(data) // 2]
    for size in sizes:
        os.truncate(path, size)
        for each in (app.at(path), app.at(path).cold(tmp_path / "cold")):
            assert "is damaged" in refusal(each.run("report"))
    assert not (tmp_path / "cold").exists() or not list((tmp_path / "cold").glob("*/manifest"))
    path.write_bytes(data + b"x")
    refusal(app.at(path).run("report"))
    path.write_bytes(data)
    assert app.at(path).cold(tmp_path / "cold").says("report")["argv"] == [str(path), "report"]


# Many at once


def test_two_hundred_cold_starts(app: Application, tmp_path: Path) -> None:
    cold = app.cold(tmp_path / "cache")
    entry = cold.cache / identity(app.path)
    entry.mkdir(mode=0o700, parents=True)
    cold.cache.chmod(0o700)
    libc = ctypes.CDLL(None)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(entry), 0x100) >= 0  # IN_CREATE
    actions = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    environment = dict(cold.environment)
    processes = [
        os.posix_spawn(app.path, ["app", "ends", "exit", "5"], environment, file_actions=actions) for _ in range(200)
    ]
    statuses = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
    assert statuses == [5] * 200
    events, made = os.read(watch, 1 << 20), []
    os.close(watch)
    while events:
        size = struct.unpack_from("iIII", events)[3]
        made.append(events[16 : 16 + size].rstrip(b"\0"))
        events = events[16 + size :]
    assert made.count(b"new") == 1
    assert entries(entry) == {"lock", "used", "manifest", "seen", "tree"} and entries(cold.cache) == {entry.name}


def test_fifty_starts_on_a_small_disk(root: Callable[..., Root], app: Application) -> None:
    system = root("tmp", "proc")
    mounts = "mount -t tmpfs -o mode=1777,size=100m tmpfs tmp"
    # Words for the shell in the root's mounts, outside of the root; then comes the chroot command.
    script = """{
        for number in $(seq 50); do { "$@" >&2; echo "$?"; } & done
        wait
        ls -A tmp tmp/freezer-0 tmp/freezer-0/*
        exit
    }"""
    done = system.run("ends", "exit", "5", mounts=f"{mounts} && {PROC} && {script}")
    lines = done.stdout.decode().splitlines()
    assert (done.stderr, lines[:50]) == (b"", ["5"] * 50)
    own = identity(app.path)
    listed = ["tmp:", "freezer-0", "", "tmp/freezer-0:", own, "", f"tmp/freezer-0/{own}:"]
    assert lines[50:] == [*listed, "lock", "manifest", "seen", "tree", "used"]


# What Python offers


def test_python_is_all_there(app: Application, plain: Application, tmp_path: Path) -> None:
    found = []
    for number, each in enumerate((app, plain)):
        (tmp_path / str(number)).mkdir()
        found.append(each.says("facilities", str(tmp_path / str(number))))
    assert found[0] == found[1]
    assert [name for name, value in found[0].items() if "Error" in str(value) and name not in ("format_exc",)] == []


def test_processes_and_threads(app: Application, plain: Application, tmp_path: Path) -> None:
    for each in (app.cold(tmp_path / "cache"), app):
        assert each.says("processes") == plain.says("processes")


@pytest.mark.parametrize("how", ["plain", "chained", "thread", "message", "hook", "atexit"])
def test_uncaught_exceptions(app: Application, plain: Application, how: str) -> None:
    done, expected = app.run("uncaught", how), plain.run("uncaught", how)
    assert (done.returncode, done.stdout) == (expected.returncode, expected.stdout)

    def told(text: bytes) -> list[str]:
        # Sources are not there to be quoted, and directories are others.
        lines = re.sub(r'File "[^"]*/', 'File "', text.decode()).splitlines()
        quoted = {number for number, each in enumerate(lines) if re.match(r"    \S|  warnings\.|    [~^]+$", each)}
        return [re.sub(r"^\S*/", "", each) for number, each in enumerate(lines) if number not in quoted]

    assert told(done.stderr) == told(expected.stderr)


def test_pkg_resources(link: Callable[..., Path], app: Application, plain: Application) -> None:
    own = app.at(link("packages", "--hidden-import", "pkg_resources"))
    script = Application((plain.words[0], str(SAMPLES / "probe" / "packages.py")), plain.environment)
    assert own.says() == script.says()
