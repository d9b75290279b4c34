"""A project: its wheel, built by pip, and its metadata.

The project's code is never part of the build environment: it is built into a wheel, unpacked beside the environment,
and put on the search path in front of it. So a changed source file needs no new environment.
"""

from __future__ import annotations

import shutil
import zipfile
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
from freezer.plan.requirements import IGNORED_FOLDERS
from freezer.system.buildroot import BuildRoot


@dataclass(frozen=True)
class ProjectWheel:
    """A project as it would be installed: the distribution's name, Requires-Dist, console scripts and metadata."""

    path: Path
    distribution: str
    dependencies: tuple[str, ...]
    console_scripts: tuple[str, ...]
    metadata: Optional[Metadata] = None


def build_wheel(plan: Plan, root: BuildRoot, interpreter: Interpreter, job: Job) -> Optional[ProjectWheel]:
    """Build the wheel of a project entry, from a copy, so that no build product is left in the sources.

    None for other entries. Raises EnvironmentFailure if the project's build backend fails.
    """
    if plan.entry.kind is not EntryKind.PROJECT:
        return None
    project = plan.entry.path
    assert project is not None
    sources, wheels = job.work / "source", job.folder("wheel")
    shutil.copytree(project, sources, symlinks=True, ignore=shutil.ignore_patterns(*IGNORED_FOLDERS, "*.egg-info"))
    if (project / ".git").exists():
        # Backends that take the version or the list of files from git must find the repository.
        (sources / ".git").symlink_to(root.inside(project / ".git"))
    constraints = [option for path in plan.constraints for option in ("-c", path)]
    pip(
        "wheel",
        ["--no-deps", *constraints, "--wheel-dir", wheels, "--", sources],
        job,
        root=root,
        interpreter=interpreter,
        what=f"build {project}",
        folder=job.work,
        epoch=plan.epoch,
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
