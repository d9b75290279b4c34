"""Splitting an application into layers by what changes together, and the image made of them."""

from __future__ import annotations

import functools
import importlib
import io
import json
import marshal
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import images
import pytest
from support import compile_c

from freezer.application.origin import Origin
from freezer.base.elf import read_elf
from freezer.base.errors import InputError
from freezer.base.log import Log
from freezer.closure.close import ClosedApp
from freezer.freeze.drivers import DRIVERS
from freezer.freeze.pyinstaller import FrozenApp
from freezer.image.make import image_of_files
from freezer.image.variants import Needs
from freezer.link import layers
from freezer.link.layers import Part, UnpackedApp, needed_by_python, split_files, split_modules
from freezer.link.modules import ARCHIVE_MAGIC, MAIN_SCRIPT, Package
from freezer.link.parts import names_of
from freezer.link.payload.pack import Record, Type
from freezer.link.start import PROGRAM
from freezer.plan.choices import CONTENTS, MANIFEST, ImageLayout
from freezer.plan.image import ImagePlan
from freezer.plan.resolve import resolve_for_image
from freezer.store.workspace import workspace

sys.path.insert(0, str(DRIVERS))
own_sources: Any = importlib.import_module("own_sources")
del sys.path[0]

NOWHERE = Origin(None, None, None)
EXTENSION = "_json.cpython-311-x86_64-linux-gnu.so"


def package(folder: Path, modules: dict[str, int]) -> Package:
    """The code of made-up modules, each its own name."""
    code, places = b"", {}
    for name, kind in modules.items():
        places[name] = (len(code), len(name), kind)
        code += name.encode()
    (folder / "code").write_bytes(code)
    scripts = [("pyiboot01_bootstrap", 0, 1), ("app", 1, 2)]
    return Package(folder / "code", scripts, places, (), b"MAGI", (3, 11), "libpython3.11.so.1.0")


# Files


def files(*names: str) -> list[Record]:
    return [Record(Type.FILE, f"{CONTENTS}/{name}") for name in names]


def split(records: list[Record], own: tuple[str, ...] = (), libraries: tuple[str, ...] = ()) -> dict[str, Part]:
    inside = [item.name.partition("/")[2] for item in records]
    names = names_of("app", ["json", "click.core", "greeter.cli"], inside)
    return split_files(records, names, frozenset(own), frozenset(libraries))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("_freezer/locale/C.utf8/LC_CTYPE", Part.RUNTIME),
        (f"lib-dynload/{EXTENSION}", Part.RUNTIME),
        (f"python3.11/lib-dynload/{EXTENSION}", Part.RUNTIME),
        ("_tcl_data/init.tcl", Part.RUNTIME),
        ("click/py.typed", Part.DEPENDENCIES),
        ("click-8.1.7.dist-info/METADATA", Part.DEPENDENCIES),
        ("numpy.libs/libopenblas.so", Part.DEPENDENCIES),
        ("libpq.so.5", Part.DEPENDENCIES),
        ("_speedups.cpython-311-x86_64-linux-gnu.so", Part.DEPENDENCIES),
        ("unknown", Part.DEPENDENCIES),
    ],
)
def test_files_by_name(name: str, part: Part) -> None:
    assert split(files(name, "click/__init__.py")) == {
        f"{CONTENTS}/{name}": part,
        f"{CONTENTS}/click/__init__.py": Part.DEPENDENCIES,
    }


def test_own_files_whatever_their_names() -> None:
    own = ("greeter/data/words.json", "ca.pem", "click/mine.txt", "queue/data")
    parts = split(files(*own, "click/theirs.txt"), own)
    assert parts.pop(f"{CONTENTS}/click/theirs.txt") is Part.DEPENDENCIES
    assert set(parts.values()) == {Part.APPLICATION}


def test_a_name_like_the_programs_is_no_proof() -> None:
    assert split(files("app/data.txt")) == {f"{CONTENTS}/app/data.txt": Part.DEPENDENCIES}


def test_libraries_of_python() -> None:
    records = [Record(Type.EXECUTABLE, "libc.so.6"), Record(Type.EXECUTABLE, "libpq.so.5"), *files("libz.so.1")]
    parts = split(records, libraries=("libc.so.6", f"{CONTENTS}/libz.so.1"))
    assert parts == {
        "libc.so.6": Part.RUNTIME,
        "libpq.so.5": Part.DEPENDENCIES,
        f"{CONTENTS}/libz.so.1": Part.RUNTIME,
    }


