"""Freezing: PyInstaller collects the application into a directory, under the Python of the build environment.

PyInstaller exits with 0 although a module is missing; what it says in its warning file and its log is read here, and
what the application imports for certain must have been found.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from freezer import tools
from freezer.application import Application, refuse_missing
from freezer.drivers import DRIVERS
from freezer.environment import Environment
from freezer.errors import InputError, ToolError
from freezer.log import Log
from freezer.plan import CONTENTS, Plan
from freezer.workspace import Workspace

RUNTIME = Path(__file__).parent / "runtime"
RUNTIME_MODULES = ("_freezer_deferred", "_freezer_provisions", "_freezer_runner")
MISSING = re.compile(r"(?:missing|invalid) module named '?([^\s']+)'? - imported by (.*)")
NOT_FOUND = re.compile(r"Hidden import '?([\w.]+)'? not found")


@dataclass(frozen=True)
class Added:
    """What freezer added for one distribution without being asked: files, their bytes, and modules named."""

    distribution: str
    files: int
    size: int
    modules: int


@dataclass(frozen=True)
class FrozenApp:
    """The application as a directory: ``tree`` with the program ``name`` and its contents beside it.

    ``modules`` are all Python modules in it; ``origins`` maps each binary's file to the directory it was collected
    from; ``sources`` are all files that went in; ``opened`` are libraries that code looks up by name, such as
    "pq".
    """

    tree: Path
    name: str
    modules: frozenset[str]
    origins: dict[Path, Path]
    sources: tuple[Path, ...]
    added: tuple[Added, ...]
    opened: tuple[str, ...]

    @property
    def program(self) -> Path:
        """PyInstaller's bootloader with the application's code."""
        return self.tree / self.name

    @property
    def contents(self) -> Path:
        """The directory that is ``sys._MEIPASS`` at run time."""
        return self.tree / CONTENTS


def freeze(plan: Plan, environment: Environment, application: Application, *, log: Log, space: Workspace) -> FrozenApp:
    """Run PyInstaller.

    Raises InputError for a missing module or a wrong hidden import, ToolError if PyInstaller fails.
    """
    request = space.folder("freeze") / "request.json"
    report = space.folder("freeze") / "report.json"
    request.write_text(json.dumps(_request(plan, application, report, space)), encoding="utf-8")
    bad_hidden: list[str] = []

    def watch(line: str) -> bool:
        found = NOT_FOUND.search(line)
        if found and found.group(1) in plan.hidden_imports:
            bad_hidden.append(found.group(1))
        return False

    try:
        tools.run(
            [environment.python, "-s", DRIVERS / "freeze.py", request],
            log=log,
            build_log=space.build_log,
            what=f"freeze {application.name}",
            env=tools.clean_environment(
                home=space.folder("home"),
                temporary=space.folder("tmp"),
                epoch=plan.epoch,
                path=[path.parent for path in tools.require(["objcopy", "strip"]).values()],
                extra={"PYINSTALLER_CONFIG_DIR": str(space.folder("pyinstaller"))},
            ),
            cwd=space.work,
            hold=space.held,
            on_line=watch,
        )
    except ToolError as error:
        _explain(error)
        raise
    facts = json.loads(report.read_text(encoding="utf-8"))
    missing = read_warnings(Path(facts["warnings"]))
    for name, importers in missing.items():
        log.detail(f"    not found: {name}, imported by {importers}")
    if bad_hidden:
        raise InputError(
            f"--hidden-import {bad_hidden[0]}: there is no such module in the build environment",
            hint="add the distribution that has it: --with NAME, or mend the spelling",
        )
    refuse_missing(application.own_imports, frozenset(missing), frozenset(plan.exclude))
    tree = Path(facts["tree"])
    return FrozenApp(
        tree=tree,
        name=facts["program"],
        modules=frozenset(facts["modules"]),
        origins={tree / CONTENTS / key: Path(value) for key, value in facts["origins"].items()},
        sources=tuple(Path(item) for item in facts["sources"]),
        added=tuple(Added(i["distribution"], i["files"], i["bytes"], i["modules"]) for i in facts["added"]),
        opened=tuple(facts["opened"]),
    )


def _request(plan: Plan, application: Application, report: Path, space: Workspace) -> dict[str, object]:
    return {
        "script": str(application.script),
        "spec": application.is_spec,
        "name": application.name,
        "search": [str(item) for item in application.search],
        "own_files": [str(item) for item in application.own_files],
        "local_packages": {name: str(place) for name, place in application.local_packages.items()},
        "distribution": application.distribution,
        "add_data": [(str(source), destination) for source, destination in plan.add_data],
        "add_binary": [(str(source), destination) for source, destination in plan.add_binary]
        + [(str(path), ".") for path in plan.libraries],
        "hidden_imports": list(plan.hidden_imports),
        "collect_all": list(plan.collect_all),
        "copy_metadata": list(plan.copy_metadata),
        "exclude": list(plan.exclude),
        "strip": plan.strip,
        "pyinstaller_args": list(plan.pyinstaller_args),
        "runtime": str(RUNTIME),
        "runtime_modules": list(RUNTIME_MODULES),
        "hooks": str(space.folder("hooks")),
        "dist": str(space.folder("dist")),
        "work": str(space.folder("freeze")),
        "specpath": str(space.folder("spec")),
        "report": str(report),
    }


def _explain(error: ToolError) -> None:
    """Turn PyInstaller's own messages about the user's input into an InputError."""
    for line in (error.why or "").splitlines():
        if line.startswith("ERROR: --") or "ERROR: option(s) not allowed" in line or "the spec file must" in line:
            raise InputError(line.replace("ERROR: ", "", 1), hint=error.hint) from error


def read_warnings(path: Path) -> dict[str, str]:
    """Read PyInstaller's warn-NAME.txt: the modules that were not found, and who imports them how."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        match = MISSING.match(line)
        if match:
            found[match.group(1)] = match.group(2)
    return found
