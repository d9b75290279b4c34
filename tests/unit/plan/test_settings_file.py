"""Settings from files: pyproject.toml and setup.cfg, and every mistake in them named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freezer.base.errors import ExitStatus, FreezerError, InputError
from freezer.cli.main import build_parser
from freezer.plan.choices import Linker, Verification
from freezer.plan.image_settings import IMAGE_DATA, IMAGE_OUTPUT, IMAGE_SETTINGS
from freezer.plan.resolve import resolve
from freezer.plan.settings import FILE_ONLY, SETTINGS, ValueKind
from freezer.plan.settings_file import read_settings


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder


def test_no_file(tmp_path: Path) -> None:
    assert read_settings(tmp_path).values == {}
    assert read_settings(tmp_path).path is None


def test_pyproject(tmp_path: Path) -> None:
    write(
        tmp_path,
        "pyproject.toml",
        "[tool.freezer]\nentry = 'a.py'\nrequirement = ['r.txt', '/abs.txt']\nadd-data = ['d:e']\nstrip = true\n"
        "verify = false\nsmoke = '--version'\nsmoke-status = 3\nhidden-import = ['x.y']\nwith = ['six']\n"
        "pyinstaller-args = ['--log-level=WARN']\npython = '3.12'\npython-options = ['-u', '-X utf8']\n",
    )
    found = read_settings(tmp_path)
    assert found.path == tmp_path / "pyproject.toml"
    assert found.values == {
        "entry": str(tmp_path / "a.py"),
        "requirement": [str(tmp_path / "r.txt"), "/abs.txt"],
        "add_data": [str(tmp_path / "d:e")],
        "strip": True,
        "verify": False,
        "smoke": "--version",
        "smoke_status": 3,
        "hidden_import": ["x.y"],
        "with": ["six"],
        "pyinstaller_args": ["--log-level=WARN"],
        "python": "3.12",
        "python_option": ["-u", "-X utf8"],
    }


def test_setup_cfg(tmp_path: Path) -> None:
    write(
        tmp_path,
        "setup.cfg",
        "[metadata]\nname = x\n[freezer]\nhidden-import =\n    a\n    b.c\n\nsmoke_status = 4\nstrip = yes\n"
        "locale = off\nname = 50%\noutput = out/app\n",
    )
    assert read_settings(tmp_path).values == {
        "hidden_import": ["a", "b.c"],
        "smoke_status": 4,
        "strip": True,
        "locale": False,
        "name": "50%",
        "output": str(tmp_path / "out/app"),
    }


RUNS: list[dict[str, Any]] = [
    {"args": "--version", "expect": ["1.2"]},
    {"http": ["/", "/x=404"], "stdin": "@{here}/in.txt", "status": 3},
]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "pyproject.toml",
            "[[tool.freezer.smoke]]\nargs = '--version'\nexpect = '1.2'\n"
            "[[tool.freezer.smoke]]\nhttp = ['/', '/x=404']\nstdin = '@in.txt'\nstatus = 3\n",
        ),
        (
            "pyproject.toml",
            "[tool.freezer.smoke.version]\nargs = '--version'\nexpect = ['1.2']\n"
            "[tool.freezer.smoke.web]\nhttp = ['/', '/x=404']\nstdin = '@in.txt'\nstatus = 3\n",
        ),
        (
            "setup.cfg",
            "[freezer.smoke.version]\nargs = --version\nexpect = 1.2\n"
            "[freezer.smoke.web]\nhttp =\n  /\n  /x=404\nstdin = @in.txt\nstatus = 3\n",
        ),
    ],
)
def test_tables_of_runs(tmp_path: Path, name: str, text: str) -> None:
    wanted = [{key: f"@{tmp_path}/in.txt" if key == "stdin" else value for key, value in run.items()} for run in RUNS]
    assert read_settings(write(tmp_path, name, text)).values == {"smoke": wanted}


def test_a_run_beside_tables_of_setup_cfg(tmp_path: Path) -> None:
    write(tmp_path, "setup.cfg", "[freezer]\nsmoke = a\n[freezer.smoke.b]\nargs = b\n")
    assert read_settings(tmp_path).values == {"smoke": [{"args": "a"}, {"args": "b"}]}


def test_pyproject_without_settings_gives_way_to_setup_cfg(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", "[project]\nname = 'x'\n")
    write(tmp_path, "setup.cfg", "[freezer]\nname = y\n")
    assert read_settings(tmp_path).values == {"name": "y"}
    write(tmp_path, "pyproject.toml", "[tool.freezer]\n")
    assert read_settings(tmp_path).values == {}


def test_a_python_by_its_path_is_relative_to_the_file(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", "[tool.freezer]\npython = '.venv/bin/python'\n")
    assert read_settings(tmp_path).values == {"python": str(tmp_path / ".venv/bin/python")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tool = 3\n", ("tool must be a table",)),
        ("[tool]\nfreezer = 3\n", ("must be a table",)),
        ("[tool.freezer]\nnmae = 'x'\n", ("'nmae'", "[tool.freezer]")),
        ("[tool.freezer]\nstrip = 1\n", ("strip", "true or false", "1")),
        ("[tool.freezer]\nsmoke-status = true\n", ("smoke-status", "a whole number")),
        ("[tool.freezer]\nsmoke-status = -1\n", ("smoke-status", "a whole number")),
        ("[tool.freezer]\nwith = 'six'\n", ("with", "a list of strings")),
        ("[tool.freezer]\nwith = [1]\n", ("with", "a list of strings")),
        ("[tool.freezer]\nname = ['x']\n", ("name", "a string")),
        ("[tool.freezer]\nname = \n", ("cannot read",)),
        ("[tool.freezer]\nsmoke = 3\n", ("tool.freezer.smoke must be a string, or tables", "3")),
        ("[[tool.freezer.smoke]]\narg = 'x'\n", ("'arg'", "[tool.freezer.smoke]", "did you mean 'args'?")),
        ("[tool.freezer.smoke.web]\nhttp = 3\n", ("http", "a string, or a list of strings", "3")),
        ("[tool.freezer.smoke]\nargs = ['x']\n", ("args", "a string")),
    ],
)
def test_bad_pyproject(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    write(tmp_path, "pyproject.toml", text)
    with pytest.raises(InputError) as caught:
        read_settings(tmp_path)
    assert str(tmp_path / "pyproject.toml") in caught.value.what
    assert all(word in caught.value.render() for word in words)


@pytest.mark.parametrize(
    "text", ["[freezer]\nstrip = perhaps\n", "[freezer]\nsmoke-status = x\n", "[freezer]\nwrong = 1\n", "freezer\n"]
)
def test_bad_setup_cfg(tmp_path: Path, text: str) -> None:
    write(tmp_path, "setup.cfg", text)
    with pytest.raises(InputError, match=r"setup\.cfg"):
        read_settings(tmp_path)


def test_not_text(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "setup.cfg"):
        (tmp_path / name).write_bytes(b"\xff\xfe[tool")
        with pytest.raises(InputError, match="cannot read"):
            read_settings(tmp_path)
        (tmp_path / name).unlink()


def test_the_nearest_key_is_named(tmp_path: Path) -> None:
    for wrong, right in (("hidden_imports", "hidden-import"), ("smoke-args", "smoke"), ("add-datas", "add-data")):
        write(tmp_path, "pyproject.toml", f"[tool.freezer]\n{wrong} = 1\n")
        with pytest.raises(InputError) as caught:
            read_settings(tmp_path)
        assert right in (caught.value.hint or "")


# Whatever is in the file


def toml(value: Any) -> str:
    """A value as it is written in TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(item):08x}" for item in value) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + "}"
    return repr(value)


