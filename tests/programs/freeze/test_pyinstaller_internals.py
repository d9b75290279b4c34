"""PyInstaller's internals, as the installed release has them. What fails here fails builds as each test says.

They are looked at in a process of its own, as PyInstaller changes what it finds of itself when it is imported.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from freezer.freeze import RUNTIME
from freezer.freeze.drivers import DRIVERS

CODE = """
import inspect, json, os, subprocess, sys
sys.path.insert(0, {drivers!r})
import pyinstaller_internals as internals
import run_time_hooks
{code}
print(json.dumps(result))
"""

NEEDED = ("pyinstaller", "pyinstaller-hooks-contrib", "altgraph", "packaging", "importlib-metadata", "zipp")


def ask(code: str, *arguments: str) -> Any:
    """What the code finds and leaves in ``result``."""
    command = [sys.executable, "-c", CODE.format(drivers=str(DRIVERS), code=code), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_spec_files_call_what_is_in_this_module() -> None:
    """Else neither freezer's additions nor the directory layout would reach a spec file's build."""
    code = """
from PyInstaller.building import build_main
names = ("Analysis", "EXE", "COLLECT")
source = inspect.getsource(build_main.build)
result = [all(isinstance(getattr(build_main, name), type) for name in names), "exec(" in source]
"""
    assert ask(code) == [True, True]


@pytest.mark.parametrize("name", ["datas", "binaries", "hiddenimports", "hookspath", "excludes", "pathex", "noarchive"])
def test_analysis_takes(name: str) -> None:
    """Else what the user and freezer add would not come along."""
    code = f"result = {name!r} in inspect.signature(internals.spec_classes()[0].__init__).parameters"
    assert ask(code) is True


@pytest.mark.parametrize("name", ["exclude_binaries", "append_pkg", "contents_directory", "upx", "strip"])
def test_exe_takes(name: str) -> None:
    """Else one-file programs could not become directories, and files be changed behind freezer's back."""
    code = f"source = inspect.getsource(internals.spec_classes()[1].__init__)\nresult = {name!r} in source"
    assert ask(code) is True


def test_spec_files_get_the_classes_by_these_names() -> None:
    """Else they would call PyInstaller's own, and programs of one spec file would look for files in one another."""
    code = """
from PyInstaller.building import build_main
source = inspect.getsource(build_main.build)
internals.replace_spec_classes("A", "E", "C")
result = [all("'%s': %s," % (name, name) in source for name in ("Analysis", "EXE", "COLLECT", "MERGE"))]
result += [build_main.Analysis, build_main.EXE, build_main.COLLECT, build_main.MERGE(1, 2)]
"""
    assert ask(code) == [True, "A", "E", "C", None]


def test_no_graph_is_copied() -> None:
    """Else each build takes a copy of all its modules for an analysis to come."""
    code = """
import inspect
from PyInstaller.depend import analysis
internals.analyse_once()
source = inspect.getsource(analysis.initialize_modgraph)
graph = analysis.deepcopy(object())
graph._hooks = None
result = [bool(graph), "_cached_module_graph_ = deepcopy(graph)" in source, "if _cached_module_graph_ and" in source]
"""
    assert ask(code) == [False, True, True]


def test_the_list_of_imports_is_written_by_this_method() -> None:
    """Else it would be written for nobody at each build."""
    assert ask('result = hasattr(internals.spec_classes()[0], "_write_graph_debug")') is True


def test_objcopy_is_run_by_this_module() -> None:
    """Else the build environment's system would need binutils, and the package's place be unknown."""
    code = """
internals.need_no_binutils()
from PyInstaller.building import api
done = api.subprocess.run(["objcopy", "--add-section", "pydata=/x/pkg", "program"])
result = [internals.NotAppended.package, done.returncode, '"objcopy"' in inspect.getsource(api).replace("'", '"')]
"""
    assert ask(code) == ["/x/pkg", 0, True]


