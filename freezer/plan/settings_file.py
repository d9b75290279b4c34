"""Reading the settings of a project: ``[tool.freezer]`` of pyproject.toml, or ``[freezer]`` of setup.cfg. The first of
these is read from a script's metadata, too."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from freezer.base.errors import InputError
from freezer.base.places import is_file
from freezer.plan.image_settings import IMAGE_DATA, IMAGE_OUTPUT, IMAGE_SETTINGS
from freezer.plan.settings import (
    FILE_ONLY,
    RUN_SETTINGS,
    SETTINGS,
    SMOKE,
    SNAPSHOT_SETTINGS,
    Setting,
    ValueKind,
)
from freezer.plan.smokes import runs_of
from freezer.plan.values import anchored

if TYPE_CHECKING:
    from configparser import ConfigParser

IMAGE_TABLE, SNAPSHOT_TABLE = "image", "snapshot"
KNOWN = {setting.key_in_files: setting for setting in (*SETTINGS, *FILE_ONLY)}
KNOWN_OF_IMAGES = {setting.key_in_files: setting for setting in (IMAGE_OUTPUT, *IMAGE_SETTINGS, *IMAGE_DATA)}
KNOWN_OF_SNAPSHOTS = {setting.key_in_files: setting for setting in SNAPSHOT_SETTINGS}
TABLES = {IMAGE_TABLE: KNOWN_OF_IMAGES, SNAPSHOT_TABLE: KNOWN_OF_SNAPSHOTS}


@dataclass(frozen=True)
class FileSettings:
    """The settings of one file, or of several that are laid over each other. ``path`` is the file, whose directory
    PyInstaller's arguments are relative to; None where there is none. ``image`` and ``snapshot`` are those of its
    tables of these names."""

    values: Mapping[str, Any]
    path: Optional[Path]
    image: Mapping[str, Any] = field(default_factory=dict)
    snapshot: Mapping[str, Any] = field(default_factory=dict)


def read_settings(folder: Path) -> FileSettings:
    """Read the settings of the project in ``folder``: from pyproject.toml if it has any, else from setup.cfg.

    Raises InputError: an unreadable file, an unknown key (the nearest known one is named), a value of the wrong kind.
    """
    pyproject, setup = folder / "pyproject.toml", folder / "setup.cfg"
    if is_file(pyproject):
        settings = tool_settings(load_toml(pyproject), pyproject)
        if settings is not None:
            return settings
    if is_file(setup):
        import configparser

        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(setup, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {setup}", why=str(error)) from error
        sections = {}
        for section, known in (("freezer", KNOWN), *((f"freezer.{name}", known) for name, known in TABLES.items())):
            sections[section] = _section(parser, setup, section, known)
        runs = _runs_in_sections(parser, setup)
        if any(section in parser for section in sections) or runs:
            values = sections["freezer"]
            if runs:
                values[SMOKE] = [*({"args": text} for key, text in values.items() if key == SMOKE), *runs]
            return FileSettings(values, setup, *(sections[f"freezer.{name}"] for name in TABLES))
    return FileSettings({}, None)


def tool_settings(document: Mapping[str, Any], path: Path) -> Optional[FileSettings]:
    """Return the settings in ``[tool.freezer]`` of a TOML document, which is in the file ``path``; None if there is no
    such table. Raises InputError as ``read_settings`` does."""
    tool = _table(document, "tool", path, "tool")
    if "freezer" not in tool:
        return None
    table = _table(tool, "freezer", path, "tool.freezer")
    rest = {key: value for key, value in table.items() if key not in TABLES}
    inner = []
    for name, known in TABLES.items():
        section = f"tool.freezer.{name}"
        inner.append(_checked(_table(table, name, path, section), path, section, known))
    return FileSettings(_checked(rest, path, "tool.freezer", KNOWN), path, *inner)


def _table(above: Mapping[str, Any], key: str, path: Path, name: str) -> dict[str, Any]:
    found = above.get(key, {})
    if not isinstance(found, dict):
        raise InputError(f"{path}: {name} must be a table")
    return found


def laid_over(upper: FileSettings, lower: FileSettings) -> FileSettings:
    """Return the settings of two files; what is in both is taken from the upper one."""
    path = upper.path if "pyinstaller_args" in upper.values else lower.path
    image, snapshot = {**lower.image, **upper.image}, {**lower.snapshot, **upper.snapshot}
    return FileSettings({**lower.values, **upper.values}, path, image, snapshot)


def _section(parser: ConfigParser, path: Path, section: str, known: Mapping[str, Setting]) -> dict[str, Any]:
    """Return the settings of a section of setup.cfg; none if there is no such section."""
    raw = {key.replace("_", "-"): value for key, value in parser.items(section)} if section in parser else {}
    return _checked(_typed(raw, path, known), path, section, known)


def _runs_in_sections(parser: ConfigParser, path: Path) -> list[dict[str, Any]]:
    """Return the runs of the proof in the sections ``[freezer.smoke.NAME]``, in their order."""
    names = [name for name in parser.sections() if name.startswith(f"freezer.{SMOKE}.")]
    return [_section(parser, path, name, RUN_SETTINGS) for name in names]


def load_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file. Raises InputError if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"cannot read {path}", why=str(error)) from error
    return parse_toml(text, str(path))


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """Return the content of a TOML text. Raises InputError, with the text's ``name``, if it is malformed."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return dict(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"cannot read {name}", why=str(error)) from error


