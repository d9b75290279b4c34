"""The files that are proposed for a project: its settings, a job for CI, and what runs its image."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from freezer.application.entry import Application
from freezer.base.errors import InputError
from freezer.base.log import Log
from freezer.base.places import exists, is_folder
from freezer.plan.build import Plan
from freezer.plan.choices import DEFAULT_EPOCH, ImageLayout, Linker
from freezer.plan.image import ImagePlan
from freezer.plan.resolve import resolve
from freezer.plan.resolve_entry import CHOICES, PYPROJECT, is_function, is_project
from freezer.plan.resolve_image import resolve_image
from freezer.plan.settings_file import IMAGE_TABLE, FileSettings, parse_toml, read_settings, tool_settings
from freezer.plan.trees import repository_of
from freezer.prove.untried import SERVERS
from freezer.scaffold.ci_jobs import WRITERS, CiService, Job
from freezer.scaffold.compose import compose
from freezer.scaffold.described import Described, Workload, described_by_file, described_by_plan
from freezer.scaffold.kubernetes import manifest
from freezer.scaffold.placing import Draft, read_text
from freezer.scaffold.proposed import found_requirements, found_settings, given_settings, python_in_file, refuse_changes
from freezer.scaffold.scripts import find_function, find_script
from freezer.scaffold.settings_text import settings_in, with_settings
from freezer.system.locate import locate_interpreter

KUBERNETES_FILE, COMPOSE_FILE = "k8s.yaml", "compose.yaml"
SETUP_CFG = "setup.cfg"
UNOWNED = "docker.io/library/"
"""What names without a registry and an owner begin with: nobody can push there."""

Survey = Callable[[Plan], Application]


@dataclass(frozen=True)
class Wish:
    """What is wanted beside the settings. ``workload`` None means what the image looks like."""

    ci: Optional[CiService] = None
    kubernetes: bool = False
    workload: Optional[Workload] = None
    compose: bool = False

    @property
    def of_image(self) -> bool:
        """Return whether anything of it is about an image."""
        return self.ci is not None or self.kubernetes or self.compose


@dataclass(frozen=True)
class Command:
    """``freezer init`` as it was called: the options that were given, the current directory, and the variables."""

    given: Mapping[str, Any]
    wish: Wish
    force: bool
    cwd: Path
    environ: Mapping[str, str]


@dataclass(frozen=True)
class _Settings:
    """The settings of a project, as they will be: their draft, if there is one, and the application's name."""

    name: str
    file: FileSettings
    drafts: list[Draft]
    application: Optional[Application]

    @property
    def program(self) -> str:
        """Return the name of the executable, which images have it by."""
        return Path(self.file.values.get("output", self.name)).name


def drafts_for_image(path: Path, wish: Wish, name: Optional[str], folder: Path) -> list[Draft]:
    """Return the files that run an image. Raises InputError as ``described_by_file`` does."""
    return _running(described_by_file(path, name), wish, folder)


def drafts_for_project(command: Command, folder: Path, survey: Survey, log: Log) -> list[Draft]:
    """Return the files for the project in ``folder``. ``survey`` looks at the application, which takes a while.

    Raises UsageError and InputError, as ``resolve`` does, and if settings would change that are there.
    """
    settings = _settings(command, folder, survey, log)
    if not command.wish.of_image:
        return settings.drafts
    output = Path(settings.file.image.get("output", folder / _output(settings.name)))
    image = resolve_image(dict(settings.file.image), output=output, created=None, epoch=DEFAULT_EPOCH)
    drafts = list(settings.drafts)
    if command.wish.ci is not None:
        drafts.append(_job(command.wish.ci, settings, image, folder))
    if command.wish.kubernetes or command.wish.compose:
        described = described_by_plan(image, settings.name, settings.program)
        if not image.names:
            log.warning(f"the image is called {described.name}; to name it for your registry: --tag REGISTRY/NAME:TAG")
        server = _server(settings.application)
        if server is not None and not image.ports:
            log.warning(f"no port is exposed, though {server} is imported; to expose one: --port PORT")
        drafts += _running(described, command.wish, folder)
    return drafts


def folder_for(entry: Optional[str], cwd: Path) -> Path:
    """Return the directory whose settings are meant: the entry's if it is a directory, or is elsewhere; else the
    current one."""
    if entry is None or not exists(cwd / entry):
        return cwd
    path = Path(os.path.abspath(cwd / entry))
    if is_folder(path):
        return path if is_project(path) or path == cwd or cwd not in path.parents else cwd
    return cwd if cwd in path.parents else path.parent


def _settings(command: Command, folder: Path, survey: Survey, log: Log) -> _Settings:
    """Return the settings as they will be: those that are there with what was given, or all that can be found out."""
    path = folder / PYPROJECT
    text = read_text(path) or ""
    file = read_settings(folder)
    given = given_settings(command.given, command.cwd, folder)
    if file.path is not None and file.path.name == SETUP_CFG and (given or command.force):
        raise InputError(f"the settings are in {file.path}", hint="change them there")
    if file.path is None or command.force:
        return _found(command, file, Draft(path, text, edits=True), given, survey, log)
    existing = settings_in(text, path)
    refuse_changes({**_started(command.given, folder, command.cwd), **given}, existing, path)
    plan = resolve(_arguments(command, file, folder), folder=command.cwd, environ=command.environ)
    application = survey(plan) if plan.name is None and (command.wish.of_image or IMAGE_TABLE in given) else None
    name = application.name if application is not None else plan.name or ""
    if IMAGE_TABLE in given and "output" not in file.image:
        given[IMAGE_TABLE] = {"output": _output(name), **given[IMAGE_TABLE]}
    draft = Draft(path, with_settings(text, given, path) if given else text, edits=True)
    if draft.text == text:
        log.line(f"{file.path} has settings already")
        return _Settings(name, file, [], application)
    return _Settings(name, _read_back(draft), [draft], application)