def test_processes_of_pyinstallers_get_no_search_path_by_a_variable() -> None:
    """Else a module of the application's called like one of Python's would end them before their first line."""
    code = """
from PyInstaller.config import CONF
from PyInstaller.isolated import _parent
CONF["pathex"] = ["/own"]
before = _parent._subprocess_env().get("PYTHONPATH", "")
internals.share_imports(["x"], None)
result = ["/own" in before, "/own" in _parent._subprocess_env().get("PYTHONPATH", "")]
"""
    assert ask(code) == [True, False]


def test_another_tool_is_refused() -> None:
    """A release that runs something else must not be taken for one that does as known."""
    code = """
try:
    internals.NotAppended.run(["ld", "-o", "a", "b"])
    result = None
except SystemExit as error:
    result = str(error)
"""
    assert ask(code) == "ERROR: PyInstaller runs ld, which is not known to freezer"


def test_binaries_are_told_from_data_by_this_function() -> None:
    """Else objdump would be needed in the build environment's system."""
    code = """
internals.need_no_binutils()
from PyInstaller.depend import bindepend
result = [bindepend.classify_binary_vs_data(path) for path in (sys.executable, internals.__file__)]
"""
    assert ask(code) == ["BINARY", "DATA"]


def test_the_base_library_is_written_by_this_function() -> None:
    """Else its modules would be in the order of their addresses, and two builds differ."""
    code = """
from PyInstaller.building import build_main
seen = []
build_main.create_base_library_zip = lambda path, modules, *options: seen.append(modules)
internals.sort_base_library()
build_main.create_base_library_zip("x", {"b", "c", "a"}, None)
result = [seen, inspect.getsource(build_main).count("create_base_library_zip(") >= 1]
"""
    assert ask(code) == [[["a", "b", "c"]], True]


def test_hooks_are_in_these_directories() -> None:
    """Else freezer's hooks would displace PyInstaller's own, and lose what they know."""
    code = """
places = internals.hook_directories()
result = [os.path.isfile(os.path.join(places[0], "hook-sqlite3.py")), len(places) > 1]
"""
    assert ask(code) == [True, True]


def test_code_gets_its_file_name_by_a_function_that_can_be_replaced() -> None:
    """Else the start makes each name of a variable once for each function."""
    code = """
import zipfile
from PyInstaller.archive import writers
asked = []
def renamed(code, filename):
    asked.append(filename)
    return code.replace(co_filename="given.py")
internals.rename_code(renamed)
folder = sys.argv[1]
path = os.path.join(folder, "one.py")
open(path, "w").write("value = 1")
made = compile("value = 1", path, "exec")
writers.ZlibArchiveWriter(os.path.join(folder, "out.pyz"), [("one", path, "PYMODULE")], {"one": made})
from PyInstaller.archive.readers import ZlibArchiveReader
kept = ZlibArchiveReader(os.path.join(folder, "out.pyz")).extract("one")
result = [asked, kept.co_filename]
"""
    with tempfile.TemporaryDirectory() as folder:
        assert ask(code, folder) == [["one.py"], "given.py"]


def test_run_time_hooks_have_these_names() -> None:
    """Else all applications would pay for them at each start."""
    code = """
import PyInstaller, _pyinstaller_hooks_contrib
folders = [os.path.join(os.path.dirname(PyInstaller.__file__), "hooks", "rthooks")]
folders.append(os.path.join(os.path.dirname(_pyinstaller_hooks_contrib.__file__), "rthooks"))
names = {name[:-3] for folder in folders for name in os.listdir(folder)}
sys.path.append(sys.argv[1])
import _freezer_deferred
known = {name[len("_freezer_"):] for name in _freezer_deferred.AFTER.values()}
hooks = run_time_hooks.DEFERRED, run_time_hooks.REPLACED
result = [sorted((hooks[0] | hooks[1]) - names), sorted(hooks[0] ^ known)]
"""
    assert ask(code, str(RUNTIME)) == [[], []]


