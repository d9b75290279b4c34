"""What starts the application, and which sources are its own: the driver that reads them, and what is made of it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from freezer.application import entry as module
from freezer.application.drivers import DRIVERS
from freezer.application.drivers.entry_messages import EntryFailure
from freezer.application.entry import Application, refuse_missing
from freezer.base.errors import InputError
from freezer.system.host import Host


def ask(folder: Path, **request: Any) -> dict[str, Any]:
    """The driver's answer, under this Python."""
    ground: dict[str, Any] = {
        "own": "none",
        "top": None,
        "project": None,
        "limited": True,
        "code": [],
        "data": [],
        "refused": [],
    }
    full = {
        "search": [], "own": [str(folder)], "ground": ground, "script": None, "function": None, "package": None,
        "console_script": None,
        "distribution": None, **request,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-I", DRIVERS / "find_entry.py"],
        input=json.dumps(full), capture_output=True, text=True, check=True, cwd=folder,
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def script(tmp_path: Path) -> Path:
    write(
        tmp_path,
        app="import os, helper\nfrom package.part import x\nif x:\n    import maybe\n\ndef f():\n    import late\n",
        helper="import json.decoder\n",
        maybe="import very_much_maybe\n",
        late="",
        unused="",
        package__part="from . import sibling\nfrom .. import beyond\nfrom .deep.down import y\n",
        package__sibling="",
        package__deep__down="y = 1\n",
    )
    for name in ("package", "package/deep"):
        (tmp_path / name / "__init__.py").write_text("")
    return tmp_path / "app.py"


def test_own_files(script: Path) -> None:
    answer = ask(script.parent, script=str(script))
    found = {str(Path(path).relative_to(script.parent)) for path in answer["files"]}
    assert found == {
        "app.py", "helper.py", "maybe.py", "late.py", "package/__init__.py", "package/part.py", "package/sibling.py",
        "package/deep/__init__.py", "package/deep/down.py",
    }  # fmt: skip
    assert answer["packages"] == {"package": str(script.parent / "package")}


def test_only_certain_imports_count(script: Path) -> None:
    answer = ask(script.parent, script=str(script))
    certain = {(name, Path(file).name, line) for name, file, line in answer["imports"]}
    assert {("os", "app.py", 1), ("helper", "app.py", 1), ("json.decoder", "helper.py", 1)} <= certain
    assert {("package.part", "app.py", 2), ("package.deep.down", "part.py", 3)} <= certain
    assert not {name for name, _, _ in certain} & {"maybe", "late", "very_much_maybe"}


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    import x\nexcept ImportError:\n    pass\n",
        "def f():\n    import x\n",
        "if 0:\n    import x\n",
        "with a:\n    import x\n",
        "lambda: __import__('x')\n",
        "class C:\n    def f(self):\n        import x\n",
        "while 0:\n    import x\n",
    ],
)
def test_uncertain_imports(tmp_path: Path, code: str) -> None:
    write(tmp_path, app=code)
    assert ask(tmp_path, script=str(tmp_path / "app.py"))["imports"] == []


def test_imports_in_a_class_body_are_certain(tmp_path: Path) -> None:
    write(tmp_path, app="class C:\n    import x\n")
    assert [item[0] for item in ask(tmp_path, script=str(tmp_path / "app.py"))["imports"]] == ["x"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"x = 1\ny = (\n", 2),
        (b"\n\nprint 'python 2'\n", 3),
        (b"\xff\n", 1),
        (b"# coding: no-such-thing\n", 1),
        (b"\0", 1),
    ],
)
def test_syntax_errors(tmp_path: Path, content: bytes, line: int) -> None:
    (tmp_path / "app.py").write_bytes(content)
    answer = ask(tmp_path, script=str(tmp_path / "app.py"))
    assert answer["error"] == "syntax"
    assert answer["file"] == str(tmp_path / "app.py")
    assert answer["line"] in (line, 0, 1, None)
    assert answer["message"]


def test_a_file_that_may_not_be_imported_may_be_broken(tmp_path: Path) -> None:
    """Python 2 code behind a condition is not this build's business."""
    write(tmp_path, app="import sys\nif sys.version_info < (3,):\n    import old\n", old="print 'x'\n")
    assert ask(tmp_path, script=str(tmp_path / "app.py"))["error"] is None


