"""``freezer init``: its options, and what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import images
import pytest

from freezer import pipeline
from freezer.application.own import OwnFound
from freezer.base.errors import ExitStatus
from freezer.cli import init
from freezer.cli.main import main
from freezer.plan.build import Plan
from freezer.plan.choices import Own
from freezer.scaffold.ci_jobs import CiService
from freezer.scaffold.described import Workload
from freezer.scaffold.proposed import ALONE


@pytest.fixture(autouse=True)
def asked(here: Path, monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    plans: list[Plan] = []

    def survey(plan: Plan, **_: Any) -> Any:
        plans.append(plan)
        return SimpleNamespace(name=plan.name, own=OwnFound(top=here), own_files=(), own_imports=())

    monkeypatch.setattr(pipeline, "survey", survey)
    return plans


def test_the_files_are_printed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--k8s", "--own", "code", "--tag", "a/b:1", "--cmd", "-v"]) == ExitStatus.DONE
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [str(here / "pyproject.toml"), str(here / "k8s.yaml")]
    assert (here / "pyproject.toml").read_text() == (
        '[tool.freezer]\nentry = "app.py"\nname = "app"\nown = "code"\n\n'
        '[tool.freezer.image]\noutput = "dist/app.tar"\ntag = ["a/b:1"]\ncmd = "-v"\n'
    )
    assert main(["init", "--k8s"]) == ExitStatus.DONE
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"{here / 'pyproject.toml'} has settings already" in printed.err
    assert f"{here / 'k8s.yaml'} is as it should be" in printed.err


def test_a_dry_run_prints_a_diff(here: Path, asked: list[Plan], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "app.py", "-n", "--own", "none", "-q"]) == ExitStatus.DONE
    printed = capsys.readouterr()
    assert printed.out == (
        "--- /dev/null\n+++ b/pyproject.toml\n@@ -0,0 +1,4 @@\n"
        '+[tool.freezer]\n+entry = "app.py"\n+name = "app"\n+own = "none"\n'
    )
    assert printed.err == ""
    assert not (here / "pyproject.toml").exists()
    assert asked[0].own is Own.NONE


def test_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--json", "--dry-run"]) == ExitStatus.DONE
    told = json.loads(capsys.readouterr().out)
    assert (told["folder"], told["written"], told["unchanged"]) == (str(here), [], [])
    assert "+[tool.freezer]" in told["difference"]
    assert main(["init", "--json"]) == ExitStatus.DONE
    assert json.loads(capsys.readouterr().out)["written"] == [str(here / "pyproject.toml")]


def test_nothing_is_replaced_without_force(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "compose.yaml").write_text("theirs\n")
    assert main(["init", "--compose", "--tag", "a/b:1"]) == ExitStatus.OUTPUT
    assert "compose.yaml exists already" in capsys.readouterr().err
    assert not (here / "pyproject.toml").exists()
    assert main(["init", "--compose", "--tag", "a/b:1", "--force"]) == ExitStatus.DONE
    assert (here / "compose.yaml").read_text() != "theirs\n"
    assert main(["init", "--name", "other"]) == ExitStatus.INPUT
    assert "name would change" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "kind"),
    [(["--k8s"], "Job"), (["--k8s", "deployment"], "Deployment"), (["--k8s=job"], "Job"), (["--k8s", "app.py"], "Job")],
)
def test_the_kind_may_be_left_out(here: Path, words: list[str], kind: str) -> None:
    """And the word behind it is the entry then."""
    assert main(["init", *words, "--tag", "a/b:1"]) == ExitStatus.DONE
    assert f"\nkind: {kind}\n" in (here / "k8s.yaml").read_text()
    assert 'entry = "app.py"' in (here / "pyproject.toml").read_text()


def test_an_image_is_described_without_settings(
    here: Path, asked: list[Plan], capsys: pytest.CaptureFixture[str]
) -> None:
    images.Made(images.archive()).write(here / "i.tar")
    assert main(["init", "--from", "i.tar", "--k8s", "--compose", "--tag", "x/y:2"]) == ExitStatus.DONE
    assert capsys.readouterr().out.splitlines() == [str(here / "k8s.yaml"), str(here / "compose.yaml")]
    assert "image: docker.io/x/y:2" in (here / "compose.yaml").read_text()
    assert asked == []
    assert not (here / "pyproject.toml").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--port", "80", "--k8s"], "--port cannot be combined"),
        (["app.py", "--k8s"], "ENTRY cannot be combined"),
        (["--ci", "github"], "--ci cannot be combined"),
        ([], "writes nothing"),
    ],
)
def test_what_does_not_go_with_an_image(
    here: Path, words: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    images.Made(images.archive()).write(here / "i.tar")
    assert main(["init", "--from", "i.tar", *words]) == ExitStatus.USAGE
    assert named in capsys.readouterr().err


def test_the_parser_knows_what_the_rooms_know() -> None:
    """It names them itself, since building it imports nothing."""
    assert set(init.SERVICES) == {item.value for item in CiService}
    assert set(init.WORKLOADS) == {item.value for item in Workload}
    assert init.NOT_WRITTEN == ALONE


def test_other_commands_do_without_tomlkit() -> None:
    code = "import sys; from freezer.cli.main import main; main(['build', 'no.py']); print('tomlkit' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
