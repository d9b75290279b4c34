"""What a distribution needs at run time, answered from made-up installations."""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezer.freeze.drivers import DRIVERS

# Neighbours of a script, which imports them by their short names.
sys.path.insert(0, str(DRIVERS))
collect: Any = importlib.import_module("collect")
compiled_imports: Any = importlib.import_module("compiled_imports")
installed: Any = importlib.import_module("installed")
del sys.path[0]

SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
Install = Callable[..., Path]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "lib" / "site-packages"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def install(site: Path) -> Install:
    """Installs a distribution as pip would: its files, and a .dist-info with a RECORD of them."""

    def put(name: str, files: dict[str, str], entry_points: str = "", requires: tuple[str, ...] = ()) -> Path:
        info = f"{name.replace('-', '_')}-1.0.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        metadata += "".join(f"Requires-Dist: {item}\n" for item in requires)
        extra = {
            "METADATA": metadata,
            "INSTALLER": "pip\n",
            "WHEEL": "Wheel-Version: 1.0\n",
            "licenses/LICENSE": "free\n",
        }
        if entry_points:
            extra["entry_points.txt"] = entry_points
        everything = {**files, **{f"{info}/{key}": value for key, value in extra.items()}}
        for path, text in everything.items():
            target = site / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text.encode("latin-1"))
        (site / info / "RECORD").write_text("".join(f"{path},,\n" for path in [*everything, f"{info}/RECORD"]))
        return site / info

    return put


OWN_FOLDERS = ("build", "dist", "test", "tests", "venv")
"""Packages of an application may be called so."""


def collector(site: Path, local: tuple[tuple[str, str], ...] = ()) -> Any:
    return collect.Collector(installed.Inventory([str(site)], local))


def datas(site: Path, found: Any) -> dict[str, str]:
    """The files that were found, with the folders they go to."""
    return {str(Path(path).relative_to(site)): folder for path, folder in found.datas}


def code_of(site: Path, found: Any) -> dict[str, str]:
    return {path: folder for path, folder in datas(site, found).items() if ".dist-info" not in path}


def test_metadata_always_comes_along(site: Path, install: Install) -> None:
    install("Plain-Thing", {"plain/__init__.py": "x = 1\n", "plain/data.txt": "x"})
    found = collector(site).package("plain", hooked=False)
    info = "Plain_Thing-1.0.dist-info"
    assert datas(site, found) == {f"{info}/METADATA": info, f"{info}/licenses/LICENSE": f"{info}/licenses"}
    assert found.modules == []


@pytest.mark.parametrize(
    "code",
    [
        "p = __file__\n",
        "from importlib import resources\n",
        "import importlib.resources as r\n",
        "import pkgutil\npkgutil.get_data('plain', 'x')\n",
        "import pkg_resources\n",
        "from jinja2 import PackageLoader\n",
        "from importlib import metadata\np = metadata.files('plain')[0].locate()\n",
        "from importlib import metadata\np = metadata.distribution('plain').locate_file('plain/x')\n",
    ],
)
def test_a_package_that_reads_its_files_brings_them(site: Path, install: Install, code: str) -> None:
    install(
        "plain",
        {
            "plain/__init__.py": "",
            "plain/reader.py": code,
            "plain/data.txt": "x",
            "plain/sub/__init__.py": "",
            "plain/sub/more.json": "{}",
            "plain/folder/template.py": "not imported",
            "plain/tests/data.txt": "x",
            "plain/py.typed": "",
            "plain/header.h": "",
            f"plain/_c{SUFFIX}": "\x7fELF",
        },
    )
    found = collector(site).package("plain", hooked=False)
    assert code_of(site, found) == {
        "plain/data.txt": "plain",
        "plain/sub/more.json": "plain/sub",
        "plain/folder/template.py": "plain/folder",
    }


