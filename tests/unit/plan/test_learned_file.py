"""The file of learned things: what is read is what was written, and nothing else is taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from plans import plan

from freezer.base.errors import InputError
from freezer.plan.learned import FILE_NAME, Learned
from freezer.plan.learned_file import learned_path, read_learned
from freezer.plan.outputs import inputs

ODD = 'a "quoted" name\tof \\ ü and \x7f'


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = Learned(
        tmp_path / FILE_NAME,
        tmp_path,
        modules={"b.c": "app.py:2", "a": "app.py:1", "migrations.0001_initial": "x.py:9"},
        files={f"data/{ODD}": ODD, "plugins/": "app.py:3"},
        package_files={"lib/x.bin": "lib/core.py:7"},
        metadata={"some-thing": "app.py:4"},
        entry_points={"some.group": "app.py:5"},
        libraries={"libpq.so.5": "app.py:6"},
        runs={"": "status 0", "--to 'a b'": "status 255", "serve": "any status"},
    )
    (tmp_path / FILE_NAME).write_text(written.text(), encoding="utf-8")
    assert read_learned(None, tmp_path) == written


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[modul]\n", "unknown table [modul]"),
        ("modules = 1\n", "[modules] must have lines"),
        ("[modules]\na = 1\n", "[modules] must have lines"),
        ('[modules]\n"a b" = "x"\n', "'a b' in [modules]"),
        ('[files]\n"../x" = "x"\n', "'../x' in [files]"),
        ('[files]\n"/etc/passwd" = "x"\n', "'/etc/passwd' in [files]"),
        ('[package-files]\n"a//b" = "x"\n', "'a//b' in [package-files]"),
        ('[libraries]\n"a/b.so" = "x"\n', "'a/b.so' in [libraries]"),
        ('[metadata]\n"" = "x"\n', "'' in [metadata]"),
        ("[modules\n", "cannot read"),
        ('[runs]\n"x" = "fine"\n', "a line in [runs]"),
        ('[runs]\n"x" = "status 256"\n', "a line in [runs]"),
        ('[runs]\n"\'" = "status 0"\n', "in [runs]"),
    ],
)
def test_a_damaged_file(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(InputError) as raised:
        read_learned(None, tmp_path)
    assert said in raised.value.what and str(tmp_path / FILE_NAME) in raised.value.what


def test_where_there_is_no_file(tmp_path: Path) -> None:
    assert read_learned(None, tmp_path) is None
    with pytest.raises(InputError, match="no such file"):
        read_learned(str(tmp_path / "none.toml"), tmp_path)
    path = tmp_path / "none.toml"
    assert read_learned(str(path), tmp_path, learning=True) == Learned(path, tmp_path)
    assert learned_path(None, tmp_path) == tmp_path / FILE_NAME


def test_a_plan_takes_the_file_beside_the_entry_or_the_named_one(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "app.py").touch()
    (tmp_path / "sub" / FILE_NAME).write_text('[modules]\n"a" = "x"\n')
    (tmp_path / "other.toml").write_text('[modules]\n"b" = "x"\n')
    beside = plan(tmp_path, entry="sub/app.py")
    assert beside.learned is not None
    assert (beside.learned.base, beside.learned.modules) == (tmp_path / "sub", {"a": "x"})
    named = plan(tmp_path, entry="sub/app.py", learned="other.toml")
    assert named.learned is not None
    assert (named.learned.base, named.learned.modules) == (tmp_path / "sub", {"b": "x"})
    assert tmp_path / "other.toml" in inputs(named)
