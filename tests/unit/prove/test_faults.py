"""What in an application's output tells of a gap in its bundle, and what only looks so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from freezer.prove.faults import (
    ended_by_fault,
    ended_by_missing_module,
    find_suspicion,
    has_uncaught_fault,
    last_exception,
    last_lines,
)

HEADER = 'Traceback (most recent call last):\n  File "app.py", line 1, in <module>\n'
MISSING = HEADER + "ModuleNotFoundError: No module named 'yaml'\n"
BUNDLE = "/tmp/staticx-abcdef/_internal"
CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"


@pytest.mark.parametrize(
    "said",
    [
        MISSING,
        MISSING + CAUSE + HEADER + "RuntimeError: no parser\n",
        MISSING + CONTEXT + HEADER + "app.ConfigError: no parser\n",
        HEADER + f"FileNotFoundError: [Errno 2] No such file or directory: '{BUNDLE}/x'\n" + CONTEXT + HEADER
        + "ValueError: no settings\n",
        HEADER + "OSError: could not get source code\n",
        "app: No module named 'yaml'\n",
        "starting\nerror: No module named 'app.yaml'\n\n",
        f"cannot read: [Errno 2] No such file or directory: '{BUNDLE}/settings.json'\n",
    ],
)  # fmt: skip
def test_failures_of_the_bundle(said: str) -> None:
    assert ended_by_fault(said)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "PyYAML is needed\n",
        "No module named 'yaml', so there is no YAML\nusage: app FILE\n",
        MISSING + "logged, and done without\n" + HEADER + "ValueError: wrong\n",
        MISSING + CONTEXT + HEADER + "KeyError: 1\nlogged\n" + HEADER + "ValueError: wrong\n",
        HEADER + "KeyError: 'x'\n" + CONTEXT + HEADER + "ValueError: wrong\n",
        f"unpacked to {BUNDLE}\n",
        "cannot read: [Errno 2] No such file or directory: '/etc/app.conf'\n",
        HEADER + "OSError: [Errno 99] Cannot assign requested address\n",
    ],
)
def test_failures_of_other_kinds(said: str) -> None:
    assert not ended_by_fault(said)


@pytest.mark.parametrize(
    ("code", "uncaught"),
    [
        ("import threading\nt = threading.Thread(target=lambda: __import__('no_such_x'))\nt.start()\nt.join()", True),
        (
            "import asyncio, gc\nasync def a(): import no_such_x\n"
            "async def b():\n    t = asyncio.create_task(a())\n"
            "    await asyncio.sleep(0)\n    del t\n    gc.collect()\n"
            "asyncio.run(b())",
            True,
        ),
        ("import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start()\nt.join()", False),
        ("import traceback\ntry:\n    import no_such_x\nexcept ImportError:\n    traceback.print_exc()", False),
        ("class A:\n    def __del__(self): import no_such_x\nA()", False),
    ],
)
def test_the_words_of_the_interpreter(code: str, uncaught: bool) -> None:
    """Python itself is asked what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert has_uncaught_fault(done.stderr) is uncaught
    assert done.stderr


def test_a_process_that_ends_for_want_of_a_module(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import multiprocessing\ndef work(): import no_such_x\n"
        "if __name__ == '__main__':\n    p = multiprocessing.Process(target=work)\n    p.start()\n    p.join()\n"
    )
    done = subprocess.run([sys.executable, tmp_path / "app.py"], capture_output=True, text=True, check=True)
    assert has_uncaught_fault(done.stderr)


@pytest.mark.parametrize(
    ("code", "ended"),
    [
        ("import no_such_x", True),
        ("try:\n    import no_such_x\nexcept ImportError as error:\n    raise ValueError(1) from error", False),
        ("raise ValueError('No module named')", False),
        ("import sys\ntry:\n    import no_such_x\nexcept ImportError as error:\n    sys.exit(error)", False),
    ],
)
def test_what_ends_python(code: str, ended: bool) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, ended_by_missing_module(done.stderr)) == (1, ended)


def test_suspicions() -> None:
    assert find_suspicion(f"x\n{MISSING}y\n") == "ModuleNotFoundError: No module named 'yaml'"
    assert find_suspicion("ModuleNotFoundError: No module named 'yaml'\n") is None
    assert find_suspicion(HEADER + "ValueError: wrong\n") is None


def test_the_last_exception() -> None:
    assert last_exception(MISSING + HEADER + "a.Error: b: c\n") == ("a.Error", "b: c")
    assert last_exception(HEADER + "ValueError\n") == ("ValueError", "")
    assert last_exception("usage: app FILE\n\n") == ("", "usage: app FILE")
    assert last_exception("") == ("", "")


def test_last_lines() -> None:
    assert last_lines("a\n\nb\n  c\n\n", 2) == "b\n  c"
    assert last_lines("\n", 2) == "it printed nothing"
