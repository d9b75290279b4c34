"""Values of settings: where paths are relative to, and pairs of paths."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from freezer.base.errors import InputError
from freezer.plan.settings import RUN_SETTINGS, Setting, ValueKind

FILE_MARK = "@"
"""What begins the standard input of a run if it is the name of a file."""
DISTRIBUTION = re.compile("(debian|ubuntu):")
"""What starts the name of a system that is made from a distribution's packages."""


def anchored(setting: Setting, value: Any, base: Path) -> Any:
    """Return the value with its relative paths made absolute; ``base`` is the directory that they are relative to."""
    if setting.name in ("output", "sbom", "provenance") and value == "-":
        return value
    if setting.kind is ValueKind.RUNS and isinstance(value, list):
        return [{key: anchored(RUN_SETTINGS[key], item, base) for key, item in run.items()} for run in value]
    if setting is RUN_SETTINGS["stdin"] and value.startswith(FILE_MARK):
        return f"{FILE_MARK}{base / os.path.expanduser(value[len(FILE_MARK) :])}"
    if setting in (RUN_SETTINGS["stdin"], RUN_SETTINGS["expect"]):
        return value
    value = _expanded(value)
    if setting.kind is ValueKind.PATH or (setting.name == "python" and os.sep in value):
        return str(base / value)
    if setting.name == "chroot" and not DISTRIBUTION.match(value):
        return str(base / value)
    if setting.kind is ValueKind.PATHS:
        return [str(base / item) for item in value]
    if setting.kind is ValueKind.PAIRS:
        return [item if item.startswith(":") else str(base / item) for item in value]
    return value


def _expanded(value: Any) -> Any:
    """Return the value with a leading ``~/`` as the home directory: shells leave it in ``--python=~/x``."""
    if isinstance(value, list):
        return [_expanded(item) for item in value]
    return os.path.expanduser(value) if isinstance(value, str) and value.startswith("~/") else value


def split_pair(text: str) -> tuple[str, str]:
    """Split SOURCE:DESTINATION at the last colon; without a destination it is the top of the bundle.

    Raises InputError if either is empty, or the destination is outside the bundle.
    """
    source, colon, destination = text.rpartition(":")
    if not colon:
        source, destination = text, "."
    if not source or not destination:
        raise InputError(
            f"{text!r} is not SOURCE:DESTINATION", hint="for example: --add-data templates:myapp/templates"
        )
    clean = os.path.normpath(destination)
    if os.path.isabs(clean) or clean.split(os.sep)[0] == os.pardir:
        raise InputError(f"{text!r}: the destination must be inside the bundle", hint="give a relative path without ..")
    return source, clean
