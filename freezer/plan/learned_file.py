"""Reading the file of what ``freezer learn`` has seen an application ask for. Anybody may have edited it."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Optional

from freezer.base.errors import InputError
from freezer.base.places import is_file
from freezer.plan.learned import FILE_NAME, RUNS, TABLES, Learned
from freezer.plan.settings_file import load_toml

END = re.compile(r"any status|status (?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])")


def learned_path(given: Optional[str], base: Path) -> Path:
    """Return the path of the file: the one that is named, or the one of the usual name in the directory ``base``."""
    return Path(os.path.abspath(given)) if given is not None else base / FILE_NAME


def read_learned(given: Optional[str], base: Path, *, learning: bool = False) -> Optional[Learned]:
    """Read the file that is named, else the one in ``base``, which is the directory of the entry; None if there is
    none. While ``learning``, one that does not exist is empty.

    Raises InputError if it is damaged, or if the one that is named does not exist.
    """
    path = learned_path(given, base)
    if not is_file(path):
        if learning:
            return Learned(path, base)
        if given is not None:
            raise InputError(f"--learned {path}: there is no such file", hint="make it: freezer learn ENTRY -- COMMAND")
        return None
    content = load_toml(path)
    titles = {**TABLES, RUNS: RUNS}
    unknown = sorted(set(content) - set(titles))
    if unknown:
        raise InputError(f"{path}: unknown table [{unknown[0]}]", hint=f"it is one of: {', '.join(titles)}")
    tables = {}
    for title, attribute in titles.items():
        table = content.get(title, {})
        if not isinstance(table, dict) or not all(isinstance(place, str) for place in table.values()):
            raise InputError(f'{path}: [{title}] must have lines such as "name" = "place that asked for it"')
        for name in table:
            if not _is_name(name, attribute):
                raise InputError(f"{path}: {name!r} in [{title}] is not a name that can be in that table")
        if title == RUNS and not all(END.fullmatch(end) for end in table.values()):
            raise InputError(f'{path}: a line in [runs] ends with "status N" (0 to 255) or "any status"')
        tables[attribute] = dict(sorted(table.items()))
    return Learned(path, base, **tables)


def _is_name(name: str, attribute: str) -> bool:
    """Tell whether a line may have this name: no path leads out of its directory."""
    if attribute == RUNS:
        return _is_split(name)
    if attribute == "modules":
        return re.fullmatch(r"\w+(\.\w+)*", name) is not None
    if attribute in ("files", "package_files"):
        parts = name.rstrip("/").split("/")
        return not ({"", ".", ".."} & set(parts)) and "\0" not in name
    return bool(name) and "/" not in name and "\0" not in name


def _is_split(text: str) -> bool:
    """Tell whether a text can be split into arguments, as a shell does."""
    try:
        return "\0" not in text and shlex.split(text) is not None
    except ValueError:
        return False
