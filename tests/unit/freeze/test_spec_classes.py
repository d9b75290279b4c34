"""What becomes of the classes that a spec file calls, with fakes for PyInstaller's."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from freezer.freeze.drivers import DRIVERS

sys.path.insert(0, str(DRIVERS))
spec_classes: Any = importlib.import_module("spec_classes")
del sys.path[0]


class Recorded:
    """Stands in for each class of PyInstaller's: remembers what it was made of."""

    def __init__(self, *parts: Any, **options: Any) -> None:
        self.parts, self.options = parts, options
        self.name = f"/dist/{options.get('name', 'program')}"
        self.scripts = [(str(parts[0]), "/s", "PYSOURCE")]


class Made(SimpleNamespace):
    """The classes as a spec file finds them, and what they leave."""

    Analysis: Any
    EXE: Any
    COLLECT: Any
    spec: Any
    finished: list[Any]
    warnings: Path


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Made:
    found = Made(finished=[])

    def replace(analysis: Any, exe: Any, collect: Any) -> None:
        found.Analysis, found.EXE, found.COLLECT = analysis, exe, collect

    monkeypatch.setattr(spec_classes.internals, "spec_classes", lambda: (Recorded, Recorded, Recorded))
    monkeypatch.setattr(spec_classes.internals, "replace_spec_classes", replace)
    warnings = tmp_path / "warn.txt"
    warnings.touch()
    monkeypatch.setattr(spec_classes.internals, "warnings_file", lambda: str(warnings))
    found.warnings = warnings
    additions = SimpleNamespace(search=["/own"], add_to=lambda options: options.update(datas=["added"]))
    found.spec = spec_classes.Spec(additions, found.finished.append, False, ["X utf8", "O"])
    found.spec.install()
    return found


def test_an_analysis_gets_the_additions_and_is_finished(made: Made) -> None:
    analysis = made.Analysis(["app.py"], ["/users"], noarchive=True)
    assert analysis.parts == (["app.py"],)
    assert analysis.options == {"pathex": ["/users", "/own"], "datas": ["added"], "noarchive": False}
    assert made.finished == [analysis] == [item for item, _ in made.spec.analyses]
    assert made.Analysis(["app.py"]).options["pathex"] == ["/own"]


OPTIONS = [("X utf8", None, "OPTION"), ("O", None, "OPTION")]
BINARY, DATA, LINK, SCRIPT = (("lib.so", "/l", "BINARY"), ("d", "/d", "DATA"), ("k", "d", "SYMLINK"), ("s", "/s", "x"))


def test_a_program_of_one_file_becomes_a_directory(made: Made) -> None:
    pyz = object()
    made.Analysis(["app.py"])
    exe = made.EXE(pyz, [SCRIPT], [BINARY, LINK], [DATA], strip=True, name="dist/tool", upx=True)
    assert exe.parts == (pyz, [SCRIPT], [], [], OPTIONS)
    expected = {"exclude_binaries": True, "upx": False, "strip": False, "contents_directory": "_internal"}
    assert expected.items() <= exe.options.items()
    program = made.spec.chosen("other")
    assert (program.name, program.executable, program.tree) == ("tool", exe, "/dist/tool")
    assert program.collection.parts == (exe, [BINARY, LINK, DATA])
    assert made.spec.strip is True


def test_no_file_of_the_application_has_the_programs_name(made: Made) -> None:
    """Else PyInstaller would drop data that is called like the application, such as a script without a suffix."""
    made.Analysis(["app.py"])
    assert made.EXE([SCRIPT], name="dist/tool").options["name"] == "dist/tool.freezer-program"
    assert made.EXE([SCRIPT]).options["name"] == "app.freezer-program"


def test_a_program_in_a_directory_stays_one(made: Made) -> None:
    made.Analysis(["app.py"])
    exe = made.EXE([SCRIPT], [LINK], exclude_binaries=True)
    assert exe.parts == ([SCRIPT], [LINK], OPTIONS)
    with pytest.raises(SystemExit, match="must COLLECT the files of app"):
        made.spec.chosen("app")
    collection = made.COLLECT(exe, [BINARY], upx=True, strip=False)
    assert collection.options == {"upx": False, "strip": False}
    assert (made.spec.chosen("app").collection, made.spec.strip) == (collection, False)


def test_one_of_several_programs(made: Made) -> None:
    """Each has what was analysed for it, and PyInstaller's warnings about that, in whatever order they are made."""
    analyses = []
    for name in ("one", "two"):
        made.warnings.write_text(name)
        analyses.append(made.Analysis(name))
    two = made.EXE(object(), analyses[1].scripts, [BINARY], name="two")
    one = made.EXE(object(), list(analyses[0].scripts), exclude_binaries=True, name="build/one")
    again = made.EXE(analyses[0].scripts, exclude_binaries=True, name="again")
    made.COLLECT(one, [BINARY], again, name="both")
    for name, exe, analysis, tree in (("one", one, 0, "both"), ("two", two, 1, "two"), ("again", again, 0, "both")):
        program = made.spec.chosen(name)
        assert (program.executable, program.analysis, program.tree) == (exe, analyses[analysis], f"/dist/{tree}")
        assert Path(program.warnings).read_text() == ("one", "two")[analysis]
    with pytest.raises(SystemExit, match="the spec file makes again, one, two: say by --name which to freeze"):
        made.spec.chosen("app")


def test_no_program(made: Made) -> None:
    made.Analysis("app")
    with pytest.raises(SystemExit, match="must make an executable"):
        made.spec.chosen("app")


@pytest.mark.parametrize("off", ["X dev=0", "X  dev=0", "Xdev=0"])
def test_the_development_mode_can_be_off(made: Made, off: str) -> None:
    """Python switches it on, whatever value it is given; PyInstaller has a meaning for 0."""
    made.Analysis("app")
    given = [(name, None, "OPTION") for name in ("X dev=1", "X dev", off, "X utf8=0")]
    exe = made.EXE([SCRIPT], given, name="app")
    assert exe.parts == ([SCRIPT], [given[0], given[1], given[3]], OPTIONS)


def test_what_freezer_has_not_is_said(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    class Splash:
        pass

    made.Analysis("app")
    made.EXE([SCRIPT], name="app", runtime_tmpdir=None, contents_directory="")
    assert capsys.readouterr().out == ""
    made.EXE([SCRIPT], Splash(), name="app", runtime_tmpdir="/x", contents_directory="y")
    assert capsys.readouterr().out == "IGNORED: runtime_tmpdir\nIGNORED: contents_directory\nIGNORED: splash\n"
