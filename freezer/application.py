"""The application itself: its project built into a wheel, its entry resolved, its own sources known.

The project's code is never part of the build environment: it is built into a wheel, unpacked beside the environment,
and put on the search path in front of it. So a changed source file needs no new environment.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from freezer.buildroot import BuildRoot
from freezer.drivers import DRIVERS
from freezer.environment import Environment
from freezer.errors import InputError
from freezer.interpreter import Interpreter
from freezer.log import Log
from freezer.metadata import Metadata, parse_metadata
from freezer.pip import pip
from freezer.plan import EntryKind, Plan
from freezer.requirements import IGNORED_FOLDERS
from freezer.workspace import Workspace

LAUNCHER = """\
import sys

from {module} import {first}

if __name__ == "__main__":
    sys.exit({attribute}())
"""


@dataclass(frozen=True)
class ProjectWheel:
    """A project as it would be installed: its distribution's name, Requires-Dist, console scripts, and what it says of
    itself."""

    path: Path
    distribution: str
    dependencies: tuple[str, ...]
    console_scripts: tuple[str, ...]
    metadata: Optional[Metadata] = None


@dataclass(frozen=True)
class Application:
    """What PyInstaller is to freeze.

    ``search`` are directories in front of the environment's; ``own_files`` the application's source files and
    ``own_imports`` their unconditional imports as (module, file, line); ``local_packages`` maps its packages that no
    distribution owns to their directories; ``distribution`` is the one that owns the entry point,
    ``metadata`` what it says of itself.
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


def build_wheel(
    plan: Plan, root: BuildRoot, interpreter: Interpreter, *, log: Log, space: Workspace
) -> Optional[ProjectWheel]:
    """Build the wheel of a project entry, from a copy, so that no build product is left in the sources.

    None for other entries. Raises EnvironmentFailure if the project's build backend fails.
    """
    if plan.entry.kind is not EntryKind.PROJECT:
        return None
    project = plan.entry.path
    assert project is not None
    sources, wheels = space.work / "source", space.folder("wheel")
    shutil.copytree(project, sources, symlinks=True, ignore=shutil.ignore_patterns(*IGNORED_FOLDERS, "*.egg-info"))
    if (project / ".git").exists():
        # Backends that take the version or the list of files from git must find the repository.
        (sources / ".git").symlink_to(root.inside(project / ".git"))
    constraints = [option for path in plan.constraints for option in ("-c", path)]
    pip(
        "wheel",
        ["--no-deps", *constraints, "--wheel-dir", wheels, "--", sources],
        root=root,
        interpreter=interpreter,
        what=f"build {project}",
        folder=space.work,
        epoch=plan.epoch,
        log=log,
        space=space,
    )
    return read_wheel(next(wheels.glob("*.whl")))


