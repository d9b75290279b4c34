"""A plugin for pytest: freezer builds the programs of PyInstaller's functional tests.

``functional`` runs it, and gives the command to build with and the file for the outcomes in FUNCTIONAL_BUILD and
FUNCTIONAL_OUTCOMES. It runs under the tests' own Python, which has PyInstaller but not freezer.

PyInstaller's fixtures are kept, except for the building. Options go to freezer behind ``--``, as a user would pass them
on. Some tests replace a class that spec files call, to have it called with more arguments; here, a spec file is written
that does the same.
"""

from __future__ import annotations

import ast
import io
import json
import marshal
import os
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PyInstaller.archive import readers
from PyInstaller.building import build_main
from PyInstaller.utils import conftest as fixtures

CLASSES = ("Analysis", "EXE")
IN_FRONT = {
    "test_onefile_signal_handling[onefile-forward]": '#!/bin/sh\nexec unshare --pid --fork {program} "$@"\n',
    "test_onefile_signal_handling[onefile-ignore]": "#!/bin/sh\ntrap '' {signals}\n{program} \"$@\"\n",
    **{
        f"test_user_preferred_locale[{mode}]": '#!/bin/sh\nLOCPATH={locales} exec {program} "$@"\n'
        for mode in ("onefile", "onedir")
    },
}
"""What is in front of the programs of some tests. Two send a signal to their parent, which is PyInstaller's bootloader;
freezer has none. The first starts its program as process 1, where freezer's init is the parent; the second below a
process that nothing is forwarded by. The third needs locales, which ``functional`` has made."""
OPTIONS = {
    "test_importlib_resources_frozen": ("--source", "none"),
    "test_module_reload": ("--exclude", "data_reload"),
    "test_user_preferred_locale": ("--charset", "ISO-8859-1", "--charset", "ISO-8859-2"),
    "test_split_location_pep420_namespace_package": (
        *("--exclude", "mynamespacepackage.vendored_pyz", "--exclude", "mynamespacepackage.vendored_py"),
        *("--exclude", "mynamespacepackage.external_py"),
    ),
}
"""Options of freezer's for what PyInstaller does, but freezer only if told: it leaves sources out, and builds though a
module is not there. These modules are there when the program runs: it writes them, or knows where they are then. And no
code names the charsets of the locales that a caller chooses."""


class Recorded:
    """Stands for a class that spec files call; notes what it is called with."""

    def __init__(self, *arguments: object, **options: object) -> None:
        self.arguments, self.options = arguments, options

    def __getattr__(self, name: str) -> list[object]:
        """Return an empty list for whatever a spec file reads."""
        return []


class FreezerBuilder(fixtures.AppBuilder):  # type: ignore[misc]
    """Builds with freezer what the tests build with PyInstaller, to where they look for it."""

    def _test_building(self, args: list[str]) -> bool:
        if self._is_spec:
            for name, alone in programs_of(Path(self.script)):
                self._build(self.script, name, self._dist_dir if alone else self._dist_dir / name, args)
            return True
        name, rest = Path(self.script).stem, list(args)
        if "--name" in rest:
            place = rest.index("--name")
            name = rest[place + 1]
            del rest[place : place + 2]
        folder = self._dist_dir if self._mode == "onefile" else self._dist_dir / name
        rest = ["--path", str(fixtures._get_modules_dir(self._request)), *rest]
        script = self._changed(name, rest)
        self._build(script, name, folder, rest if script == self.script else [])
        return True

    def _build(self, script: str, name: str, folder: Path, rest: list[str]) -> None:
        command = json.loads(os.environ["FUNCTIONAL_BUILD"])
        test = self._request.node.name
        command += [*OPTIONS.get(test.partition("[")[0], ()), "--name", name, "-o", str(folder / name)]
        command += [str(script), "--", *rest]
        # Variables of a test are for its program.
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd=self._tmp_path,
            env=BUILD_VARIABLES,
        )
        print(done.stdout)
        print(done.stderr, file=sys.stderr)
        if done.returncode or str(folder / name) not in done.stdout.splitlines():
            raise SystemExit(done.stderr if done.returncode else 0)
        if test in IN_FRONT:
            program = (folder / name).rename(folder / f"{name}.program")
            numbers = sorted(set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD})
            signals, locales = " ".join(str(int(one)) for one in numbers), os.environ["FUNCTIONAL_LOCALES"]
            text = IN_FRONT[test].format(program=program, signals=signals, locales=locales)
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    def _changed(self, name: str, rest: list[str]) -> str:
        """Return the script; or a spec file for it that calls the classes as the test has them called."""
        changes = {}
        for kind in CLASSES:
            made: Any = getattr(build_main, kind)()
            if made.arguments or made.options:
                changes[kind] = (made.arguments, made.options)
        if not changes:
            return str(self.script)
        make = [sys.executable, "-m", "PyInstaller.utils.cliutils.makespec", "--specpath", str(self._tmp_path)]
        subprocess.run([*make, "--onefile", "--name", name, *rest, self.script], check=True, env=BUILD_VARIABLES)
        path = self._tmp_path / f"{name}.spec"
        text = path.read_text(encoding="utf-8")
        for kind, (arguments, options) in changes.items():
            more = "".join(f"\n    {item!r}," for item in arguments)
            text = text.replace("    a.scripts,", "    a.scripts," + more, 1)
            text = f"import functools\n{kind} = functools.partial({kind}, **{options!r})\n{text}"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def _run_executable(self, prog: str, args: list[str], run_from_path: bool) -> int:
        """Start it as the tests do; three times if it may start from a snapshot. The first start unpacks it, the second
        waits until the snapshot is made, and the third is like all later ones. Each must end like the first."""
        first: int = super()._run_executable(prog, args, run_from_path)
        for count in (2, 3) if os.environ.get("FREEZER_START") == "snapshot" else ():
            # A test that reads what the program prints gets it from one start.
            if "capfd" in self._request.fixturenames:
                self._request.getfixturevalue("capfd").readouterr()
            status = super()._run_executable(prog, args, run_from_path)
            if status != first:
                pytest.fail(f"start {count} of {prog} ended with {status}, the first with {first}")
        return first

    def _examine_executable(self, exe: str, toc_log: Path) -> bool:
        """Whether the executable has all that a list of patterns names: modules, files, options of Python."""
        names = read(exe, "--contents").decode().splitlines()
        patterns = ast.literal_eval(toc_log.read_text(encoding="utf-8"))
        missing = [pattern for pattern in patterns if not any(re.match(pattern, name) for name in names)]
        print("missing:", missing)
        return not missing


