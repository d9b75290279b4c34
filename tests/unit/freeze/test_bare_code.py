"""Run-time modules without what only readers and type checkers need."""

from __future__ import annotations

import dis
import importlib
import marshal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

import freezer.freeze.runtime
from freezer.freeze.drivers import DRIVERS
from freezer.freeze.pyinstaller import RUNTIME_MODULES

sys.path.insert(0, str(DRIVERS))
bare_code: Any = importlib.import_module("bare_code")
del sys.path[0]

RUNTIME = Path(freezer.freeze.runtime.__file__).parent
SOURCE = '''"""The module's docstring."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    import nowhere_to_be_found

limit: "nowhere_to_be_found.Limit" = 3
declared: int


class Counter:
    """The class's docstring."""

    count: int = 0
    declared: int

    def add(self, *more: int, twice: bool = False, **others: int) -> "Counter":
        """The method's docstring."""
        assert more, "only type checkers read this"
        total: int = sum(more) * (2 if twice else 1) + sum(others.values())
        self.count: int = self.count + total
        return self


def fail(number: int, /, of: int = limit) -> float:
    if TYPE_CHECKING:
        reveal_type(number)
    add = lambda count: count + 0
    return add(number) / of
'''


def nothing_kept() -> Any:
    return importlib.import_module("content_memory").ContentMemory("/dev/null/nothing")


def made(tmp_path: Path, source: str = SOURCE) -> dict[str, Any]:
    """The names of the module once its bare code has run."""
    path = tmp_path / "made.py"
    path.write_text(source)
    names: dict[str, Any] = {"__name__": "made"}
    exec(bare_code.compile_bare(str(path), nothing_kept()), names)
    return names


def nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for item in code.co_consts:
        if isinstance(item, CodeType):
            yield from nested(item)


def test_the_code_does_what_the_source_does(tmp_path: Path) -> None:
    names = made(tmp_path)
    assert names["limit"] == 3
    assert names["Counter"]().add(1, 2, twice=True, more=4).count == 10
    assert names["fail"](6) == 2


def test_nothing_of_annotations_and_docstrings_is_left(tmp_path: Path) -> None:
    names = made(tmp_path)
    counter = names["Counter"]
    assert names.get("__annotations__", {}) == {}
    assert "declared" not in names and "TYPE_CHECKING" not in names
    assert names.get("__doc__") is None and counter.__doc__ is None and counter.add.__doc__ is None
    for function in (counter.add, names["fail"]):
        assert function.__annotations__ == {}
    assert not getattr(counter, "__annotations__", {})
    with pytest.raises(ZeroDivisionError):
        names["fail"](1, 0)
    assert counter().add().count == 0  # no assertion


def test_lines_are_those_of_the_source(tmp_path: Path) -> None:
    names = made(tmp_path)
    with pytest.raises(ZeroDivisionError) as caught:
        names["fail"](1, 0)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.line) == (str(tmp_path / "made.py"), "return add(number) / of")


def test_code_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "made.py"
    path.write_text(SOURCE)
    memory = importlib.import_module("content_memory").ContentMemory(str(tmp_path / "memory"))
    first = bare_code.compile_bare(str(path), memory)
    monkeypatch.setattr(bare_code, "ast", None)
    assert marshal.dumps(bare_code.compile_bare(str(path), memory)) == marshal.dumps(first)
    monkeypatch.undo()
    path.write_text(SOURCE + "more = 1\n")
    assert "more" in bare_code.compile_bare(str(path), memory).co_names


@pytest.mark.parametrize("name", RUNTIME_MODULES)
def test_run_time_modules_import_nothing_for_type_checkers(name: str) -> None:
    """Neither by their bare code, nor when they are compiled by PyInstaller, as for a spec file that copies lists."""
    path = RUNTIME / f"{name}.py"
    bare = bare_code.compile_bare(str(path), nothing_kept())
    assert not {"__annotations__", "__annotate__", "TYPE_CHECKING"} & {
        word for code in nested(bare) for word in (*code.co_names, code.co_name)
    }
    source = path.read_text(encoding="utf-8")
    assert "from __future__" not in source  # which is no module of every application
    top = [item.argval for item in dis.get_instructions(bare) if item.opname == "IMPORT_NAME"]
    assert not {"typing", "types", "collections.abc"} & set(top)
    whole = compile(source, str(path), "exec", dont_inherit=True)
    assert len(bare.co_code) <= len(whole.co_code)
    assert bare.co_firstlineno == whole.co_firstlineno
