"""What is missing, and what is only not found by PyInstaller."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from plans import plan

from freezer.application.entry import Application
from freezer.base.errors import InputError
from freezer.base.log import Log
from freezer.environment.interpreter import Interpreter
from freezer.environment.venv import Environment
from freezer.freeze.absent import refuse_absent
from freezer.store.workspace import workspace
from freezer.system.host import Host


def refuse(folder: Path, absent: set[str], *imports: str) -> None:
    (folder / "app.py").touch()
    python = Path(sys.executable)
    interpreter = Interpreter(python, (3, 11, 2), folder, folder / "libpython.so")
    environment = Environment(python, interpreter, "key", False, Host(), folder, folder)
    own = tuple((name, folder / "app.py", line) for line, name in enumerate(imports, 1))
    application = Application("app", folder / "app.py", False, (folder,), (), own, {}, None)
    with workspace(folder / "cache", "app", keep=False, log=Log(stream=io.StringIO())) as job:
        refuse_absent(frozenset(absent), application, plan(folder, entry="app.py"), environment, job)


def test_what_python_finds_is_not_missing(tmp_path: Path) -> None:
    (tmp_path / "names.py").write_text("import sys, json\nsys.modules['names.other'] = json\n__path__ = []\n")
    refuse(tmp_path, {"names.other", "collections.abc", "elsewhere"}, "names.other", "collections.abc", "json")


def test_what_python_does_not_find_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'no\.such' is missing") as caught:
        refuse(tmp_path, {"collections.abc", "no.such"}, "collections.abc", "no.such")
    assert caught.value.why == f"{tmp_path}/app.py, line 2 imports it"
