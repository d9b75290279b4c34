"""The versions of distributions, by the names of their directories, or by what they say."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

from freezer.application.inputs import BUNDLED
from freezer.base.versions import installed_versions


@pytest.mark.parametrize("name", [*BUNDLED, "pip", "no-such-distribution"])
def test_as_the_metadata_says(name: str) -> None:
    try:
        known = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        known = None
    assert installed_versions([name]) == {name: known}


def test_names_are_compared_as_installers_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Some_Thing.Else-1.0.post1+local.dist-info").mkdir()
    (tmp_path / "some_thing_else_more-2.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "gone"), str(tmp_path)])
    assert installed_versions(["some-thing-else", "pip"]) == {"some-thing-else": "1.0.post1+local", "pip": None}


def test_of_a_package_that_a_system_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd.egg-info").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 3.4\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert installed_versions(["odd"]) == {"odd": "3.4"}
