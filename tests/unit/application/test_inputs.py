"""Notes on finished builds: used only if nothing that decided the result has changed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import pytest

from freezer.application import inputs
from freezer.application.entry import Application
from freezer.application.origin import origin_of
from freezer.base.publish import digest_file
from freezer.environment.interpreter import Interpreter
from freezer.environment.venv import Environment
from freezer.freeze.pyinstaller import FrozenApp
from freezer.plan.build import Plan
from freezer.plan.resolve import resolve
from freezer.prove.verify import Proof
from freezer.results import Built, recall, remember
from freezer.system.host import Host
from freezer.system.locate import locate_interpreter


class Site:
    """A finished build, made up."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache = folder / "site", folder / "cache"
        for place in (self.folder / "data", self.cache / "record", self.cache / "env" / "key" / "bin"):
            place.mkdir(parents=True)
        (self.cache / "env" / "key" / "complete").touch()
        for name in ("app.py", "helper.py", "data/x", "r.txt", "lib.so", "out"):
            (self.folder / name).write_text(name)

    def plan(self, **arguments: Any) -> Plan:
        given = {
            "entry": "app.py", "requirement": ["r.txt"], "add_data": ["data:data"], "library": ["lib.so"],
            "output": "out", **arguments,
        }  # fmt: skip
        return resolve(given, folder=self.folder, environ={})

    def write(self) -> None:
        python = locate_interpreter(None)
        interpreter = Interpreter(python, sys.version_info[:3], Path("/"), python)
        environment = Environment(self.cache / "env/key/bin/python", interpreter, "key", False, Host())
        own = (self.folder / "app.py", self.folder / "helper.py")
        application = Application("app", own[0], False, (), own, (), {}, None)
        frozen = FrozenApp(Path("/"), "app", Path("/"), frozenset(), {}, (*own, self.cache / "work/x"), (), (), False)
        out = self.folder / "out"
        proof = Proof("root", "ran", 0.1, 3, ("a note",))
        origin = origin_of(self.plan(), application)
        built = Built(out, out.stat().st_size, digest_file(out), "3.11.2", proof, origin)
        remember(self.plan(), environment, application, frozen, built, self.cache)

    def kept(self, **arguments: Any) -> Optional[Built]:
        return recall(self.plan(**arguments), self.cache)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.write()
    return made


def test_nothing_changed(site: Site) -> None:
    kept = site.kept()
    assert kept is not None
    assert kept.path == site.folder / "out"
    assert kept.proof == Proof("root", "ran", 0.1, 3, ("a note",))
    assert site.kept(jobs=3) is not None


def remove(path: str) -> Callable[[Site], None]:
    return lambda site: (site.folder.parent / path).unlink()


def write(path: str, text: str = "changed") -> Callable[[Site], Any]:
    return lambda site: (site.folder.parent / path).write_text(text)


CHANGES: dict[str, Callable[[Site], Any]] = {
    "source": write("site/helper.py"),
    "source removed": remove("site/helper.py"),
    "data": write("site/data/x"),
    "new data": write("site/data/y"),
    "library": write("site/lib.so"),
    "requirement": write("site/r.txt"),
    "output": write("site/out"),
    "output, of the same size": write("site/out", "tou"),
    "output removed": remove("site/out"),
    "new module": write("site/new.py"),
    "environment": remove("cache/env/key/complete"),
    "time": lambda site: os.utime(site.folder / "app.py", (1, 1)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_noticed(site: Site, name: str) -> None:
    CHANGES[name](site)
    assert site.kept() is None


def test_an_output_that_became_a_link_is_not_up_to_date(site: Site) -> None:
    (site.folder / "out").rename(site.folder.parent / "moved")
    (site.folder / "out").symlink_to(site.folder.parent / "moved")
    assert site.kept() is None


@pytest.mark.parametrize("change", [{"strip": True}, {"output": "other"}, {"verify": False}, {"smoke": "x"}])
def test_another_plan_is_another_build(site: Site, change: dict[str, Any]) -> None:
    assert site.kept(**change) is None


def test_other_tools(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "toolchain_versions", lambda: {"pyinstaller": "99"})
    assert site.kept() is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"output": 3}', "null"])
def test_a_damaged_record_is_none(site: Site, text: str) -> None:
    (path,) = (site.cache / "record").iterdir()
    path.write_text(text)
    assert site.kept() is None


def test_an_unwritable_record_is_no_failure(site: Site) -> None:
    for path in (site.cache / "record").iterdir():
        path.unlink()
    (site.cache / "record").rmdir()
    (site.cache / "record").write_text("no directory")
    site.write()
    assert site.kept() is None
