"""The archives of modules: what is written, and what an interpreter then imports from them."""

from __future__ import annotations

import json
import marshal
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any, Optional

import pytest

from freezer.freeze import RUNTIME
from freezer.freeze.drivers.content_memory import ContentMemory
from freezer.link import modules as module
from freezer.link.modules import (
    ARCHIVE_MAGIC,
    Archive,
    Package,
    extensions,
    places_of,
    whole,
    with_sources,
    write_archive,
)

MODULE, PACKAGE, NAMESPACE = 0, 1, 3


def package_of(folder: Path, sources: dict[str, tuple[str, int]]) -> Package:
    """A package as the driver writes one, of modules' sources and kinds."""
    folder.mkdir(exist_ok=True)
    modules, content = {}, b""
    for name, (source, kind) in sources.items():
        code = b"" if kind == NAMESPACE else marshal.dumps(compile(source, f"{name}.py", "exec"))
        modules[name] = (len(content), len(code), kind)
        content += code
    main = marshal.dumps(compile("print('main')", "main.py", "exec"))
    (folder / "code").write_bytes(content + main)
    scripts = [("main", len(content), len(main))]
    return Package(folder / "code", scripts, modules, (), b"", sys.version_info[:2], "libpython.so")


def read_table(path: Path) -> tuple[dict[str, Any], bytes]:
    content = path.read_bytes()
    assert content[:8] == ARCHIVE_MAGIC
    size = int.from_bytes(content[8:16], "little")
    table = marshal.loads(content[16 : 16 + size])
    assert isinstance(table, dict)
    return table, content[16 + size :]


SOURCES = {
    "top": ("value = 1", MODULE),
    "pack": ("value = 2", PACKAGE),
    "pack.sub": ("value = 3", MODULE),
    "space": ("", NAMESPACE),
    "space.mod": ("value = 4", MODULE),
    "vendor._own.inner": ("value = 5", MODULE),
    "_freezer_site": ("value = 8", MODULE),
}


def test_what_is_written(tmp_path: Path) -> None:
    package = package_of(tmp_path / "package", SOURCES)
    contents = tmp_path / "_internal"
    (contents / "python3.11" / "lib-dynload").mkdir(parents=True)
    (contents / "some.egg").mkdir()
    (contents / "python3.11" / "lib-dynload" / "_x.cpython-311-x86_64-linux-gnu.so").touch()
    (contents / "a.b").mkdir()
    for place in ("a.b/twice.so", "a/b/twice.abi3.so", "a/b/twice.so"):
        (contents / place).parent.mkdir(parents=True, exist_ok=True)
        (contents / place).touch()
    archive = whole(package, contents)
    assert archive.path == ("python3.11/lib-dynload", "", "some.egg")
    write_archive(tmp_path / "modules", package, archive)
    table, code = read_table(tmp_path / "modules")
    assert table["path"] == list(archive.path) and table["next"] == ""
    assert table["extensions"] == {
        "_x": "python3.11/lib-dynload/_x.cpython-311-x86_64-linux-gnu.so",
        "a.b.twice": "a/b/twice.abi3.so",
    }
    for name, (_source, kind) in SOURCES.items():
        offset, size, stated = table["modules"][name]
        assert stated == kind and code[offset : offset + size] == package.read(name)
    [(script, offset, size)] = table["scripts"]
    assert script == "main" and marshal.loads(code[offset : offset + size]).co_filename == "main.py"


def test_where_code_is(tmp_path: Path) -> None:
    """Places in the file; what has no code has none."""
    package = package_of(tmp_path / "package", SOURCES)
    write_archive(tmp_path / "modules", package, Archive(tuple(SOURCES), (), {}, ("",)))
    places = places_of(tmp_path / "modules", [*SOURCES, "other"])
    assert set(places) == {name for name, (_source, kind) in SOURCES.items() if kind != NAMESPACE}
    content = (tmp_path / "modules").read_bytes()
    for name, (offset, size) in places.items():
        assert content[offset : offset + size] == package.read(name)


