"""A closed bundle of a small application, as a build has it, without an analysis."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Optional

from plans import plan

from freezer.application.entry import Application
from freezer.application.inputs import named_inputs
from freezer.base.bill import Bill, Component
from freezer.base.job import Completed, Job
from freezer.base.plain_values import PlainValues
from freezer.base.publish import digest_file
from freezer.closure.close import ClosedApp
from freezer.closure.libraries import Missing
from freezer.closure.provisions import Provided
from freezer.environment.interpreter import Interpreter
from freezer.environment.venv import Environment
from freezer.freeze.pyinstaller import Added, FrozenApp, OwnOrigins
from freezer.link.alterable import own_code
from freezer.link.bundle_files import files_of_bundle
from freezer.link.kept_bundles import CLASSES, Bundle, keep_bundle, recall_bundle
from freezer.link.modules import Package
from freezer.link.other_size import Other
from freezer.link.payload.pack import Type
from freezer.plan.build import Plan
from freezer.plan.choices import Linker
from freezer.system.host import Host

MAIN = "_freezer_main_script"
INFO = "app-1.dist-info"
UNPACKED = "entry/main.py"
"""A source below the work directory."""
TEXTS = {
    "app.py": "import json\nimport pkg.part\nprint('hello world', pkg.part.f(1))\n",
    "pkg/__init__.py": "",
    "pkg/part.py": "def f(x):\n    return [x, 'a text']\n",
    "data.json": "{}",
}


class Remembering(Host):
    """The host, where the driver that compiles is asked once about the same sources: its answer has no path of them,
    and in each test most are those of the test before."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[list[Any], bytes]] = {}

    def run(self, argv: Sequence[str | Path], job: Job, *, stdin: Optional[str] = None, **options: Any) -> Completed:
        """Run the driver, or answer as it did."""
        assert Path(argv[-1]).name == "own_code.py" and stdin is not None
        request = json.loads(stdin)
        files, out = request.pop("files"), Path(request.pop("out"))
        about = [(os.path.basename(path), Path(path).read_bytes().hex(), ways) for path, ways in files.items()]
        asked = json.dumps([about, request])
        if asked not in self.answers:
            done = super().run(argv, job, stdin=stdin, **options)
            self.answers[asked] = list(json.loads(done.stdout)["files"].values()), out.read_bytes()
        answers, data = self.answers[asked]
        out.write_bytes(data)
        return Completed(0, json.dumps({"files": dict(zip(files, answers))}))


class Site:
    """The sources in ``here``, and the builds of them in one cache."""

    root = Remembering()

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.here = folder / "sources"
        for name, text in TEXTS.items():
            path = self.here / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (folder / "env/bin").mkdir(parents=True)
        (folder / "env/bin/python").symlink_to(sys.executable)
        (folder / "env/complete").touch()
        (folder / "library.so").write_text("a library of the system")
        self.options: dict[str, Any] = {}
        self.key = "key"
        self.groups: tuple[str, ...] = ("plugins",)
        self.by_shape = True

    @property
    def plan(self) -> Plan:
        return plan(self.here, **{"entry": "app.py", "linker": "native", **self.options})

    def environment(self) -> Environment:
        python = Path(sys.executable).resolve()
        interpreter = Interpreter(python, (*sys.version_info[:2], 0), Path(sys.base_prefix), python)
        home = self.folder / "env"
        return Environment(
            home / "bin/python", interpreter, self.key, True, self.root, home / "toolchain", home / "analysis"
        )

    def application(self) -> Application:
        sources = tuple(sorted(path for path in self.here.rglob("*.py")))
        places = {"pkg": self.here / "pkg"} if (self.here / "pkg").is_dir() else {}
        return Application("app", self.here / "app.py", False, (), sources, (), places, None)

    def bundle(self, job: Job) -> Bundle:
        """What a whole build makes of the sources as they are."""
        tree = job.apart().work / "dist"
        inside = tree / "_internal"
        shutil.copytree(self.here, inside, ignore=shutil.ignore_patterns(INFO))
        (inside / "fast.so").write_bytes(b"\x7fELF not really")
        (inside / "link.so").symlink_to("fast.so")
        (tree / "app.freezer-program").write_text("")
        modules = {MAIN: "app.py", "pkg": "pkg/__init__.py", "pkg.part": "pkg/part.py"}
        code = {name: self.here / path for name, path in modules.items()}
        files = [path for path in self.here.rglob("*") if path.is_file() and path.parent.name != INFO]
        places = {str(path.relative_to(self.here)): path for path in files}
        frozen = FrozenApp(
            tree=tree,
            name="app",
            package=tree.parent / "package",
            modules=frozenset({*modules, "json"}),
            origins={inside / "fast.so": self.folder},
            sources=(*code.values(), self.folder / "library.so", job.work / UNPACKED),
            added=(Added("pkg", 1, 2, 3),),
            opened=("pq",),
            strip=False,
            own_modules=frozenset(modules),
            own_files=frozenset(places),
            own=self.application().own,
            own_origins=OwnOrigins(code, places, self.groups, self.by_shape),
        )
        closed = ClosedApp(
            frozen,
            "ld.so",
            Path(sys.executable).resolve(),
            ("libc.so.6",),
            (Missing("libx.so", inside / "fast.so"),),
            (Provided("time zones", 7),),
            {"libc.so.6": self.folder / "library.so"},
            Bill(Component("application", "app"), (Component("library", "libc6", "2", files=("libc.so.6",)),), 0),
        )
        return Bundle(closed, self.package(job, code), 5, ("a warning",), other=Other(Linker.STATICX, 1234))

    def package(self, job: Job, code: dict[str, Path]) -> Package:
        wanted = {str(path): {name: ["analysed"]} for name, path in code.items()}
        made, data = own_code(self.plan, self.environment(), wanted, (), job)
        file = job.apart().work / "code"
        file.write_bytes(b"other" + data)
        places = {
            name: (at + 5, size, int(name == "pkg"))
            for looked in made["files"].values()
            if looked is not None
            for name, ways in looked["code"].items()
            for at, size in ways.values()
        }
        modules = {"json": (0, 5, 1), **places}
        return Package(file, [("_freezer_run", 0, 5)], modules, ("u",), b"magic", (3, 11), "libpython3.so")

    def keep(self, job: Job, make: Optional[Callable[[Job], Bundle]] = None) -> Bundle:
        """Build, and keep what ``make`` makes, which is what a whole build does if there is nothing else."""
        environment, application = self.environment(), self.application()
        named = named_inputs(self.plan, job.cache)
        bundle = (make or self.bundle)(job)
        keep_bundle(self.plan, named, environment, application, bundle, job)
        return bundle

    def recall(self, job: Job) -> Optional[Bundle]:
        named = named_inputs(self.plan, job.cache)
        return recall_bundle(self.plan, named, self.environment(), self.application(), job)

    def write(self, name: str, text: str) -> None:
        (self.here / name).write_text(text)


