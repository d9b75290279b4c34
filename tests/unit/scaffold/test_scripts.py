"""The script that starts an application is found, or asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from freezer.base.errors import UsageError
from freezer.scaffold.scripts import find_function, find_script

GUARD = 'if __name__ == "__main__":\n    main()\n'


@pytest.mark.parametrize(
    ("files", "entry"),
    [
        ({}, None),
        ({"readme.txt": ""}, None),
        ({"tool.py": ""}, "tool.py"),
        ({"tool.py": "", "test_tool.py": GUARD, "conftest.py": "", "setup.py": "", "noxfile.py": ""}, "tool.py"),
        ({"main.py": "", "helper.py": GUARD}, "main.py"),
        ({"app.py": "", "models.py": "", "views.py": ""}, "app.py"),
        ({"serve.py": GUARD, "models.py": ""}, "serve.py"),
        ({"serve.py": "if '__main__' == __name__:\n  x()\n", "models.py": " if __name__ == '__main__':"}, "serve.py"),
        ({"__main__.py": "", "main.py": "", "app.py": ""}, "."),
        ({"pkg/__main__.py": "", "pkg/__init__.py": "", "tests/__main__.py": ""}, "pkg"),
    ],
)
def test_the_only_one_that_can_be_meant(tmp_path: Path, files: dict[str, str], entry: str | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert find_script(tmp_path) == entry


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"a.py": "", "b.py": ""}, "a.py, b.py"),
        ({"a.py": GUARD, "b.py": GUARD, "c.py": ""}, "a.py, b.py"),
        ({"main.py": "", "app.py": "", "c.py": ""}, "app.py, c.py, main.py"),
        ({"one/__main__.py": "", "two/__main__.py": ""}, "one, two"),
    ],
)
def test_nothing_is_guessed(tmp_path: Path, files: dict[str, str], named: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match="which one does") as caught:
        find_script(tmp_path)
    assert caught.value.why == named
    assert f"freezer init {named.partition(',')[0]}" in str(caught.value.hint)


UV = '[project]\nname = "shop"\nversion = "1"\n'
FUNCTION = "def main():\n    pass\n\n\n" + GUARD


@pytest.mark.parametrize(
    ("files", "function"),
    [
        ({"pyproject.toml": UV, "main.py": FUNCTION}, ("main:main", "shop")),
        ({"pyproject.toml": UV, "app.py": FUNCTION, "main.py": ""}, ("app:main", "shop")),
        ({"pyproject.toml": UV, "app.py": FUNCTION, "main.py": FUNCTION}, None),
        ({"pyproject.toml": UV, "main.py": "def main(arguments):\n    pass\n"}, None),
        ({"pyproject.toml": UV, "other.py": FUNCTION}, None),
        ({"pyproject.toml": UV + '[project.scripts]\na = "b:c"\n', "main.py": FUNCTION}, None),
        ({"pyproject.toml": UV + 'dynamic = ["scripts"]\n', "main.py": FUNCTION}, None),
        ({"pyproject.toml": UV, "setup.py": "", "main.py": FUNCTION}, None),
        ({"pyproject.toml": "[build-system]\n", "main.py": FUNCTION}, None),
        ({"main.py": FUNCTION}, None),
    ],
)
def test_a_project_without_console_scripts(
    tmp_path: Path, files: dict[str, str], function: tuple[str, str] | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert find_function(tmp_path) == function
