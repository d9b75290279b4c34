"""The settings that are proposed for a project: what was given, and what was found."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Optional

from freezer.application.entry import Application
from freezer.base.errors import InputError
from freezer.base.places import is_file
from freezer.plan.build import Plan
from freezer.plan.choices import EntryKind
from freezer.plan.image_settings import IMAGE_SETTINGS
from freezer.plan.settings import RUN_SETTINGS, SETTINGS, Setting, ValueKind
from freezer.plan.settings_file import IMAGE_TABLE
from freezer.plan.values import DISTRIBUTION, FILE_MARK
from freezer.scaffold import docker_ignored
from freezer.scaffold.placing import read_text

REQUIREMENTS = "requirements.txt"
PYTHON_VERSION = ".python-version"
ALONE = ("refresh", "jobs")
"""Settings that are about one run, and not written."""
KEPT = tuple(setting for setting in SETTINGS if setting.name not in ALONE)
OF_IMAGE = tuple(setting for setting in IMAGE_SETTINGS if setting not in SETTINGS)
START = ("entry", "entry-point", "console-script")
IN_FOLDER = (EntryKind.SCRIPT, EntryKind.PACKAGE, EntryKind.MODULE)
"""Entries whose requirements are told by a file beside them."""


def given_settings(given: Mapping[str, Any], cwd: Path, folder: Path) -> dict[str, Any]:
    """Return the options of a command line as values of a settings file in ``folder``; paths are relative to it."""
    values = {
        setting.key_in_files: _moved(setting, given[setting.attribute], cwd, folder)
        for setting in KEPT
        if given.get(setting.attribute) is not None
    }
    image = {
        setting.key_in_files: _moved(setting, given[setting.attribute], cwd, folder)
        for setting in OF_IMAGE
        if given.get(setting.attribute) is not None
    }
    if given.get("image") is not None:
        image = {"output": _relative(given["image"], cwd, folder), **image}
    return {**values, **({IMAGE_TABLE: image} if image else {})}


def _moved(setting: Setting, value: Any, cwd: Path, folder: Path) -> Any:
    """Return the value of an option as a settings file in another directory has it."""
    if setting.kind is ValueKind.RUNS and not isinstance(value, str):
        runs = [
            {key: _moved(RUN_SETTINGS[key], item, cwd, folder) for key, item in run.items() if item is not None}
            for run in value
        ]
        return runs[0]["args"] if len(runs) == 1 and list(runs[0]) == ["args"] else runs
    if setting is RUN_SETTINGS["stdin"] and value.startswith(FILE_MARK):
        return FILE_MARK + _relative(value[len(FILE_MARK) :], cwd, folder)
    if setting.kind is ValueKind.TEXTS:
        return value[0] if len(value) == 1 else list(value)
    if setting.kind is ValueKind.PATH or (setting.name in ("python", "chroot") and os.sep in value):
        return value if DISTRIBUTION.match(value) else _relative(value, cwd, folder)
    if setting.kind is ValueKind.PATHS:
        return [_relative(item, cwd, folder) for item in value]
    if setting.kind is ValueKind.PAIRS:
        return [_relative(item, cwd, folder) for item in value]
    return value


def _relative(text: str, cwd: Path, folder: Path) -> str:
    """Return a path that is relative to ``cwd`` as one that is relative to ``folder``."""
    if cwd == folder or os.path.isabs(text) or text.startswith(("~/", ":")) or text == "-":
        return text
    return os.path.relpath(cwd / text, folder)


def found_settings(
    plan: Plan, application: Application, entry: Optional[str], given: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Return what starts the application, its name, and what stays out, as values of a settings file in ``folder``.

    ``entry`` is the path of the entry, as it was named or found; ``given`` are the values that were given.
    """
    values = _start(plan, application, entry, folder)
    values["name"] = application.name
    excluded = _docker_excludes(application, folder)
    if excluded and "exclude-data" not in given:
        values["exclude-data"] = list(excluded)
    return values


def found_requirements(plan: Plan, known: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the setting for the requirements that are in a file beside the application; none if it is ``known`` what
    they are, or if the script says it."""
    inline = plan.entry.kind is EntryKind.SCRIPT and plan.packages
    if inline or plan.entry.kind not in IN_FOLDER or {"requirement", "with"} & set(known):
        return {}
    return {"requirement": [REQUIREMENTS]} if is_file(folder / REQUIREMENTS) else {}


def _start(plan: Plan, application: Application, entry: Optional[str], folder: Path) -> dict[str, Any]:
    """Return the settings that say what starts the application."""
    start = plan.entry
    values: dict[str, Any] = {}
    if entry is not None and start.path is not None and (start.kind is not EntryKind.PROJECT or start.function):
        values["entry"] = entry
    if start.function is not None:
        values["entry-point"] = start.function
    elif start.console_script is not None:
        values["console-script"] = start.console_script
    elif start.kind is EntryKind.PROJECT and plan.name is None:
        values["console-script"] = application.name
    return values


def _docker_excludes(application: Application, folder: Path) -> Iterable[str]:
    """Return the patterns of a .dockerignore that are about the application's own data; those of a project are in its
    wheel, or not."""
    text = read_text(folder / docker_ignored.FILE)
    top = application.own.top
    if text is None or top is None or top.resolve() != folder.resolve():
        return ()
    data = [item.source for item in application.own.files]
    return docker_ignored.exclusions(text, _below(data, top), _below(application.own_files, top))


def _below(paths: Iterable[Path], top: Path) -> list[str]:
    return [str(path.relative_to(top)) for path in paths if top in path.parents]


def python_in_file(folder: Path) -> Optional[str]:
    """Return the version that a ``.python-version`` names, without its last number; None if there is none."""
    text = read_text(folder / PYTHON_VERSION) or ""
    first = next((line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    numbers = first.removeprefix("cpython-").removeprefix("python").split(".")
    if len(numbers) < 2 or not all(number.isascii() and number.isdigit() for number in numbers[:2]):
        return None
    return ".".join(numbers[:2])


def refuse_changes(values: Mapping[str, Any], existing: Mapping[str, Any], where: Path) -> None:
    """Raise InputError if a given value would replace one that is there, or have something else started."""
    image = existing.get(IMAGE_TABLE, {})
    changed = [
        key
        for key, value in values.items()
        if key != IMAGE_TABLE and (key in existing or key in START) and existing.get(key) != value
    ]
    changed += [
        f"{IMAGE_TABLE}.{key}"
        for key, value in values.get(IMAGE_TABLE, {}).items()
        if key in image and image[key] != value
    ]
    if changed:
        raise InputError(
            f"{where} has settings already, and {', '.join(changed)} would change",
            hint="to see what would change: --dry-run --force; to change it: --force",
        )
