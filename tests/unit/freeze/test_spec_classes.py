"""What becomes of the classes that a spec file calls, with fakes for PyInstaller's."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from freezer.freeze.drivers import DRIVERS

sys.path.insert(0, str(DRIVERS))
spec_classes: Any = importlib.import_module("spec_classes")
del sys.path[0]


class Recorded:
    """Stands in for each class of PyInstaller's: remembers what it was made of."""

    name = "/dist/program"

    def __init__(self, *parts: Any, **options: Any) -> None:
        self.parts, self.options = parts, options


class Made(SimpleNamespace):
    """The classes as a spec file finds them, and what they leave."""

    Analysis: Any
    EXE: Any
    COLLECT: Any
    spec: Any
    finished: list[Any]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    found = Made(finished=[])

    def replace(analysis: Any, exe: Any, collect: Any) -> None:
        found.Analysis, found.EXE, found.COLLECT = analysis, exe, collect

    monkeypatch.setattr(spec_classes.internals, "spec_classes", lambda: (Recorded, Recorded, Recorded))
    monkeypatch.setattr(spec_classes.internals, "replace_spec_classes", replace)
    additions = SimpleNamespace(search=["/own"], add_to=lambda options: options.update(datas=["added"]))
    found.spec = spec_classes.Spec(additions, found.finished.append, False, ["X utf8", "O"])
    found.spec.install()
    return found


def test_an_analysis_gets_the_additions_and_is_finished(made: Made) -> None:
    analysis = made.Analysis(["app.py"], ["/users"], noarchive=True)
    assert analysis.parts == (["app.py"],)
    assert analysis.options == {"pathex": ["/users", "/own"], "datas": ["added"], "noarchive": False}
    assert made.finished == made.spec.analyses == [analysis]
    assert made.Analysis(["app.py"]).options["pathex"] == ["/own"]


OPTIONS = [("X utf8", None, "OPTION"), ("O", None, "OPTION")]
BINARY, DATA, LINK, SCRIPT = (("lib.so", "/l", "BINARY"), ("d", "/d", "DATA"), ("k", "d", "SYMLINK"), ("s", "/s", "x"))


def test_a_program_of_one_file_becomes_a_directory(made: Made) -> None:
    pyz = object()
    exe = made.EXE(pyz, [SCRIPT], [BINARY, LINK], [DATA], strip=True, name="dist/tool", upx=True)
    assert exe.parts == (pyz, [SCRIPT], [], [], OPTIONS)
    expected = {"exclude_binaries": True, "upx": False, "strip": False, "contents_directory": "_internal"}
    assert expected.items() <= exe.options.items()
    (collection,) = made.spec.collections
    assert collection.parts == (exe, [BINARY, LINK, DATA])
    assert collection.options["name"] == "tool"
    assert made.spec.executables == [exe] and made.spec.strip is True


def test_no_file_of_the_application_has_the_programs_name(made: Made) -> None:
    """Else PyInstaller would drop data that is called like the application, such as a script without a suffix."""
    assert made.EXE([SCRIPT], name="dist/tool").options["name"] == "dist/tool.freezer-program"
    assert made.EXE([SCRIPT]).options["name"] == "app.freezer-program"


def test_a_program_in_a_directory_stays_one(made: Made) -> None:
    exe = made.EXE([SCRIPT], [LINK], exclude_binaries=True)
    assert exe.parts == ([SCRIPT], [LINK], OPTIONS)
    assert made.spec.collections == []
    collection = made.COLLECT(exe, [BINARY], upx=True, strip=False)
    assert collection.options == {"upx": False, "strip": False}
    assert (made.spec.collections, made.spec.strip) == ([collection], False)
