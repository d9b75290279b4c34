"""Freezing: PyInstaller collects the application into a directory, under the Python of the build environment.

PyInstaller exits with 0 although a module is missing; what it says in its warning file and its log is read here, and
what the application imports for certain must have been found.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.application.entry import Application
from freezer.application.own import OwnFound
from freezer.base.errors import InputError, ToolError
from freezer.base.job import Job
from freezer.base.log import human_size
from freezer.base.places import Place
from freezer.base.received import check_file, check_folder, check_tree
from freezer.environment.venv import Environment
from freezer.freeze import RUNTIME
from freezer.freeze.absent import refuse_absent
from freezer.freeze.drivers import DRIVERS
from freezer.freeze.drivers.freeze_messages import FreezeReport, FreezeRequest
from freezer.freeze.drivers.pyinstaller_internals import PROGRAM
from freezer.freeze.pyinstaller_output import Output, explained, read_warnings
from freezer.freeze.scanned import scan_library
from freezer.plan.build import Plan
from freezer.plan.choices import CONTENTS
from freezer.plan.python_options import optimization
from freezer.system.buildroot import BuildRoot

RUNTIME_MODULES = (
    "_freezer_archive",
    "_freezer_boundary",
    "_freezer_caches",
    "_freezer_deferred",
    "_freezer_encodings",
    "_freezer_finders",
    "_freezer_helpers",
    "_freezer_leaving",
    "_freezer_native",
    "_freezer_parent",
    "_freezer_processes",
    "_freezer_provisions",
    "_freezer_restored",
    "_freezer_runner",
    "_freezer_savable",
    "_freezer_services",
    "_freezer_site",
    "_freezer_snapshot",
    "_freezer_streams",
    "_freezer_unheard",
    "_freezer_zones",
)


@dataclass(frozen=True)
class Added:
    """What freezer added for one distribution without being asked: files, their bytes, and modules named."""

    distribution: str
    files: int
    size: int
    modules: int


@dataclass(frozen=True)
class OwnOrigins:
    """Where what is the application's own is from: the source files of modules by their names, and the files that
    those of the bundle are copies of, by their places in it. ``groups`` are the groups of entry points in the
    environment; ``by_shape`` says that the analysis depends on no more of a source than its shape (see
    ``drivers.own_shapes``)."""

    code: Mapping[str, Path]
    places: Mapping[str, Path]
    groups: tuple[str, ...]
    by_shape: bool


@dataclass(frozen=True)
class FrozenApp:
    """The application, called ``name``, as a directory: ``tree`` with its program and contents beside that, and
    ``package``, the archive of its code.

    ``modules`` are all Python modules in it; ``origins`` maps each binary's file to the directory it was collected
    from; ``sources`` are all files that went in; ``opened`` are libraries that code looks up by name, such as
    "pq"; ``strip`` says that symbols are not wanted; ``own_modules`` and ``own_files`` are what of all this is made of
    the application's own sources: names, and paths below the contents; ``own`` says why what was not imported is there;
    ``stale`` are learned lines that nothing answers to; ``own_origins`` says where the application's own is from;
    ``charsets`` are those of locales that code names.
    """

    tree: Path
    name: str
    package: Path
    modules: frozenset[str]
    origins: dict[Path, Path]
    sources: tuple[Place, ...]
    added: tuple[Added, ...]
    opened: tuple[str, ...]
    strip: bool
    own_modules: frozenset[str] = frozenset()
    own_files: frozenset[str] = frozenset()
    own: Optional[OwnFound] = None
    stale: tuple[str, ...] = ()
    own_origins: Optional[OwnOrigins] = None
    charsets: tuple[str, ...] = ()

    @property
    def program(self) -> Path:
        """PyInstaller's bootloader, which nothing starts."""
        return self.tree / (self.name + PROGRAM)

    @property
    def contents(self) -> Path:
        """The directory that is ``sys._MEIPASS`` at run time."""
        return self.tree / CONTENTS