def read_wheel(path: Path) -> ProjectWheel:
    """Read the metadata of a wheel (https://packaging.python.org/en/latest/specifications/core-metadata/)."""
    import configparser

    with zipfile.ZipFile(path) as archive:
        info = next(name.split("/")[0] for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(f"{info}/METADATA").decode("utf-8", "replace")
        scripts: tuple[str, ...] = ()
        if f"{info}/entry_points.txt" in archive.namelist():
            parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
            parser.optionxform = str  # type: ignore[method-assign,assignment]
            parser.read_string(archive.read(f"{info}/entry_points.txt").decode("utf-8"))
            groups = [name for name in ("console_scripts", "gui_scripts") if parser.has_section(name)]
            scripts = tuple(name for group in groups for name in parser[group])
    metadata = parse_metadata(text)
    return ProjectWheel(path, metadata.name, metadata.dependencies, tuple(sorted(scripts)), metadata)


def choose_script(plan: Plan, project: Optional[ProjectWheel]) -> Optional[str]:
    """The console script to start with. Raises InputError that lists them if the project has several or none."""
    if project is None or plan.entry.function is not None:
        return plan.entry.console_script
    wanted, known = plan.entry.console_script, project.console_scripts
    if wanted is not None:
        if wanted not in known:
            raise InputError(
                f"{project.distribution} has no console script {wanted!r}",
                hint=("it has: " + ", ".join(known)) if known else "name a function: -e MODULE:FUNCTION",
            )
        return wanted
    if not known:
        raise InputError(f"{project.distribution} has no console script", hint="name a function: -e MODULE:FUNCTION")
    if len(known) > 1:
        raise InputError(
            f"{project.distribution} has several console scripts; which one shall be frozen?",
            why=", ".join(known),
            hint="\n".join(f"-c {name}" for name in known),
        )
    return known[0]


def resolve_application(
    plan: Plan, environment: Environment, project: Optional[ProjectWheel], *, log: Log, space: Workspace
) -> Application:
    """Find out what starts the application and which sources are its own.

    Raises InputError: no such console script, module or function; a syntax error, with file and line.
    """
    entry, root = plan.entry, environment.root
    search: tuple[Path, ...] = ()
    if project is not None:
        unpacked = space.work / "application"
        pip(
            "install",
            ["--no-deps", "--no-compile", "--target", unpacked, "--", project.path],
            root=root,
            interpreter=environment.interpreter,
            python=environment.python,
            what="unpack the project",
            folder=space.work,
            log=log,
            space=space,
        )
        search = (unpacked,)
    elif entry.kind is EntryKind.MODULE and entry.path is not None:
        search = (entry.path,)
    script = choose_script(plan, project)
    is_file = entry.kind in (EntryKind.SCRIPT, EntryKind.SPEC)
    if entry.kind is EntryKind.SPEC:
        assert entry.path is not None and plan.name is not None
        return Application(plan.name, entry.path, True, (entry.path.parent,), (), (), {}, None)
    own = search or ((entry.path.parent,) if entry.path is not None else ())
    done = root.run(
        [environment.python, "-I", DRIVERS / "resolve.py"],
        log=log,
        space=space,
        what="find the application's entry",
        env=root.clean_environment(space, epoch=plan.epoch),
        cwd=space.work,
        stdin=json.dumps(
            {
                "search": [root.inside(item) for item in search],
                "own": [root.inside(item) for item in own],
                "script": root.inside(entry.path) if is_file and entry.path is not None else None,
                "function": entry.function,
                "console_script": script,
                "distribution": project.distribution if project is not None else None,
            }
        ),
        capture=True,
    )
    facts = json.loads(done.stdout)
    _refuse(facts, script, root)
    imports = tuple((item[0], root.outside(item[1]), item[2]) for item in facts["imports"])
    if not plan.pyinstaller_args:
        # With arguments of its own, PyInstaller may find more; then its word is waited for.
        refuse_missing(imports, frozenset(facts["missing"]), frozenset(plan.exclude))
    module, attribute = facts["module"], facts["attribute"]
    name = plan.name or script or (project.distribution if project is not None else module)
    if is_file:
        assert entry.path is not None
        start = entry.path
    else:
        start = space.folder("entry") / "_freezer_main.py"
        first = attribute.split(".")[0]
        start.write_text(LAUNCHER.format(module=module, first=first, attribute=attribute), encoding="utf-8")
    return Application(
        name=name,
        script=start,
        is_spec=False,
        search=search,
        own_files=tuple(root.outside(item) for item in facts["files"]),
        own_imports=imports,
        local_packages={} if project is not None else {key: root.outside(v) for key, v in facts["packages"].items()},
        distribution=facts["distribution"],
        metadata=project.metadata if project is not None else _metadata(facts.get("metadata")),
    )


def _metadata(text: Optional[str]) -> Optional[Metadata]:
    return parse_metadata(text) if text else None


def _refuse(facts: dict[str, Any], script: Optional[str], root: BuildRoot) -> None:
    error = facts.get("error")
    if error == "syntax":
        place = root.outside(facts["file"])
        raise InputError(f"syntax error in {place}, line {facts['line']}", why=facts["message"])
    if error == "no module":
        raise InputError(
            f"there is no module {facts['module']!r} in the build environment",
            hint="add the distribution that has it: --with NAME, or -r requirements.txt",
        )
    if error == "no console script":
        raise InputError(
            f"there is no console script {script!r} in the build environment",
            why="it has: " + (", ".join(facts["known"][:20]) or "none"),
            hint="add the distribution that has it: --with NAME",
        )


def refuse_missing(
    imports: tuple[tuple[str, Path, int], ...], missing: frozenset[str], excluded: frozenset[str]
) -> None:
    """Raise an InputError if a module is missing that the application's own code imports whenever it starts.

    Imports inside functions, conditions and try statements may be meant to fail, and stay quiet.
    """
    for module, file, line in imports:
        parts = module.split(".")
        prefixes = {".".join(parts[: depth + 1]) for depth in range(len(parts))}
        if not prefixes & missing or prefixes & excluded:
            continue
        raise InputError(
            f"module {module!r} is missing from the build environment",
            why=f"{file}, line {line} imports it",
            hint=f"add the distribution that has it to the requirements: --with {parts[0].replace('_', '-')}, "
            f"or -r requirements.txt; if it exists but is found at run time only: --hidden-import {module}",
        )


def source_state(paths: list[Path]) -> list[tuple[str, int, int]]:
    """(path, bytes, modification time in ns) of files, as a cheap sign that they are unchanged; (path, -1, -1) for
    those that do not exist."""
    state = []
    for path in paths:
        try:
            status = os.stat(path)
            state.append((str(path), status.st_size, status.st_mtime_ns))
        except OSError:
            state.append((str(path), -1, -1))
    return state