def test_part_of_a_package_alone(tmp_path: Path) -> None:
    """Bytes of an archive say nothing of what is in another."""
    few = {name: SOURCES[name] for name in ("top", "pack")}
    one, other = package_of(tmp_path / "one", SOURCES), package_of(tmp_path / "other", few)
    for package in (one, other):
        write_archive(package.code.with_name("modules"), package, Archive(("pack", "top"), (), {}, ("",), "next"))
    assert one.code.with_name("modules").read_bytes() == other.code.with_name("modules").read_bytes()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so", "_ssl"),
        ("pack/core/_c.abi3.so", "pack.core._c"),
        ("plain.so", "plain"),
        ("pack/__init__.cpython-311-x86_64-linux-gnu.so", None),
        ("pack.libs/libx-1234.so", None),
        ("libx.so.1", None),
        ("a-b/mod.so", None),
    ],
)
def test_names_of_extension_modules(path: str, name: Optional[str]) -> None:
    assert extensions([path], ["lib-dynload"]) == ({} if name is None else {name: path})


# What an interpreter makes of them


@pytest.fixture(params=[False, True], ids=["as it is", "packed"])
def tree(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with two archives, and directories with files beside them."""
    monkeypatch.setattr(module, "WORTH_PACKING", 1)
    memory = ContentMemory(str(tmp_path / "memory"))
    folder = tmp_path / "tree"
    own = {"vendor._own.inner": SOURCES["vendor._own.inner"], "late": ("value = 6", MODULE)}
    first = {name: value for name, value in SOURCES.items() if name not in own}
    contents = folder / "_internal"
    (contents / "pack").mkdir(parents=True)
    (contents / "pack" / "data.txt").write_text("data")
    (contents / "pack" / "sub.py").write_text("value = 3  # source\n")
    (contents / "loose").mkdir()
    (contents / "loose" / "__init__.py").write_text("value = 7")
    for file in ("_freezer_archive.py", "_freezer_finders.py"):
        shutil.copy(RUNTIME / file, folder)
    for file, sources, following in (("modules", first, "modules.more"), ("modules.more", own, "")):
        package = package_of(tmp_path / file, sources)
        archive = Archive(
            tuple(sources), (), {}, ("",) if following else (), following, with_sources(package, contents)
        )
        write_archive(folder / file, package, archive, packed=memory if request.param else None)
    return folder


def run(tree: Path, code: str) -> Any:
    """What a fresh interpreter finds, with the archives in place; ``code`` sets ``result``."""
    # The standard library stays where it is.
    program = f"""
import json, marshal, os, sys
sys.path.insert(0, {str(tree)!r})
import _freezer_archive as archive
archive.bundle = {str(tree / "_internal")!r}
descriptor = os.open({str(tree / "modules")!r}, os.O_RDONLY)
size = int.from_bytes(os.pread(descriptor, 8, 8), "little")
archive.open_all({str(tree)!r}, descriptor, marshal.loads(os.pread(descriptor, size, 16)))
import _freezer_finders as finders
finders.install()
sys.path += {[item for item in sys.path if item]!r}
import importlib, importlib.util
{code}
print(json.dumps(result))
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_modules_are_imported(tree: Path) -> None:
    names = ["top", "pack", "pack.sub", "space.mod", "late", "loose"]
    code = f"result = [importlib.import_module(name).value for name in {names}]"
    assert run(tree, code) == [1, 2, 3, 4, 6, 7]


def test_modules_say_where_they_are(tree: Path) -> None:
    code = """
import pack, pack.sub, space.mod
result = [
    pack.__file__, pack.__path__, pack.__spec__.origin, pack.__package__, pack.sub.__file__, list(space.__path__),
    pack.sub.__spec__.submodule_search_locations, pack.__loader__.get_data(pack.__path__[0] + "/data.txt").decode(),
    pack.sub.__loader__.get_source("pack.sub"), pack.__loader__.get_source("pack"),
    pack.__loader__.is_package("pack"), pack.sub.__loader__.get_filename("pack.sub"),
    pack.sub.__loader__.get_code("pack.sub").co_filename,
]
"""
    inside = str(tree / "_internal")
    assert run(tree, code) == [
        f"{inside}/pack/__init__.py",
        [f"{inside}/pack"],
        f"{inside}/pack/__init__.py",
        "pack",
        f"{inside}/pack/sub.py",
        [f"{inside}/space"],
        None,
        "data",
        "value = 3  # source\n",
        None,
        True,
        f"{inside}/pack/sub.py",
        f"{inside}/pack/sub.py",
    ]


def test_who_compiles_sources_itself(tree: Path) -> None:
    """Modules with a source have Python's kind of loader, and leave to a hook for directories what it wants."""
    code = """
import pack.sub, top
from importlib.machinery import FileFinder, SourceFileLoader
result = [isinstance(module.__loader__, SourceFileLoader) for module in (pack.sub, top, pack)]
class Own(SourceFileLoader):
    pass
sys.path_hooks.insert(0, FileFinder.path_hook((Own, [".py"])))
sys.path_importer_cache.clear()
del sys.modules["pack.sub"], sys.modules["top"]
import pack.sub, top
result += [type(pack.sub.__loader__).__name__, pack.sub.value, type(top.__loader__).__name__]
"""
    assert run(tree, code) == [True, False, False, "Own", 3, "Loader"]


def test_what_an_interpreter_puts_first_replaces_nothing(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "top.py").write_text("value = 100")
    (tmp_path / "new.py").write_text("value = 200")
    code = f"""
os.chdir({str(tmp_path)!r})
sys.path.insert(0, "")
finders.Finder.before = ""
import top, new
result = [top.value, new.value]
"""
    assert run(tree, code) == [1, 200]


def test_the_module_site_is_replaced_once(tree: Path) -> None:
    code = """
finders.prepare_site()
import site
first = site.value
del sys.modules["site"]
import site
result = [first, hasattr(site, "value"), finders._SiteFinder in sys.meta_path]
"""
    assert run(tree, code) == [8, False, False]


def test_what_is_missing(tree: Path) -> None:
    code = """
result = []
for name in ("nothing", "pack.nothing", "space.nothing", "vendor"):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        result.append(error.name)
result.append(importlib.util.find_spec("nothing"))
try:
    importlib.import_module("pack").__loader__.get_code("other")
except ImportError as error:
    result.append(error.name)
"""
    assert run(tree, code) == ["nothing", "pack.nothing", "space.nothing", "vendor", None, "other"]


def test_a_directory_of_the_applications_comes_first(tree: Path, tmp_path: Path) -> None:
    """As under plain Python: who puts a directory first in sys.path wants its modules."""
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "top.py").write_text("value = 100")
    code = f"sys.path.insert(0, {str(plugins)!r})\nimport top, pack, late\nresult = [top.value, pack.value, late.value]"
    assert run(tree, code) == [100, 2, 6]


