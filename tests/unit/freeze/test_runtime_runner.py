"""How the main script comes to be run, by a plain Python that is given an archive that is not there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support import PATIENCE

import freezer.freeze.runtime

RUNTIME = Path(freezer.freeze.runtime.__file__).parent
SITE = """
import sys
sys.path.append({runtime!r})
import _freezer_parent, _freezer_runner
path = list(sys.path)

def prepare():
    assert sys.path == path and sys.argv[0] not in sys.path_importer_cache
    {prepare}
    return compile({code!r}, "main.py", "exec")

_freezer_parent.has_unpacked_this = lambda: {unpacked}
_freezer_runner.install(prepare)
"""


def run(folder: Path, code: str, *, prepare: str = "pass", unpacked: bool = False) -> subprocess.CompletedProcess[str]:
    values = {"runtime": str(RUNTIME), "prepare": prepare, "code": textwrap.dedent(code), "unpacked": unpacked}
    (folder / "sitecustomize.py").write_text(SITE.format(**values))
    words = [sys.executable, str(folder / "modules"), "an argument"]
    return subprocess.run(
        words, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def test_no_frame_is_below_the_script(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import inspect, json, runpy, sys, threading, traceback
        functions = []
        thread = threading.Thread(target=lambda: functions.extend(item.function for item in inspect.stack(0)))
        thread.start()
        thread.join()
        print(json.dumps([
            [item.function for item in inspect.stack(0)],
            [item.name for item in traceback.extract_stack()],
            sys._getframe().f_back,
            sys._getframe().f_locals is globals(),
            functions[-1],
            hasattr(runpy, "run_path"),
            __name__,
        ]))
        """,
    )
    assert json.loads(done.stdout) == [["<module>"], ["<module>"], None, True, "_bootstrap", True, "__main__"], done


@pytest.mark.parametrize("unpacked", [False, True])
@pytest.mark.parametrize(
    ("code", "status", "errors"),
    [
        ("pass", 0, []),
        ("import sys; sys.exit(7)", 7, []),
        ("raise AttributeError('x')", 1, ["AttributeError: x"]),
        ("raise KeyError('_run_module_as_main')", 1, ["KeyError: '_run_module_as_main'"]),
        ("raise KeyboardInterrupt", -signal.SIGINT, ["KeyboardInterrupt"]),
        ("import sys; sys.excepthook = lambda *_: print('hook', file=sys.stderr); 1 / 0", 1, ["hook"]),
    ],
)
def test_ends(tmp_path: Path, code: str, status: int, errors: list[str], unpacked: bool) -> None:
    """As under plain Python, whichever program has started it."""
    done = run(tmp_path, code, unpacked=unpacked)
    (tmp_path / "main.py").write_text(code)
    plain = subprocess.run([sys.executable, "main.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (status, errors)
    assert [line for line in done.stderr.splitlines() if not line.startswith("    ")] == [
        line.replace(str(tmp_path) + "/", "") for line in plain.stderr.splitlines() if not line.startswith("    ")
    ]


@pytest.mark.parametrize(
    ("prepare", "status", "error"),
    [
        ("raise ValueError('hook')", 1, "ValueError: hook"),
        ("raise AttributeError('hook')", 1, "AttributeError: hook"),
        ("raise SystemExit(5)", 5, ""),
    ],
)
def test_a_hook_that_fails(tmp_path: Path, prepare: str, status: int, error: str) -> None:
    done = run(tmp_path, "print('never')", prepare=prepare)
    assert (done.returncode, done.stdout, "".join(done.stderr.splitlines()[-1:])) == (status, "", error)
    assert "runpy" not in done.stderr


@pytest.mark.parametrize(("unpacked", "expected"), [(True, ["again", "interrupted"]), (False, ["interrupted"])])
def test_an_interrupt_that_comes_twice(tmp_path: Path, unpacked: bool, expected: list[str]) -> None:
    """By a terminal, and by the program that has unpacked this one; a third is the user's own."""
    done = run(
        tmp_path,
        """
        import atexit, os, signal
        def end():
            try:
                os.kill(os.getpid(), signal.SIGINT)
                print("again")
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                print("interrupted", flush=True)
        atexit.register(end)
        raise KeyboardInterrupt
        """,
        unpacked=unpacked,
    )
    assert (done.returncode, done.stdout.split()) == (-signal.SIGINT, expected)