def test_links_go_with_what_they_lead_to() -> None:
    records = [
        *files("libz.so.1", "numpy.libs/libblas.so", "own.txt"),
        Record(Type.LINK, "libz.so.1", data=b"_internal/libz.so.1"),
        Record(Type.LINK, f"{CONTENTS}/libblas.so", data=b"numpy.libs/libblas.so"),
        Record(Type.LINK, f"{CONTENTS}/click/again", data=b"../libblas.so"),
        Record(Type.LINK, f"{CONTENTS}/click/own", data=b"../own.txt"),
        Record(Type.LINK, f"{CONTENTS}/click/nowhere", data=b"nowhere"),
        Record(Type.LINK, f"{CONTENTS}/click/round", data=b"round"),
    ]
    parts = split(records, own=("own.txt",), libraries=(f"{CONTENTS}/libz.so.1",))
    assert parts["libz.so.1"] is Part.RUNTIME
    assert parts[f"{CONTENTS}/libblas.so"] is parts[f"{CONTENTS}/click/again"] is Part.DEPENDENCIES
    assert parts[f"{CONTENTS}/click/own"] is Part.APPLICATION
    assert parts[f"{CONTENTS}/click/nowhere"] is parts[f"{CONTENTS}/click/round"] is Part.DEPENDENCIES


def test_directories_only_where_nothing_is_in_them() -> None:
    folders = [Record(Type.DIRECTORY, f"{CONTENTS}/{name}") for name in ("click", "click/data", "click/empty")]
    parts = split([*folders, *files("click/data/x")])
    assert set(parts) == {f"{CONTENTS}/click/data/x", f"{CONTENTS}/click/empty"}


# Modules


def test_modules(tmp_path: Path) -> None:
    modules = {
        "json": 1,
        "json.decoder": 0,
        "_freezer_archive": 0,
        "_freezer_pyi_rth_inspect": 0,
        "pyimod02_importers": 0,
        "click": 1,
        "click.core": 0,
        "greeter": 1,
        "greeter.cli": 0,
        "queue": 0,
        MAIN_SCRIPT: 0,
    }
    own = frozenset({"greeter", "greeter.cli", "queue"})
    parts = split_modules(package(tmp_path, modules), names_of("greeter", modules, ()), own)
    assert parts[Part.APPLICATION] == (MAIN_SCRIPT, "greeter", "greeter.cli", "queue")
    assert parts[Part.DEPENDENCIES] == ("click", "click.core")
    assert set(parts[Part.RUNTIME]) == set(modules) - {*own, MAIN_SCRIPT, "click", "click.core"}


def test_a_namespace_is_the_applications_if_all_in_it_is(tmp_path: Path) -> None:
    modules = {"mine": 3, "mine.deep": 3, "mine.deep.code": 0, "shared": 3, "shared.own": 0, "shared.other": 0}
    own = frozenset({"mine.deep.code", "shared.own"})
    parts = split_modules(package(tmp_path, modules), names_of("app", modules, ()), own)
    assert set(parts[Part.APPLICATION]) == {"mine", "mine.deep", "mine.deep.code", "shared.own"}
    assert set(parts[Part.DEPENDENCIES]) == {"shared", "shared.other"}


def test_the_archives_are_a_chain() -> None:
    assert Part.RUNTIME.value == "modules"
    assert [part.next for part in Part] == [Part.DEPENDENCIES.value, Part.APPLICATION.value, ""]


def test_fixups_are_filled_in(tmp_path: Path) -> None:
    data = b"x" * 8 + b"/lib.so".ljust(16, b"\0") + b"tail"
    expected = b"x" * 8 + b"/app/lib.so".ljust(16, b"\0") + b"tail"
    (tmp_path / "file").write_bytes(data)
    for record in (
        Record(Type.FILE, "it", data=data, fixups=((8, 16),)),
        Record(Type.FILE, "it", source=tmp_path / "file", fixups=((8, 16),)),
    ):
        assert layers.at("/app", record) == Record(Type.FILE, "it", data=expected)
    untouched = Record(Type.FILE, "it", source=tmp_path / "file")
    assert layers.at("/app", untouched) is untouched