def test_a_hook_of_pyinstallers_knows_better(site: Path, install: Install) -> None:
    files = {"plain/__init__.py": "p = __file__\nimport_module(x)\n", "plain/x.py": "", "plain/data.txt": "x"}
    install("plain", files)
    found = collector(site).package("plain", hooked=True)
    assert code_of(site, found) == {}
    assert found.modules == []


@pytest.mark.parametrize("code", ["importlib.import_module(n)\n", "__import__(n)\n", "pkgutil.iter_modules(p)\n"])
def test_a_package_that_imports_by_name_brings_its_modules(site: Path, install: Install, code: str) -> None:
    install(
        "plain",
        {
            "plain/__init__.py": code,
            "plain/one.py": "",
            "plain/sub/__init__.py": "",
            "plain/sub/two.py": "",
            "plain/tests/__init__.py": "",
            "plain/tests/test_one.py": "",
            "plain/no-module.py": "",
        },
    )
    found = collector(site).package("plain", hooked=False)
    assert sorted(found.modules) == ["plain", "plain.one", "plain.sub", "plain.sub.two"]


def test_mypyc(site: Path, install: Install) -> None:
    install("fast", {"fast/__init__.py": "", f"fast/core{SUFFIX}": "", "fast/core.py": "", f"81d2__mypyc{SUFFIX}": ""})
    assert "81d2__mypyc" in collector(site).package("fast", hooked=False).modules


def test_imports_of_a_compiled_module_with_its_source(site: Path, install: Install) -> None:
    source = "import json\nfrom . import sibling\nfrom other.place import thing as t\ncimport numpy as np\n"
    install("fast", {"fast/__init__.py": "", f"fast/core{SUFFIX}": "", "fast/core.py": source})
    modules = collector(site).package("fast", hooked=False).modules
    assert {"json", "fast.sibling", "other.place", "numpy"} <= set(modules)


@pytest.mark.parametrize(
    ("strings", "found", "not_found"),
    [
        ("asyncio.coroutinescline_in_tracebackcolorsysneeded_packageplistlibrun", "colorsys plistlib", "asyncio"),
        ("__main__cline_in_tracebackminidomparseStringxml.dom", "xml.dom xml.dom.minidom", "xml.sax"),
        ("__main__cline_in_tracebackcoredocumentrun", "", "re code copy"),
        ("base64cline_in_tracebackrun", "base64", ""),
        ("cline_in_tracebackbase64", "", "base64"),
    ],
)  # fmt: skip
def test_strings_of_cython_that_nothing_divides(strings: str, found: str, not_found: str) -> None:
    names = set(compiled_imports.embedded_names(b"\x7fELF\x80" + strings.encode() + b"\x80\0", {"needed_package"}))
    assert set(found.split()) <= names
    assert not set(not_found.split()) & names
    assert ("needed_package" in names) == ("needed_package" in strings)


def test_long_texts_in_compiled_modules() -> None:
    """Tables of text are megabytes long in some; they are looked at once, not from each of their letters."""
    texts = b"text " * 200_000
    joined = b"\0" + texts + b"base64cline_in_tracebackrun\0" + b"cline_in_tracebackcolorsys\0"
    assert {"base64", "colorsys"} <= set(compiled_imports.embedded_names(texts + joined + texts, ()))


def test_imports_by_function(site: Path, install: Install) -> None:
    code = (
        "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\nimport_module('.x')\n__import__('tkinter')\n"
    )
    install("space", {"space/__init__.py": code})
    assert collector(site).package("space", hooked=True).modules == ["pkgutil"]


def test_optional_imports_that_are_required_by_name(site: Path, install: Install) -> None:
    """As pandas and openpyxl: being named is the wish."""
    for name in ("named", "unnamed", "stranger"):
        install(name, {f"{name}/__init__.py": ""})
    for name in ("named", "stranger"):
        (site / f"{name}-1.0.dist-info" / "REQUESTED").write_text("")
    install("frame", {"frame/__init__.py": "optional('named')\noptional('unnamed')\n# stranger things\n"})
    assert collector(site).package("frame", hooked=True).modules == ["named"]


