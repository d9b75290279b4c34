"""What the other linker would give: sizes that are right, and no failure of a build."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from plans import plan

from freezer.base.errors import EnvironmentFailure
from freezer.base.job import Job
from freezer.base.log import Log
from freezer.closure.close import ClosedApp
from freezer.freeze.pyinstaller import FrozenApp
from freezer.link import other as module
from freezer.link.modules import Package
from freezer.link.other import Looking, look_at_other
from freezer.link.other_size import Other
from freezer.link.payload.pack import TRAILER, Record, Type, packed_size, write
from freezer.plan.choices import Linker, Packing
from freezer.store.workspace import workspace

RECORDS = [Record(Type.FILE, "a", data=b"a" * 100_000), Record(Type.LINK, "b", data=b"a")]


@pytest.fixture
def closed(tmp_path: Path) -> ClosedApp:
    frozen = FrozenApp(tmp_path, "app", tmp_path / "pkg", frozenset(), {}, (), (), (), False)
    return ClosedApp(frozen, "ld.so", tmp_path / "python", (), (), ())


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return Package(tmp_path / "code", [], {}, (), b"", (3, 11), "libpython3.11.so.1.0")


def look(linker: Linker, closed: ClosedApp, package: Package, cache: Path) -> Looking:
    (cache.parent / "app.py").touch()
    made = plan(cache.parent, entry="app.py", linker=linker.value)
    with workspace(cache, "app", keep=True, log=Log(stream=io.StringIO())) as job:
        looking = look_at_other(made, closed, package, job)
        looking.result()
    return looking


@pytest.mark.parametrize("packing", list(Packing))
def test_the_packed_size_is_that_of_a_file(packing: Packing, tmp_path: Path) -> None:
    (tmp_path / "launcher").write_bytes(b"x" * 1000)
    write(tmp_path / "launcher", RECORDS, packing, tmp_path / "out")
    assert packed_size(RECORDS, packing) == (tmp_path / "out").stat().st_size - 1000 - TRAILER.size


def test_sizes(closed: ClosedApp, package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "launcher").write_bytes(b"x" * 1000)
    monkeypatch.setattr(module, "launcher_path", lambda: tmp_path / "launcher")
    monkeypatch.setattr(module, "make_tree", lambda *_, **__: RECORDS)
    found = look(Linker.STATICX, closed, package, tmp_path / "cache").result()
    assert found == Other(Linker.NATIVE, 1000 + packed_size(RECORDS, Packing.FAST) + TRAILER.size)
    own = sum(path.stat().st_size for path in module._own_programs())
    assert own > 100_000
    # Two headers, and the content rounded up to whole blocks; a link has its target in its header, counted as one.
    found = look(Linker.NATIVE, closed, package, tmp_path / "cache").result()
    assert found == Other(Linker.STATICX, own + 512 + 100_352 + 512 + 512)


FAILURES = (
    EnvironmentFailure("no launcher"),
    FileNotFoundError("gone"),
    # While the interpreter ends.
    RuntimeError("cannot schedule new futures after shutdown"),
)


@pytest.mark.parametrize("error", FAILURES)
def test_a_failure_is_no_answer(
    error: Exception, closed: ClosedApp, package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_closed: ClosedApp, _package: Package, _job: Job, *, init: bool) -> int:
        assert init
        raise error

    monkeypatch.setattr(module, "native_size", fail)
    assert look(Linker.STATICX, closed, package, tmp_path / "cache").result() is None


def test_sentences() -> None:
    assert Other(Linker.NATIVE, 8_200_000).sentence(23_100_000) == (
        "--linker native would give 8.2 MB, unpacked once; this is 23.1 MB, unpacked at every start"
    )
    assert Other(Linker.STATICX, 23_100_000).sentence(8_200_000) == (
        "--linker staticx would give 23.1 MB, unpacked at every start; this is 8.2 MB, unpacked once"
    )
