"""Kept bundles that a build reads stay; others may be replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from freezer.base.job import Job
from freezer.link.alterable import Unusable
from freezer.link.held_bundles import held_bundle, remove_bundle


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    return folder


def test_what_is_held_stays(home: Path, job: Job) -> None:
    one, two = held_bundle(home), held_bundle(home)
    for descriptor in (one, two):
        assert not remove_bundle(home, job)
        os.close(descriptor)
    assert remove_bundle(home, job)
    assert not home.exists()


def test_what_is_being_replaced_is_not_used(home: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if it was replaced between its being opened and its being held."""
    seen: list[bool] = []
    rename = os.rename

    def replace(source: Path, target: Path) -> None:
        with pytest.raises(Unusable):
            held_bundle(home)
        seen.append(True)
        rename(source, target)

    monkeypatch.setattr(os, "rename", replace)
    assert remove_bundle(home, job) and seen
    home.mkdir()
    other = home.with_name("other")
    other.mkdir()
    monkeypatch.setattr(os, "stat", lambda *_: os.lstat(other))
    with pytest.raises(Unusable):
        held_bundle(home)


def test_nothing_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        held_bundle(tmp_path / "none")
