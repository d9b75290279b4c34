"""A project: its wheel, built by pip, and its metadata.

The project's code is never part of the build environment: it is built into a wheel, unpacked beside the environment,
and put on the search path in front of it. So a changed source file needs no new environment.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.application.metadata import Metadata, parse_metadata
from freezer.base.errors import InputError
from freezer.base.job import Job
from freezer.environment.interpreter import Interpreter
from freezer.environment.pip import pip
from freezer.plan.build import Plan
from freezer.plan.choices import EntryKind
from freezer.plan.settings_file import load_toml
from freezer.plan.trees import copy_sources, repository_of
from freezer.system.buildroot import BuildRoot

LEGACY_BACKEND = "setuptools.build_meta:__legacy__"
"""pip's backend for a project that names none (PEP 517)."""


@dataclass(frozen=True)
class ProjectWheel:
    """A project as it would be installed: the distribution's name, Requires-Dist, console scripts and metadata."""

    path: Path
    distribution: str
    dependencies: tuple[str, ...]
    console_scripts: tuple[str, ...]
    metadata: Optional[Metadata] = None


def build_wheel(plan: Plan, root: BuildRoot, interpreter: Interpreter, job: Job) -> Optional[ProjectWheel]:
    """Build the wheel of a project entry as pip does: where it is, with all that is around it.

    None for other entries. Raises EnvironmentFailure if the project's build backend fails.
    """
    if plan.entry.kind is not EntryKind.PROJECT:
        return None
    project = plan.entry.path
    assert project is not None
    sources, wheels = _place(project, root, job), job.folder("wheel")
    constraints = [option for path in plan.constraints for option in ("-c", path)]
    pip(
        "wheel",
        ["--no-deps", *constraints, *_elsewhere(sources, root, job), "--wheel-dir", wheels, "--", sources],
        job,
        root=root,
        interpreter=interpreter,
        what=f"build {project}",
        folder=job.work,
        epoch=plan.epoch,
    )
    return read_wheel(next(wheels.glob("*.whl")))


def _place(project: Path, root: BuildRoot, job: Job) -> Path:
    """Return where the project is built: in its place, else in a copy of its repository, or of the project alone.

    Backends read files above the project (a monorepo's VERSION), and ask git for the version and the list of files.
    """
    if root.is_writable(project):
        return project
    top = repository_of(project) or project
    copy = job.work / "source"
    copy_sources(top, copy)
    if os.path.lexists(top / ".git"):
        (copy / ".git").symlink_to(root.inside(top / ".git"))
    return copy / project.relative_to(top)


def _elsewhere(project: Path, root: BuildRoot, job: Job) -> list[str]:
    """Return pip's options that have setuptools keep its build products out of the project.

    What an earlier build left there would get into the wheel, too. Other backends build outside of the sources, or
    where their own settings say, and refuse settings that they do not know.
    """
    file = project / "pyproject.toml"
    system = load_toml(file).get("build-system", {}) if file.is_file() else {}
    if system.get("build-backend", "setuptools.build_meta") not in ("setuptools.build_meta", LEGACY_BACKEND):
        return []
    words = []
    for command, option in (("build", "build-base"), ("egg_info", "egg-base")):
        words += [command, f"--{option}={root.inside(job.folder(f'setuptools-{command}'))}"]
    return [f"--config-settings=--global-option={word}" for word in words]


def read_wheel(path: Path) -> ProjectWheel:
    """Read the metadata of a wheel (https://packaging.python.org/en/latest/specifications/core-metadata/)."""
    import configparser
    import zipfile

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
    """Return the console script to start with. Raises InputError that lists them if the project has several or none."""
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
            f"{project.distribution} has several console scripts; which one should be frozen?",
            why=", ".join(known),
            hint="\n".join(f"-c {name}" for name in known),
        )
    return known[0]
