"""Requirements files are read as pip reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezer.plan.requirement_lines import Line, parse_lines, path_of

LINES = (
    *("six", "six==1.0  # why", "six # x", "six#x", "-r a.txt", "-ra.txt", "--requirement=a.txt", "--req a.txt"),
    *("-c c.txt", "--constraint c.txt", "-e ./lib", "--editable=./lib", "-e git+https://example.invalid/x#egg=x"),
    *("./lib[x]", "lib @ file:///x ; python_version < '4'", "six ; python_version < '4'", "-f wheels", "--no-index"),
    *("--find-links=wheels --pre", "six --hash=sha256:aa --hash=sha256:bb", "# nothing", "", "  ", "six \\\n --pre"),
    *("six\\\n==1", "--edit\\\nable x", "-e 'a b'", "-e a\\ b", "--global-option=x six", "six --no-such", "${HOME}/x"),
    *("$HOME/x", "${lower}", "-i https://example.invalid/simple", "--trusted-host x", "-r 'odd", "a \\\n# comment\nb"),
)


def by_pip(text: str, monkeypatch: pytest.MonkeyPatch) -> list[Line]:
    """What pip makes of a text, line by line; a line that it refuses is left out."""
    from pip._internal.req import req_file

    parse = req_file.get_line_parser(None)
    found = []
    for _, line in req_file.preprocess(text):
        try:
            requirement, options = parse(line)
        except req_file.OptionParsingError:
            continue
        editables = options.editables or []
        requirements, constraints = options.requirements or [], options.constraints or []
        found.append(
            Line(
                requirement.strip() or (editables[0] if editables else None),
                not requirement and bool(editables),
                () if requirement or editables else tuple((requirements or constraints)[:1]),
                bool(constraints and not requirements),
                tuple(options.find_links or ()),
            )
        )
    return found


@pytest.mark.parametrize("text", LINES)
def test_as_pip_does(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/x")
    # Some options come and go with pip's releases; lines that name nothing do not matter.
    found = [line for line in parse_lines(text, {"HOME": "/home/x"}) if line != Line()]
    assert found == [line for line in by_pip(text, monkeypatch) if line != Line()]


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    list(parse_lines(text, {}))


def test_local_paths(tmp_path: Path) -> None:
    for name in ("lib", "a b"):
        (tmp_path / name).mkdir()
    (tmp_path / "x-1.whl").touch()
    here = {"folder": tmp_path}
    expected: dict[str, Optional[Path]] = {
        "./lib": tmp_path / "lib",
        "lib/": tmp_path / "lib",
        ".": tmp_path,
        "lib": None,
        "./lib[x,y]": tmp_path / "lib",
        "./gone": tmp_path / "gone",
        "x-1.whl": tmp_path / "x-1.whl",
        "y-1.whl": None,
        "x @ ./lib": None,
        "six": None,
        "six>=1 ; python_version > '3'": None,
        "https://example.invalid/x-1.whl": None,
        "x @ https://example.invalid/x-1.whl": None,
        f"file://{tmp_path}/a%20b": tmp_path / "a b",
        f"x @ file://localhost{tmp_path}/lib": tmp_path / "lib",
        f"git+file://{tmp_path}/lib@v1#egg=x": tmp_path / "lib",
        "git+https://example.invalid/x": None,
    }
    arguments: dict[str, Any] = here
    assert {text: path_of(text, **arguments) for text in expected} == expected