def test_vendored_modules(tree: Path) -> None:
    """A package that puts a directory of its own on the path, or changes where its modules are looked for."""
    code = """
sys.path.insert(0, archive.bundle + "/vendor/_own")
import inner
del sys.path[0]
import pack
pack.__path__.insert(0, archive.bundle + "/vendor/_own")
import pack.inner as other
result = [inner.value, other.value, inner.__file__[len(archive.bundle):]]
"""
    assert run(tree, code) == [5, 5, "/vendor/_own/inner.py"]


def test_a_daemon_that_closes_everything(tree: Path) -> None:
    code = """
import top
os.closerange(3, 100)
other = os.open(os.devnull, os.O_RDONLY)
result = [importlib.import_module(name).value for name in ("pack", "late", "pack.sub")]
"""
    assert run(tree, code) == [2, 6, 3]


def test_who_knows_pyinstaller(tree: Path) -> None:
    code = f"sys.path.append({str(RUNTIME)!r})"
    code += """
import _freezer_native
toc = _freezer_native.PyzArchive()
finder = finders.DirectoryFinder.path_hook(archive.bundle + "/pack")
result = [
    sorted(toc.toc), toc.toc["pack"][0], toc.extract("top").co_filename, toc.extract("space"),
    finder._pyz_entry_prefix, sorted(archive.names()) == sorted(toc.toc), archive.scripts(),
]
for place in (archive.bundle + "/pack/data.txt", "/etc"):
    try:
        finders.DirectoryFinder.path_hook(place)
    except ImportError as error:
        result.append(str(error))
"""
    names = sorted([*SOURCES, "late"])
    problems = ["only directories are supported", "not in the bundle"]
    assert run(tree, code) == [names, PACKAGE, "top.py", None, "pack", True, [], *problems]