def freeze(plan: Plan, environment: Environment, application: Application, job: Job) -> FrozenApp:
    """Run PyInstaller, and say what went into the bundle unasked. Raises as ``run_pyinstaller`` does."""
    with job.step("freeze") as step:
        scan_library(environment, job)
        frozen = run_pyinstaller(plan, environment, application, job)
        step.result = _described(frozen)
    if frozen.stale and plan.learned is not None:
        job.log.warning(f"{plan.learned.path.name} has lines that are not needed any more: {', '.join(frozen.stale)}")
    for item in frozen.added:
        job.log.detail(f"    {item.distribution}: {item.files} files, {human_size(item.size)}; {item.modules} modules")
    return frozen


def _described(frozen: FrozenApp) -> str:
    size = sum(item.size for item in frozen.added)
    biggest = sorted(frozen.added, key=lambda item: item.size, reverse=True)[:3]
    named = ", ".join(f"{item.distribution} {human_size(item.size)}" for item in biggest if item.size)
    text = f"{len(frozen.modules)} modules"
    return f"{text}; added {human_size(size)} of data and metadata ({named})" if named else text


def run_pyinstaller(plan: Plan, environment: Environment, application: Application, job: Job) -> FrozenApp:
    """Run PyInstaller.

    Raises InputError for a missing module or a wrong hidden import, ToolError if PyInstaller fails.
    """
    root = environment.root
    program = DRIVERS / "run_pyinstaller.py"
    report = job.folder("freeze") / "report.json"
    request = job.write("freeze/request.json", json.dumps(request_for(plan, environment, application, report, job)))
    output = Output()
    try:
        root.run(
            [environment.python, "-s", DRIVERS / "start_with_toolchain.py", environment.toolchain, program, request],
            job,
            what=f"freeze {application.name}",
            env=_variables(plan, root, job),
            cwd=job.work,
            on_line=output.read,
        )
    except ToolError as error:
        raise explained(error) from error
    if application.is_spec and not os.path.lexists(report):
        raise output.of_ended_spec(plan.pyinstaller_args)
    for warning in output.warnings():
        job.log.warning(warning)
    check_file(report, job.work)
    facts: FreezeReport = json.loads(report.read_text(encoding="utf-8"))
    tree, name, package, warnings = _received(facts, root, job)
    missing = read_warnings(warnings)
    for absent, importers in missing.items():
        job.log.detail(f"    not found: {absent}, imported by {importers}")
    asked = {name: f"imports = [{name!r}] in [tool.freezer.snapshot]" for name in _saved(plan)}
    asked.update({name: f"--hidden-import {name}" for name in plan.hidden_imports})
    wrong = next((name for name in output.not_found if name in asked), None)
    if wrong is not None:
        raise InputError(
            f"{asked[wrong]}: there is no such module in the build environment",
            hint="add the distribution that has it: --with NAME, or mend the spelling",
        )
    refuse_absent(frozenset(missing), application, plan, environment, job)
    return FrozenApp(
        tree=tree,
        name=name,
        package=package,
        modules=frozenset(facts["modules"]),
        origins={tree / CONTENTS / key: root.outside(value) for key, value in facts["origins"].items()},
        sources=tuple(root.outside(item) for item in facts["sources"]),
        added=tuple(Added(i["distribution"], i["files"], i["bytes"], i["modules"]) for i in facts["added"]),
        opened=tuple(facts["opened"]),
        charsets=tuple(facts["charsets"]),
        strip=facts["strip"],
        own_modules=frozenset(facts["own"]["modules"]),
        own_files=frozenset(facts["own"]["files"]),
        own=application.own,
        stale=_stale(application, output.not_found),
        own_origins=_own_origins(facts, root),
    )


def _own_origins(facts: FreezeReport, root: BuildRoot) -> OwnOrigins:
    own = facts["own"]
    return OwnOrigins(
        code={name: root.outside(path) for name, path in own["code"].items()},
        places={place: root.outside(path) for place, path in own["places"].items()},
        groups=tuple(facts["groups"]),
        by_shape=not (own["run"] or facts["hooks"]),
    )


