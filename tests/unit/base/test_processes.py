"""Processes end with all that they started, and nobody waits for what they left behind."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from running import Runner, shell
from support import PATIENCE, processes_with

from freezer.base.errors import Interrupted
from freezer.base.processes import ask_program, describe_status


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


@pytest.mark.parametrize("stubborn", [False, True])
def test_an_exception_ends_the_whole_group(
    runner: Runner, tmp_path: Path, stubborn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freezer.base.processes.GRACE", 0.3)
    mark = f"mark-{tmp_path.name}"
    trap = "trap '' TERM; " if stubborn else ""
    script = f"{trap}(sleep 600; echo {mark}) & echo started; sleep 600; echo {mark}"

    def stop(_line: str) -> bool:
        raise Interrupted("now")

    with pytest.raises(Interrupted):
        runner(*shell(script), on_line=stop)
    assert processes_with(mark) == []


def test_a_tool_may_clean_up(runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One SIGTERM, not one after the other: the second would interrupt what the first one asked for."""
    monkeypatch.setattr("freezer.base.processes.GRACE", PATIENCE)
    count = tmp_path / "count"
    script = (
        f"trap 'echo x >>{count}' TERM; echo started; for i in 1 2 3 4 5 6 7 8; do sleep 0.05; done; echo end >>{count}"
    )

    def stop(_line: str) -> bool:
        raise Interrupted("now")

    with pytest.raises(Interrupted):
        runner(*shell(script), on_line=stop)
    assert count.read_text().split() == ["x", "end"]


@pytest.mark.parametrize("keeps", ["", ">/dev/null 2>&1"], ids=["its output", "nothing"])
def test_what_stays_in_the_background_is_ended(
    runner: Runner, tmp_path: Path, keeps: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build does not wait for it, and it changes nothing later."""
    monkeypatch.setattr("freezer.base.processes.GRACE", 0.3)
    mark = f"mark-{tmp_path.name}"
    done = runner(*shell(f"(trap '' TERM; sleep 600; echo {mark}) {keeps} & printf 'one\ntwo'"))
    assert done.status == 0 and processes_with(mark) == []
    assert runner.logged.endswith("\none\ntwo")


def test_a_background_that_never_stops_talking(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freezer.base.processes.LAST_OUTPUT", 0.2)
    assert runner(*shell("yes & echo said"), on_line=lambda line: line == "y").status == 0
    assert runner.logged.endswith("\nsaid\n")


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "exited with status 0"),
        (255, "exited with status 255"),
        (-signal.SIGKILL, "was killed by SIGKILL"),
        (-200, "was killed by signal 200"),
    ],
)
def test_describe_status(status: int, text: str) -> None:
    assert describe_status(status) == text


def test_a_program_is_asked() -> None:
    done = ask_program(["sh", "-c", "read -r word; echo $word; echo other >&2; exit 3"], "it\n", 60.0)
    assert (done.returncode, done.stdout, done.stderr) == (3, "it\n", "other\n")
    with pytest.raises(FileNotFoundError):
        ask_program(["no-such-program"], "", 60.0)
