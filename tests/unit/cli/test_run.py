"""``freezer run``: its words. What becomes of them is in run/test_image_run.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from freezer.base.errors import ExitStatus
from freezer.cli import run as command
from freezer.cli.main import build_parser, main


def parsed(*words: str) -> dict[str, Any]:
    return vars(build_parser().parse_args(["run", *words]))


def test_what_is_behind_the_image_is_the_applications() -> None:
    given = parsed("-e", "A=1", "-v", "./a:/a", "-v", "./b:/b:ro", "app.tar", "--cmd", "-v", "--", "-e", "x")
    assert given["image"] == "app.tar"
    assert given["arguments"] == ["--cmd", "-v", "--", "-e", "x"]
    assert (given["env"], given["volume"], given["verbose"]) == (["A=1"], ["./a:/a", "./b:/b:ro"], False)
    assert parsed("app.tar")["arguments"] == []


def test_words_of_docker() -> None:
    given = parsed("-it", "--rm", "--init", "--read-only", "-m", "1g", "-u", "5", "-w", "/x", "-p", "80:80", "-d", "-")
    assert (given["memory"], given["user"], given["workdir"], given["image"]) == ("1g", "5", "/x", "-")
    assert given["publish"] == ["80:80"] and given["detach"]


def test_the_words_reach_the_application_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options of other commands, whose values may be left out, are none here."""
    seen = []

    def run_image(image: str, given: dict[str, Any], **_options: Any) -> int:
        seen.append((image, given["arguments"]))
        return 7

    monkeypatch.setattr("freezer.run.image_run.run_image", run_image)
    assert main(["run", "app.tar", "serve", "--plain-http", "x", "--smoke", "-y", "--verify"]) == 7
    assert seen == [("app.tar", ["serve", "--plain-http", "x", "--smoke", "-y", "--verify"])]


@pytest.mark.parametrize("words", [[], ["--no-such", "app.tar"], ["--network", "bridge", "app.tar"]])
def test_wrong_words(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parsed(*words)
    assert caught.value.code == ExitStatus.USAGE
    assert "usage: freezer" in capsys.readouterr().err


def test_a_failure_has_its_own_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert main(["run", "no-such.tar"]) == ExitStatus.NOT_RUN
    assert "no-such.tar cannot be read" in capsys.readouterr().err
    assert main(["run", "-v", "./none:/x", "no-such.tar"]) == ExitStatus.NOT_RUN
    assert main(["run", "-p", "80", "no-such.tar"]) == ExitStatus.USAGE


def test_the_statuses_are_explained() -> None:
    assert all(str(number) in command.DESCRIPTION for number in (125, 126, 127))