def test_names_of_data_that_are_like_those_of_code(site: Path, install: Install) -> None:
    names = ("my-lib.so", "lib-odd.name.so", "vec0.so", ".hidden", "libver.so.2", "plugin", "run-it")
    files = {f"pk/bin/{name}": "\x7fELF" for name in names}
    install("pk", {"pk/__init__.py": "p = __file__\n", **files, "pk/fast.so": "\x7fELF PyInit_fast\0"})
    found = collector(site).package("pk", hooked=False)
    assert code_of(site, found) == {f"pk/bin/{name}": "pk/bin" for name in names}


def test_data_below_the_prefix_of_a_dependency(site: Path, install: Install) -> None:
    files = {"../../share/dep/x.ini": "", "../../share/locale/de/dep.mo": "", "../../conf/a": ""}
    programs = {"../../bin/dep": "#!python", "../../bin/quick": "\x7fELF", "../../lib/quick.o": "\x7fELF"}
    install("dep", {"dep.py": "", **files, **programs})
    found = collector(site).package("dep", hooked=True)
    places = {Path(path).name: folder for path, folder in found.datas if ".dist-info" not in folder}
    assert places == {"x.ini": "share/dep", "dep.mo": "share/locale/de", "a": "conf", "quick": "bin"}


def test_a_whole_package_of_others(site: Path, install: Install) -> None:
    names = ("admin/__init__.py", "admin/x.html", "admin/tags/__init__.py", "admin/de.po", "admin/de.mo", "auth/y.html")
    install("web", {"web/__init__.py": "", "web/auth/__init__.py": "", **{f"web/{name}": "" for name in names}})
    found = collector(site).whole_package("web.admin")
    assert code_of(site, found) == {"web/admin/x.html": "web/admin", "web/admin/de.mo": "web/admin"}
    assert sorted(found.modules) == ["web.admin", "web.admin.tags"]


def test_imports_of_a_compiled_module_without_source(site: Path, install: Install) -> None:
    install("needed", {"needed_package/__init__.py": ""})
    install("unrelated", {"unrelated/__init__.py": ""})
    content = "\x7fELF\0decimal\0needed_package\0unrelated\0tkinter\0some text\0"
    files = {"fast/__init__.py": "", f"fast/core{SUFFIX}": content, "fast/extra.py": ""}
    install("fast", files, requires=("needed>=1", "unrelated; extra == 'x'"))
    modules = set(collector(site).package("fast", hooked=False).modules)
    assert {"decimal", "needed_package", "fast.extra"} <= modules
    assert not {"unrelated", "tkinter"} & modules


def test_plugins(site: Path, install: Install) -> None:
    install("host", {"host/__init__.py": "for e in entry_points(group='host.plugins'): pass\n"})
    guest = {"guest/__init__.py": "", "guest/plugin.py": "", "guest/other.py": "", "guest/data.txt": "x"}
    install("guest", guest, "[host.plugins]\none = guest.plugin:load [extra]\n[console_scripts]\ng = guest:main\n")
    install("stranger", {"stranger/__init__.py": ""}, "[elsewhere]\none = stranger:load\n")
    found = collector(site).package("host", hooked=True)
    assert {"guest.plugin", "guest.other", "guest"} == set(found.modules)
    assert code_of(site, found) == {"guest/data.txt": "guest"}
    assert "guest-1.0.dist-info/entry_points.txt" in datas(site, found)
    assert not any("stranger" in path for path in datas(site, found))


def test_metadata_of_others_that_is_asked_for(site: Path, install: Install) -> None:
    install("Other.Dist", {"other/__init__.py": ""})
    install("asker", {"asker.py": "from importlib.metadata import version\nV = version('other-dist')\n"})
    found = collector(site).package("asker", hooked=False)
    assert "Other.Dist-1.0.dist-info/METADATA" in datas(site, found)


