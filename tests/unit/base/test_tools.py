"""Programs that freezer uses are found or named, and run in an environment that decides nothing."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import Any

import pytest

from freezer.base.errors import EnvironmentFailure
from freezer.base.tools import clean_environment, find, require, user_environment


def test_find_prefers_what_pip_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir()
        (folder / "patchelf").write_text("#!/bin/sh\n")
        (folder / "patchelf").chmod(0o755)
    monkeypatch.setenv("PATH", str(other))
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(own))
    assert find("patchelf") == own / "patchelf"
    (own / "patchelf").chmod(0o644)
    assert find("patchelf") == other / "patchelf"
    (other / "patchelf").unlink()
    assert find("patchelf") is None


def test_require_names_everything_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path))
    with pytest.raises(EnvironmentFailure) as caught:
        require(["objcopy", "strip", "patchelf"])
    assert "objcopy, strip, patchelf" in caught.value.what
    assert "binutils patchelf" in (caught.value.hint or "")
    assert require([]) == {}


def test_clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    options: dict[str, Any] = {"home": tmp_path / "h", "temporary": tmp_path / "t", "epoch": 7}
    env = clean_environment(**options, path=[Path("/opt/bin")], extra={"MORE": "1"})
    assert "SECRET" not in env
    assert env["PATH"].split(":")[0] == "/opt/bin"
    assert env["PYTHONHASHSEED"] == "0"
    assert (env["SOURCE_DATE_EPOCH"], env["MORE"], env["TZ"], env["LC_ALL"]) == ("7", "1", "UTC", "C.UTF-8")
    assert (env["HOME"], env["TMPDIR"]) == (str(tmp_path / "h"), str(tmp_path / "t"))


def test_user_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "PYTHONHOME", "LD_PRELOAD", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "x")
    env = user_environment()
    assert env["HTTPS_PROXY"] == "x"
    assert not {"PYTHONPATH", "PYTHONHOME", "LD_PRELOAD", "LD_LIBRARY_PATH", "VIRTUAL_ENV"} & set(env)
    assert env["PIP_NO_INPUT"] == "1"
