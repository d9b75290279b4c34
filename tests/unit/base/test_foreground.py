"""A command of the user's: its status, its output, its signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import CHECKOUT, attended

from freezer.base.errors import InputError
from freezer.base.foreground import run_foreground


def test_its_status_and_variables(tmp_path: Path) -> None:
    code = "import os, sys; sys.exit(7 if os.environ == {'A': 'b', **{k: os.environ[k] for k in ('LC_CTYPE',) "
    code += "if k in os.environ}} and os.getcwd() == sys.argv[1] else 1)"
    assert run_foreground([sys.executable, "-c", code, str(tmp_path)], env={"A": "b"}, cwd=tmp_path) == (7, False)


def test_its_output_is_no_result_of_freezers(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run_foreground(["sh", "-c", "echo out; echo err >&2"], env=os.environ, cwd=tmp_path)
    told = capfd.readouterr()
    assert (told.out, told.err) == ("", "out\nerr\n")


def test_it_is_looked_for_in_its_own_path(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "tool").chmod(0o755)
    assert run_foreground(["tool"], env={"PATH": str(tmp_path)}, cwd=tmp_path) == (3, False)


def test_it_cannot_be_started(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("")
    with pytest.raises(InputError) as raised:
        run_foreground(["./app.py"], env=os.environ, cwd=tmp_path)
    assert raised.value.what == "./app.py cannot be started"
    assert raised.value.hint is not None and "python ./app.py" in raised.value.hint


PROGRAM = """
import os, sys
from pathlib import Path
from freezer.base.foreground import run_foreground
code = "import signal, sys\\nprint('ready', file=sys.stderr, flush=True)\\nsignal.pause()"
print(*run_foreground([sys.executable, "-c", code], env=os.environ, cwd=Path(".")), flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_command_alone(number: signal.Signals) -> None:
    with attended(
        [sys.executable, "-c", PROGRAM],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        process.send_signal(number)
        out, _ = process.communicate()
        # Python ends itself by SIGINT, or with status 1 where a traceback cannot be printed.
        assert (process.returncode, out) == (0, f"{-number} True\n")
