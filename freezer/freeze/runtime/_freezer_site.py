"""Takes the place of the module ``site``, the last that Python imports before it does what its arguments say.

There are no directories of packages to add to ``sys.path``. Instead this prepares the interpreter that an application
has asked for; or it has Python run the application, which is prepared when the interpreter is complete. Directories
that the application adds by itself, for its plugins, are added as Python's own module does (see its documentation).
"""

import builtins
import sys

import _freezer_native
import _freezer_runner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

PREFIXES: "list[str]" = []
ENABLE_USER_SITE = False
USER_SITE = USER_BASE = ""


def getsitepackages(prefixes: object = None) -> "list[str]":
    return []


def getusersitepackages() -> str:
    return USER_SITE


def getuserbase() -> str:
    return USER_BASE


def check_enableusersite() -> bool:
    return ENABLE_USER_SITE


def makepath(*paths: str) -> "tuple[str, str]":
    """Return the absolute path of what is joined, and the form in which two paths are compared."""
    import os

    path = os.path.abspath(os.path.join(*paths))
    return path, os.path.normcase(path)


def removeduppaths() -> "set[str]":
    """Take what is in ``sys.path`` again out of it, make the rest absolute, and return that as it is compared."""
    found: dict[str, str] = {}
    for path, key in map(makepath, sys.path):
        found.setdefault(key, path)
    sys.path[:] = found.values()
    return set(found)


def addsitedir(sitedir: str, known_paths: "Optional[set[str]]" = None) -> "Optional[set[str]]":
    """Add a directory to ``sys.path``, and do what its .pth files say. Return the paths that are known, if given."""
    import os

    known = _paths() if known_paths is None else known_paths
    path, key = makepath(sitedir)
    if key not in known:
        sys.path.append(path)
        known.add(key)
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return None
    for name in names:
        if name.endswith(".pth") and not name.startswith("."):
            addpackage(path, name, known)
    return known_paths


def addpackage(sitedir: str, name: str, known_paths: "Optional[set[str]]") -> "Optional[set[str]]":
    """Do what a .pth file says: add the directories in its lines that exist, and execute the lines that import."""
    import os

    known = _paths() if known_paths is None else known_paths
    file = os.path.join(sitedir, name)
    try:
        with open(file, encoding="utf-8-sig") as stream:
            lines = stream.read().splitlines()
    except (OSError, UnicodeError):
        return None
    for number, line in enumerate(lines, 1):
        try:
            _do_line(sitedir, line, known)
        except Exception:
            import traceback

            print(f"Error processing line {number} of {file}:\n", file=sys.stderr)
            traceback.print_exc()
            print("\nRemainder of file ignored", file=sys.stderr)
            break
    return known_paths


def _paths() -> "set[str]":
    return {makepath(path)[1] for path in sys.path}


def _do_line(folder: str, line: str, known: "set[str]") -> None:
    import os

    if line.startswith(("import ", "import\t")):
        exec(line)
    elif line.strip() and not line.startswith("#"):
        path, key = makepath(folder, line.rstrip())
        if key not in known and os.path.exists(path):
            sys.path.append(path)
            known.add(key)


builtins.exit, builtins.quit = _freezer_runner.Quitter("exit"), _freezer_runner.Quitter("quit")  # type: ignore[assignment]
if "freezer_executable" in sys._xoptions:
    _freezer_native.prepare_interpreter()
else:
    _freezer_runner.install(_freezer_native.prepare_application)
