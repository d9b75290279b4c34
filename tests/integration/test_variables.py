"""Python's variables, what else a caller may set, and what an empty root lacks, in every container, compared with plain
Python: one application, frozen once, with options of its own."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import containers
import pytest
from containers import IMAGE
from imagefiles import Opened
from support import PATIENCE, SAMPLES, Freezer, Run, need_program, need_root

SCRIPT = SAMPLES / "variables" / "variables.py"
BESIDE = SAMPLES / "variables" / "beside" / "beside.py"
OPTIONS = ("-O", "-b", "-Wonce::FutureWarning")
PATH = {"PATH": "/usr/bin:/bin"}
CONTAINERS = ("native", "staticx", "unpacked")


@dataclass(frozen=True)
class Container:
    """A way to start the application: the words that do, and the root that it runs in."""

    words: tuple[str, ...]
    root: Path
    cache: Path

    def run(self, *words: str, env: Mapping[str, str], **options: Any) -> subprocess.CompletedProcess[str]:
        given = {**PATH, "FREEZER_CACHE": str(self.cache), **env}
        return subprocess.run(
            [*self.words, *words], env=given, capture_output=True, text=True, timeout=PATIENCE, check=False, **options
        )

    def says(self, *words: str, **env: str) -> Any:
        done = self.run(*words, env=env)
        assert (done.returncode, done.stderr) == (0, ""), done
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def made(freezer: Freezer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all containers."""
    folder = tmp_path_factory.mktemp("variables")
    options = ["--python-option=" + option for option in OPTIONS]
    words = [str(SCRIPT), "--add-data", f"{SCRIPT.parent / 'data'}:data", "--exclude", "beside", *options]
    words += ["--smoke", "flags", "--python", sys.executable]
    done = freezer.python(Path(containers.__file__), folder, *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    root = folder / "root"
    for layer in Opened(folder / "native" / IMAGE).layers():
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            # As in tests/consumers.py: Python 3.12 asks for this, and some of 3.9 to 3.11 know no filters.
            archive.extraction_filter = staticmethod(lambda member, _path: member)
            archive.extractall(root)
    return folder


@pytest.fixture(scope="module", params=CONTAINERS)
def app(request: pytest.FixtureRequest, made: Path) -> Container:
    if request.param == "unpacked":
        need_root()
        return Container((need_program("chroot"), str(made / "root"), "/app/variables"), made / "root", made)
    return Container((str(made / request.param / "variables"),), Path("/"), made)


def plain(
    *words: str, env: Mapping[str, str], options: Sequence[str] = OPTIONS, before: Sequence[str] = (), **more: Any
) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, *options, str(SCRIPT), *words]
    return subprocess.run(command, env={**PATH, **env}, capture_output=True, text=True, check=False, **more)


HEARD = {
    "PYTHONASYNCIODEBUG": "1", "PYTHONCOERCECLOCALE": "0", "PYTHONDEBUG": "1", "PYTHONDEVMODE": "1",
    "PYTHONDONTWRITEBYTECODE": "1", "PYTHONFAULTHANDLER": "1", "PYTHONHASHSEED": "7", "PYTHONINTMAXSTRDIGITS": "700",
    "PYTHONIOENCODING": "latin-1:replace", "PYTHONMALLOC": "debug", "PYTHONNODEBUGRANGES": "1",
    "PYTHONNOUSERSITE": "1", "PYTHONTRACEMALLOC": "3", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1",
    "PYTHONWARNDEFAULTENCODING": "1", "PYTHONWARNINGS": "error,ignore::UserWarning", "PYTHON_CPU_COUNT": "5",
}  # fmt: skip
"""Variables, with values by which they show."""
TALKATIVE = {
    "PYTHONVERBOSE": "# cleanup",
    "PYTHONPROFILEIMPORTTIME": "import time: ",
    "PYTHONMALLOCSTATS": "size class",
    "PYTHONCOERCECLOCALE": "LC_CTYPE=C",
}
"""Variables that have Python write something."""


def comparable(found: dict[str, Any]) -> dict[str, Any]:
    """Without what is random."""
    if found["flags"]["hash_randomization"] and found["seed"] is None:
        del found["hash"]
    return found


