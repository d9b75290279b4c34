"""Images with the application's files in layers: which of them change, and where nothing can be written, they run."""

from __future__ import annotations

import contextlib
import io
import json
import os
import posixpath
import re
import signal
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import consumers
import images
import pytest
from builds import unpacked_image
from consumers import Completed, Docker
from samples.catalogue import SAMPLES, Need, Sample
from support import PATIENCE, Freezer, lacking, sha256

USAGE, INPUT, VERIFICATION = 2, 3, 6
EPOCH = {"SOURCE_DATE_EPOCH": "1600000000"}
BASE, RUNTIME, DEPENDENCIES, PAPERS, APPLICATION = range(5)
ENGINES = ("docker", "podman")
RUNNABLE = [sample for sample in SAMPLES if Need.HOST_TOOLS not in sample.needs]
UNPACKED = ("--linker", "native", "--compress", "none", "--no-verify", "--image-layout", "unpacked")

MAIN = """
import json
import click
import helper.words
print(json.dumps([helper.words.GREETING, click.__name__]))
"""

TOLD = """
import json, os, signal, sys, time

def end(*_):
    sys.exit(7)

what = sys.argv[1]
if what == "exit":
    sys.exit(int(sys.argv[2]))
elif what == "raise":
    raise ValueError("told to")
elif what == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
elif what == "who":
    import ctypes
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())
    print(json.dumps({"pids": pids, "ids": [os.getuid(), os.getgid()], "argv": sys.argv[1:]}))
elif what == "write":
    found = []
    for folder, _, _ in os.walk("/"):
        if folder.split("/")[1] not in ("proc", "sys", "dev") and os.access(folder, os.W_OK):
            found.append(folder)
    print(json.dumps(found))
elif what == "handle":
    signal.signal(signal.SIGTERM, end)
    print("ready", flush=True)
    time.sleep(3600)
elif what == "sleep":
    print("ready", flush=True)
    time.sleep(3600)
"""


def project(folder: Path, click: str = "8.1.7") -> Path:
    """A small application with a package of its own, data and a dependency."""
    (folder / "helper").mkdir(parents=True)
    (folder / "main.py").write_text(MAIN)
    (folder / "helper" / "__init__.py").write_text("")
    (folder / "helper" / "words.py").write_text("GREETING = 'hello'\n")
    (folder / "note.txt").write_text("a note\n")
    (folder / "requirements.txt").write_text(f"click=={click}\n")
    return folder


def build(freezer: Freezer, folder: Path, *options: str | Path, **more: Any) -> dict[str, Any]:
    """Build the project's image; what freezer says of it."""
    words = ["main.py", "-r", "requirements.txt", "--add-data", "note.txt:.", *UNPACKED, "--image", "main.tar"]
    done = freezer("build", *words, "--json", *options, cwd=folder, env={**EPOCH, **more.pop("env", {})}, **more)
    return dict(json.loads(done.stdout))


def digests(report: dict[str, Any]) -> list[str]:
    return [layer["digest"] for layer in report["image"]["layers"]]


@dataclass(frozen=True)
class Made:
    """The project as built once, to compare others with."""

    folder: Path
    report: dict[str, Any]

    @property
    def tar(self) -> Path:
        return self.folder / "main.tar"


