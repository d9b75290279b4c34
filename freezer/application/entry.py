"""The application itself: its project built into a wheel, its entry resolved, its own sources known.

The project's code is never part of the build environment: it is built into a wheel, unpacked beside the environment,
and put on the search path in front of it. So a changed source file needs no new environment.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from freezer.application.drivers import DRIVERS
from freezer.application.drivers.entry_messages import EntryAnswer, EntryFacts, EntryFailure, EntryRequest
from freezer.application.ground import Ground, find_ground
from freezer.application.metadata import Metadata, parse_metadata
from freezer.application.own import Learnt, OwnFound, ground_request, own_found
from freezer.application.project import ProjectWheel, choose_script
from freezer.base.errors import InputError
from freezer.base.job import Job
from freezer.base.shortage import raise_shortage
from freezer.environment.pip import pip
from freezer.environment.venv import Environment
from freezer.plan.build import Entry, Plan
from freezer.plan.choices import EntryKind, Own
from freezer.plan.resolve_entry import MAIN
from freezer.system.buildroot import BuildRoot

FUNCTION_SCRIPT, PACKAGE_SCRIPT = "entry/_freezer_main.py", "entry/_freezer_package.py"
FUNCTION_START = """\
import sys

from {module} import {first}

if __name__ == "__main__":
    sys.exit({attribute}())
"""
"""The script that calls a function."""
PACKAGE_START = """\
if __name__ == "__main__":
    MODULE = "{package}.__main__"
else:
    import {package}.__main__
