"""An application, its environment and what a build brings, made up."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from plans import plan

from freezer.application.entry import Application
from freezer.environment.interpreter import Interpreter
from freezer.environment.venv import Environment
from freezer.learn.brought import Brought, path_without_links
from freezer.learn.facts import Fact
from freezer.learn.grounds import Grounds
from freezer.learn.needs import Needs
from freezer.system.host import Host


class Ground:
    """The directories of an application: ``app`` is its own, ``packages`` and ``standard`` are others'."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app, self.cache, self.contents = folder / "app", folder / "cache", folder / "tree" / "_internal"
        self.home = self.cache / "env" / "key"
        self.packages = self.home / "lib" / "python3.11" / "site-packages"
        self.standard = folder / "usr" / "lib" / "python3.11"
        self.tools = self.cache / "work" / "job" / "tools"
        for place in (self.app, self.contents, self.packages, self.standard, self.tools, self.home / "bin"):
            place.mkdir(parents=True)
        self.entry = self.write(self.app / "app.py")
        self.modules: set[str] = set()
        self.sources = {self.entry}
        self.libraries: set[str] = set()
        self.began = sys.maxsize

    @staticmethod
    def write(path: Path, text: str = "") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    @property
    def environment(self) -> Environment:
        interpreter = Interpreter(
            self.folder / "python3", (3, 11, 2), self.folder / "usr", self.folder / "libpython.so"
        )
        return Environment(self.home / "bin/python", interpreter, "key", False, Host(), self.folder, self.folder)

    def application(self, **values: Any) -> Application:
        given: dict[str, Any] = {
            "name": "app", "script": self.entry, "is_spec": False, "search": (), "own_files": (self.entry,),
            "own_imports": (), "local_packages": {}, "distribution": None, **values,
        }  # fmt: skip
        return Application(**given)

    def grounds(self, application: Any = None, **arguments: Any) -> Grounds:
        made = plan(self.app, **{"entry": "app.py", **arguments})
        return Grounds(made, self.environment, application or self.application(), self.app, self.tools, self.cache)

    def brought(self) -> Brought:
        sources = frozenset(path_without_links(str(path)) for path in self.sources)
        return Brought(frozenset(self.modules), sources, frozenset(self.libraries), self.contents)

    def needs(self, *facts: Fact, grounds: Any = None, excluded: tuple[str, ...] = ()) -> Needs:
        made = Needs(grounds or self.grounds(), self.brought(), self.began, excluded)
        made.take(facts)
        return made

    def fact(
        self, kind: str, name: Any, asker: Any = "", *, more: Any = "", line: int = 1, child: bool = False
    ) -> Fact:
        return Fact(kind, str(name), str(more), str(asker), line, child)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)
