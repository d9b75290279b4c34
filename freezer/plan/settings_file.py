"""Reading the settings of a project: ``[tool.freezer]`` of pyproject.toml, or ``[freezer]`` of setup.cfg."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from freezer.base.errors import InputError
from freezer.base.places import is_file
from freezer.plan.settings import (
    FILE_ONLY,
    IMAGE_DATA,
    IMAGE_OUTPUT,
    IMAGE_SETTINGS,
    RUN_SETTINGS,
    SETTINGS,
    SMOKE,
    Setting,
    ValueKind,
)
from freezer.plan.smokes import runs_of
from freezer.plan.values import anchored

if TYPE_CHECKING:
    from configparser import ConfigParser

IMAGE_TABLE = "image"
KNOWN = {setting.key_in_files: setting for setting in (*SETTINGS, *FILE_ONLY)}
KNOWN_OF_IMAGES = {setting.key_in_files: setting for setting in (IMAGE_OUTPUT, *IMAGE_SETTINGS, *IMAGE_DATA)}


@dataclass(frozen=True)
class FileSettings:
    """The settings of one file. ``path`` is None where there is none; ``image`` are those of its table for images."""

    values: Mapping[str, Any]
    path: Optional[Path]
    image: Mapping[str, Any] = field(default_factory=dict)


def read_settings(folder: Path) -> FileSettings:
    """Read the settings of the project in ``folder``: from pyproject.toml if it has any, else from setup.cfg.

    Raises InputError: an unreadable file, an unknown key (the nearest known one is named), a value of the wrong kind.
    """
    pyproject, setup = folder / "pyproject.toml", folder / "setup.cfg"
    if is_file(pyproject):
        table = load_toml(pyproject).get("tool", {}).get("freezer")
        if table is not None:
            if not isinstance(table, dict):
                raise InputError(f"{pyproject}: tool.freezer must be a table")
            image = table.get(IMAGE_TABLE, {})
            if not isinstance(image, dict):
                raise InputError(f"{pyproject}: tool.freezer.image must be a table")
            rest = {key: value for key, value in table.items() if key != IMAGE_TABLE}
            return FileSettings(
                _checked(rest, pyproject, "tool.freezer", KNOWN),
                pyproject,
                _checked(image, pyproject, "tool.freezer.image", KNOWN_OF_IMAGES),
            )
    if is_file(setup):
        import configparser

        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(setup, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {setup}", why=str(error)) from error
        sections = {}
        for section, known in (("freezer", KNOWN), (f"freezer.{IMAGE_TABLE}", KNOWN_OF_IMAGES)):
            sections[section] = _section(parser, setup, section, known)
        runs = _runs_in_sections(parser, setup)
        if any(section in parser for section in sections) or runs:
            values = sections["freezer"]
            if runs:
                values[SMOKE] = [*({"args": text} for key, text in values.items() if key == SMOKE), *runs]
            return FileSettings(values, setup, sections[f"freezer.{IMAGE_TABLE}"])
    return FileSettings({}, None)


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