def test_the_names_of_what_starts_pyinstallers_own_programs() -> None:
    """They are left out of the start, or stand in for, in freezer/freeze/runtime/_freezer_native.py."""
    code = """
import PyInstaller
folder = os.path.join(os.path.dirname(PyInstaller.__file__), "loader")
names = {name[:-3] for name in os.listdir(folder) if name.endswith(".py")}
text = open(os.path.join(folder, "pyimod02_importers.py")).read()
result = [sorted({"pyiboot01_bootstrap", "pyimod02_importers", "pyimod03_ctypes"} - names)]
result += [name in text for name in ("PyiFrozenLoader", "PyiFrozenFinder", "pyz_archive", "PyiFrozenResourceReader")]
"""
    assert ask(code) == [[], True, True, True, True]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program of PyInstaller's, as it makes one by itself, with its warnings."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "app.py").write_text("import json\ntry:\n    import nothing_such\nexcept ImportError:\n    pass\n")
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--onedir", "app.py"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def test_the_package_is_read_by_these_names(built: Path) -> None:
    """Else no application's code could be put into its tree."""
    code = """
package = internals.Package(sys.argv[1])
entries = {name: kind for name, kind, _ in package.entries()}
(archive,) = [name for name, kind in entries.items() if kind == internals.ARCHIVE_OF_MODULES]
toc, read = package.modules(archive)
import marshal
result = [
    entries["app"] == internals.SCRIPT, entries["pyimod01_archive"] in internals.MODULES,
    toc["json"][0], toc["json.decoder"][0], marshal.loads(read("json")).co_name,
    package.python()[0] == sys.version_info[:2],
    0 < package.start < package.end <= os.path.getsize(sys.argv[1]), package.options,
]
"""
    found = ask(code, str(built / "dist" / "app" / "app"))
    assert found == [True, True, 1, 0, "<module>", True, True, ["pyi-contents-directory _internal"]]


def test_what_is_no_package_is_told(built: Path) -> None:
    code = """
try:
    internals.Package(sys.argv[1])
    result = None
except ValueError:
    result = "none"
"""
    assert ask(code, str(built / "app.py")) == "none"


def test_the_contents_and_the_warnings_are_here(built: Path) -> None:
    """Else data would be looked for in the wrong place, and missing modules go unnoticed."""
    assert (built / "dist" / "app" / "_internal" / "base_library.zip").is_file()
    text = (built / "build" / "app" / "warn-app.txt").read_text()
    assert "missing module named nothing_such - imported by " in text


SPEC = """
import json, os
import modulegraph_internals, pyinstaller_internals as internals

a = Analysis(["app.py"], optimize={optimize})
a.pure.append(("provided", os.path.abspath("provided.py"), "PYMODULE"))
internals.provide_code(a, {{"provided": compile("origin = 'provided'", "provided.py", "exec")}})
exe = EXE(PYZ(a.pure), a.scripts, exclude_binaries=True, name="app")
tree = COLLECT(exe, a.binaries, a.datas, name="tree")
facts = {{
    "kinds": {{name: sorted({{kind for _, _, kind in getattr(a, name)}}) for name in ("pure", "scripts", "binaries")}},
    "base": modulegraph_internals.base_modules(a.graph),
    "warnings": internals.warnings_file(), "names": [exe.name, tree.name],
}}
with open("facts.json", "w") as file:
    json.dump(facts, file)
"""


@pytest.fixture(scope="module", params=[0, 2], ids=["not optimized", "optimized"])
def from_spec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a spec file makes that is at this process's level of optimization, and one that is not."""
    folder = tmp_path_factory.mktemp("spec")
    (folder / "app.py").write_text("import ctypes, wave\n")
    (folder / "provided.py").write_text("origin = 'source'\n")
    (folder / "app.spec").write_text(SPEC.format(optimize=request.param))
    code = CODE.format(drivers=str(DRIVERS), code="result = internals.run(['--noconfirm', 'app.spec'])")
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True)
    return folder


def facts_of(folder: Path) -> Any:
    return json.loads((folder / "facts.json").read_text())


