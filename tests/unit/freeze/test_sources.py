"""Which modules bring their source, and which file in the bundle the main script says it is."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from freezer.freeze.drivers import DRIVERS

sys.path.insert(0, str(DRIVERS))
sources: Any = importlib.import_module("sources")
installed: Any = importlib.import_module("installed")
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


READER = "import inspect\ndef later(module): return inspect.getsource(module)\n"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        pytest.param("", set(), id="nothing"),
        pytest.param("import inspect\ndef show(function): inspect.getsource(function)\n", set(), id="functions"),
        pytest.param("import inspect\nfrom . import other\ninspect.getsource(other)\n", "all", id="its-own"),
        pytest.param("from numba import njit\n@njit\ndef fast(): pass\n", "all", id="decorated"),
        pytest.param(READER, {"kit", "kit.part", "kit.part.inner"}, id="callers"),
        pytest.param(
            READER.replace("(module)", "(sys.modules[name])"), {"kit", "kit.part", "kit.part.inner"}, id="by-name"
        ),
    ],
)
def test_sources_that_a_package_reads(tmp_path: Path, text: str, read: Any) -> None:
    """Of packages that get the source of the modules that call them, those that name the one that gets it."""
    modules = {
        "kit": "from ._lazy import later\n",
        "kit._lazy": text,
        "kit.other": "_lazyload = 1\n",
        "kit.part": "import kit._lazy\n",
        "kit.part.inner": "from .._lazy import later\n",
    }
    paths = {}
    for name, written in modules.items():
        folder = tmp_path.joinpath(*name.split("."))
        paths[name] = folder / "__init__.py" if name in ("kit", "kit.part") else folder.with_suffix(".py")
        paths[name].parent.mkdir(parents=True, exist_ok=True)
        paths[name].write_text(written)
    package = installed.Package("kit", str(tmp_path / "kit"), None, False)
    package.files = [str(path) for path in paths.values()]
    files = sources.SourceFiles(
        {"sources": "own"},
        SimpleNamespace(packages={"kit": package}),
        SimpleNamespace(has_code=lambda path: False),
    )
    pure = [(name, str(path), "PYMODULE") for name, path in paths.items()]
    found = files.of(SimpleNamespace(pure=pure, graph=SimpleNamespace(_base_modules=[])))
    assert {source for _, source, _ in found} == {str(paths[name]) for name in (modules if read == "all" else read)}
