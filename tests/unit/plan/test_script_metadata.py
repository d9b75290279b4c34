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
    ],
)
def test_malformed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_bytes(b"\xff# /// script\n")
    assert read_script_metadata(tmp_path / "x.py") == ScriptMetadata()


def test_a_script_needs_no_requirements(here: Path) -> None:
    (here / "app.py").write_text("# /// script\n# requires-python = '>=3.9'\n# dependencies = ['rich']\n# ///\n")
    made = plan(here, entry="app.py", **{"with": ["six"]})
    assert made.packages == ("six", "rich")
    assert made.requires_python == ">=3.9"
