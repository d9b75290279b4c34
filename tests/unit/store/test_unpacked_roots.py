"""Roots in the cache: made once, whole or not at all, and only so many of a kind."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from stores import Cache, held

from freezer.base.errors import EnvironmentFailure
from freezer.base.job import Job
from freezer.store.inventory import ItemKind, contents
from freezer.store.unpacked_roots import cached_root, drop_unused
from freezer.store.workspace import lock_of


def make(place: Path) -> None:
    place.mkdir()
    (place / "file").write_text("content")


def home_of(job: Job) -> Path:
    return job.cache / "images" / "key"


def kept(job: Job, make: Callable[[Path], None], **options: bool) -> tuple[Path, bool]:
    """The root, held no longer."""
    with ExitStack() as holding:
        return cached_root(home_of(job), "app:1", make, dataclasses.replace(job, holding=holding), **options)


def test_it_is_made_once(job: Job) -> None:
    path, made = kept(job, make)
    assert (path, made, (path / "file").read_text()) == (home_of(job) / "root", True, "content")
    assert kept(job, make) == (path, False)
    assert json.loads((path.parent / "origin.json").read_text())["source"] == "app:1"
    (path / "file").write_text("other")
    assert kept(job, make, anew=True) == (path, True)
    assert (path / "file").read_text() == "content"


def test_it_stays_as_long_as_it_is_held(job: Job) -> None:
    home = home_of(job)
    with ExitStack() as holding:
        cached_root(home, "app:1", make, dataclasses.replace(job, holding=holding))
        (item,) = (item for item in contents(job.cache) if item.kind is ItemKind.IMAGES)
        assert (item.path, item.what, item.in_use) == (home, "app:1", True)
        drop_unused(job.cache, ItemKind.IMAGES, 0)
        assert home.exists()
    drop_unused(job.cache, ItemKind.IMAGES, 0)
    assert not home.exists()


def test_what_cannot_be_made_is_not_there(job: Job) -> None:
    def fail(place: Path) -> None:
        make(place)
        raise PermissionError(13, "no")

    with pytest.raises(EnvironmentFailure, match="cannot unpack app:1: no"):
        kept(job, fail)
    assert not home_of(job).exists()


def test_those_used_last_are_kept(cache: Cache) -> None:
    homes = [cache.root(str(number), hours=number) for number in range(5)]
    images = cache.path / "images"
    images.mkdir()
    for home in homes[1:]:
        os.rename(home, images / home.name)
        os.rename(lock_of(home), images / lock_of(home).name)
    with held(lock_of(images / "4")):
        drop_unused(cache.path, ItemKind.IMAGES, 2)
    assert sorted(path.name for path in images.iterdir() if path.is_dir()) == ["1", "2", "4"]
    assert homes[0].exists(), "a system to build in is of another kind"