def test_streamlit_takes_itself_for_installed(tree: Path) -> None:
    """A version that asks in another way is left as it is."""
    code = f"sys.path.append({str(RUNTIME)!r})"
    code += """
from types import SimpleNamespace
import _freezer_native
this, other = SimpleNamespace(is_pex=lambda: False), SimpleNamespace()
for module in (this, other):
    _freezer_native._be_installed(module)
result = [this.is_pex(), vars(other)]
"""
    assert run(tree, code) == [True, {}]


@pytest.mark.parametrize(
    ("value", "default", "shims"),
    [(None, True, 1), (None, False, 0), ("local", False, 1), ("stdlib", True, 0), (None, None, 0)],
)
def test_distutils_is_that_of_setuptools(tree: Path, value: Optional[str], default: Optional[bool], shims: int) -> None:
    """As in an environment: without an import of setuptools, and with no word if that is not possible."""
    code = f"sys.path.append({str(RUNTIME)!r})"
    code += f"""
import os
from types import SimpleNamespace
import _freezer_native
shims = []
hack = SimpleNamespace(add_shim=lambda: shims.append(1), enabled=lambda: {default})
if {default} is None:
    del hack.enabled
sys.modules["_distutils_hack"] = hack
os.environ.pop("SETUPTOOLS_USE_DISTUTILS", None)
if {value!r}:
    os.environ["SETUPTOOLS_USE_DISTUTILS"] = {value!r}
_freezer_native._prefer_setuptools()
result = [len(shims), "setuptools" in sys.modules]
"""
    assert run(tree, code) == [shims, False]


def test_the_applications_own_modules_come_last(tmp_path: Path) -> None:
    """What is before a place that is returned stays the same when only what is behind it changes."""

    def written(value: str) -> tuple[bytes, tuple[int, ...]]:
        sources = {name: (f"value = {name!r}", MODULE) for name in ("a", "b.own", "c")}
        package = package_of(tmp_path / "code", {**sources, "b.own": (value, MODULE)})
        archive = Archive(tuple(sources), (), {}, ("",), own=frozenset(("b.own",)))
        cuts = write_archive(tmp_path / "archive", package, archive)
        return (tmp_path / "archive").read_bytes(), cuts

    (first, cuts), (second, others) = written("value = 1"), written("value = [1, 2, 3]")
    assert cuts == others
    table, own = cuts
    assert first[table:own] == second[table:own] != b""
    assert first[own:] != second[own:]
    assert table == 16 + int.from_bytes(first[8:16], "little")


def test_packing(tmp_path: Path) -> None:
    """Code that is worth it is compressed, but for what is imported in order to decompress; never by default."""
    sources = {"long": ("value = [" + "1, 2, 3, " * 200 + "]", MODULE), "short": ("value = 1", MODULE)}
    sources["_freezer_long"] = sources["encodings.long"] = sources["long"]
    package = package_of(tmp_path / "code", sources)
    archive = Archive(tuple(sources), (), {}, ("",))
    memory = ContentMemory(str(tmp_path / "memory"))
    # The second time, what was compressed is known.
    for packed in (False, True, True):
        write_archive(tmp_path / "archive", package, archive, packed=memory if packed else None)
        data = (tmp_path / "archive").read_bytes()
        table = marshal.loads(data[16:])
        assert table.get("packed") == (["long"] if packed else None)
        for name, (offset, size, kind) in table["modules"].items():
            start = 16 + int.from_bytes(data[8:16], "little") + offset
            code = data[start : start + size]
            original = package.read(name)
            assert (code == original) is not (packed and name == "long")
            assert (zlib.decompress(code) if packed and name == "long" else code) == original
            assert kind == MODULE
