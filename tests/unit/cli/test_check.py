"""``freezer check``: the status says whether the file is proven."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from freezer.base.errors import ExitStatus
from freezer.cli.main import main
from freezer.prove import existing
from freezer.prove.verify import Proof


def proof(isolation: Optional[str]) -> Proof:
    return Proof(isolation, "ran", 0.1, 3, ("note",))


def test_check(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(existing, "check_executable", lambda *_a, **_k: proof("root"))
    assert main(["check", "app.py"]) == 0
    assert capsys.readouterr().out == f"{here}/app.py\n"
    assert main(["check", "app.py", "--json"]) == 0
    assert '"isolation": "root"' in capsys.readouterr().out
    monkeypatch.setattr(existing, "check_executable", lambda *_a, **_k: proof(None))
    assert main(["check", "app.py"]) == ExitStatus.VERIFICATION
    assert "not proven" in capsys.readouterr().err


def test_an_image_may_be_a_directory(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(existing, "check_image", lambda *_a, **_k: proof("root"))
    (here / "layout").mkdir()
    assert main(["check", "layout"]) == ExitStatus.INPUT
    assert "is not a file" in capsys.readouterr().err
    (here / "layout" / "oci-layout").write_text("{}")
    assert main(["check", "layout"]) == 0
    assert capsys.readouterr().out == f"{here}/layout\n"
