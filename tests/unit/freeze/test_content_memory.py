"""What is kept of the analysis of a source, and what becomes of it if its directory is damaged."""

from __future__ import annotations

import importlib
import marshal
import os
import subprocess
import sys
import time
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from freezer.freeze.drivers import DRIVERS

sys.path.insert(0, str(DRIVERS))
memory_module: Any = importlib.import_module("content_memory")
del sys.path[0]

DAY = 24 * 3600
VALUE = ([("a", None, 0)], {"names": ("b", b"c")}, 1.5)


def memory(folder: Path, *context: str) -> Any:
    return memory_module.ContentMemory(str(folder), *context)


def kept(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def test_a_value_is_kept(tmp_path: Path) -> None:
    first = memory(tmp_path, "1")
    key = first.key("scan", "x = 1\n")
    assert first.get(key) is None
    first.put(key, VALUE)
    assert memory(tmp_path, "1").get(key) == VALUE
    assert [path.stat().st_mode & 0o077 for path in tmp_path.iterdir()] == [0]


def test_what_a_key_depends_on(tmp_path: Path) -> None:
    """And on nothing else: not on the file's name, nor on the directory."""
    base = memory(tmp_path, "1").key("scan", "x = 1\n")
    others = [
        memory(tmp_path, "2").key("scan", "x = 1\n"),
        memory(tmp_path, "1").key("other", "x = 1\n"),
        memory(tmp_path, "1").key("scan", "x = 2\n"),
        # The encoding of bytes is part of the source, that of a text is not.
        memory(tmp_path, "1").key("scan", b"x = 1\n"),
    ]
    assert len({base, *others}) == 5
    assert memory(tmp_path / "elsewhere", "1").key("scan", "x = 1\n") == base
    assert memory(tmp_path, "1").key("scan", "\udc80")


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "a directory", "longer"])
def test_damage_is_nothing(tmp_path: Path, damage: str) -> None:
    kept_here = memory(tmp_path)
    key = kept_here.key("scan", "x")
    kept_here.put(key, VALUE)
    (path,) = kept(tmp_path)
    data = path.read_bytes()
    path.unlink()
    if damage == "a directory":
        path.mkdir()
    else:
        contents = {
            "cut": data[:-1],
            "changed": data[:-1] + bytes([data[-1] ^ 1]),
            "empty": b"",
            "longer": data + b"x",
        }
        path.write_bytes(contents[damage])
    assert kept_here.get(key) is None
    kept_here.put(key, VALUE)
    assert kept_here.get(key) == (None if damage == "a directory" else VALUE)


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """The build goes on: it has the value."""
    (tmp_path / "file").write_text("")
    memory(tmp_path / "file").put("ab" * 32, VALUE)
    assert memory(tmp_path / "file").get("ab" * 32) is None
    assert memory(tmp_path / "missing").get("ab" * 32) is None
    memory(tmp_path / "missing").sweep(time.time())


def test_code_is_the_same_once_it_was_kept(tmp_path: Path) -> None:
    """Two equal constants of one source may be one object or two, which decides the bytes that they become."""
    code = compile("a = ('x y', 1.5)\ndef f(b=('x y', 1.5)):\n    return b\n", "f.py", "exec")
    memory(tmp_path).put("cd" * 32, code)
    kept_code = memory(tmp_path).get("cd" * 32)
    assert marshal.dumps(kept_code) == marshal.dumps(memory_module.same_code(code))


def replaced(code: CodeType, filename: str) -> CodeType:
    """What the method ``replace`` makes, which has the names of variables anew for each function."""
    constants = tuple(replaced(item, filename) if isinstance(item, CodeType) else item for item in code.co_consts)
    return code.replace(co_filename=filename, co_consts=constants)


def test_renamed_code_shares_what_the_code_shares() -> None:
    source = "".join(f"def f{number}(one, two, three):\n    return lambda: one\n" for number in range(9))
    code = memory_module.same_code(compile(source, "/place/f.py", "exec"))
    moved, again = (marshal.dumps(memory_module.renamed(code, "f.py")) for _ in range(2))
    assert moved == again
    assert memory_module.renamed(code, "/place/f.py") is code
    found = marshal.loads(moved)
    functions = [item for item in found.co_consts if isinstance(item, CodeType)]
    assert {item.co_filename for item in (found, *functions, functions[0].co_consts[1])} == {"f.py"}
    assert code.co_filename == "/place/f.py"
    assert found == replaced(code, "f.py")
    if sys.version_info >= (3, 11):
        assert len(moved) < len(marshal.dumps(replaced(code, "f.py")))


def test_what_was_not_used_for_long_is_removed_once_a_day(tmp_path: Path) -> None:
    now = time.time()
    mine = memory(tmp_path)
    keys = [mine.key("scan", text) for text in ("old", "used", "new")]
    for key in keys:
        mine.put(key, VALUE)
    for key in keys[:2]:
        os.utime(mine._path(key), (now - 40 * DAY, now - 40 * DAY))
    assert mine.get(keys[1]) == VALUE
    mine.sweep(now)
    assert [mine.get(key) is not None for key in keys] == [False, True, True]
    os.utime(mine._path(keys[2]), (now - 40 * DAY, now - 40 * DAY))
    mine.sweep(now + 100)
    assert os.path.exists(mine._path(keys[2]))
    mine.sweep(now + 2 * DAY)
    assert not os.path.exists(mine._path(keys[2]))


NESTED = """
def make():
    class Inner:
        pass
    return Inner

def also():
    Inner = None
    return Inner
"""
SAME = """
import marshal, sys
sys.path.insert(0, sys.argv[1])
from content_memory import same_code
known = [eval(sys.argv[2])]
sys.stdout.buffer.write(marshal.dumps(same_code(compile(sys.argv[3], "m.py", "exec"))))
"""


def test_code_does_not_depend_on_what_python_knew() -> None:
    """A text that is equal to the qualified name of a class, from a module that was imported before."""
    made = {
        subprocess.run(
            [sys.executable, "-c", SAME, str(DRIVERS), known, NESTED], stdout=subprocess.PIPE, check=True
        ).stdout
        for known in ("None", "sys.intern('make.<locals>.Inner')")
    }
    assert len(made) == 1