# A whole application


EXTRA = ("liblone.so.1", "_fast.so")
"""The files that a dependency needs alone."""


@functools.cache
def compiled() -> dict[str, bytes]:
    """The ELF files of an application, by their places: compiled once for all tests."""
    with tempfile.TemporaryDirectory() as name:
        compile_files(Path(name))
        return {str(path.relative_to(name)): path.read_bytes() for path in Path(name).rglob("*") if path.is_file()}


def compile_files(folder: Path) -> None:
    tree = folder / "tree"
    dynload = tree / CONTENTS / "lib-dynload"
    zlib = compile_c("int z(void) { return 1; }", tree / CONTENTS / "libz.so.1", "-shared", "-Wl,-soname,libz.so.1")
    deep = compile_c("int d(void) { return 1; }", tree / "libdeep.so.1", "-shared", "-Wl,-soname,libdeep.so.1")
    near = compile_c(
        "int d(void); int n(void) { return d(); }",
        tree / CONTENTS / "libnear.so.1",
        *("-shared", "-Wl,-soname,libnear.so.1"),
        libraries=[deep],
    )
    compile_c("int z(void); int j(void) { return z(); }", dynload / EXTENSION, "-shared", libraries=[zlib])
    compile_c(
        "int n(void); int main(void) { return n(); }",
        folder / "python3",
        "-Wl,--allow-shlib-undefined",
        libraries=[near],
    )
    compile_c("int main(void) { return 0; }", tree / "app.freezer-program")
    lone = compile_c("int o(void) { return 1; }", tree / "liblone.so.1", "-shared", "-Wl,-soname,liblone.so.1")
    fast = tree / CONTENTS / "click" / "_fast.so"
    compile_c("int o(void); int f(void) { return o(); }", fast, "-shared", libraries=[lone])


def application(folder: Path, *, extra: bool = False) -> ClosedApp:
    """A made-up frozen application with real ELF files; ``extra`` adds what a dependency needs alone."""
    tree, python = folder / "tree", folder / "python3"
    for name, data in compiled().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if extra or os.path.basename(name) not in EXTRA:
            (folder / name).write_bytes(data)
            (folder / name).chmod(0o755)
    interpreter = read_elf(tree / "app.freezer-program").interpreter
    assert interpreter is not None
    shutil.copy(interpreter, tree)
    shutil.copy(os.path.realpath(interpreter), tree / "libc.so.6")
    (tree / CONTENTS / "base_library.zip").write_bytes(b"")
    (tree / CONTENTS / "click" / "data").write_text("data")
    (tree / CONTENTS / "own.txt").write_text("own")
    (tree / "libz.so.1").symlink_to("_internal/libz.so.1")
    frozen = FrozenApp(
        tree,
        "app",
        tree / "app.pkg",
        frozenset(),
        {},
        (),
        (),
        (),
        False,
        frozenset({"greeter"}),
        frozenset({"own.txt"}),
    )
    return ClosedApp(frozen, os.path.basename(interpreter), python, (), (), ())


MODULES = {"json": 1, "click": 1, "greeter": 0, MAIN_SCRIPT: 0, "_freezer_archive": 0}
MODULES["_freezer_encodings"] = 0


def make(folder: Path, monkeypatch: pytest.MonkeyPatch, *, extra: bool = False) -> UnpackedApp:
    folder.mkdir()
    closed = application(folder, extra=extra)

    def start_records(*_: object, place: str, **__: object) -> list[Record]:
        assert place == "/app"
        return [Record(Type.EXECUTABLE, PROGRAM, data=b"x" * 8 + b"/loader".ljust(32, b"\0"), fixups=((8, 32),))]

    monkeypatch.setattr(layers, "start_records", start_records)
    with workspace(folder / "cache", "app", keep=True, log=Log(stream=io.StringIO())) as job:
        return layers.make_layers(closed, package(folder, MODULES), job, init=True)


def table(app: UnpackedApp, part: Part) -> dict[str, Any]:
    (record,) = [item for item in app.parts[part] if item.name == part.value]
    assert record.source is not None
    data = Path(record.source).read_bytes()
    assert data[:8] == ARCHIVE_MAGIC
    return dict(marshal.loads(data[16 : 16 + int.from_bytes(data[8:16], "little")]))