@pytest.mark.parametrize("name", ["", *HEARD])
def test_variables_work_as_under_plain_python(app: Container, name: str) -> None:
    env = {name: HEARD[name]} if name else {}
    if name == "PYTHONCOERCECLOCALE":
        env["LC_ALL"] = "C"
    done = plain("flags", env=env)
    assert done.returncode == 0
    assert comparable(app.says("flags", **env)) == comparable(json.loads(done.stdout))


def test_a_variable_that_only_a_module_reads(app: Container) -> None:
    assert app.says("asynchronous", PYTHONASYNCIODEBUG="1") is True
    assert app.says("asynchronous") is False


@pytest.mark.parametrize("name", TALKATIVE)
def test_what_variables_have_python_write(app: Container, name: str) -> None:
    value = "warn" if name == "PYTHONCOERCECLOCALE" else "1"
    done = app.run("flags", env={name: value, "LC_CTYPE": "C"})
    assert done.returncode == 0 and TALKATIVE[name] in done.stderr


@pytest.mark.parametrize(("name", "value"), [("PYTHONHASHSEED", "odd"), ("PYTHONMALLOC", "odd"), ("PYTHONUTF8", "2")])
def test_wrong_values_fail_as_under_plain_python(app: Container, name: str, value: str) -> None:
    done, frozen = plain("flags", env={name: value}), app.run("flags", env={name: value})
    assert (frozen.returncode, frozen.stdout) == (done.returncode, "")
    assert frozen.stderr.splitlines()[0] == done.stderr.splitlines()[0]


def test_breakpoints(app: Container) -> None:
    assert app.says("stop", PYTHONBREAKPOINT="0") == "behind"
    assert app.says("own_stop", PYTHONBREAKPOINT="os.getpid") == 1000


def test_the_environment_is_the_callers(app: Container) -> None:
    env = {"PYTHONPATH": "/x", "PYTHONHOME": "/x", "PYTHONWARNINGS": "default::a.B,once", "PYTHONINSPECT": ""}
    seen, child = app.says("environ", *([need_program("env"), "-0"] if app.root == Path("/") else []), **env)
    expected = {**PATH, "FREEZER_CACHE": str(app.cache), **env}
    assert dict(seen) == expected
    if app.root == Path("/"):
        assert dict(item.split("=", 1) for item in child.split("\0")[:-1]) == expected


@pytest.mark.parametrize("restore", [True, False])
def test_what_the_caller_set(app: Container, restore: bool) -> None:
    """Signals that are ignored or blocked, and the mask of modes; where nothing is restored, Python's children get what
    it ignores itself."""
    ignored = [signal.SIGHUP, signal.SIGUSR2]
    if app.words[0] != str(app.cache / "staticx" / "variables"):
        # staticx's start-up program could not wait for its child.
        ignored.append(signal.SIGCHLD)

    def prepare() -> None:
        os.umask(0o777)
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1, 40])

    options: dict[str, Any] = {"preexec_fn": prepare, "restore_signals": restore}
    done, expected = app.run("given", env={}, **options), plain("given", env={}, **options)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", expected.stdout)
    assert json.loads(done.stdout)["umask"] == 0o777 and set(ignored) <= set(json.loads(done.stdout)["ignored"])


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&-", "0<&- 1>&- 2>&-"])
def test_closed_streams(app: Container, closed: str) -> None:
    words = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh"]
    done = Container((*words, *app.words), app.root, app.cache).run("given", env={})
    expected = plain("given", env={}, before=words)
    assert (done.returncode, done.stderr, done.stdout) == (expected.returncode, expected.stderr, expected.stdout)


PLANTED = """
open({mark!r}, "w").close()
class W(UserWarning): pass
build_time_vars = {{"SOABI": "planted"}}
"""


