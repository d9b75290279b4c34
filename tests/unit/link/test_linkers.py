"""The table of linkers, and what all of them have in common."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest
from plans import plan

from freezer.base import tools
from freezer.base.errors import ToolError
from freezer.base.job import Job
from freezer.closure.close import ClosedApp
from freezer.freeze.pyinstaller import FrozenApp
from freezer.link import linkers as module
from freezer.link.linkers import LINKERS, link
from freezer.link.modules import Package
from freezer.link.other import Looking
from freezer.link.staticx import TOOLS
from freezer.plan.choices import Linker


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClosedApp:
    """A closed bundle; the other linker is not looked at."""
    thread = threading.Thread(target=lambda: None)
    thread.start()
    monkeypatch.setattr(module, "look_at_other", lambda *_: Looking(thread, []))
    (tmp_path / "app.py").touch()
    frozen = FrozenApp(tmp_path, "app", tmp_path / "pkg", frozenset(), {}, (), (), (), False)
    return ClosedApp(frozen, "ld.so", tmp_path / "python", (), (), ())


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """Its code."""
    return Package(tmp_path / "code", [], {}, (), b"", (3, 11), "libpython3.11.so.1.0")


def test_every_choice_has_a_linker() -> None:
    assert set(LINKERS) == set(Linker)
    assert set(TOOLS) <= set(tools.PACKAGES)


@pytest.mark.parametrize("linker", list(Linker))
def test_the_plans_linker_is_called(
    linker: Linker, closed: ClosedApp, package: Package, tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(_plan: object, given: ClosedApp, code: Package, output: Path, _job: Job) -> None:
        assert (given, code) == (closed, package)
        output.write_bytes(b"x" * 1_500_000)
        output.chmod(0o600)

    monkeypatch.setattr(module, "LINKERS", {linker: write})
    linked = link(plan(tmp_path, entry="app.py", linker=linker.value), closed, package, job)
    assert linked.path == job.work / "link" / "app"
    assert (linked.size, linked.closed, linked.other.result()) == (1_500_000, closed, None)
    # Whatever the umask: it is there to be executed.
    assert linked.path.stat().st_mode & 0o777 == 0o755
    assert isinstance(job.log.stream, io.StringIO)
    assert "1.5 MB" in job.log.stream.getvalue()


def test_a_failure_is_the_linkers_own(
    closed: ClosedApp, package: Package, tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ToolError("cannot link")

    def write(*_: object) -> None:
        raise error

    monkeypatch.setattr(module, "LINKERS", {Linker.STATICX: write})
    with pytest.raises(ToolError) as caught:
        link(plan(tmp_path, entry="app.py"), closed, package, job)
    assert caught.value is error