def test_libraries_that_python_needs(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    closed = application(tmp_path / "x", extra=True)
    names = names_of("app", ["click"], [f"lib-dynload/{EXTENSION}", "click/_fast.so"])
    found = needed_by_python(closed, names)
    assert found == {
        *("libc.so.6", closed.interpreter, "libdeep.so.1"),
        *(f"{CONTENTS}/libz.so.1", f"{CONTENTS}/libnear.so.1"),
    }


def test_make_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make(tmp_path / "one", monkeypatch, extra=True)
    names = {part: {item.name for item in records} for part, records in app.parts.items()}
    extension = f"{CONTENTS}/lib-dynload/{EXTENSION}"
    assert {"libc.so.6", "libz.so.1", "libdeep.so.1", extension, "lib/python3.11/os.pyc"} <= names[Part.RUNTIME]
    assert names[Part.DEPENDENCIES] == {
        "modules.dependencies",
        "liblone.so.1",
        f"{CONTENTS}/click/data",
        f"{CONTENTS}/click/_fast.so",
    }
    assert names[Part.APPLICATION] == {"modules.application", f"{CONTENTS}/own.txt", MANIFEST}
    tables = {part: table(app, part) for part in Part}
    assert [set(item["modules"]) for item in tables.values()] == [
        {"json", "_freezer_encodings", "_freezer_archive"},
        {"click"},
        {"greeter", MAIN_SCRIPT},
    ]
    assert [item["extensions"] for item in tables.values()] == [
        {"_json": f"lib-dynload/{EXTENSION}"},
        {"click._fast": "click/_fast.so"},
        {},
    ]
    assert [item["path"] for item in tables.values()] == [["lib-dynload", ""], [], []]
    assert [len(item["scripts"]) for item in tables.values()] == [0, 0, 2]
    assert [item["next"] for item in tables.values()] == ["modules.dependencies", "modules.application", ""]
    (program,) = [item for item in app.parts[Part.RUNTIME] if item.name == PROGRAM]
    assert (program.data[8:], program.fixups) == (b"/app/loader".ljust(32, b"\0"), ())


def test_what_a_dependency_brings_leaves_the_runtime_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (made(make(tmp_path / str(extra), monkeypatch, extra=extra), tmp_path) for extra in (False, True))
    assert [a == b for a, b in zip(one, other)] == [True, True, False, True]


# The image


def plan(folder: Path, **values: Any) -> ImagePlan:
    return resolve_for_image({"output": "image.tar", **values}, folder=folder, environ={})


def made(app: UnpackedApp, folder: Path, name: str = "app", **values: Any) -> list[str]:
    image = image_of_files(
        plan(folder, image_layout="unpacked", **values), app, name, NOWHERE, Log(stream=io.StringIO()), Needs()
    )
    return [layer.descriptor.digest for layer in image.layers]


def test_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make(tmp_path / "one", monkeypatch)
    made(app, tmp_path, name="other name")
    config, manifest = images.documents(tmp_path / "image.tar")
    assert config["config"]["Cmd"] == ["/app/other name"]
    comments = [item["comment"] for item in config["history"]]
    assert [comment.partition(":")[0] for comment in comments] == [
        "the base",
        "the runtime",
        "the dependencies",
        "the application",
    ]
    base, runtime, dependencies, application = images.layers(tmp_path / "image.tar")
    assert len(manifest["layers"]) == 4 and "etc/passwd" in base
    assert runtime["app/libz.so.1"].linkname == "_internal/libz.so.1"
    assert runtime["app/lib/python3.11/lib-dynload"].isdir()
    assert runtime["app/libc.so.6"].mode == 0o755
    assert dependencies["app/_internal/click/data"].mode == 0o644
    assert runtime["app/program"].mode == 0o755
    assert application["app/other name"].linkname == "program"
    assert {item.mtime for item in application.values()} == {315619200}


def test_same_input_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = made(make(tmp_path / "one", monkeypatch), tmp_path)
    previous = os.umask(0o077)
    try:
        other = made(make(tmp_path / "other place", monkeypatch), tmp_path)
    finally:
        os.umask(previous)
    assert one == other


@pytest.mark.parametrize("name", ["modules", "modules.application", "lib", "_internal", "libc.so.6", MANIFEST])
def test_names_that_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    app = make(tmp_path / "one", monkeypatch)
    with pytest.raises(InputError, match="cannot have the name"):
        made(app, tmp_path, name=name)


def test_the_programs_own_name_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(make(tmp_path / "one", monkeypatch), tmp_path, name=PROGRAM)
    config, _ = images.documents(tmp_path / "image.tar")
    assert config["config"]["Cmd"] == [f"/app/{PROGRAM}"]
    assert f"app/{PROGRAM}" not in images.layers(tmp_path / "image.tar")[-1]


@pytest.mark.parametrize("place", ["/app/app", "/app/modules", "/app", "/app/_internal/own.txt"])
def test_added_files_must_not_replace_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    app = make(tmp_path / "one", monkeypatch)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="would replace"):
        made(app, tmp_path, add_file=[f"{tmp_path}/file:{place}"])
    made(app, tmp_path, add_file=[f"{tmp_path}/file:/app/beside"])