class Archive:
    """Stands for PyInstaller's reader of its archives, and for that of the archive of modules in it."""

    def __init__(self, executable: str) -> None:
        self._code: dict[str, tuple[int, bytes]] = marshal.loads(read(executable, "--code"))
        self.toc: dict[str, tuple[int]] = {}

    def open_embedded_archive(self, _name: str) -> Archive:
        """Return what has all modules: freezer has one archive."""
        self.toc = {name: (kind,) for name, (kind, _) in self._code.items()}
        return self

    def extract(self, name: str) -> object:
        """Return the code of a module; or an archive without any, in place of the standard library's first ones."""
        if name == "base_library.zip":
            empty = io.BytesIO()
            zipfile.ZipFile(empty, "w").close()
            return empty.getvalue()
        return marshal.loads(self._code[name][1])


def read(executable: str, what: str) -> bytes:
    """Ask ``functional`` for what is in an executable."""
    command = [*json.loads(os.environ["FUNCTIONAL_READER"]), what, executable]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, env=BUILD_VARIABLES).stdout


def programs_of(spec: Path) -> list[tuple[str, bool]]:
    """Return the programs that a spec file makes: their names, and whether each is one file."""
    text = spec.read_text(encoding="utf-8")
    if text.count("EXE(") == 1:
        return [(spec.stem, "exclude_binaries" not in text)]
    made: list[Recorded] = []

    def note(*arguments: object, **options: object) -> Recorded:
        made.append(Recorded(*arguments, **options))
        return made[-1]

    others = dict.fromkeys(("Analysis", "PYZ", "COLLECT", "MERGE"), Recorded)
    exec(compile(text, str(spec), "exec"), {"os": os, "SPECPATH": str(spec.parent), "EXE": note, **others})
    return [(os.path.basename(str(one.options["name"])), not one.options.get("exclude_binaries")) for one in made]


BUILD_VARIABLES = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
OUTCOMES: dict[str, dict[str, str]] = {}


def pytest_configure() -> None:
    """Put freezer in the place of PyInstaller."""
    fixtures.AppBuilder = FreezerBuilder
    readers.CArchiveReader = Archive
    fixtures.initialize_modgraph = lambda: None
    for kind in CLASSES:
        setattr(build_main, kind, Recorded)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the programs of one directory, where a test is for those of one file, too: freezer makes one file."""

    def mode(item: Any) -> str:
        return str(item.callspec.params.get("pyi_builder", "")) if hasattr(item, "callspec") else ""

    of_one_file = {item.nodeid.replace("onefile", "onedir") for item in items if mode(item) == "onefile"}
    items[:] = [item for item in items if mode(item) != "onedir" or item.nodeid not in of_one_file]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write the outcome of a test down: the first of its phases that did not pass says it."""
    known = OUTCOMES.get(report.nodeid, {"outcome": "passed"})
    if known["outcome"] != "passed":
        return
    outcome: str = report.outcome
    expected = getattr(report, "wasxfail", None)
    if expected is not None:
        outcome = "expected" if report.skipped else "better"
    why = expected or ""
    if outcome == "failed":
        why = report.longreprtext.strip().splitlines()[-1]
        why = getattr(getattr(report.longrepr, "reprcrash", None), "message", why).strip().splitlines()[0]
    elif outcome == "skipped" and isinstance(report.longrepr, tuple):
        why = report.longrepr[2]
    OUTCOMES[report.nodeid] = {"test": report.nodeid.rpartition("/")[2], "outcome": outcome, "why": why}
    Path(os.environ["FUNCTIONAL_OUTCOMES"]).write_text(json.dumps(list(OUTCOMES.values())), encoding="utf-8")
