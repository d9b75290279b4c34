"""Which entry is frozen: a script, package, zip application, spec file or project, or a function or console script of
a module."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from freezer.base.errors import InputError, UsageError
from freezer.base.places import exists, is_file, is_folder
from freezer.plan.build import Entry
from freezer.plan.choices import EntryKind
from freezer.plan.settings_file import FileSettings, load_toml

MAIN = "__main__.py"
RELATIVE_IMPORT = re.compile(rb"^\s*from\s+\.", re.MULTILINE)
DISTRIBUTION = re.compile(r"(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?:$|[\[<>=!~;])")
"""A requirement that begins with a name (PEP 508), and is no path or URL."""
PYPROJECT = "pyproject.toml"
PROJECT_FILES = ("setup.cfg", "setup.py")
CHOICES = ("entry_point", "console_script")
ZIP_END, ZIP_END_WITHIN = b"PK\5\6", 22 + 0xFFFF
"""The beginning of a zip archive's end, and in how many bytes at the end of a file it is (APPNOTE.TXT 4.3.16)."""


def resolve_entry(given: Mapping[str, Any], file: FileSettings, folder: Path) -> Entry:
    """Find the entry: on the command line, else in the settings file, else in the current directory. A directory on the
    command line is started as its own settings file says.

    Raises UsageError if there is none or too many, InputError if it does not exist or is no entry.
    """
    choice = {key: given[key] for key in CHOICES if key in given}
    text = given.get("entry")
    if not choice and (text is None or _has_settings(folder / text, file)):
        choice, text = _in_file(file, text)
    if len(choice) > 1:
        raise UsageError("--entry-point and --console-script cannot be given together")
    function, script = choice.get("entry_point"), choice.get("console_script")
    if text is not None and function is None and not exists(folder / text) and is_function(text):
        function, text = text, None
    if function is not None and not is_function(function):
        raise InputError(f"{function!r} is not MODULE:FUNCTION", hint="for example: -e package.cli:main")
    if text is not None:
        return _entry_at(folder / text, function, script)
    if function is not None:
        top = function.split(":")[0].split(".")[0]
        for place in (folder, folder / "src"):
            if is_folder(place / top) or is_file(place / f"{top}.py"):
                return Entry(EntryKind.MODULE, place, function)
        return Entry(EntryKind.INSTALLED, None, function)
    installed = bool(given.get("with") or given.get("requirement"))
    if script is not None and (installed or not is_project(folder)):
        return Entry(EntryKind.INSTALLED, None, None, script)
    if is_project(folder) and (script is not None or not installed):
        return _entry_at(folder, None, script)
    named = _alone(given)
    if named is not None:
        # Most distributions with a program have a script of their own name.
        return Entry(EntryKind.INSTALLED, None, None, named)
    raise UsageError(
        "nothing to freeze: name a script, a project directory, or an entry point",
        hint="freezer build app.py\nfreezer build -e package.module:function\nfreezer build --with httpie",
    )


def _alone(given: Mapping[str, Any]) -> Optional[str]:
    """Return the distribution that is named, if ``--with`` names a single one and there are no other requirements."""
    wanted: list[str] = list(given.get("with") or ())
    if len(wanted) != 1 or given.get("requirement"):
        return None
    match = DISTRIBUTION.match(wanted[0])
    return match["name"] if match is not None else None


def _entry_at(path: Path, function: Optional[str], script: Optional[str]) -> Entry:
    path = Path(os.path.abspath(path))
    if not exists(path):
        raise InputError(f"{path} does not exist", hint="name a script, a project directory, or -e MODULE:FUNCTION")
    if is_folder(path):
        if is_project(path):
            return Entry(EntryKind.PROJECT, path, function, script)
        if function is None and script is None and is_file(path / MAIN):
            return _package_at(path)
        if function is not None:
            return Entry(EntryKind.MODULE, path, function)
        raise InputError(
            f"{path} is not a Python project",
            why="it has neither pyproject.toml nor setup.cfg nor setup.py nor __main__.py",
            hint="name the script to start with, or -e MODULE:FUNCTION",
        )
    if function is not None or script is not None:
        raise UsageError(f"{path} is a file: it cannot be combined with --entry-point or --console-script")
    if not is_file(path):
        raise InputError(f"{path} is neither a file nor a directory")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} cannot be read")
    if path.suffix == ".spec":
        return Entry(EntryKind.SPEC, path)
    return Entry(EntryKind.ARCHIVE if _is_zip_application(path) else EntryKind.SCRIPT, path)


def _package_at(folder: Path) -> Entry:
    """Return the entry of a directory with a ``__main__.py``: it runs as ``python -m`` runs a package, or as ``python
    FOLDER`` if it is none. A package without ``__init__.py`` shows by the relative imports of its main module."""
    text = (folder / MAIN).read_bytes()
    if not is_file(folder / "__init__.py") and not RELATIVE_IMPORT.search(text):
        return Entry(EntryKind.SCRIPT, folder / MAIN)
    names = [folder.name]
    top = folder.parent
    while is_file(top / "__init__.py"):
        names.insert(0, top.name)
        top = top.parent
    name = ".".join(names)
    if not all(part.isidentifier() for part in names):
        raise InputError(f"{folder} cannot be a package", why=f"{name!r} is no name that Python can import")
    return Entry(EntryKind.PACKAGE, top, package=name)


def _is_zip_application(path: Path) -> bool:
    """Whether Python would run a file as an archive: zip, with a ``__main__`` at the top (PEP 441)."""
    try:
        with open(path, "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - ZIP_END_WITHIN, 0))
            if ZIP_END not in file.read():
                return False
    except OSError:
        return False
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return MAIN in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def _in_file(file: FileSettings, text: Optional[str]) -> tuple[dict[str, str], Optional[str]]:
    """Return what starts the application by the settings file, and the entry: ``text`` if the file names none, which is
    None or the file's directory."""
    choice = {key: file.values[key] for key in CHOICES if key in file.values}
    entry = file.values.get("entry")
    if entry is not None and (not choice or is_folder(Path(entry))):
        return choice, entry
    if "console_script" in choice and file.path is not None and not is_project(file.path.parent):
        return choice, None
    return choice, text


def _has_settings(path: Path, file: FileSettings) -> bool:
    return file.path is not None and is_folder(path) and os.path.abspath(path) == str(file.path.parent)


def is_project(folder: Path) -> bool:
    """Return whether a directory is a project, which pip can build. Raises InputError if its pyproject.toml cannot be
    read."""
    return any(is_file(folder / name) for name in PROJECT_FILES) or _describes_project(folder / PYPROJECT)


def _describes_project(pyproject: Path) -> bool:
    """Return whether there is a pyproject.toml that describes a project: one that has nothing but the settings of tools
    does not."""
    return is_file(pyproject) and set(load_toml(pyproject)) != {"tool"}


def is_function(text: str) -> bool:
    """Return whether a text is MODULE:FUNCTION."""
    return bool(re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*", text))


def default_name(entry: Entry) -> Optional[str]:
    """Return the application's default name; None if it depends on the project's metadata."""
    if entry.console_script is not None:
        return entry.console_script
    if entry.function is not None:
        return entry.function.split(":")[0].split(".")[0]
    if entry.package is not None:
        return entry.package.rpartition(".")[2]
    if entry.kind is EntryKind.SCRIPT and entry.path is not None and entry.path.name == MAIN:
        return entry.path.parent.name
    if entry.kind in (EntryKind.SCRIPT, EntryKind.SPEC, EntryKind.ARCHIVE) and entry.path is not None:
        return entry.path.stem
    return None