"""
"""The script that says which module of a package to run (freezer/freeze/runtime/_freezer_runner.py). PyInstaller
follows the import."""

OF_PYINSTALLER = frozenset(("pyi_splash", "pyimod01_archive", "pyimod02_importers", "pyimod03_ctypes"))
"""Modules that each application has at run time, and no environment."""


@dataclass(frozen=True)
class Application:
    """The input of PyInstaller.

    ``search`` are directories in front of the environment's; ``own_files`` the application's source files and
    ``own_imports`` their unconditional imports as (module, file, line); ``local_packages`` maps its packages that no
    distribution owns to their directories; ``distribution`` is the one that owns the entry point,
    ``metadata`` is that distribution's. ``own`` is what comes along of its own ground without being imported, and
    ``imported_from`` are the directories that its modules are imported from besides. ``data`` (files, and directories
    in the bundle) and ``modules`` are the content of a zip application, all of which is its own; ``learnt`` is what
    comes along because an earlier run asked for it. ``function`` is the MODULE:FUNCTION that starts it, if one does.
    """

    name: str
    script: Path
    is_spec: bool
    search: tuple[Path, ...]
    own_files: tuple[Path, ...]
    own_imports: tuple[tuple[str, Path, int], ...]
    local_packages: Mapping[str, Path]
    distribution: Optional[str]
    metadata: Optional[Metadata] = None
    own: OwnFound = field(default_factory=OwnFound)
    imported_from: tuple[Path, ...] = ()
    data: tuple[tuple[Path, str], ...] = ()
    modules: tuple[str, ...] = ()
    learnt: Learnt = field(default_factory=Learnt)
    function: Optional[str] = None


def resolve_application(plan: Plan, environment: Environment, project: Optional[ProjectWheel], job: Job) -> Application:
    """Find the script that starts the application, and the application's own sources.

    Raises InputError: no such console script, module or function; a syntax error, with file and line.
    """
    entry, root = plan.entry, environment.root
    if entry.kind is EntryKind.SPEC:
        assert entry.path is not None and plan.name is not None
        return Application(plan.name, entry.path, True, (entry.path.parent,), (), (), {}, None)
    if entry.kind is EntryKind.ARCHIVE:
        return _resolve_archive(plan, environment, job)
    search = _search(plan, environment, project, job)
    script = choose_script(plan, project)
    ground = find_ground(plan)
    facts = _find(plan, environment, project, search, script, ground, job)
    searched = tuple(root.outside(item) for item in facts["searched"])
    if ground is not None and any(ground.top not in folder.parents for folder in searched):
        # Modules beside the ground: now it is known where.
        ground = find_ground(plan, searched)
        facts = _find(plan, environment, project, search, script, ground, job)
    imports = tuple((item[0], root.outside(item[1]), item[2]) for item in facts["imports"])
    if not plan.pyinstaller_args:
        # With arguments of its own, PyInstaller may find more modules; then it reports missing ones itself.
        refuse_missing(imports, frozenset(facts["missing"]), frozenset(plan.exclude))
    start = _start(plan, facts, job)
    return Application(
        name=plan.name or script or (project.distribution if project is not None else facts["module"]) or start.stem,
        script=start,
        is_spec=False,
        search=search,
        own_files=tuple(root.outside(item) for item in facts["files"]),
        own_imports=imports,
        local_packages={} if project is not None else {key: root.outside(v) for key, v in facts["packages"].items()},
        distribution=facts["distribution"],
        metadata=project.metadata if project is not None else _metadata(facts["metadata"]),
        own=own_found(facts, ground, root, search[0] if project is not None else None),
        imported_from=(*searched, *((ground.top,) if ground is not None else ())),
        function=f"{facts['module']}:{facts['attribute']}" if facts["attribute"] else None,
    )


def _resolve_archive(plan: Plan, environment: Environment, job: Job) -> Application:
    """Unpack a zip application, and find what its main script needs, as for any script. Raises InputError."""
    folder = job.folder("archive")
    assert plan.entry.path is not None
    unpack_archive(plan.entry.path, folder)
    script = dataclasses.replace(
        plan,
        entry=Entry(EntryKind.SCRIPT, folder / MAIN),
        name=plan.name or plan.entry.path.stem,
        # All of the archive comes along, and what was unpacked is gone after the build.
        own=Own.NONE,
    )
    found = resolve_application(script, environment, None, job)
    data, modules = contents_of(folder)
    return dataclasses.replace(found, data=data, modules=modules)


def contents_of(folder: Path) -> tuple[tuple[tuple[Path, str], ...], tuple[str, ...]]:
    """Return the data below an application's directory, as files and directories in the bundle, and its modules."""
    data, modules = [], []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.suffix != ".py":
            if path.is_file() and "__pycache__" not in parts:
                data.append((path, "/".join(parts[:-1]) or "."))
            continue
        names = parts[:-1] if path.name == "__init__.py" else (*parts[:-1], path.stem)
        if names and names != ("__main__",) and all(name.isidentifier() for name in names):
            modules.append(".".join(names))
    return tuple(data), tuple(modules)


def unpack_archive(path: Path, folder: Path) -> None:
    """Unpack a zip application into a directory. Raises InputError if it is damaged."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            # It drops "..", drives and leading slashes from names; zip archives of Python's have no links.
            archive.extractall(folder)
    except (zipfile.BadZipFile, OSError, RuntimeError, ValueError) as error:
        # A full disk says nothing about the archive. A RuntimeError asks for a password, or names a method of packing.
        if isinstance(error, OSError):
            raise_shortage(error)
        raise InputError(f"{path} cannot be unpacked", why=str(error), hint="make the archive again") from error


def _search(plan: Plan, environment: Environment, project: Optional[ProjectWheel], job: Job) -> tuple[Path, ...]:
    """Return the directories in front of the environment's: the unpacked project, or the one that has the module."""
    if project is None:
        entry = plan.entry
        with_path = (EntryKind.MODULE, EntryKind.PACKAGE)
        return (entry.path,) if entry.kind in with_path and entry.path is not None else ()
    unpacked = job.work / "application"
    pip(
        "install",
        ["--no-deps", "--no-compile", "--target", unpacked, "--", project.path],
        job,
        root=environment.root,
        interpreter=environment.interpreter,
        python=environment.python,
        what="unpack the project",
        folder=job.work,
    )
    return (unpacked,)