def test_importers_of_a_module_are_known_by_this_method() -> None:
    """Else modules that stand in for compiled ones could not be left out."""
    code = """
from PyInstaller.depend.analysis import PyiModuleGraph
result = list(inspect.signature(PyiModuleGraph.get_importers).parameters)
"""
    assert ask(code) == ["self", "name"]


def test_provided_code_is_used(from_spec: Path) -> None:
    """Else applications would start with annotations and docstrings; at another level nothing is known of any code."""
    code = """
import marshal
package = internals.Package(sys.argv[1])
(archive,) = [name for name, kind, _ in package.entries() if kind == internals.ARCHIVE_OF_MODULES]
_, read = package.modules(archive)
provided, other = {}, marshal.loads(read("wave"))
exec(marshal.loads(read("provided")), provided)
result = [provided["origin"], other.co_name]
"""
    assert ask(code, str(from_spec / "build" / "app" / "app.pkg")) == ["provided", "<module>"]


def test_code_is_added_to_what_is_known() -> None:
    """Of a list of modules whose code is known, of one that is all to be compiled, and of one that was never noted."""
    code = """
from types import SimpleNamespace
from PyInstaller import config
result = []
for known in ({"a": 1, "b": 1}, None, "never"):
    analysis = SimpleNamespace(pure=[])
    config.CONF["code_cache"] = {} if known == "never" else {id(analysis.pure): known}
    internals.provide_code(analysis, {"b": 2, "c": 2})
    result.append(config.CONF["code_cache"][id(analysis.pure)])
"""
    assert ask(code) == [{"a": 1, "b": 2, "c": 2}, {"b": 2, "c": 2}, {"b": 2, "c": 2}]


def test_entries_have_these_types(from_spec: Path) -> None:
    """Else scripts would not be moved to the modules, and extension modules be unknown."""
    kinds = facts_of(from_spec)["kinds"]
    assert all(kind.startswith("PYMODULE") for kind in kinds["pure"])
    assert all(kind.startswith("PYSOURCE") for kind in kinds["scripts"])
    assert "EXTENSION" in kinds["binaries"]


def test_types_have_these_codes() -> None:
    """Else a package's code, and what a one-file program unpacks, would be taken for something else."""
    code = """
from PyInstaller.building import api
codes = api.PKG.xformdict
result = [
    codes[internals.PYTHON_SOURCE] == internals.SCRIPT, codes[internals.PYTHON_MODULE] in internals.MODULES,
    codes["PYZ"] == internals.ARCHIVE_OF_MODULES, codes[internals.EXTENSION] == codes["BINARY"] == internals.BINARY,
    codes[internals.SYMLINK] == internals.LINK, codes["DATA"] == internals.DATA, codes["SPLASH"] == internals.SPLASH,
    sorted(internals.BESIDE - set(codes)),
]
"""
    assert ask(code) == [True, True, True, True, True, True, True, []]


def test_modules_of_the_base_library_are_known(from_spec: Path) -> None:
    """Else they would not count as modules of the application, and nothing be provided for them."""
    with zipfile.ZipFile(from_spec / "dist" / "tree" / "_internal" / "base_library.zip") as base:
        files = [name[: -len(".pyc")] for name in base.namelist()]
    stored = {name[: -len("/__init__")] if name.endswith("/__init__") else name for name in files}
    assert "encodings/utf_8" in stored
    assert stored == {name.replace(".", "/") for name in facts_of(from_spec)["base"]}


def test_warnings_and_results_are_at_these_paths(from_spec: Path) -> None:
    """Else nothing would be read of modules that are missing, and no tree be found."""
    facts = facts_of(from_spec)
    assert facts["warnings"] == str(from_spec / "build" / "app" / "warn-app.txt")
    assert facts["names"] == [str(from_spec / "build" / "app" / "app"), str(from_spec / "dist" / "tree")]