class Project(Site):
    """The same as a project, whose wheel each build unpacks anew below a work directory of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.project = self.here
        self.write("pyproject.toml", '[project]\nname = "app"\nversion = "1"\n')
        self.function = "app:main"

    @property
    def plan(self) -> Plan:
        return plan(self.project, **{"entry": ".", "linker": "native", **self.options})

    def unpack(self, job: Job) -> Job:
        """Begin a build, whose job is returned: its sources are ``here``."""
        own = job.apart()
        self.here = own.work / "application"
        shutil.copytree(self.project, self.here, symlinks=True, ignore=shutil.ignore_patterns("pyproject.toml"))
        lines = [f"{path.name},sha256={digest_file(path)},9\n" for path in sorted(self.here.rglob("*.py"))]
        (self.here / INFO).mkdir()
        for name, text in (("RECORD", "".join(lines)), ("direct_url.json", str(own.work)), ("METADATA", "Name: app")):
            (self.here / INFO / name).write_text(text)
        return own

    def application(self) -> Application:
        return dataclasses.replace(
            super().application(), search=(self.here,), local_packages={}, distribution="app", function=self.function
        )

    def write(self, name: str, text: str) -> None:
        (self.project / name).write_text(text)


def contents(bundle: Bundle) -> dict[str, Any]:
    """All that a bundle is made of, with its code, and without the places where it lies."""
    tree = bundle.closed.frozen.tree
    files = {
        item.name: item.data or (item.source and Path(item.source).read_bytes())
        for item in files_of_bundle(bundle.closed)
        if item.type is not Type.DIRECTORY
    }
    frozen = dataclasses.replace(bundle.closed.frozen, package=tree, own=None, sources=())
    package = bundle.package
    return {
        "files": files,
        "closed": PlainValues(CLASSES, {"tree": tree}).plain(
            dataclasses.replace(bundle.closed, frozen=frozen, kept="", listed={}, replaced={})
        ),
        # What a build has unpacked is of no interest to the next one.
        "sources": sorted(text for text in map(str, bundle.closed.frozen.sources) if not text.endswith(UNPACKED)),
        "own": bundle.closed.frozen.own,
        "code": {name: (package.read(name), kind) for name, (_, _, kind) in package.modules.items()},
        "package": [package.scripts, package.options, package.magic, package.version, package.library],
        "warnings": bundle.warnings,
    }


def said(job: Job) -> str:
    assert isinstance(job.log.stream, io.StringIO)
    return job.log.stream.getvalue()


def facts_in(home: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((home / "facts").read_text(encoding="utf-8").partition("\n")[2])
    return facts
