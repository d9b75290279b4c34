"""The beginning of a stream that is kept: the same executable in every case, and nothing of it is read again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

import pytest

from freezer.freeze.drivers.content_memory import ContentMemory
from freezer.link.payload import frames
from freezer.link.payload.beginning import KIND
from freezer.link.payload.pack import Beginning, Record, Trailer, Type, write
from freezer.plan.choices import Packing


class Site:
    """A tree of a few files, the last of which is the application's own, and what is kept of it."""

    def __init__(self, folder: Path) -> None:
        self.launcher, self.output, self.memory = folder / "launcher", folder / "out", folder / "memory"
        self.launcher.write_bytes(b"\x7fELF" + bytes(5000))
        self.library, self.own = folder / "library", folder / "own"
        self.library.write_bytes(bytes(range(256)) * 40)
        self.own.write_bytes(b"own")
        self.prepared = 0

    @property
    def records(self) -> list[Record]:
        return [
            Record(Type.DIRECTORY, "folder"),
            Record(Type.FILE, "folder/library", source=self.library, cuts=(0,)),
            Record(Type.FILE, "own", source=self.own, cuts=(0,)),
        ]

    def build(
        self, about: Optional[str] = "library", packing: Packing = Packing.FAST, keep: bool = True
    ) -> tuple[bytes, Trailer]:
        def prepare(records: Sequence[Record]) -> Sequence[Record]:
            self.prepared += 1
            return records

        memory = ContentMemory(str(self.memory)) if keep else None
        beginning = None if about is None else Beginning(about, 2, prepare)
        trailer = write(self.launcher, self.records, packing, self.output, memory=memory, beginning=beginning)
        return self.output.read_bytes(), trailer

    def kept(self) -> list[Path]:
        return sorted(path for path in self.memory.rglob("*") if path.is_file())


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(frames, "FRAME", 4000)
    return Site(tmp_path)


def test_it_is_made_once(site: Site) -> None:
    """Its files are not even opened by the build after."""
    plain = site.build(None)
    assert site.build() == plain
    assert site.prepared == 1
    site.library.unlink()
    assert site.build() == plain
    assert site.prepared == 1


def test_what_comes_behind_it_changes(site: Site) -> None:
    site.build()
    site.own.write_bytes(b"another")
    found = site.build()
    assert site.prepared == 1
    assert found == site.build(None)


def test_another_beginning_is_made_anew(site: Site) -> None:
    first = site.build()
    site.library.write_bytes(b"other")
    found = site.build("another library")
    assert site.prepared == 2
    assert found == site.build(None) != first


@pytest.mark.parametrize("loss", ["all", "each", "damaged"])
def test_what_is_missing_or_damaged(site: Site, loss: str) -> None:
    """Whichever part it is, the executable is the same."""
    plain = site.build()
    for path in site.kept() if loss != "all" else [site.memory]:
        if loss == "all":
            shutil.rmtree(path)
        elif loss == "each":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-1])
        assert site.build() == plain
        assert site.build() == plain
    assert site.prepared >= 2


@pytest.mark.parametrize("known", [None, 7, (), (b"", 1, 1, ()), ("state", 1, 1, ()), (b"", 1)])
def test_something_else_in_its_place(site: Site, known: object) -> None:
    plain = site.build()
    memory = ContentMemory(str(site.memory))
    memory.put(memory.key(KIND, "library"), known)
    assert memory.get(memory.key(KIND, "library")) == known
    assert site.build() == plain
    assert site.prepared == 2


@pytest.mark.parametrize("packing", [Packing.NONE, Packing.SMALL])
def test_other_packings_have_none(site: Site, packing: Packing) -> None:
    """Their frames, if they have any, do not end where it does."""
    site.build()
    assert site.build(packing=packing) == site.build(None, packing)
    assert site.prepared == 1


def test_nothing_is_kept_without_a_memory(site: Site) -> None:
    assert site.build(keep=False) == site.build(None)
    assert site.prepared == 0
    assert site.kept() != []