@pytest.fixture(scope="module")
def toolchain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed PyInstaller, with what it needs, in a directory of its own."""
    folder = tmp_path_factory.mktemp("toolchain")
    for name in NEEDED:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            distribution = importlib.metadata.distribution(name)
            for part in {item.parts[0] for item in distribution.files or () if item.parts[0] != ".."}:
                (folder / part).symlink_to(str(distribution.locate_file(part)))
    return folder


def ask_toolchain(toolchain: Path, application: Path, code: str) -> Any:
    """What the code finds in a process that starts as a build does, for an application in that directory."""
    program = toolchain.with_name("ask.py")
    starter = DRIVERS / "start_with_toolchain.py"
    program.write_text(
        CODE.format(
            drivers=str(application),
            code=f"""
import start_with_toolchain
internals.need_no_binutils()
internals.share_imports([{str(starter)!r}, {str(toolchain)!r}], start_with_toolchain.load_source)
from PyInstaller.config import CONF
CONF["pathex"] = [{str(application)!r}]
{code}""",
        )
    )
    command = [sys.executable, "-S", str(starter), str(toolchain), str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """An application's directory, with an own package of a name that PyInstaller needs."""
    (tmp_path / "packaging").mkdir()
    (tmp_path / "packaging" / "__init__.py").write_text("name = 'of the application'\n")
    (tmp_path / "packaging" / "data.txt").write_text("x")
    (tmp_path / "thing.py").write_text("from packaging import name\n")
    return tmp_path


def test_processes_that_import_the_application_see_its_packages(toolchain: Path, application: Path) -> None:
    """And the toolchain in what is asked of them; else packages of equal names would be those of the other."""
    code = """
from PyInstaller import isolated
from PyInstaller.utils import hooks
def look():
    import thing
    from packaging.version import Version
    from PyInstaller.utils.hooks import get_module_attribute
    return thing.name, str(Version("1.0")), get_module_attribute("packaging", "name")
result = [*isolated.call(look), hooks.get_module_attribute("packaging", "name")]
result += [hooks.collect_submodules("packaging"), len(hooks.collect_data_files("packaging"))]
"""
    own = "of the application"
    assert ask_toolchain(toolchain, application, code) == [own, "1.0", own, own, ["packaging"], 1]


def test_statements_of_hooks_see_the_applications_packages(toolchain: Path, application: Path) -> None:
    code = """
from PyInstaller.utils.hooks import exec_statement
result = exec_statement("import thing, PyInstaller.utils.hooks; print(thing.name)")
"""
    assert ask_toolchain(toolchain, application, code) == "of the application"


def test_hooks_see_the_toolchain(toolchain: Path, application: Path) -> None:
    """Of each kind; else those that compare versions would fail for applications without a package for that."""
    (application / "hook-thing.py").write_text("from packaging.version import Version\nname = str(Version('1.0'))\n")
    code = """
from PyInstaller.depend import analysis, imphook
path = os.path.join(sys.path[0], "hook-thing.py")
result = [module.importlib_load_source("x", path).name for module in (analysis, imphook)]
for module in (analysis, imphook):
    result.append(inspect.getsource(module).count("importlib_load_source("))
"""
    assert ask_toolchain(toolchain, application, code) == ["1.0", "1.0", 2, 1]


def test_contributed_hooks_are_the_toolchains(toolchain: Path, application: Path) -> None:
    """Whichever the application requires; hooks that its packages have for themselves are taken."""
    for name in ("_pyinstaller_hooks_contrib", "thing_hooks"):
        (application / f"{name}.py").write_text(f"def get_hook_dirs(): return ['/of/{name}']\n")
        info = application / f"{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[pyinstaller40]\nhook-dirs = {name}:get_hook_dirs\n")
    code = """
internals.keep_own_hooks(offered=True)
result = internals.hook_directories()
"""
    standard, *others = ask_toolchain(toolchain, application, code)
    assert standard == str(toolchain / "PyInstaller" / "hooks")
    contributed = toolchain / "_pyinstaller_hooks_contrib"
    assert others == [str(contributed / "stdhooks"), str(contributed), "/of/thing_hooks"]
    # Where nothing offers hooks, nothing is asked for them.
    unasked = code.replace("=True", "=False")
    assert ask_toolchain(toolchain, application, unasked) == [standard, *others[:2]]