def _find(
    plan: Plan,
    environment: Environment,
    project: Optional[ProjectWheel],
    search: tuple[Path, ...],
    script: Optional[str],
    ground: Optional[Ground],
    job: Job,
) -> EntryFacts:
    """Run the driver that reads the entry in the environment's Python, and return its facts. Raises InputError."""
    entry, root = plan.entry, environment.root
    own = search or ((entry.path.parent,) if entry.path is not None else ())
    request: EntryRequest = {
        "search": [root.inside(item) for item in search],
        "own": [root.inside(item) for item in own],
        "ground": ground_request(plan, ground, root),
        "script": root.inside(entry.path) if entry.kind is EntryKind.SCRIPT and entry.path else None,
        "function": entry.function,
        "package": entry.package,
        "console_script": script,
        "distribution": project.distribution if project is not None else None,
    }
    done = root.run(
        [environment.python, "-I", DRIVERS / "find_entry.py"],
        job,
        what="find the application's entry",
        env=root.clean_environment(job, epoch=plan.epoch),
        cwd=job.work,
        stdin=json.dumps(request),
        capture=True,
    )
    answer: EntryAnswer = json.loads(done.stdout)
    if answer["error"] is None:
        return answer
    raise _refusal(answer, script, root)


def _start(plan: Plan, facts: EntryFacts, job: Job) -> Path:
    """Return the script to start with: the entry itself, or a new one that runs its package or calls its function."""
    if plan.entry.kind is EntryKind.SCRIPT:
        assert plan.entry.path is not None
        return plan.entry.path
    if plan.entry.package is not None:
        return job.write(PACKAGE_SCRIPT, PACKAGE_START.format(package=plan.entry.package))
    module, attribute = facts["module"], facts["attribute"]
    assert module is not None and attribute is not None
    first = attribute.split(".", maxsplit=1)[0]
    return job.write(FUNCTION_SCRIPT, FUNCTION_START.format(module=module, first=first, attribute=attribute))


def _metadata(text: Optional[str]) -> Optional[Metadata]:
    return parse_metadata(text) if text else None


def _refusal(failure: EntryFailure, script: Optional[str], root: BuildRoot) -> InputError:
    if failure["error"] == "syntax":
        place = root.outside(failure["file"])
        return InputError(f"syntax error in {place}, line {failure['line']}", why=failure["message"])
    if failure["error"] == "no module":
        return InputError(
            f"there is no module {failure['module']!r} in the build environment",
            hint="add the distribution that provides it: --with NAME, or -r requirements.txt",
        )
    return InputError(
        f"there is no console script {script!r} in the build environment",
        why="it has: " + (", ".join(failure["known"][:20]) or "none"),
        hint="name one of these: -c NAME; or add the distribution that provides it: --with NAME"
        if failure["known"]
        else "add the distribution that provides it: --with NAME",
    )


def prefixes_of(module: str) -> set[str]:
    """Return the names of a module and of the packages that it is in."""
    parts = module.split(".")
    return {".".join(parts[: depth + 1]) for depth in range(len(parts))}


def refuse_missing(
    imports: tuple[tuple[str, Path, int], ...], missing: frozenset[str], excluded: frozenset[str]
) -> None:
    """Raise an InputError if a module is missing that the application's own code imports whenever it starts.

    Imports inside functions, conditions and try statements may be meant to fail, and stay quiet.
    """
    for module, file, line in imports:
        prefixes, top = prefixes_of(module), module.partition(".")[0]
        if not prefixes & missing or prefixes & (excluded | OF_PYINSTALLER):
            continue
        raise InputError(
            f"module {module!r} is missing from the build environment",
            why=f"{file}, line {line} imports it",
            hint=f"add the distribution that provides it to the requirements: --with {top.replace('_', '-')}, "
            f"or -r requirements.txt; if it will only be there at run time: --exclude {module}",
        )