@pytest.fixture(scope="module")
def made(freezer: Freezer, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = project(tmp_path_factory.mktemp("made") / "project")
    return Made(folder, build(freezer, folder))


# What is in which layer


def test_the_parts(made: Made) -> None:
    base, runtime, dependencies, papers, application = images.layers(made.tar)
    assert "etc/passwd" in base and not any(name.startswith("app") for name in base)
    assert {"app/libc.so.6", "app/modules", "app/program"} <= set(runtime)
    assert any("lib-dynload/" in name for name in runtime)
    assert "app/modules.dependencies" in dependencies
    assert {"app/main", "app/modules.application", "app/_internal/note.txt"} <= set(application)
    assert {"app/sbom.cdx.json", "app"} <= set(papers) and "app/sbom.cdx.json" not in application
    for layer in (runtime, dependencies, papers, application):
        for item in layer.values():
            assert (item.uid, item.gid, item.uname, item.gname) == (0, 0, "", "")
            assert item.mode == (0o777 if item.issym() else 0o755 if item.isdir() or item.mode & 0o100 else 0o644)
    files = [name for layer in images.layers(made.tar) for name, item in layer.items() if not item.isdir()]
    assert len(files) == len(set(files))


def test_the_command_and_the_platform(made: Made) -> None:
    config, _ = images.documents(made.tar)
    assert config["config"]["Cmd"] == ["/app/main"]
    # What starts it needs to be told nothing.
    assert not [item for item in config["config"]["Env"] if "FREEZER" in item or item.startswith("LD_")]
    assert config["architecture"] == {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine)


def test_check_and_inspect(freezer: Freezer, made: Made) -> None:
    assert freezer("check", made.tar, "--smoke", "", cwd=made.folder).output == made.tar
    reply = json.loads(freezer("check", made.tar, "--json", cwd=made.folder).stdout)
    assert reply["isolation"] and reply["libraries"] > 10
    report = json.loads(freezer("inspect", made.tar, "--json", cwd=made.folder).stdout)
    found = {item["path"]: (item["group"], item["kind"]) for item in report["items"]}
    assert found["app/program"] == ("Python", "runtime")
    assert found["app/modules/json"] == ("pure modules", "standard library")
    assert found["app/modules.dependencies/click.core"] == ("click", "python package")
    assert found["app/_internal/note.txt"] == ("main", "application")
    assert report["unpacked"] == sum(layer["unpacked"] for layer in report["layers"])


@pytest.mark.parametrize("name", ["libbz2.so", "libcrypto.so"])
def test_check_of_an_image_that_lacks_a_library(freezer: Freezer, made: Made, tmp_path: Path, name: str) -> None:
    """Loading every library shows it, whether the application needs it or not."""
    config, manifest = images.documents(made.tar)
    layers, dropped = [], []
    with tarfile.open(made.tar) as tar:
        for descriptor in manifest["layers"]:
            blob = tar.extractfile("blobs/" + descriptor["digest"].replace(":", "/"))
            assert blob is not None
            stream = io.BytesIO()
            with tarfile.open(fileobj=blob) as old, tarfile.open(fileobj=stream, mode="w") as new:
                for member in old:
                    if posixpath.basename(member.name).startswith(name):
                        dropped.append(member.name)
                    else:
                        new.addfile(member, old.extractfile(member) if member.isreg() else None)
            layers.append(stream.getvalue())
    assert dropped
    less = images.Made(*layers, settings=config["config"])
    less.config["architecture"] = config["architecture"]
    less.write(tmp_path / "less.tar")
    message = freezer.fails("check", "less.tar", cwd=tmp_path, status=VERIFICATION)
    assert "less.tar is not complete" in message
    assert re.search(rf"lib-dynload/\S+ needs {re.escape(name)}\S*, which is not in the bundle", message)


# What changes what


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("main.py", MAIN + "print('more')\n"),
        ("helper/more.py", "ANSWER = 42\n"),
    ],
)
def test_a_change_of_the_application_changes_the_last_layer(
    freezer: Freezer, made: Made, tmp_path: Path, file: str, text: str
) -> None:
    folder = project(tmp_path / "changed")
    (folder / file).write_text(text)
    if file == "helper/more.py":
        (folder / "helper" / "__init__.py").write_text("from helper import more\n")
    old, new = digests(made.report), digests(build(freezer, folder))
    assert new[:PAPERS] == old[:PAPERS]
    # A file that is new is in the bill of materials.
    assert (new[PAPERS] == old[PAPERS]) == (file == "main.py")
    assert new[APPLICATION] != old[APPLICATION]


def test_another_dependency_changes_its_layer(freezer: Freezer, made: Made, tmp_path: Path) -> None:
    old, new = digests(made.report), digests(build(freezer, project(tmp_path / "changed", click="8.1.8")))
    changed = [index for index, pair in enumerate(zip(old, new)) if pair[0] != pair[1]]
    assert changed == [DEPENDENCIES, PAPERS]


def test_installed_application(freezer: Freezer, tmp_path: Path) -> None:
    """What owns the entry point is the application, wherever it comes from."""
    words = ["--with", "pyfiglet==1.0.2", "-e", "pyfiglet:main", *UNPACKED, "--image", "figlet.tar"]
    freezer("build", *words, cwd=tmp_path)
    _, _, dependencies, _, application = images.layers(tmp_path / "figlet.tar")
    assert any(name.startswith("app/_internal/pyfiglet/fonts") for name in application)
    assert not any("pyfiglet" in name for name in dependencies)


# The same bytes


