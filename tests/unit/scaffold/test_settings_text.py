"""Settings are put into a file of which all else stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezer.base.errors import InputError
from freezer.plan.settings_file import parse_toml, read_settings
from freezer.scaffold.settings_text import settings_in, with_settings

PATH = Path("/project/pyproject.toml")
VALUES: dict[str, Any] = {
    "entry": "app.py",
    "name": 'a "name"\\',
    "requirement": ["requirements.txt"],
    "smoke": [{"args": "--version", "expect": ["1.2", "x"]}, {"args": "x", "status": 2}],
    "tzdata": True,
    "image": {"output": "dist/app.tar", "port": ["8080"]},
}
OTHERS = """\
# A comment at the top.
[build-system]   # kept
requires = [ "setuptools>=61",
    'wheel' ]    # odd, but theirs

[tool.black]
line-length=100

[[tool.mypy.overrides]]
module = "x.*"
"""


def read(text: str, folder: Path) -> Any:
    (folder / "pyproject.toml").write_bytes(text.encode())
    return read_settings(folder)


@pytest.mark.parametrize("text", ["", "\n", OTHERS, OTHERS.rstrip("\n"), "# only a comment", "[tool]\n", "[tool.x]\n"])
def test_new_settings_are_put_behind_the_rest(tmp_path: Path, text: str) -> None:
    changed = with_settings(text, VALUES, PATH)
    assert changed.startswith(text)
    assert with_settings(changed, VALUES, PATH) == changed
    found = read(changed, tmp_path)
    assert found.values["entry"] == str(tmp_path / "app.py")
    assert found.values["name"] == 'a "name"\\'
    assert found.values["smoke"] == [{"args": "--version", "expect": ["1.2", "x"]}, {"args": "x", "status": 2}]
    assert found.image == {"output": str(tmp_path / "dist/app.tar"), "port": ["8080"]}


def test_how_they_look() -> None:
    values = {
        "entry": "app.py",
        "exclude-data": [f"directory-{number}" for number in range(9)],
        "image": {"port": ["1"]},
    }
    assert with_settings("[project]\nname = 'x'\n", values, PATH) == (
        "[project]\nname = 'x'\n\n[tool.freezer]\nentry = \"app.py\"\nexclude-data = [\n"
        + "".join(f'    "directory-{number}",\n' for number in range(9))
        + ']\n\n[tool.freezer.image]\nport = ["1"]\n'
    )


def test_the_ends_of_lines_are_kept() -> None:
    text = OTHERS.replace("\n", "\r\n")
    changed = with_settings(text, VALUES, PATH)
    assert changed.startswith(text)
    assert changed.count("\n") == changed.count("\r\n") > text.count("\n")


EXISTING = """\
[tool.freezer]
# why
name = "old"  # a comment
tzdata = true
smoke = "x"

[tool.z]
a = 1
"""


def test_values_are_changed_in_their_places(tmp_path: Path) -> None:
    changed = with_settings(EXISTING, {"name": "new", "entry": "app.py", "image": {"port": ["1"]}}, PATH)
    assert changed == (
        '[tool.freezer]\n# why\nname = "new"  # a comment\ntzdata = true\nsmoke = "x"\nentry = "app.py"\n\n'
        '[tool.z]\na = 1\n\n[tool.freezer.image]\nport = ["1"]\n'
    )
    again = with_settings(changed, {"image": {"port": ["2"], "tag": ["a:1"]}}, PATH)
    assert again == changed.replace('port = ["1"]\n', 'port = ["2"]\ntag = ["a:1"]\n')
    assert read(again, tmp_path).image == {"port": ["2"], "tag": ["a:1"]}


@pytest.mark.parametrize(
    "text",
    [
        "[tool.freezer]\nname = 'x'\n[tool.a]\n[tool.freezer.image]\nport = ['1'] # p\n[tool.b]\nc = 1\n",
        "[tool]\nfreezer.name = 'x'\n",
        "[tool]\nfreezer = {name = 'x'}\n",
        "tool.freezer.name = 'x'\n",
        "[tool.freezer]\n[[tool.freezer.smoke]]\nargs = 'a'\n[[tool.freezer.smoke]]\nargs = 'b'\n[other]\n",
    ],
)
def test_unusual_spellings(tmp_path: Path, text: str) -> None:
    """Whatever tomlkit makes of them: all is right, or it is refused."""
    wanted = {"name": "new", "image": {"port": ["2"]}}
    try:
        changed = with_settings(text, wanted, PATH)
    except InputError as error:
        assert "by hand" in str(error.hint)
        return
    assert read(changed, tmp_path).values["name"] == "new"
    before, after = parse_toml(text, ""), parse_toml(changed, "")
    assert after["tool"]["freezer"] == {**before["tool"]["freezer"], **wanted}
    assert {k: v for k, v in after["tool"].items() if k != "freezer"} == {
        k: v for k, v in before["tool"].items() if k != "freezer"
    }


def test_what_nothing_can_be_put_into_is_refused() -> None:
    with pytest.raises(InputError, match="without changing other parts") as caught:
        with_settings("tool = {x = 1}\n", VALUES, PATH)
    assert '[tool.freezer]\nentry = "app.py"\n' in str(caught.value.hint)


@pytest.mark.parametrize("text", ["[tool", "tool = 1\n[tool.x]", "a = 1\na = 2\n"])
def test_a_malformed_file(text: str) -> None:
    with pytest.raises(InputError, match="cannot read /project"):
        with_settings(text, VALUES, PATH)


def test_unknown_keys_are_never_written() -> None:
    with pytest.raises(InputError, match="unknown key 'nam'"):
        with_settings("", {"nam": "x"}, PATH)


def test_settings_that_are_there() -> None:
    assert settings_in(EXISTING, PATH) == {"name": "old", "tzdata": True, "smoke": "x"}
    assert settings_in(OTHERS, PATH) == settings_in("", PATH) == {}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.sampled_from(["name", "linker", "compress", "entry-point", "console-script", "source"])


@given(st.dictionaries(KEYS, TEXTS, min_size=1), st.lists(TEXTS), st.sampled_from(["", OTHERS, EXISTING]))
def test_any_text_is_read_back(texts: dict[str, str], tags: list[str], text: str) -> None:
    values: dict[str, Any] = {**texts, "image": {"tag": tags}}
    found = parse_toml(with_settings(text, values, PATH), "")["tool"]["freezer"]
    assert {key: found[key] for key in values} == values