def _typed(raw: Mapping[str, str], path: Path, known: Mapping[str, Setting]) -> dict[str, Any]:
    """Convert the strings of setup.cfg to the kinds of their settings; unknown keys are left for the check."""
    from configparser import ConfigParser

    values: dict[str, Any] = {}
    for key, text in raw.items():
        setting = known.get(key)
        kind = setting.kind if setting else ValueKind.TEXT
        if kind in (ValueKind.FLAG, ValueKind.SWITCH):
            lowered = text.strip().lower()
            if lowered not in ConfigParser.BOOLEAN_STATES:
                raise InputError(f"{path}: {key} must be {kind.value}, not {text!r}")
            values[key] = ConfigParser.BOOLEAN_STATES[lowered]
        elif kind is ValueKind.VERIFICATION:
            values[key] = ConfigParser.BOOLEAN_STATES.get(text.strip().lower(), text.strip())
        elif kind is ValueKind.NUMBER:
            values[key] = int(text) if text.strip().isdecimal() else text
        elif kind in (ValueKind.LIST, ValueKind.PATHS, ValueKind.PAIRS, ValueKind.TEXTS):
            values[key] = [line.strip() for line in text.splitlines() if line.strip()]
        else:
            values[key] = text.strip()
    return values


def _checked(table: Mapping[str, Any], path: Path, section: str, known: Mapping[str, Setting]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in table.items():
        setting = known.get(key)
        if setting is None:
            import difflib

            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise InputError(f"{path}: unknown key {key!r} in [{section}]", hint=f"did you mean {near!r}?")
        if setting.kind is ValueKind.RUNS and known is KNOWN and not isinstance(value, str):
            tables = runs_of(value, path, f"{section}.{key}")
            values[setting.attribute] = [_checked(table, path, name, RUN_SETTINGS) for name, table in tables]
            continue
        if not _fits(setting.kind, value):
            raise InputError(f"{path}: {key} must be {setting.kind.value}, not {value!r}")
        name = key if known is RUN_SETTINGS else setting.attribute
        single = setting.kind is ValueKind.TEXTS and isinstance(value, str)
        values[name] = anchored(setting, [value] if single else value, path.parent)
    return values


def _fits(kind: ValueKind, value: object) -> bool:
    if kind in (ValueKind.TEXT, ValueKind.PATH, ValueKind.RUNS) or (kind is ValueKind.TEXTS and isinstance(value, str)):
        return isinstance(value, str)
    if kind in (ValueKind.FLAG, ValueKind.SWITCH):
        return isinstance(value, bool)
    if kind is ValueKind.VERIFICATION:
        return isinstance(value, (bool, str))
    if kind is ValueKind.NUMBER:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
