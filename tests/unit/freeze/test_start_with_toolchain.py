"""Who sees what: the toolchain's code its own modules, the application's code the application's, with equal names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from freezer.freeze.drivers import DRIVERS


def package(folder: Path, name: str, version: str, **modules: str) -> None:
    """A distribution of one package, with its metadata."""
    place = folder / name
    place.mkdir(parents=True)
    for module, text in modules.items():
        (place / f"{module}.py").write_text(text)
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.fixture
def toolchain(tmp_path: Path) -> Path:
    """The tool and the shared package that it needs, in its version 2."""
    folder = tmp_path / "toolchain"
    ask = "import importlib.metadata\nown = importlib.metadata.version('shared')\n"
    package(folder, "shared", "2", __init__=ask + "from .part import name\n", part="name = 'of the toolchain'\n")
    look = "import importlib, importlib.util\n"
    look += "def lazily():\n    from shared.part import name\n    from . import helper\n    return name, helper.name\n"
    look += "def analysed():\n    return importlib.import_module('shared.part').name, __import__('shared').part.name\n"
    look += "def asked():\n    return importlib.util.find_spec('shared').origin\n"
    package(
        folder,
        "tool",
        "2",
        __init__="from shared import name, own\nfrom .look import *\n",
        look=look,
        helper="name = 3\n",
    )
    return folder


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """An application's folder, with its version 1 of the shared package, and a package that imports that."""
    folder = tmp_path / "application"
    package(folder, "shared", "1", __init__="from . import part\n", part="name = 'of the application'\n")
    package(folder, "wanted", "1", __init__="from shared.part import name\n")
    (folder / "installed.py").write_text("name = 'of the application'\n")
    return folder


def ask(toolchain: Path, application: Path, code: str) -> Any:
    """What a program of the toolchain's leaves in ``result``."""
    start = f"import json, sys\nsys.path.append({str(application)!r})\n{code}\nprint(json.dumps(result))"
    program = application.parent / "program.py"
    program.write_text(start)
    found = []
    for words in (["-c", start], [str(program)]):
        command = [sys.executable, "-S", str(DRIVERS / "start_with_toolchain.py"), str(toolchain), *words, "argument"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=application.parent)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert found[0] == found[1]
    return found[0]


def test_the_program_sees_the_toolchain(toolchain: Path, application: Path) -> None:
    code = "import tool\nimport shared.part\nresult = [tool.name, tool.own, shared.part.name, sys.argv[1:]]"
    assert ask(toolchain, application, code) == ["of the toolchain", "2", "of the toolchain", ["argument"]]


def test_the_application_sees_its_own(toolchain: Path, application: Path) -> None:
    """Whoever was imported first, and also what the toolchain's code asks for by name, as PyInstaller does."""
    code = "import tool\nbefore = tool.analysed()\nimport wanted\n"
    code += "result = [*before, wanted.name, *tool.lazily(), *tool.analysed(), tool.asked()]"
    own, theirs = "of the application", "of the toolchain"
    place = str(application / "shared" / "__init__.py")
    assert ask(toolchain, application, code) == [own, own, own, theirs, 3, own, own, place]


def test_nothing_of_the_toolchain_is_left_where_others_look(toolchain: Path, application: Path) -> None:
    code = "import tool, importlib.metadata, importlib.util\nfrom installed import canonical\n"
    code += "names = {name.partition('.')[0] for name in sys.modules}\n"
    code += "result = [sorted({'tool', 'shared', 'installed'} & names), importlib.util.find_spec('tool')]\n"
    code += "result += [sorted(d.metadata['Name'] for d in importlib.metadata.distributions())]\n"
    code += f"result += [sorted({{{str(toolchain)!r}, {str(DRIVERS)!r}}} & set(sys.path)), len(sys.meta_path)]\n"
    plain = "import sys; print(len(sys.meta_path))"
    count = int(subprocess.run([sys.executable, "-S", "-c", plain], capture_output=True, text=True, check=True).stdout)
    assert ask(toolchain, application, code) == [[], None, ["shared", "wanted"], [], count]


def test_drivers_count_to_the_toolchain(toolchain: Path, application: Path) -> None:
    """An application's module may be called as one of them."""
    code = (
        "import installed, importlib\nresult = [installed.canonical('A_b'), importlib.import_module('installed').name]"
    )
    assert ask(toolchain, application, code) == ["a-b", "of the application"]


def test_a_module_that_is_not_there(toolchain: Path, application: Path) -> None:
    code = """
result = []
for statement in ("import tool.none", "import none", "from tool import none"):
    try:
        exec(statement)
    except ImportError as error:
        result.append(str(error).split(" (")[0])
import wanted
result.append(wanted.name)
"""
    assert ask(toolchain, application, code) == [
        "No module named 'tool.none'",
        "No module named 'none'",
        "cannot import name 'none' from 'tool'",
        "of the application",
    ]


def test_a_hook_has_the_imports_of_what_loads_it(toolchain: Path, application: Path) -> None:
    hook = application.parent / "hook-wanted.py"
    hook.write_text("from shared.part import name\nfile = __file__\n")
    code = f"import start_with_toolchain\nhook = start_with_toolchain.load_source('hook', {str(hook)!r})\n"
    code += "result = [hook.name, hook.file, 'hook' in sys.modules]"
    assert ask(toolchain, application, code) == ["of the toolchain", str(hook), False]


def test_bytecode_is_kept_of_what_is_imported_from_the_environment(toolchain: Path, tmp_path: Path) -> None:
    """And of nothing else: neither beside sources that are somebody's own, nor in the toolchain."""
    environment, own = tmp_path / "environment", tmp_path / "own"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    package(site, "asked", "1", __init__="from . import part\n", part="", other="")
    package(own, "mine", "1", __init__="")
    start = f"import sys\nsys.path.append({str(own)!r})\nimport asked, mine, tool"
    program = str(DRIVERS / "start_with_toolchain.py")
    command = [str(environment / "bin" / "python"), program, str(toolchain), "-c", start]
    subprocess.run(command, check=True, env={"PYTHONDONTWRITEBYTECODE": "1"})
    kept = {path.name.partition(".")[0] for path in site.glob("asked/__pycache__/*.pyc")}
    assert kept == {"__init__", "part"}
    assert not [*own.rglob("*.pyc"), *toolchain.rglob("*.pyc")]
