"""Which changes of a source leave its shape as it is: those that no analysis can see."""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

import pytest

from freezer.freeze.drivers import DRIVERS

sys.path.insert(0, str(DRIVERS))
own_shapes: Any = importlib.import_module("own_shapes")
patterns: Any = importlib.import_module("source_patterns")
del sys.path[0]

SOURCE = """\
\"\"\"What it does.\"\"\"
import json
from os import path as p
try:
    import fast
except ImportError:
    fast = None

LIMIT = 3

class Kind:
    def act(self, value):
        print("hello world", value)
        return json.dumps(value)

def main():
    import late
    Kind().act(LIMIT)
"""


def shape(source: str, *groups: str) -> Any:
    return own_shapes.shape_of(source.encode(), "/x/app.py", groups)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("What it does.", "What it really does."),
        ("LIMIT = 3", "LIMIT = 4 * 5  # more"),
        ('"hello world"', '"good morning"'),
        ("return json.dumps(value)", "result = json.dumps([value])\n        return result"),
        ("Kind().act(LIMIT)", "for item in range(LIMIT):\n        Kind().act(item)"),
        ("def act(self, value):", "def act(self, value, *more):"),
    ],
)
def test_it_stays(before: str, after: str) -> None:
    assert before in SOURCE
    assert shape(SOURCE.replace(before, after)) == shape(SOURCE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import json", "import json, csv"),
        ("import json", "import json as j"),
        ("from os import path as p", "from os import path as p, sep"),
        ("    import late", "    if LIMIT:\n        import late"),
        ("    import late\n", ""),
        ("try:\n    import fast\nexcept ImportError:\n    fast = None", "import fast"),
        ("LIMIT = 3", "LIMIT = LEAST = 3"),
        ("LIMIT = 3", "LIMIT = 3\ndel LIMIT"),
        ("    def act", "    def __call__(self): pass\n    def act"),
        ("def main():", "def main():\n    global MADE\n    MADE = 1"),
        ('"hello world"', '__import__("csv")'),
        ('"hello world"', '["-m", "json.tool"]'),
        ('"hello world"', 'version("click")'),
        ('"hello world"', 'find_library("pq")'),
        ('"hello world"', '"de_DE.ISO-8859-1"'),
        ('"hello world"', "importlib.import_module(value)"),
        ('"hello world"', "__file__"),
    ],
)
def test_it_is_another_one(before: str, after: str) -> None:
    assert before in SOURCE
    assert shape(SOURCE.replace(before, after)) != shape(SOURCE)


def test_groups_of_entry_points_are_words_that_count() -> None:
    changed = SOURCE.replace('"hello world"', '"plugins"')
    assert shape(changed, "others") == shape(SOURCE, "others")
    assert shape(changed, "plugins") != shape(SOURCE, "plugins")


@pytest.mark.parametrize("module", ["ctypes", "importlib.metadata", "pkg_resources", "matplotlib.pyplot"])
def test_calls_count_where_pyinstaller_looks_at_calls(module: str) -> None:
    """With the module in a function, under another name, or only a part of it."""
    for line in (f"import {module}", f"import {module} as other", f"def f():\n    from {module} import thing"):
        source = f"{line}\n{SOURCE}"
        assert shape(source.replace("hello world", "good morning")) != shape(source)
        assert shape(source.replace("LIMIT = 3", "LIMIT = 4")) == shape(source)
    source = f"import ctypes\n{SOURCE}"
    assert shape(source.replace("json.dumps", "ctypes.cdll.m")) != shape(source)


@pytest.mark.parametrize("source", ["def", "x = '\0'", "return 1"])
def test_what_cannot_be_compiled_has_none(source: str) -> None:
    with pytest.raises((SyntaxError, ValueError)):
        shape(source)


def test_all_patterns_are_counted() -> None:
    """Those that the drivers look for in sources are all in one list."""
    assert {value for value in vars(patterns).values() if isinstance(value, re.Pattern)} == set(patterns.PATTERNS)
    for name in ("package_rules", "collect", "compiled_imports", "sources"):
        text = (DRIVERS / f"{name}.py").read_text(encoding="utf-8")
        compiled = [line for line in text.splitlines() if "re.compile(rb" in line]
        # What is looked for in compiled modules is not in sources.
        assert all(line.startswith(("EMBEDDED_NAME", "PRINTABLE")) for line in compiled)
