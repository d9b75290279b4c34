"""The module graph's internals, as the installed release has them. What fails here fails builds as each test says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from freezer.freeze.drivers import DRIVERS

CODE = """
import json, os, sys
sys.path.insert(0, {drivers!r})
import modulegraph_internals as internals
import pyinstaller_internals
from content_memory import ContentMemory
from PyInstaller.config import CONF
CONF.update(workpath=sys.argv[1], pathex=[], hiddenimports=[])
pyinstaller_internals.need_no_binutils()
{code}
print(json.dumps(result))
"""

FEW = """
from PyInstaller import compat
compat.PY3_BASE_MODULES &= set(("heapq", "keyword"))
"""
"""Before the graph is made: else it has 300 modules, which takes seconds."""

GRAPH = (
    FEW
    + """
from PyInstaller.depend.analysis import initialize_modgraph
{before}
graph = initialize_modgraph()
node = graph.add_script(os.path.join(sys.argv[1], "app.py"))
nodes = {{}}
for item in graph.iter_graph():
    code = item.code
    nodes[item.identifier] = [
        type(item).__name__, sorted(item._global_attr_names), code and code.co_filename, code and code.co_names,
        sorted((other.identifier, str(graph.edgeData(item, other))) for other in graph.outgoing(item)),
    ]
result = nodes
"""
)


def ask(code: str, folder: Path) -> Any:
    """What the code finds and leaves in ``result``."""
    command = [sys.executable, "-c", CODE.format(drivers=str(DRIVERS), code=code), str(folder)]
    # As in a build: the first modules come in the order of a set.
    env = {**os.environ, "PYTHONHASHSEED": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_modules_are_found_elsewhere(tmp_path: Path) -> None:
    """Else modules of the application's that are called like the standard library's would be those of Python."""
    for name in ("queue", "keyword"):
        (tmp_path / f"{name}.py").write_text("MINE = 1\n")
    code = """
internals.find_elsewhere({"queue": sys.argv[1], "keyword": sys.argv[1]})
from PyInstaller.depend.analysis import initialize_modgraph
graph = initialize_modgraph()
node = graph.find_node("queue") or graph.import_hook("queue")[0]
others = graph.find_node("heapq")
based = internals.base_modules(graph)
result = [node.filename, "keyword" in based, "heapq" in based, others.filename == node.filename]
"""
    assert ask(FEW + code, tmp_path) == [str(tmp_path / "queue.py"), False, True, False]


def test_base_packages_have_these_modules(tmp_path: Path) -> None:
    """Else the standard library's first archive would lack one, or have one more."""
    code = """
from PyInstaller.compat import PY3_BASE_MODULES
from PyInstaller.depend import analysis
names = sorted(name for name in PY3_BASE_MODULES if analysis.is_package(name))
before = {name: analysis.collect_submodules(name) for name in names}
internals.list_base_packages()
# The processes that would be asked are gone.
from PyInstaller import isolated
from PyInstaller.utils import hooks
isolated.Python = None
assert hooks.collect_submodules("encodings") == before["encodings"]
result = [len(names) > 2, before == {name: analysis.collect_submodules(name) for name in names}]
"""
    assert ask(code, tmp_path) == [True, True]


SOURCES = {
    "app.py": "import colorsys, stat as j\ntry:\n    import nowhere\nexcept ImportError:\n    pass\n"
    "from pack import *\n",
    "pack/__init__.py": "from .one import a, b as c\nfrom bisect import insort\nx = 1\ny = 2\ndel y\nglobal z\n",
    "pack/one.py": "def f():\n    import pack.two\n\nif 1:\n    import heapq\na = b = f\n",
    "pack/two.py": "# coding: latin-1\nname = '\xe4'\n",
    "pack/bad.py": "def\n",
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    (folder / "pack").mkdir()
    for name, text in SOURCES.items():
        (folder / name).write_text(text, encoding="latin-1")
    return folder


def graph_of(sources: Path, before: str) -> Any:
    return ask(GRAPH.format(before=f"sys.path.append(sys.argv[1])\n{before}"), sources)


REMEMBER = "internals.remember_scans(ContentMemory({!r}))"


def test_a_remembered_graph_is_the_same(sources: Path, tmp_path: Path) -> None:
    """Else what an application gets would depend on what was built before."""
    remember = REMEMBER.format(str(tmp_path))
    plain, cold = graph_of(sources, ""), graph_of(sources, remember)
    known = list(tmp_path.rglob("*"))
    warm = graph_of(sources, remember)
    assert {"pack", "pack.one", "pack.two", "colorsys", "bisect", "heapq"} <= set(plain)
    assert cold == plain
    assert warm == plain
    assert len(known) > 10
    assert list(tmp_path.rglob("*")) == known


def test_a_known_source_is_not_compiled_again(sources: Path, tmp_path: Path) -> None:
    """Else each build would take as long as the first. All is compiled by the name that is replaced."""
    remember = REMEMBER.format(str(tmp_path))
    graph_of(sources, remember)
    count = """
import builtins
seen = []
real = compile
def counted(*arguments, **options):
    seen.append(arguments[1])
    return real(*arguments, **options)
internals.compile = counted
"""
    code = GRAPH.format(before=f"sys.path.append(sys.argv[1])\n{remember}\n{count}") + "\nresult = seen"
    assert ask(code, sources) == []


def test_what_was_scanned_for_nothing_is_known(sources: Path, tmp_path: Path) -> None:
    """Else the first analysis with new tools would take as long as without: the same is kept, by the same key."""
    remember = REMEMBER.format(str(tmp_path / "scanned"))
    names = ["colorsys", "wave", "no_such_module"]
    found = ask(f"{FEW}{remember}\ninternals.scan({names})\nresult = sorted(compat.PY3_BASE_MODULES)", sources)
    assert found == ["heapq", "keyword"]
    scanned = {path.name: path.read_bytes() for path in (tmp_path / "scanned").rglob("*") if path.is_file()}
    graph_of(sources, REMEMBER.format(str(tmp_path / "own")))
    own = {path.name: path.read_bytes() for path in (tmp_path / "own").rglob("*") if path.is_file()}
    both = scanned.keys() & own.keys()
    assert len(both) >= 3  # colorsys, and the first modules
    assert {name: scanned[name] for name in both} == {name: own[name] for name in both}
    assert len(scanned) > len(both)