def table(values: dict[str, Any]) -> str:
    return "[tool.freezer]\n" + "".join(f"{toml(key)} = {toml(value)}\n" for key, value in values.items())


NAMES = tuple(setting.name for setting in (*SETTINGS, *FILE_ONLY))
IMAGE_NAMES = tuple(setting.name for setting in (IMAGE_OUTPUT, *IMAGE_SETTINGS, *IMAGE_DATA))
TEXTS = st.one_of(
    st.sampled_from(
        ["", "app.py", "a:b", "a=b", "no", "3.12", "~/x", "-", "debian:x", "/", "..", "x" * 300, "a/" * 2500]
    ),
    st.text(st.characters(max_codepoint=0xD7FF), max_size=8),
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.booleans(), st.integers(-3, 1 << 70), st.floats()),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(TEXTS, inner, max_size=2)),
    max_leaves=3,
)
TABLES = st.dictionaries(
    st.one_of(st.sampled_from(NAMES), st.just("image"), TEXTS),
    st.one_of(VALUES, st.dictionaries(st.sampled_from(IMAGE_NAMES), VALUES, min_size=1, max_size=2)),
    min_size=1,
    max_size=3,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an application, for many examples."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "app.py").touch()
    return folder


def keys_of(values: dict[str, Any]) -> set[str]:
    return {key for name, value in values.items() for key in (name, *(value if isinstance(value, dict) else ()))}


@settings(max_examples=200)
@given(values=TABLES)
def test_any_table_is_a_plan_or_an_error_that_names_the_key(place: Path, values: dict[str, Any]) -> None:
    write(place, "pyproject.toml", table(values))
    try:
        made = resolve({"entry": "app.py"}, folder=place, environ={})
    except FreezerError as error:
        assert error.status in (ExitStatus.USAGE, ExitStatus.INPUT)
        said = error.render()
        assert any(key in said or repr(key) in said for key in keys_of(values)), said
    else:
        assert made.entry.path == place / "app.py"


@settings(max_examples=100)
@given(text=st.binary(max_size=60).map(lambda data: b"[tool.freezer]\nname = 'x'\n" + data))
def test_any_file_is_read_or_named(place: Path, text: bytes) -> None:
    for name in ("pyproject.toml", "setup.cfg"):
        (place / name).write_bytes(text.replace(b"[tool.", b"[") if name == "setup.cfg" else text)
        try:
            read_settings(place)
        except InputError as error:
            assert str(place / name) in error.what
        finally:
            (place / name).unlink()


WORDS = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
OF_KIND = {
    ValueKind.FLAG: st.booleans(),
    ValueKind.SWITCH: st.booleans(),
    ValueKind.NUMBER: st.integers(0, 255),
    ValueKind.LIST: st.lists(WORDS, min_size=1, max_size=3),
}
GOOD = st.fixed_dictionaries(
    {},
    optional={
        **{
            item.name: OF_KIND[item.kind]
            for item in SETTINGS
            if item.kind in OF_KIND and item.name not in ("charset", "chroot-package", "python-option")
        },
        "name": WORDS,
        "smoke": st.lists(WORDS, max_size=3).map(" ".join),
        "python": WORDS,
        "add-data": st.lists(WORDS.map(lambda word: f"app.py:{word}"), min_size=1, max_size=2),
        "linker": st.sampled_from([item.value for item in Linker]),
        "verify": st.sampled_from([item.value for item in Verification]),
        "output": WORDS,
    },
)


def words_of(values: dict[str, Any]) -> list[str]:
    """The same settings on the command line."""
    words = []
    for name, value in values.items():
        if isinstance(value, bool):
            words.append(f"--{'' if value else 'no-'}{name}")
        else:
            words += [f"--{name}={item}" for item in (value if isinstance(value, list) else [value])]
    return words


def configuration(values: dict[str, Any]) -> str:
    """The same settings in setup.cfg."""
    lines = []
    for name, value in values.items():
        lines.append(f"{name} = " + ("\n    ".join(["", *value]) if isinstance(value, list) else str(value)))
    return "[freezer]\n" + "".join(f"{line}\n" for line in lines)


@settings(max_examples=40)
@given(values=GOOD)
def test_settings_mean_the_same_wherever_they_are(place: Path, values: dict[str, Any]) -> None:
    made = []
    for name, text in (("", ""), ("pyproject.toml", table(values)), ("setup.cfg", configuration(values))):
        words = words_of(values) if not name else []
        arguments = vars(build_parser("build").parse_args(["build", "app.py", *words]))
        if name:
            write(place, name, text)
        try:
            made.append(resolve(arguments, folder=place, environ={}))
        finally:
            if name:
                (place / name).unlink()
    assert made[0] == made[1] == made[2]