def test_the_whole_distribution(site: Path, install: Install) -> None:
    info = install(
        "app",
        {
            "app/__init__.py": "",
            "app/cli.py": "",
            "app/style/x.css": "",
            "app/tests/data": "",
            "module.py": "",
            "../../share/app/icon.svg": "",
            "../../share/man/man1/app.1": "",
            "../../etc/app/app.conf": "",
            "../../bin/app": "",
        },
    )
    inventory = installed.Inventory([str(site)])
    found = collect.Collector(inventory).whole_distribution(inventory.distributions["app"])
    assert sorted(found.modules) == ["app", "app.cli", "module"]
    places = {Path(path).name: folder for path, folder in found.datas}
    assert places.pop("METADATA") == info.name
    assert places.pop("LICENSE") == f"{info.name}/licenses"
    assert places == {"x.css": "app/style", "icon.svg": "share/app", "app.conf": "etc/app"}


def test_namespace_packages(site: Path, install: Install) -> None:
    install("one", {"space/one/__init__.py": "p = __file__\n", "space/one/data": "1"})
    install("two", {"space/two/__init__.py": "", "space/two/data": "2"})
    made = collector(site)
    assert set(made.inventory.packages) == {"space.one", "space.two"}
    assert code_of(site, made.package("space.one", hooked=False)) == {"space/one/data": "space/one"}
    assert made.package("space", hooked=False).modules == []


def test_directories_with_nothing_but_data(site: Path, install: Install) -> None:
    install("three", {"space/three/__init__.py": "", "space/data/x.txt": "", "space/data/deep/y.txt": "", "a-b/z": ""})
    install("api", {"space/api/x_pb2.py": "", "space/api/x.proto": ""})
    made = collector(site)
    assert set(made.inventory.packages) == {"space.three", "space.data", "space.api.x_pb2"}
    found = made.package("space.data", hooked=False)
    assert code_of(site, found) == {"space/data/x.txt": "space/data", "space/data/deep/y.txt": "space/data/deep"}


def test_what_of_local_packages_comes_along_is_decided_elsewhere(site: Path, tmp_path: Path) -> None:
    """There, secrets and what git ignores are left out."""
    local = tmp_path / "local"
    local.mkdir()
    (local / "__init__.py").write_text("p = __file__\nimport_module(n)\n")
    (local / "data.txt").write_text("x")
    (local / "other.py").write_text("")
    found = collector(site, (("local", str(local)),)).package("local", hooked=False)
    assert (found.datas, found.modules) == ([], [])


def test_a_local_package_that_is_installed_too(site: Path, install: Install, tmp_path: Path) -> None:
    """Its own files are those of one place: a name that the code says is no path from the other place."""
    install("twice", {"twice/__init__.py": "open('data.py')", "twice/data.py": ""})
    local = tmp_path / "twice"
    local.mkdir()
    for name in ("__init__.py", "data.py"):
        (local / name).write_text("open('data.py')")
    made = collector(site, (("twice", str(local)),))
    assert made.inventory.packages["twice"].place == str(local)
    assert [folder for _, folder in made.package("twice", hooked=False).datas] == []


@pytest.mark.parametrize("own", [True, False])
def test_folders_of_any_name_are_the_applications(site: Path, install: Install, own: bool) -> None:
    """Of a dependency, tests are left out."""
    files = {f"app/{name}/{file}": "" for name in OWN_FOLDERS for file in ("__init__.py", "data.txt")}
    install("app", {"app/__init__.py": "", "app/test.py": "", **files})
    inventory = installed.Inventory([str(site)], own=[str(site)] if own else [])
    found = collect.Collector(inventory).whole_distribution(inventory.distributions["app"])
    kept = [name for name in OWN_FOLDERS if own or name not in installed.TEST_FOLDERS]
    assert sorted(found.modules) == sorted(["app", "app.test", *(f"app.{name}" for name in kept)])
    assert code_of(site, found) == {f"app/{name}/data.txt": f"app/{name}" for name in kept}


