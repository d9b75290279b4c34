"""Fixtures of all tests. Build environments are made once for all of them: they are most of a build's time."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import support
from builds import Builds
from hypothesis import HealthCheck, settings
from samples.catalogue import Sample
from support import Freezer, Run, lacking

# How long an example, or its making, takes says more of the machine than of the code.
slow = [HealthCheck.too_slow]
settings.register_profile("freezer", deadline=None, database=None, derandomize=True, suppress_health_check=slow)
settings.load_profile("freezer")


@pytest.hookimpl(hookwrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is collected stays to the end: to look for garbage in it, again and again, would be a tenth of the time of
    the unit tests."""
    gc.disable()
    yield
    gc.enable()
    gc.freeze()


SHARED = ("toolchain", "analysis", "packed")
"""The parts of a cache that any number of builds write to at the same time, and that are the same in each."""


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    """XDG_CACHE_HOME of all runs; FREEZER_TEST_CACHE keeps it from one call of pytest to the next."""
    wanted = os.environ.get("FREEZER_TEST_CACHE")
    if not wanted:
        return with_shared(tmp_path_factory.mktemp("cache"), shared_cache)
    path = Path(wanted).absolute()
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the caches of all tests share, of all workers of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared-cache"
    for name in SHARED:
        (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def with_shared(home: Path, shared: Path) -> Path:
    """A cache with links to the shared parts."""
    (home / "freezer").mkdir(parents=True, mode=0o700)
    for name in SHARED:
        (home / "freezer" / name).symlink_to(shared / name)
    return home


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A package index that pip can reach, by its own configuration."""
    target = tmp_path_factory.mktemp("download")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(target), "altgraph"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lacking(f"no package index: {done.stderr.strip().splitlines()[-1:]}")


@pytest.fixture(scope="session")
def freezer(cache_home: Path, index: None) -> Freezer:
    """Runs freezer with the cache of the session."""
    return Freezer(cache_home)


@pytest.fixture
def fresh_freezer(tmp_path: Path, index: None) -> Freezer:
    """Runs freezer with an empty cache of the test's own."""
    return Freezer(tmp_path / "fresh-cache")


@pytest.fixture
def apart_freezer(tmp_path: Path, index: None, shared_cache: Path) -> Freezer:
    """Runs freezer with a cache of the test's own, which has no roots, environments, records, logs and work, but what
    takes long to make."""
    return Freezer(with_shared(tmp_path / "apart-cache", shared_cache))


@pytest.fixture
def run_in_empty_root(tmp_path: Path) -> Callable[..., Run]:
    """Runs an executable where there is nothing else."""

    def run(binary: Path, *arguments: str, **options: object) -> Run:
        return support.run_in_empty_root(binary, *arguments, root=tmp_path, **options)  # type: ignore[arg-type]

    return run


@pytest.fixture(scope="session")
def system_python() -> Path:
    """The distribution's Python, linked statically on Debian, with a libpython beside it."""
    path = Path("/usr/bin/python3")
    if not path.exists() or support.shared_libpython(path) is None:
        lacking("no /usr/bin/python3 with a shared libpython (apt-get install python3 libpython3-dev python3-venv)")
    return path


@pytest.fixture(scope="session")
def relocated_python(system_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python of our own making with a RUNPATH in its program and its modules."""
    return support.relocate_python(system_python, tmp_path_factory.mktemp("relocated") / "python")


@pytest.fixture(scope="session")
def runpath_python(request: pytest.FixtureRequest) -> Path:
    """A Python with a RUNPATH: pyenv's where there is one, else the relocated one."""
    found = support.managed_python()
    return found if found is not None else request.getfixturevalue("relocated_python")


@pytest.fixture(scope="session")
def pythons(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """The interpreter for a test's parameter, "system" or "runpath"."""
    return lambda name: request.getfixturevalue(f"{name}_python")


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the samples, since setuptools writes beside the sources."""
    target = tmp_path_factory.mktemp("samples") / "samples"
    ignored = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    return Path(shutil.copytree(support.SAMPLES, target, ignore=ignored))


@pytest.fixture(scope="session")
def builds(
    freezer: Freezer, samples: Path, tmp_path_factory: pytest.TempPathFactory, pythons: Callable[[str], Path]
) -> Iterator[Builds]:
    """The executables of the samples, shared with the other workers of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    made = Builds(freezer, samples, (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "builds", pythons)
    yield made
    made.close()


@pytest.fixture(scope="module")
def builds_of_the_file(request: pytest.FixtureRequest, builds: Builds) -> Builds:
    """The builds, with those under way that the selected tests of this file need."""
    for item in request.session.items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if item.path == request.path and "sample" in parameters:
            sample, python = parameters["sample"], parameters.get("python", "system")
            if not builds.missing(sample, python):
                builds.start(sample, python)
    return builds


@pytest.fixture
def python() -> str:
    """Which Python the test's sample is built with; a parameter of that name takes its place."""
    return "system"


@pytest.fixture
def linker() -> str:
    """Which linker makes the test's executable; a parameter of that name takes its place."""
    return "staticx"


@pytest.fixture
def application(builds_of_the_file: Builds, sample: Sample, python: str, linker: str) -> Path:
    """The executable of the test's sample."""
    missing = builds_of_the_file.missing(sample, python)
    if missing:
        lacking(missing)
    return builds_of_the_file.executable(sample, python, linker)


@pytest.fixture(scope="session")
def hello(freezer: Freezer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small finished build, for tests that need any executable of freezer's."""
    folder = tmp_path_factory.mktemp("hello")
    (folder / "hello.py").write_text("import sys\nprint('hello', *sys.argv[1:])\n")
    return freezer("build", "hello.py", cwd=folder).output
