"""What starts the application in a directory that no settings speak of: a script, or of a project without console
scripts a function."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple, Optional

from freezer.application.never_taken import is_test
from freezer.base.errors import UsageError
from freezer.base.places import is_file, is_folder
from freezer.plan.resolve_entry import MAIN, PROJECT_FILES, PYPROJECT
from freezer.plan.settings_file import load_toml

USUAL = ("main.py", "app.py")
"""What most people call the script that starts their application."""
MAIN_FUNCTION = re.compile(r"^def main\(\s*\)", re.MULTILINE)
"""A function that a console script could call: without arguments."""
FOR_TOOLS = frozenset(("setup.py", "noxfile.py", "tasks.py", "fabfile.py", "dodo.py"))
GUARD = re.compile(r"""^if\s+(?:__name__\s*==\s*(['"])__main__\1|(['"])__main__\2\s*==\s*__name__)\s*:""", re.MULTILINE)


def find_script(folder: Path) -> Optional[str]:
    """Return the entry in a directory, relative to it; None if there is nothing that could be one.

    Raises UsageError if there are several: a wrong guess would be written down.
    """
    if is_file(folder / MAIN):
        return "."
    scripts = sorted(path.name for path in folder.glob("*.py") if is_file(path) and _may_start(path.name))
    guarded = [name for name in scripts if GUARD.search(_text(folder / name))]
    packages = sorted(path.parent.name for path in folder.glob(f"*/{MAIN}") if is_folder(path.parent))
    packages = [name for name in packages if name.isidentifier() and not name.startswith(("_", "test"))]
    for found in (scripts, [name for name in USUAL if name in scripts], guarded, packages if not scripts else ()):
        if len(found) == 1:
            return found[0]
    if scripts or packages:
        candidates = guarded or scripts or packages
        raise UsageError(
            f"several scripts in {folder} may start the application; which one does?",
            why=", ".join(candidates),
            hint="\n".join(f"freezer init {name}" for name in candidates[:3]),
        )
    return None


class Function(NamedTuple):
    """A function that starts a project: MODULE:FUNCTION, and the project's name."""

    path: str
    name: str


def find_function(folder: Path) -> Optional[Function]:
    """Return the function ``main`` of the script in a project that has no console script; None if there is none, or if
    only its build backend knows the scripts. Raises InputError if its pyproject.toml cannot be read."""
    path = folder / PYPROJECT
    if not is_file(path) or any(is_file(folder / name) for name in PROJECT_FILES):
        return None
    project = load_toml(path).get("project")
    if not isinstance(project, dict) or not isinstance(project.get("name"), str):
        return None
    if project.get("scripts") or project.get("gui-scripts") or project.get("dynamic"):
        return None
    scripts = [name for name in USUAL if is_file(folder / name) and MAIN_FUNCTION.search(_text(folder / name))]
    return Function(f"{scripts[0].removesuffix('.py')}:main", project["name"]) if len(scripts) == 1 else None


def _may_start(name: str) -> bool:
    return not (is_test(name) or name in FOR_TOOLS or name.startswith("_"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
