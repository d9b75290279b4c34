"""What the spec's Analysis gets besides what it asks for: what the user and the collector add, and a hook for each
top-level package, which asks the collector once PyInstaller finds that the application needs that package."""

from __future__ import annotations

import fnmatch
import os
from typing import TYPE_CHECKING, Any

import collect
import installed
import package_rules
import pyinstaller_internals as internals
from package_rules import Collected

if TYPE_CHECKING:
    from freeze_messages import FreezeRequest

HOOK = """\
import collect_context
_original = {original!r}
if _original:
    with open(_original, "rb") as _file:
        exec(compile(_file.read(), _original, "exec"))
_datas, _modules = collect_context.package({name!r}, hooked=bool(_original))
datas = list(globals().get("datas", [])) + _datas
hiddenimports = list(globals().get("hiddenimports", [])) + _modules
warn_on_missing_hiddenimports = False
"""


MODULES = ("runpy",)
"""What every application has: the module by which its interpreter runs others (``-m``)."""


class Additions:
    """Lists that an Analysis takes; ``datas`` and ``binaries`` are (file, folder in the bundle)."""

    def __init__(self, request: FreezeRequest) -> None:
        self.search = [*request["beside"], *request["search"]]
        self.datas = [(source, folder) for source, folder in (*request["add_data"], *request["own_data"])]
        self.binaries = [(source, folder) for source, folder in request["add_binary"]]
        self.modules = [*MODULES, *request["hidden_imports"], *request["named"]]
        self.hooks = request["hooks"]
        self.exclude = request["exclude"]
        self.optimize = request["optimize"]

    def take(self, found: Collected) -> None:
        """Take what the collector has found."""
        self.datas += [(source, folder or ".") for source, folder in found.datas]
        self.modules += found.modules

    def add_to(self, options: dict[str, Any]) -> None:
        """Add them to the keyword arguments of an Analysis."""
        options["datas"] = [*(options.get("datas") or ()), *self.datas]
        options["binaries"] = [*(options.get("binaries") or ()), *self.binaries]
        options["hiddenimports"] = [*(options.get("hiddenimports") or ()), *self.modules]
        # The first directory wins, so that the user's own hooks come before freezer's.
        options["hookspath"] = [*(options.get("hookspath") or ()), self.hooks]
        options["excludes"] = [*(options.get("excludes") or ()), *self.exclude]
        # None and -1 stand for the level of the Python that runs PyInstaller, which is 0.
        options["optimize"] = max(0, options.get("optimize") or 0, self.optimize)


def find_additions(request: FreezeRequest, collector: collect.Collector) -> Additions:
    """What is asked for, and what the application's own sources need beyond their packages."""
    from PyInstaller.utils.hooks import collect_all, copy_metadata

    additions = Additions(request)
    for name in request["collect_all"]:
        found = collect_all(name, include_py_files=False)
        if not any(found):
            raise SystemExit("ERROR: --collect-all %s: there is no such package in the build environment" % name)
        additions.datas += found[0]
        additions.binaries += found[1]
        additions.modules += found[2]
    for name in request["copy_metadata"]:
        try:
            additions.datas += copy_metadata(name)
        except Exception as error:
            raise SystemExit("ERROR: --copy-metadata %s: %s" % (name, error)) from None
    distributions = collector.inventory.distributions
    if request["distribution"]:
        whole = collector.whole_distribution(distributions[installed.canonical(request["distribution"])])
        whole.datas = [item for item in whole.datas if not _is_excluded(*item, request["exclude_data"])]
        additions.take(whole)
    for name in request["whole"]:
        additions.take(collector.whole_package(name))
    for group in request["entry_points"]:
        additions.take(collector.plugins(b"'%s'" % group.encode()))
    text = b"\n".join(_read(path) for path in request["own_files"])
    additions.take(collector.of_text(text))
    additions.modules += package_rules.run_modules(text)
    return additions


def _is_excluded(source: str, folder: str, patterns: list[str]) -> bool:
    """Whether a file, or a directory that it is in, is called as one of the patterns has it."""
    place = os.path.normpath(os.path.join(folder, os.path.basename(source)))
    parts = place.split(os.sep)
    above = [os.path.join(*parts[:depth]) for depth in range(1, len(parts) + 1)]
    return any(fnmatch.fnmatchcase(item, pattern.rstrip("/")) for item in above for pattern in patterns)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def write_hooks(folder: str, inventory: installed.Inventory) -> None:
    """Write one hook for each top-level package; the hook that it displaces is run inside it."""
    known = {}
    for place in internals.hook_directories():
        for entry in sorted(os.listdir(place)):
            if entry.startswith("hook-") and entry.endswith(".py"):
                known[entry[5:-3]] = os.path.join(place, entry)
    for name in inventory.packages:
        with open(os.path.join(folder, "hook-%s.py" % name), "w", encoding="utf-8") as file:
            file.write(HOOK.format(name=name, original=known.get(name)))