def test_latin_1(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_bytes(b"# -*- coding: latin-1 -*-\nname = '\xe9'\nimport json\n")
    assert [item[0] for item in ask(tmp_path, script=str(tmp_path / "app.py"))["imports"]] == ["json"]


def test_circular_imports(tmp_path: Path) -> None:
    write(tmp_path, app="import a\n", a="import b\n", b="import a\nimport app\n")
    assert len(ask(tmp_path, script=str(tmp_path / "app.py"))["files"]) == 3


def test_function(tmp_path: Path) -> None:
    write(tmp_path, package__cli="def main(): pass\n")
    (tmp_path / "package" / "__init__.py").write_text("")
    answer = ask(tmp_path, search=[str(tmp_path)], function="package.cli:main")
    assert (answer["module"], answer["attribute"]) == ("package.cli", "main")
    assert str(tmp_path / "package" / "cli.py") in answer["files"]
    missing = ask(tmp_path, search=[str(tmp_path)], function="package.gone:main")
    assert missing == {"error": "no module", "module": "package.gone"}


def test_unknown_console_script(tmp_path: Path) -> None:
    answer = ask(tmp_path, console_script="nobody-has-this-one")
    assert answer["error"] == "no console script"
    assert "pip" in answer["known"] or answer["known"]


def test_console_script_of_a_distribution(tmp_path: Path) -> None:
    info = tmp_path / "thing-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[console_scripts]\nthe-thing = thing.cli:App.run [extra]\n")
    write(tmp_path, thing__cli="")
    answer = ask(tmp_path, search=[str(tmp_path)], console_script="the-thing")
    assert (answer["module"], answer["attribute"], answer["distribution"]) == ("thing.cli", "App.run", "thing")


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ({"error": "syntax", "file": "/a.py", "line": 3, "message": "invalid"}, ("/a.py, line 3", "invalid")),
        ({"error": "no module", "module": "a.b"}, ("'a.b'", "--with")),
        ({"error": "no console script", "known": ["x", "y"]}, ("'wanted'", "x, y")),
        ({"error": "no console script", "known": []}, ("'wanted'", "none")),
    ],
)
def test_refusals(failure: EntryFailure, words: tuple[str, ...]) -> None:
    message = module._refusal(failure, "wanted", Host()).render()
    assert all(word in message for word in words)


def application(*modules: str) -> Application:
    imports = tuple((name, Path("/site/app.py"), line) for line, name in enumerate(modules, 1))
    return Application("app", Path("/site/app.py"), False, (), (), imports, {}, None)


def missing(*names: str) -> frozenset[str]:
    return frozenset(names)


def test_a_missing_import_is_refused_with_its_line() -> None:
    with pytest.raises(InputError, match=r"'b\.c' is missing") as caught:
        refuse_missing(application("os", "b.c").own_imports, missing("b"), frozenset())
    assert caught.value.why == "/site/app.py, line 2 imports it"
    assert "--with b" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("imported", "absent", "excluded"),
    [("a.b", "a.b.c", ""), ("a", "b", ""), ("a.b", "a.b", "a.b"), ("a.b.c", "a.b", "a"), ("ab", "a", "")]
    + [(name, name, "") for name in ("pyi_splash", "pyimod02_importers")],
)
def test_what_is_not_refused(imported: str, absent: str, excluded: str) -> None:
    refuse_missing(application(imported).own_imports, missing(absent), frozenset(filter(None, [excluded])))


def test_a_missing_parent_or_child_is_refused() -> None:
    for absent in ("a", "a.b"):
        with pytest.raises(InputError):
            refuse_missing(application("a.b").own_imports, missing(absent), frozenset())


def test_the_advice_for_a_missing_import_works() -> None:
    """A module that will only be there at run time is not missing once it is excluded, as the hint says."""
    with pytest.raises(InputError) as caught:
        refuse_missing(application("later.part").own_imports, missing("later"), frozenset())
    option, name = (caught.value.hint or "").rpartition(": ")[2].split()
    assert option == "--exclude"
    refuse_missing(application("later.part").own_imports, missing("later"), frozenset({name}))


def test_a_full_disk_is_no_damage_of_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path))

    with zipfile.ZipFile(tmp_path / "tool.pyz", "w") as archive:
        archive.writestr("__main__.py", "")
    monkeypatch.setattr(zipfile.ZipFile, "extractall", fail)
    with pytest.raises(OSError, match="No space left"):
        module.unpack_archive(tmp_path / "tool.pyz", tmp_path / "out")
    (tmp_path / "bad.pyz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"bad\.pyz cannot be unpacked"):
        module.unpack_archive(tmp_path / "bad.pyz", tmp_path / "out")
