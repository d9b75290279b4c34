"""Which file in the bundle the main script says it is."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from freezer.freeze.drivers import DRIVERS

sys.path.insert(0, str(DRIVERS))
sources: Any = importlib.import_module("sources")
del sys.path[0]

ANALYSIS = SimpleNamespace(
    pure=[
        ("click", "/site/click/__init__.py", "PYMODULE"),
        ("space", None, "PYMODULE"),
        ("space.part", "/site/space/part.py", "PYMODULE"),
        ("six", "/site/six.py", "PYMODULE"),
    ],
    datas=[("templates/page.html", "/src/templates/page.html", "DATA"), ("beside", "/src/beside", "DATA")],
    binaries=[("fast/core.so", "/site/fast/core.so", "EXTENSION"), ("libz.so.1", "/lib/libz.so.1", "BINARY")],
    graph=SimpleNamespace(_base_modules=[SimpleNamespace(identifier="json", filename="/lib/json/__init__.py")]),
)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        # As Python calls it, with whatever suffix.
        ("/src/app.py", "app.py"),
        ("/src/app.pyw", "app.pyw"),
        ("/src/serve.wsgi", "serve.wsgi"),
        ("/src/bin/tool", "tool"),
        ("/src/bin/tool.v2.sh", "tool.v2.sh"),
        ("/src/.hidden", ".hidden"),
        ("/src/click.py", "click.py"),
        # No directory: a module of its name, and its own file.
        ("/src/bin/six", "six"),
        ("/src/beside", "beside"),
        # A directory of the bundle has the name already.
        ("/src/bin/click", "click.py"),
        ("/src/bin/space", "space.py"),
        ("/src/bin/templates", "templates.py"),
        ("/src/bin/fast", "fast.py"),
        ("/src/bin/json", "json.py"),
    ],
)
def test_file_of_the_main_script(path: str, name: str) -> None:
    assert sources.main_file(ANALYSIS, path) == name


def test_source_of_the_main_script_comes_along_under_that_name() -> None:
    files = sources.SourceFiles(
        {"sources": "own"}, SimpleNamespace(packages={}), SimpleNamespace(has_code=lambda path: path == "/src/bin/tool")
    )
    assert files.main_script("tool", "/src/bin/tool") == [("tool", "/src/bin/tool", "DATA")]
    assert files.main_script("tool.foo", "/elsewhere/tool.foo") == []
