"""The files of a bundle: those that were replaced, and the filters of those that an earlier build has kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from bundles import Site, said

from freezer.base.job import Job
from freezer.freeze.drivers.content_memory import ContentMemory
from freezer.link import bundle_files
from freezer.link.bundle_files import beginning_of, files_of_bundle, with_filters, with_list
from freezer.link.kept_bundles import Bundle
from freezer.link.payload.choose import filters_of
from freezer.link.payload.pack import Record, Type, records_of, stream
from freezer.link.start import MODULES

NUMBERS = b"".join(number.to_bytes(4, "little") for number in range(10_000))


@pytest.fixture
def small(tmp_path: Path) -> Site:
    return Site(tmp_path / "small")


def test_files_that_were_replaced(small: Site, job: Job) -> None:
    small.keep(job)
    small.write("data.json", "[1]")
    found = small.recall(job)
    assert found is not None
    records = {item.name: item for item in files_of_bundle(found.closed)}
    source, other = records["_internal/data.json"].source, records["_internal/app.py"].source
    assert source is not None and Path(source).read_text() == "[1]" and Path(source) != small.here / "data.json"
    assert other is not None and found.closed.frozen.tree in Path(other).parents
    kept = found.closed.frozen.tree / "_internal/data.json"
    assert kept.read_text() == "{}"


def test_filters_are_chosen_once(small: Site, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same result; and for what has changed anew."""
    (small.here / "numbers").write_bytes(NUMBERS)
    small.keep(job)
    memory = ContentMemory(str(job.cache / "memory"))
    made = Record(Type.FILE, "made", source=small.here / "numbers")
    asked: list[str] = []

    def choose(path: str, *others: object) -> object:
        asked.append(path)
        return filters_of(path)

    monkeypatch.setattr(bundle_files, "filters_of", choose)
    for expected in (7, 0):
        found = small.recall(job)
        assert found is not None
        plain = [*files_of_bundle(found.closed), made]
        records = with_filters(plain, found.closed, memory)
        assert len(asked) == expected
        asked.clear()
        known = {item.name: item.filters for item in records}
        assert known["_internal/numbers"] and known["_internal/app.py"] == () and known["made"] is None
        assert b"".join(stream(records, filters=True)) == b"".join(stream(plain, filters=True))
        found.release()
    (small.here / "numbers").write_bytes(NUMBERS[:20_000])
    found = small.recall(job)
    assert found is not None
    known = {item.name: item.filters for item in with_filters(files_of_bundle(found.closed), found.closed, memory)}
    assert known["_internal/numbers"] is None and known["_internal/app.py"] == ()
    assert asked == []


def test_nothing_is_known_of_what_is_not_kept(small: Site, job: Job) -> None:
    closed = small.bundle(job).closed
    records = files_of_bundle(closed)
    assert with_filters(records, closed, ContentMemory(str(job.cache / "memory"))) == records


def tree_of(found: Bundle, *more: Record) -> list[Record]:
    """The records of a bundle as ``make_tree`` orders them, with something of ``more`` before the modules."""
    files = [item for item in files_of_bundle(found.closed) if item.type is not Type.LINK]
    return [*files, *more, Record(Type.FILE, MODULES, data=b"code", cuts=(0,)), Record(Type.FILE, "own", data=b"1")]


def test_the_beginning_is_known_by_all_that_it_depends_on(
    small: Site, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But nothing is read of what is kept."""
    small.keep(job)
    memory = ContentMemory(str(job.cache / "memory"))
    made = job.work / "made"
    made.write_text("1")
    found = small.recall(job)
    assert found is not None

    def about(*more: Record) -> str:
        records = tree_of(found, *more)
        beginning = beginning_of(records, found.closed, memory)
        assert beginning is not None and records[beginning.count].name == MODULES
        return beginning.about

    item = Record(Type.FILE, "made", source=made)
    others = [
        about(),
        about(item),
        about(dataclasses.replace(item, name="other")),
        about(dataclasses.replace(item, type=Type.EXECUTABLE)),
        about(dataclasses.replace(item, cuts=(0,))),
        about(dataclasses.replace(item, fixups=((0, 2),))),
        about(Record(Type.FILE, "made", data=b"1 ")),
    ]
    made.write_text("2")
    others.append(about(item))
    monkeypatch.setattr(bundle_files, "toolchain_state", lambda: {"freezer": "another"})
    others.append(about(item))
    assert len(set(others)) == len(others)
    assert about(item) == others[-1]


def test_a_file_that_was_replaced_is_not_taken_for_the_kept_one(small: Site, job: Job) -> None:
    small.keep(job)
    memory = ContentMemory(str(job.cache / "memory"))
    seen = set()
    for text in ("{}", "[1]", "[2]"):
        small.write("data.json", text)
        found = small.recall(job)
        assert found is not None
        beginning = beginning_of(tree_of(found), found.closed, memory)
        assert beginning is not None
        seen.add(beginning.about)
        found.release()
    assert len(seen) == 3


def test_a_bundle_and_a_kept_one_begin_alike(small: Site, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the first build after a whole one has its beginning. Of files whose digests are known, none is read."""
    bundle = small.keep(job)
    memory = ContentMemory(str(job.cache / "memory"))
    found = small.recall(job)
    assert found is not None and found.closed.listed and not bundle.closed.listed
    closed = with_list(bundle.closed)
    read = beginning_of(tree_of(bundle), bundle.closed, memory)
    monkeypatch.setattr(bundle_files, "digest_file", lambda path: f"read: {path}")
    abouts = [
        beginning_of(tree_of(item), item.closed, memory) for item in (dataclasses.replace(bundle, closed=closed), found)
    ]
    assert [item and item.about for item in abouts] == [read and read.about] * 2


def test_there_is_no_beginning_without_modules_behind_it(small: Site, job: Job) -> None:
    bundle = small.bundle(job)
    records = files_of_bundle(bundle.closed)
    memory = ContentMemory(str(job.cache / "memory"))
    assert beginning_of(records, bundle.closed, memory) is None
    assert beginning_of([Record(Type.FILE, MODULES, cuts=(0,)), *records], bundle.closed, memory) is None


def test_the_list_of_what_is_kept_gives_the_same_records(small: Site, job: Job) -> None:
    """In the same order, with empty directories, links and modes."""

    def more(job: Job) -> Bundle:
        bundle = small.bundle(job)
        inside = bundle.closed.frozen.contents
        for place in ("pkg.data/empty", "pkg-data", "b/deep"):
            (inside / place).mkdir(parents=True)
        (inside / "b/tool").write_text("")
        (inside / "b/tool").chmod(0o755)
        (inside / "b/a-link").symlink_to("tool")
        (inside / "folder").symlink_to("b")
        (inside / "\udcff").write_text("")
        return bundle

    small.keep(job, more)
    found = small.recall(job)
    assert found is not None
    listed = files_of_bundle(found.closed)
    assert listed == records_of(found.closed.frozen.tree)
    assert {"_internal/pkg.data/empty", "_internal/folder", "_internal/\udcff"} <= {item.name for item in listed}


def test_an_empty_directory_that_is_gone_is_damage(small: Site, job: Job) -> None:
    def more(job: Job) -> Bundle:
        bundle = small.bundle(job)
        (bundle.closed.frozen.contents / "empty").mkdir()
        return bundle

    small.keep(job, more)
    found = small.recall(job)
    assert found is not None
    found.release()
    (found.closed.frozen.contents / "empty").rmdir()
    assert small.recall(job) is None
    assert "what is kept is damaged" in said(job)