def _stale(application: Application, not_found: list[str]) -> tuple[str, ...]:
    """Return the learned lines that nothing answers to; which modules there are, PyInstaller knows."""
    unknown = [f"[modules] {name}" for name in dict.fromkeys(not_found) if name in application.learnt.modules]
    return (*application.learnt.stale, *unknown)


def _variables(plan: Plan, root: BuildRoot, job: Job) -> dict[str, str]:
    own = {
        "PYINSTALLER_CONFIG_DIR": root.inside(job.folder("pyinstaller")),
        # Its archives are read once, and what is in them is compressed with everything else.
        "PYINSTALLER_ZLIB_COMPRESSION_LEVEL": "0",
    }
    return root.clean_environment(job, epoch=plan.epoch, extra=own)


def _received(facts: FreezeReport, root: BuildRoot, job: Job) -> tuple[Path, str, Path, Path]:
    """Return the tree, the application's name, the archive of code and the list of warnings.

    Raises EnvironmentFailure if another system has made something else of them.
    """
    tree, package, warnings = (root.outside(facts[name]) for name in ("tree", "package", "warnings"))
    name = os.path.basename(facts["name"])
    if root.path != Path("/"):
        check_tree(tree, job.work)
        check_folder(tree / CONTENTS, job.work)
        for path in (tree / (name + PROGRAM), package, warnings):
            check_file(path, job.work)
    return tree, name, package, warnings


def _saved(plan: Plan) -> tuple[str, ...]:
    return plan.snapshot.imports if plan.snapshot else ()


def request_for(
    plan: Plan, environment: Environment, application: Application, report: Path, job: Job
) -> FreezeRequest:
    """Return what the driver of PyInstaller is asked; only directories to write to are made."""
    root = environment.root
    added = (*plan.add_data, *application.data, *application.learnt.data)
    return {
        "script": root.inside(application.script),
        "spec": application.is_spec,
        "name": application.name,
        "search": [root.inside(item) for item in application.search],
        "beside": [root.inside(item) for item in application.imported_from],
        "own_files": [root.inside(item) for item in application.own_files],
        "own_data": [(root.inside(item.source), item.folder) for item in application.own.files],
        "named": sorted({name for name, _ in application.own.modules} | set(application.own.foreign)),
        "whole": list(application.own.whole),
        "exclude_data": list(plan.exclude_data),
        "local_packages": {name: root.inside(place) for name, place in application.local_packages.items()},
        "distribution": application.distribution,
        "add_data": [(root.inside(source), destination) for source, destination in added],
        "add_binary": [
            (root.inside(source), destination)
            for source, destination in (*plan.add_binary, *application.learnt.binaries)
        ]
        + [(root.inside(path), ".") for path in plan.libraries],
        "hidden_imports": [*plan.hidden_imports, *_saved(plan), *application.modules, *application.learnt.modules],
        "collect_all": list(plan.collect_all),
        "copy_metadata": [*plan.copy_metadata, *application.learnt.metadata],
        "entry_points": list(application.learnt.entry_points),
        "exclude": list(plan.exclude),
        "sources": plan.sources.value,
        "strip": plan.strip,
        "python_options": list(plan.python_options),
        "optimize": optimization(plan.python_options),
        "pyinstaller_args": list(plan.pyinstaller_args),
        "toolchain": root.inside(environment.toolchain),
        "analysis": root.inside(environment.analysis),
        "runtime": root.inside(RUNTIME),
        "runtime_modules": list(RUNTIME_MODULES),
        "marked": plan.snapshot is not None,
        "hooks": root.inside(job.folder("hooks")),
        "dist": root.inside(job.folder("dist")),
        "work": root.inside(job.folder("freeze")),
        "specpath": root.inside(job.folder("spec")),
        "report": root.inside(report),
    }