@pytest.mark.parametrize("command", ["flags", "stop", "readers"])
def test_no_variable_chooses_code(app: Container, tmp_path: Path, command: str) -> None:
    plant = app.root / tmp_path.relative_to("/") if app.root != Path("/") else tmp_path
    plant.mkdir(parents=True, exist_ok=True)
    inside = "/" + str(plant.relative_to(app.root))
    names = (
        "sitecustomize",
        "usercustomize",
        "planted",
        "linecache",
        "json",
        "_freezer_native",
        "site",
        "pdb",
        "zipimport",
    )
    for name in names:
        (plant / f"{name}.py").write_text(PLANTED.format(mark=f"{inside}/mark-{name}"))
    (plant / ".Tk.py").write_text(PLANTED.format(mark=f"{inside}/mark-Tk"))
    (plant / "lib").mkdir()
    given = dict.fromkeys(
        ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX", "HOME", "_PYTHON_SYSCONFIGDATA_PATH"),
        inside,
    )
    given.update(
        PYTHONSTARTUP=f"{inside}/planted.py",
        PYTHONINSPECT="1",
        PYTHONBREAKPOINT="planted.W",
        PYTHONEXECUTABLE=f"{inside}/bin/python3",
        __PYVENV_LAUNCHER__=f"{inside}/bin/python3",
        PYTHONPLATLIBDIR="planted",
        PYTHONWARNINGS="ignore::planted.W,ignore::antigravity.W,ignore::_freezer_main_script.W",
        PYTHONSAFEPATH="1",
        PYTHONCASEOK="1",
        PYTHONOPTIMIZE="2",
        PYTHON_FROZEN_MODULES="off",
        PYTHON_PRESITE="planted",
        PYTHON_DOM="planted",
        PY_SAX_PARSER="planted",
        _PYTHON_SYSCONFIGDATA_NAME="planted",
        PYTHON_LATER="planted",
    )
    where = {} if app.root != Path("/") else {"cwd": plant}
    before, done = (
        app.run(command, env={"PYTHONHASHSEED": "7"}),
        app.run(command, env={"PYTHONHASHSEED": "7", **given}, stdin=subprocess.DEVNULL, **where),
    )
    assert (done.returncode, done.stdout) == (before.returncode, before.stdout)
    assert "planted" not in done.stderr
    assert [path.name for path in plant.glob("mark-*")] == []


def test_bytecode(app: Container, tmp_path: Path) -> None:
    """It is written beside sources elsewhere, and never beside those in the tree."""
    place = app.root / "tmp" / tmp_path.name if app.root != Path("/") else tmp_path
    for variables, written in (({"PYTHONDONTWRITEBYTECODE": "1"}, False), ({}, True)):
        place.mkdir(exist_ok=True)
        (place / "beside.py").write_bytes(BESIDE.read_bytes())
        inside = "/" + str(place.relative_to(app.root))
        assert app.says("sources", inside, **variables) == [1, 2, [False, written]]
    if app.words[0].endswith("native/variables"):
        trees = list(app.cache.glob("*/tree"))
        assert trees and not [path for tree in trees for path in tree.rglob("__pycache__")]


def test_options_of_its_own(app: Container) -> None:
    """-O is for its modules, too."""
    assert app.says("asserts") == "left out"
    assert json.loads(plain("asserts", env={}).stdout) == "left out"
    assert "AssertionError: kept" in plain("asserts", env={}, options=()).stderr


def test_helpers_of_an_application_that_sets_variables(app: Container) -> None:
    if app.root != Path("/"):
        (app.root / "dev" / "shm").mkdir(parents=True, exist_ok=True)
    assert app.says("shared") == "done"


# In an empty root

BERLIN = [["2025-06-15 17:06:40,000", ["CET", "CEST"], "CET"], ["IST", "IST"], None, []]


@pytest.fixture
def empty(app: Container, run_in_empty_root: Callable[..., Run]) -> Callable[..., Any]:
    """What the application says where there is nothing else; an image is that already."""

    def says(command: str, **env: str) -> Any:
        if app.root != Path("/"):
            return app.says(command, **env)
        run = run_in_empty_root(Path(app.words[0]), command, env={**PATH, "HOME": "/tmp", **env})
        assert (run.status, run.stderr) == (0, ""), run
        return json.loads(run.stdout)

    return says


def test_local_time(empty: Callable[..., Any]) -> None:
    assert empty("zones", TZ="Europe/Berlin") == BERLIN
    assert empty("zones")[0] == ["2025-06-15 15:06:40,000", ["UTC", "UTC"], "UTC"]
    assert empty("zones", TZ="Europe/Berlin", TZDIR="/nosuch")[0][1] == ["Europe", "Europe"]


def test_names_of_services(empty: Callable[..., Any]) -> None:
    assert empty("names") == json.loads(plain("names", env={}).stdout)