def test_an_unknown_package_needs_nothing(site: Path) -> None:
    found = collector(site).package("nobody", hooked=False)
    assert (found.datas, found.modules) == ([], [])


def test_the_report_remembers(site: Path, install: Install) -> None:
    install("plain", {"plain/__init__.py": "p = __file__\nimport_module(x)\n", "plain/data.txt": "x"})
    made = collector(site)
    made.package("plain", hooked=False)
    files, modules = made.given["plain"]
    assert {Path(path).name for path in files} == {"data.txt", "METADATA", "LICENSE"}
    assert modules == {"plain"}


@pytest.mark.parametrize(
    ("text", "name", "is_package", "found"),
    [
        (b"import a, b.c as d\n", "m", False, ["a", "b.c"]),
        (b"from a.b import c as d, e\n", "m", False, ["a.b", "a.b.c", "a.b.e"]),
        (b"from . import x\n", "p.m", False, ["p", "p.x"]),
        (b"from . import x\n", "p", True, ["p", "p.x"]),
        (b"from ..q import x\n", "p.r.m", False, ["p.q", "p.q.x"]),
        (b"from a import *\n", "m", False, ["a"]),
        (b"    from a import (b,\n", "m", False, ["a", "a.b"]),
        (b"x = 'import a'\n# import b\n", "m", False, []),
        (b"cimport a\nfrom b cimport c\n", "m", False, ["a", "b", "b.c"]),
    ],
)
def test_imports_in_source(text: bytes, name: str, is_package: bool, found: list[str]) -> None:
    assert compiled_imports.imports_in_source(text, name, is_package) == found


@given(st.binary())
def test_imports_in_anything(text: bytes) -> None:
    for name in compiled_imports.imports_in_source(text, "a.b", False):
        assert all(part.isidentifier() for part in name.split("."))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.py", "a"),
        ("a/__init__.py", "a"),
        ("a/b.py", "a.b"),
        (f"a/c{SUFFIX}", "a.c"),
        (f"a/__init__{SUFFIX}", "a"),
        ("a/b.txt", None),
        ("a-b/c.py", None),
        ("__init__.py", None),
        ("a/b-c.py", None),
        (".py", None),
    ],
)
def test_module_name(path: str, name: Optional[str]) -> None:
    assert installed.module_name(path.split("/")) == name


@given(st.lists(st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True), min_size=1, max_size=4))
def test_module_name_of_any_module(names: list[str]) -> None:
    path = [*names[:-1], names[-1] + ".py"]
    expected = names[:-1] if names[-1] == "__init__" else names
    assert installed.module_name(path) == (".".join(expected) or None)


@pytest.mark.parametrize("name", ["A.b_C", "a-b-c", "a__b--c", "A_B.c"])
def test_canonical(name: str) -> None:
    assert installed.canonical(name) == "a-b-c"


def test_the_metadata_of_others_is_not_parsed_for_each_package(
    site: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With hundreds of distributions, that takes longer than freezing."""
    names = [f"thing{number}" for number in range(20)]
    for name in names:
        install(name, {f"{name}/__init__.py": "p = __file__\n", f"{name}/data.txt": "x"})
    real, parsed = importlib.metadata.Distribution.metadata, 0

    def metadata(self: importlib.metadata.Distribution) -> Any:
        nonlocal parsed
        parsed += 1
        return real.fget(self)  # type: ignore[attr-defined]

    monkeypatch.setattr(importlib.metadata.Distribution, "metadata", property(metadata))
    made = collector(site)
    for name in names:
        made.package(name, hooked=False)
    assert parsed <= 2 * len(names)
