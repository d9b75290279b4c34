"""Where the cache is: by the variables of the XDG specification, else in the home directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import without_home

from freezer.base.errors import EnvironmentFailure
from freezer.store.home import cache_root


def test_the_cache_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_root() == Path("/home/somebody/.cache/freezer")
    monkeypatch.setenv("XDG_CACHE_HOME", " ")
    assert cache_root() == Path("/home/somebody/.cache/freezer")
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    with pytest.raises(EnvironmentFailure, match="no directory for freezer's cache"):
        cache_root()


def test_a_user_without_a_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    without_home(monkeypatch)
    with pytest.raises(EnvironmentFailure, match="no directory for freezer's cache"):
        cache_root()
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_root() == Path("/somewhere/freezer")