def test_the_layout_is_one_of_two(tmp_path: Path) -> None:
    assert plan(tmp_path).layout is ImageLayout.BINARY
    assert plan(tmp_path, image_layout="unpacked").layout is ImageLayout.UNPACKED
    with pytest.raises(InputError, match="'flat' is unknown") as raised:
        plan(tmp_path, image_layout="flat")
    assert raised.value.hint == "it is one of: binary, unpacked"


# Whose sources


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The application's sources of a project below the same home as its environment."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "home" / "env"))

    class Installed:
        def read_text(self, name: str) -> str:
            return {"RECORD": "tool/cli.py,,\n"}[name]

        def locate_file(self, name: str) -> str:
            return f"{sys.prefix}/lib/{name}"

    request = {
        "search": [str(tmp_path / "home")],
        "local_packages": {"near": str(tmp_path / "near")},
        "own_files": [str(tmp_path / "script.py")],
        "own_data": [],
        "add_data": [[str(tmp_path / "data"), "."]],
        "runtime": "/freezer/runtime",
        "toolchain": "/freezer/toolchain",
    }
    return own_sources.OwnSources(request, Installed())


@pytest.mark.parametrize(
    ("path", "is_own", "code"),
    [
        ("home/greeter/cli.py", True, True),
        ("near/x.so", True, True),
        ("script.py", True, True),
        ("data/deep/words", True, True),
        ("data2/words", False, True),
        ("home/env/lib/tool/cli.py", True, True),
        ("home/env/lib/click/core.py", False, False),
        ("elsewhere/module.py", False, True),
        ("/freezer/runtime/_freezer_run.py", False, False),
        ("/freezer/toolchain/PyInstaller/loader/x.py", False, False),
        (os.__file__, False, False),
        ("/usr/share/tcl/init.tcl", False, True),
    ],
)
def test_own_sources(own: Any, tmp_path: Path, path: str, is_own: bool, code: bool) -> None:
    assert (own.has(str(tmp_path / path)), own.has_code(str(tmp_path / path))) == (is_own, code)


def test_what_is_made_of_them(own: Any, tmp_path: Path) -> None:
    analysis = SimpleNamespace(
        pure=[
            ("greeter", f"{tmp_path}/home/g.py", "PYMODULE"),
            ("os", os.__file__, "PYMODULE"),
            ("ns", "-", "PYMODULE"),
        ],
        binaries=[
            ("fast.so", f"{tmp_path}/elsewhere/fast.so", "EXTENSION"),
            ("libx.so", "/usr/lib/libx.so", "BINARY"),
            ("liby.so", "near/liby.so", "SYMLINK"),
        ],
        datas=[("words", f"{tmp_path}/data/words", "DATA"), ("init.tcl", "/usr/share/tcl/init.tcl", "DATA")],
    )
    assert own.of(analysis) == {
        "modules": ["greeter"],
        "files": ["fast.so", "words"],
        "code": {"greeter": f"{tmp_path}/home/g.py"},
        "places": {"words": f"{tmp_path}/data/words"},
        "run": False,
    }
    assert json.dumps(own.of(analysis))
