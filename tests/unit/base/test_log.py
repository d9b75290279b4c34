"""What is said, to whom."""

from __future__ import annotations

import io

import pytest

from freezer.base.log import Log, Verbosity, human_size


def said(verbosity: Verbosity) -> str:
    log = Log(verbosity, io.StringIO())
    log.line("line")
    log.detail("detail")
    log.warning("careful")
    with log.step("freeze") as step:
        step.advance(1, 2)
        step.result = "done"
    assert log.warnings == ["careful"]
    assert [stage.title for stage in log.timings.stages] == ["freeze"]
    stream = log.stream
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


def test_verbosity() -> None:
    assert said(Verbosity.QUIET) == "freezer: warning: careful\n"
    assert said(Verbosity.NORMAL) == "line\nfreezer: warning: careful\n  freeze          0.0 s  done\n"
    assert said(Verbosity.VERBOSE).startswith("line\ndetail\n")


def test_a_failed_step() -> None:
    log = Log(stream=io.StringIO())
    with pytest.raises(KeyError), log.step("link"):
        raise KeyError
    assert isinstance(log.stream, io.StringIO)
    assert log.stream.getvalue().rstrip().endswith("failed")


def test_a_step_that_is_interrupted_before_it_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then there is no stage whose time could be told, and the interruption is all that may be seen."""

    def interrupted(_title: str) -> None:
        raise KeyboardInterrupt

    log = Log(stream=io.StringIO())
    monkeypatch.setattr(log.timings, "stage", interrupted)
    with pytest.raises(KeyboardInterrupt), log.step("python"):
        raise AssertionError
    assert isinstance(log.stream, io.StringIO)
    assert log.stream.getvalue().endswith("failed\n")


def test_a_step_without_a_result_has_no_blanks_at_the_end() -> None:
    log = Log(stream=io.StringIO())
    with log.step("link"):
        pass
    assert isinstance(log.stream, io.StringIO)
    assert log.stream.getvalue().endswith(" s\n")


def test_a_terminal_shows_steps_and_leaves_plain_lines() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    log = Log(stream=Terminal())
    with log.step("verify") as step:
        step.advance(5, 10)
        step.result = "fine"
    assert isinstance(log.stream, Terminal)
    assert log.stream.getvalue().rstrip().endswith("fine")


def test_a_reader_that_has_gone() -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    Log(stream=Gone()).line("x")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_499, "999.5 kB"), (999_500, "1.0 MB"),
        (21_800_000, "21.8 MB"), (5 * 10**12, "5.0 TB"), (5 * 10**15, "5000.0 TB"),
    ],
)  # fmt: skip
def test_human_size(size: int, text: str) -> None:
    assert human_size(size) == text
