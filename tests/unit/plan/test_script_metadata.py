"""The metadata in a script's comments, as inline script metadata defines it."""

from __future__ import annotations

from pathlib import Path

import pytest
from plans import plan

from freezer.base.errors import InputError
from freezer.plan.script_metadata import ScriptMetadata, read_script_metadata


def read(folder: Path, text: str) -> ScriptMetadata:
    (folder / "script.py").write_text(text)
    return read_script_metadata(folder / "script.py")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ScriptMetadata()),
        ("# /// script\n# dependencies = ['rich']\n# ///\n", ScriptMetadata(("rich",))),
        (
            "#!/usr/bin/env python3\n\n# /// script\n# requires-python = '>=3.9'\n# dependencies = [\n"
            "#   'a>1',\n#\n#   'b @ https://x',  # why\n# ]\n# ///\nimport a\n",
            ScriptMetadata(("a>1", "b @ https://x"), ">=3.9"),
        ),
        # The block ends at the last such line of an unbroken run.
        ("# /// script\n# dependencies = ['a', '''\n# ///\n# ''']\n# ///\n", ScriptMetadata(("a", "///\n"))),
        # Not a block: never closed, not at the beginning of a line, another type, a line that is no comment.
        ("# /// script\n# dependencies = ['a']\nimport a\n# ///\n", ScriptMetadata()),
        (" # /// script\n # dependencies = ['a']\n # ///\n", ScriptMetadata()),
        ("# /// other\n# dependencies = ['a']\n# ///\n", ScriptMetadata()),
        ("# /// script\n#dependencies = ['a']\n# ///\n", ScriptMetadata()),
        ("# /// script\n# tool = {x = 1}\n# ///\n", ScriptMetadata()),
    ],
)
def test_blocks(tmp_path: Path, text: str, expected: ScriptMetadata) -> None:
    assert read(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# /// script\n# dependencies = [\n# ///\n", "cannot read the block"),
        ("# /// script\n# dependencies = 'a'\n# ///\n", "must be a list of strings"),
        ("# /// script\n# dependencies = [1]\n# ///\n", "must be a list of strings"),
        ("# /// script\n# requires-python = 3\n# ///\n", "must be a string"),
        ("# /// script\n# ///\n\n# /// script\n# ///\n", "more than one block"),
        ("# /// script\n# tool = 3\n# ///\n", r"script\.py: tool must be a table"),
        ("# /// script\n# [tool]\n# freezer = 3\n# ///\n", r"script\.py: tool\.freezer must be a table"),
        (
            "# /// script\n# [tool.freezer]\n# nmae = 'x'\n# ///\n",
            r"script\.py: unknown key 'nmae' in \[tool\.freezer\]",
        ),
        ("# /// script\n# [tool.freezer]\n# strip = 1\n# ///\n", r"script\.py: strip must be true or false, not 1"),
        ("# /// script\n# [tool.freezer.image]\n# x = 1\n# ///\n", r"in \[tool\.freezer\.image\]"),
        ("# /// script\n# [tool.freezer]\n# entry = 'b.py'\n# ///\n", "entry cannot be set in a script"),
        ("# /// script\n# [tool.freezer]\n# entry-point = 'b:c'\n# ///\n", "entry-point cannot be set in a script"),
    ],
)
def test_malformed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_bytes(b"\xff# /// script\n")
    assert read_script_metadata(tmp_path / "x.py") == ScriptMetadata()


def block(*lines: str) -> str:
    return "".join(f"# {line}\n" for line in ("/// script", *lines, "///"))


def test_settings(tmp_path: Path) -> None:
    found = read(
        tmp_path, block("[tool.freezer]", "name = 'x'", "add-data = ['d:e']", "[tool.freezer.image]", "cmd = 'a'")
    )
    assert found.settings.values == {"name": "x", "add_data": [str(tmp_path / "d:e")]}
    assert found.settings.image == {"cmd": "a"}
    assert read(tmp_path, block("[tool.uv]", "x = 1")).settings.values == {}


def test_settings_of_the_script_and_of_its_directory(here: Path) -> None:
    """The command line comes first, then the script's, then those of the settings file, whoever names the script."""
    (here / "pyproject.toml").write_text(
        "[tool.freezer]\nentry = 'sub/app.py'\nname = 'file'\nlinker = 'native'\nexclude = ['a', 'b']\n"
        "pyinstaller-args = ['--paths', 'lib']\n[tool.freezer.image]\noutput = 'image.tar'\nuser = '5'\ncmd = 'one'\n"
    )
    (here / "sub").mkdir()
    text = block("[tool.freezer]", "name = 'script'", "exclude = ['c']", "[tool.freezer.image]", "cmd = 'two'")
    (here / "sub" / "app.py").write_text(text)
    made = plan(here)
    assert (made.name, made.linker.value, made.exclude) == ("script", "native", ("c",))
    assert made.pyinstaller_args == ("--paths", str(here / "lib"))
    assert made.image is not None and (made.image.uid, made.image.arguments) == (5, ("two",))
    assert plan(here, name="given").name == "given"
    assert plan(here, entry="sub/app.py").linker.value == "staticx"
    (here / "sub" / "app.py").write_text(block("[tool.freezer]", "pyinstaller-args = ['--paths', 'lib']"))
    assert plan(here).pyinstaller_args == ("--paths", str(here / "sub" / "lib"))


def test_a_script_needs_no_requirements(here: Path) -> None:
    (here / "app.py").write_text("# /// script\n# requires-python = '>=3.9'\n# dependencies = ['rich']\n# ///\n")
    made = plan(here, entry="app.py", **{"with": ["six"]})
    assert made.packages == ("six", "rich")
    assert made.requires_python == ">=3.9"