def test_twice_the_same(freezer: Freezer, made: Made, tmp_path: Path) -> None:
    folder = project(tmp_path / "quite another place" / "of it")
    first = build(freezer, folder, env={"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}, umask=0o077)
    digest = sha256(folder / "main.tar")
    second = build(freezer, folder)
    assert (second["unchanged"], second["image"]) == (False, first["image"])
    assert sha256(folder / "main.tar") == digest == sha256(made.tar)
    # The executable is as it was; with an image of that alone, nothing is to be built.
    third = build(freezer, folder, "--image-layout", "binary")
    assert third["unchanged"] and third["sha256"] == first["sha256"]


def test_the_same_with_the_other_linker(freezer: Freezer, made: Made, tmp_path: Path) -> None:
    report = build(freezer, project(tmp_path / "other"), "--linker", "staticx", "--compress", "none")
    assert report["image"] == {**made.report["image"], "path": report["image"]["path"]}
    assert report["sha256"] != made.report["sha256"]


# Refused


def test_not_of_an_executable(freezer: Freezer, made: Made, tmp_path: Path) -> None:
    words = ["image", made.report["path"], "-o", "x.tar", "--image-layout", "unpacked"]
    message = freezer.fails(*words, cwd=tmp_path, status=INPUT)
    assert "freezer build" in message and "--image-layout unpacked" in message


def test_without_an_image(freezer: Freezer, made: Made) -> None:
    done = freezer("build", "main.py", "--image-layout", "unpacked", cwd=made.folder, check=False)
    assert done.status == USAGE and "--image TAR" in done.stderr


# Run, where nothing can be written


@pytest.fixture(scope="module")
def all_engines() -> Iterator[Callable[[str], Docker]]:
    """docker and podman, each started when it is first asked for."""
    started: dict[str, Docker] = {}
    with contextlib.ExitStack() as stack:

        def get(name: str) -> Docker:
            if name not in started:
                started[name] = stack.enter_context({"docker": consumers.docker, "podman": consumers.podman}[name]())
            return started[name]

        yield get


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, all_engines: Callable[[str], Docker]) -> Docker:
    return all_engines(request.param)


GUARDED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none")


def options_of(engine: Docker) -> list[str]:
    # podman asks for higher limits than even root may have inside of a container.
    return [] if engine.short else ["--ulimit", "host", "--cgroups=disabled", "--read-only-tmpfs=false"]


def run(engine: Docker, image: str, *words: str, options: tuple[str, ...] = GUARDED) -> Completed:
    """Run an image to its end: read-only, with no place to write to unless ``options`` have one."""
    return engine.place.run(*engine.command, "run", "--rm", *options, *options_of(engine), image, *words)


@contextlib.contextmanager
def loaded(engine: Docker, tar: Path, name: str) -> Iterator[str]:
    engine.load(tar)
    try:
        yield f"docker.io/library/{name}:latest"
    finally:
        engine.remove(f"docker.io/library/{name}:latest")


WRITERS = ("mp", "db", "flask_app", "processes", "compiled")
"""Samples that make files: the sockets of a fork server, a database, signs of life of gunicorn's workers, scripts, the
cache of compiled code."""


ASKING = ("hello", "tls", *WRITERS[:-1])
"""Samples that ask something of the place they run in."""


@pytest.mark.parametrize("linker", ["native"])
@pytest.mark.parametrize(
    ("engine", "sample"),
    [
        pytest.param(engine, sample, id=f"{sample.name}-{engine}")
        for engine in ENGINES
        for sample in RUNNABLE
        if engine == "docker" or sample.name in ASKING
    ],
    indirect=["engine"],
)
def test_samples(engine: Docker, application: Path, sample: Sample) -> None:
    # A place in which nothing can be executed does.
    writes: tuple[str, ...] = ("--tmpfs", "/tmp:noexec,mode=1777") if sample.name in WRITERS else ()
    if Need.SHARED_MEMORY in sample.needs and not engine.short:
        # podman 5 makes this read-only, too; docker never does.
        writes += ("--tmpfs", "/dev/shm:noexec,mode=1777")
    with loaded(engine, *unpacked_image(application)) as image:
        done = run(engine, image, *sample.run, options=(*GUARDED, *writes))
    assert sample.accepts(done.stdout, done.returncode), done


@pytest.fixture(scope="module")
def told(freezer: Freezer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An application that does what it is told, in an image that also has its source."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "told.py").write_text(TOLD)
    words = ["told.py", *UNPACKED, "--image", "told.tar", "--add-file", "told.py:/src/told.py"]
    freezer("build", *words, cwd=folder)
    return folder / "told.tar"


FROZEN = ("/app/told",)


@pytest.fixture
def image(engine: Docker, told: Path) -> Iterator[str]:
    with loaded(engine, told, "told") as name:
        yield name


@pytest.mark.parametrize("user", ["", "1", "65535:65535", "1234567:7", "0"])
def test_an_init_and_one_process_of_any_user(engine: Docker, image: str, user: str) -> None:
    options = (*GUARDED, *(["--user", user] if user else []))
    done = run(engine, image, *FROZEN, "who", "a b", "", options=options)
    assert done.returncode == 0, done
    told = json.loads(done.stdout)
    assert (len(told["pids"]), told["argv"]) == (2, ["who", "a b", ""])
    uid, _, gid = (user or "65535:65535").partition(":")
    assert told["ids"] == [int(uid), int(gid or 0)]


def test_no_place_to_write_to(engine: Docker, image: str) -> None:
    done = run(engine, image, *FROZEN, "write")
    assert done.returncode == 0, done
    # Where the engine has none, /tmp is there, on the read-only root.
    assert json.loads(done.stdout) == []


def test_nothing_is_written(engine: Docker, image: str) -> None:
    """By root, with all rights, where everything could be."""
    words = [*engine.command, "run", "--name", "wrote", "--user", "0", "--network", "none", *options_of(engine)]
    words = [word for word in words if not word.startswith("--read-only")]
    try:
        done = engine.place.run(*words, image, *FROZEN, "who")
        assert done.returncode == 0, done
        changes = engine.place.output(*engine.command, "diff", "wrote").splitlines()
    finally:
        engine.place.output(*engine.command, "rm", "wrote")
    # Mount points, and what engines put over /etc.
    own = re.compile(r"[AC] /(dev|proc|sys|run|etc)(/.*)?")
    assert [change for change in changes if not own.fullmatch(change)] == []


# The first process of a container: an init, where Python itself has none


def plain() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The options and the command that have the host's Python run the same in the same image."""
    folders = [name for name in ("/usr", "/lib", "/lib64") if os.path.isdir(name)]
    if not os.access("/usr/bin/python3", os.X_OK):
        lacking("there is no /usr/bin/python3")
    options = [word for name in folders for word in ("--volume", f"{os.path.realpath(name)}:{name}:ro")]
    return tuple(options), ("/usr/bin/python3", "/src/told.py")


@pytest.mark.parametrize(
    "what", [("exit", "0"), ("exit", "3"), ("exit", "255"), ("exit", "256"), ("raise",), ("kill",)]
)
def test_status_as_pythons(engine: Docker, image: str, what: tuple[str, ...]) -> None:
    options, command = plain()
    expected = run(engine, image, *command, *what, options=(*GUARDED, *options))
    done = run(engine, image, *FROZEN, *what)
    # Python as the first process survives its own signal.
    status = 128 + signal.SIGKILL if what == ("kill",) else expected.returncode
    assert done.returncode == status, (done, expected)
    assert done.stderr.splitlines()[-1:] == expected.stderr.splitlines()[-1:]


def ended(engine: Docker, image: str, options: tuple[str, ...], words: tuple[str, ...], stop: tuple[str, ...]) -> int:
    """Start an image, stop it once it is ready, and return its status."""
    command = [*engine.command, "run", "--rm", "--name", "ended", *options, *options_of(engine), image, *words]
    with engine.place.start(*command) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            engine.wait_until_running("ended")
            engine.place.output(*engine.command, *stop, "ended")
            process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    return process.returncode


@pytest.mark.parametrize("what", ["handle", "sleep"])
@pytest.mark.parametrize(
    "stop", [("stop", "--time", str(PATIENCE)), ("kill", "--signal", "KILL")], ids=["stop", "kill"]
)
def test_stopped(engine: Docker, image: str, what: str, stop: tuple[str, ...]) -> None:
    options, command = plain()
    # Without a handler, Python as the first process of a container does not notice.
    unnoticed = (what, stop[0]) == ("sleep", "stop")
    given = ("stop", "--time", "2") if unnoticed else stop
    expected = ended(engine, image, (*GUARDED, *options), (*command, what), given)
    assert expected == (7 if (what, stop[0]) == ("handle", "stop") else 128 + signal.SIGKILL)
    by_init = 128 + signal.SIGTERM if unnoticed else expected
    assert ended(engine, image, GUARDED, (*FROZEN, what), stop) == by_init