def _found(
    command: Command, file: FileSettings, now: Draft, given: dict[str, Any], survey: Survey, log: Log
) -> _Settings:
    """Return what was found out about an application, with what was given, in the file as it is ``now``."""
    folder = now.path.parent
    existing = settings_in(now.text, now.path)
    arguments = _arguments(command, file, folder)
    known = {**existing, **given}
    python = _python(known, folder, log)
    plan = resolve({**arguments, **python}, folder=command.cwd, environ=command.environ)
    needed = found_requirements(plan, known, folder)
    if needed:
        paths = {key: [str(folder / name) for name in names] for key, names in needed.items()}
        plan = resolve({**arguments, **python, **paths}, folder=command.cwd, environ=command.environ)
    application = survey(plan)
    entry = arguments.get("entry")
    place = None if entry is None else os.path.relpath(command.cwd / entry, folder)
    values = {**found_settings(plan, application, place, known, folder), **needed, **python, **given}
    if command.wish.of_image or IMAGE_TABLE in given:
        output = {} if "output" in existing.get(IMAGE_TABLE, {}) else {"output": _output(application.name)}
        values[IMAGE_TABLE] = {**output, **given.get(IMAGE_TABLE, {})}
    draft = Draft(now.path, with_settings(now.text, values, now.path), edits=True)
    return _Settings(application.name, _read_back(draft), [draft], application)


def _read_back(draft: Draft) -> FileSettings:
    """Return the settings in a draft, as a build will read them."""
    found = tool_settings(parse_toml(draft.text, str(draft.path)), draft.path)
    return found if found is not None else FileSettings({}, None)


def _arguments(command: Command, file: FileSettings, folder: Path) -> dict[str, Any]:
    """Return the arguments of a build, with an entry where neither the command line nor a file has one, and an image
    where one is wanted."""
    arguments = dict(command.given)
    entry = arguments.get("entry")
    elsewhere = entry is not None and os.path.abspath(command.cwd / entry) != str(folder)
    named = elsewhere or "entry" in file.values or any(key in arguments or key in file.values for key in CHOICES)
    if not named and is_project(folder):
        function = find_function(folder)
        if function is not None:
            found = {"entry": os.path.relpath(folder, command.cwd), "entry_point": function.path, "name": function.name}
            arguments = {**found, **arguments}
    elif not named and entry is None:
        script = find_script(folder)
        if script is not None:
            arguments["entry"] = os.path.relpath(folder / script, command.cwd)
    if "image" not in arguments and "output" not in file.image:
        arguments["image"] = _output("image")
    return arguments


def _output(name: str) -> str:
    return f"dist/{name}.tar"


def _python(known: Mapping[str, Any], folder: Path, log: Log) -> dict[str, str]:
    """Return the Python that the project's file for pyenv and uv names, if it is there."""
    version = python_in_file(folder)
    if version is None or {"python", "chroot"} & set(known):
        return {}
    try:
        locate_interpreter(version)
    except InputError:
        log.warning(f".python-version names Python {version}, which is not installed here; freezer's own is taken")
        return {}
    return {"python": version}


def _started(given: Mapping[str, Any], folder: Path, cwd: Path) -> dict[str, str]:
    """Return what the command line says of the entry, as a settings file does."""
    entry = given.get("entry")
    if entry is None or is_folder(cwd / entry):
        return {}
    if not exists(cwd / entry) and is_function(entry):
        return {"entry-point": entry}
    return {"entry": os.path.relpath(cwd / entry, folder)}


def _server(application: Optional[Application]) -> Optional[str]:
    """Return a module of those that make a server of an application, if its own code imports one."""
    imported = {name for name, _, _ in application.own_imports} if application is not None else set()
    return next((name for name in SERVERS if name in imported), None)


def _job(service: CiService, settings: _Settings, image: ImagePlan, folder: Path) -> Draft:
    place, write = WRITERS[service]
    top = repository_of(folder) or folder
    python = str(settings.file.values.get("python", ""))
    native = settings.file.values.get("linker") == Linker.NATIVE.value
    output = os.path.relpath(image.output, folder)
    job = Job(
        image=output,
        name=next((name for name in image.names if not str(name).startswith(UNOWNED)), None),
        python=python if re.fullmatch(r"3\.\d+", python) else ".".join(map(str, sys.version_info[:2])),
        compiles=native or image.layout is ImageLayout.UNPACKED,
        build="freezer build" if "output" in settings.file.image else f"freezer build --image {output}",
        folder=os.path.relpath(folder, top),
    )
    return Draft(top / place, write(job))


def _running(image: Described, wish: Wish, folder: Path) -> list[Draft]:
    drafts = []
    if wish.kubernetes:
        drafts.append(Draft(folder / KUBERNETES_FILE, manifest(image, wish.workload)))
    if wish.compose:
        drafts.append(Draft(folder / COMPOSE_FILE, compose(image, wish.workload)))
    return drafts
