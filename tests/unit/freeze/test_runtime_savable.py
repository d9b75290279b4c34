"""What a process has in itself that keeps it from being saved, or from ending early once it is restored."""

from __future__ import annotations

import gc
import importlib
import random
import subprocess
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from freezer.freeze import RUNTIME

CHECK = """
import sys
sys.path.insert(0, {runtime!r})
import _freezer_savable, gc
{code}
print(_freezer_savable.reason_against(gc.get_objects()))
"""


def reason(code: str) -> str:
    """What a process says that has run some code, and has nothing open."""
    text = CHECK.format(runtime=str(RUNTIME), code=code)
    done = subprocess.run([sys.executable, "-c", text], stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("", "None"),
        ("import random, tempfile, secrets; random.seed(1)", "None"),
        ("own = random = __import__('random').SystemRandom()", "None"),
        ("kept = open('/etc/passwd')", "the imports opened /etc/passwd"),
        ("import os; pipe = os.pipe()", "the imports opened pipe:"),
        (
            # It does not hold the pipes that are read to their end.
            "import subprocess as s; s.Popen(['sleep', '5'], stdout=s.DEVNULL, stderr=s.DEVNULL)",
            "the imports started a process",
        ),
        ("import threading, time; threading.Thread(target=time.sleep, args=(5,), daemon=True).start()", "a thread"),
        ("sys.abiflags = 't'", "has no global lock"),
        ("import random; own = random.Random(1)", "the imports made a generator of random numbers, random.Random"),
        ("import random; del random.Random, random.SystemRandom, random._inst", "None"),  # inside of its imports
    ],
)
def test_reasons(code: str, why: str) -> None:
    assert why in reason(code)


def test_no_stand_in_is_asked_for_its_class() -> None:
    """As django's settings are, which are not there yet."""
    code = """
import random
class Lazy:
    @property
    def __class__(self):
        raise RuntimeError("asked")
kept = [Lazy()]
gc.collect()
assert not _freezer_savable.is_end_noticed([kept[0]])
assert not _freezer_savable.is_open_file(kept[0])
assert any(type(item) is Lazy for item in gc.get_objects())
"""
    assert reason(code) == "None"


def test_what_runs_the_main_script_does_not_count() -> None:
    """It is there when the process is saved, and gone when the script has ended."""
    code = """
class Ended(dict):
    def __del__(self):
        pass
own = Ended()
assert _freezer_savable.is_end_noticed([own])
Ended.__module__ = "_freezer_runner"
assert not _freezer_savable.is_end_noticed([own])
"""
    assert reason(code) == "None"


class WithEnd:
    def __del__(self) -> None:
        pass


def plain() -> Iterator[int]:
    yield 1
    yield 2


def careful() -> Iterator[int]:
    try:
        yield 1
    finally:
        gc.isenabled()


def begun(generator: Iterator[int]) -> Iterator[int]:
    next(generator)
    return generator


@pytest.fixture
def savable(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(RUNTIME))
    return importlib.import_module("_freezer_savable")


def test_end_is_noticed(savable: Any) -> None:
    kept = random.Random()
    noticed = [WithEnd(), begun(careful()), weakref.ref(kept, lambda _: None)]
    for item in noticed:
        assert savable.is_end_noticed([item]), item
    for item in [kept, plain(), begun(plain()), careful(), weakref.ref(kept), weakref.WeakKeyDictionary({kept: 1}), {}]:
        assert not savable.is_end_noticed([item]), item


def test_what_has_no_module(savable: Any) -> None:
    """A type that was made where there is no ``__name__``; what can be called but is no function, as in gevent."""
    names: dict[str, Any] = {}
    exec("made = type('Made', (), {})", names)
    made: Any = names["made"]()
    forget: Any = {1: 2}.__delitem__
    assert not hasattr(type(made), "__module__") and not hasattr(forget, "__module__")
    assert not savable.is_end_noticed([made])
    assert savable.is_end_noticed([weakref.ref(made, forget)])


def test_open_files(savable: Any) -> None:
    with open("/etc/passwd") as file:
        assert savable.is_open_file(file) and savable.is_open_file(file.buffer)
    assert not savable.is_open_file(file)
    assert not savable.is_open_file(sys.__stdout__)
    assert not savable.is_open_file(3)
