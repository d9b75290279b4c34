"""The papers in a tree: every file of it belongs to a component."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from bills import files_of, parts

from freezer.base.bill import NOTICES, SBOM, Bill, Component
from freezer.closure.close import ClosedApp
from freezer.freeze.pyinstaller import FrozenApp
from freezer.link import papers as module
from freezer.link.papers import papers, papers_in
from freezer.link.payload.pack import Record, Type
from freezer.link.start import Container

RECORDS = [
    Record(Type.DIRECTORY, "lib"),
    Record(Type.FILE, "lib/python3.11/os.pyc"),
    *(Record(Type.EXECUTABLE, name) for name in ("program", "start.so")),
    *(Record(Type.FILE, name) for name in ("modules", ".freezer.json", "_internal/one.so")),
    Record(Type.LINK, "bin/python3", data=b"../program"),
]
BILL = Bill(
    Component("application", "app", files=("modules",)),
    (
        Component("library", "one", "1", files=("_internal/one.so",), notice="all of it"),
        Component("library", "static-freezer", "1", files=("modules",)),
        Component("platform", "CPython", "3.11.2", files=("modules",)),
    ),
    2,
)


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClosedApp:
    launcher = tmp_path / "launcher"
    launcher.write_bytes(b"@freezer:parts zstd=1.5.4 musl=\0")
    monkeypatch.setattr(module, "launcher_path", lambda: launcher)
    frozen = FrozenApp(tmp_path, "app", tmp_path, frozenset(), {}, (), (), (), False)
    return ClosedApp(frozen, "ld.so", tmp_path, (), (), (), bill=BILL)


def test_without_a_bill(closed: ClosedApp) -> None:
    assert papers(dataclasses.replace(closed, bill=None), RECORDS, Container.LAUNCHER) == []


def test_each_container(closed: ClosedApp) -> None:
    found = {}
    for container in Container:
        (record,) = papers(closed, RECORDS, container)
        document = json.loads(record.data)
        owned = {path for part in parts(document).values() for path in files_of(part)}
        own = {"libnssfix.so", ".staticx.prog", ".staticx.interp"} if container is Container.STATICX else set()
        assert owned == {item.name for item in RECORDS if item.type is not Type.DIRECTORY} | {SBOM} | own
        found[container] = set(parts(document)) - {"app", "one", "static-freezer", "CPython"}
    expected = {Container.LAUNCHER: {"zstd", "musl"}, Container.STATICX: {"staticx"}, Container.LAYERS: set()}
    assert found == expected


def test_a_file_of_nobody_is_a_fault(closed: ClosedApp) -> None:
    """Take one component away, and its file belongs to nobody."""
    less = dataclasses.replace(BILL, components=(BILL.components[1], BILL.components[2]), program=1)
    with pytest.raises(AssertionError, match=r"nobody owns \['_internal/one\.so'\]"):
        papers(dataclasses.replace(closed, bill=less), RECORDS, Container.LAYERS)


def test_notices(closed: ClosedApp) -> None:
    wanted = dataclasses.replace(closed, bill=dataclasses.replace(BILL, notices=True, common=(("GPL", "general"),)))
    found = papers_in([*RECORDS, *papers(wanted, RECORDS, Container.LAYERS)])
    assert set(found) == {SBOM, NOTICES}
    assert b"all of it" in found[NOTICES] and found[NOTICES].endswith(b"general\n")
    assert NOTICES in files_of(parts(json.loads(found[SBOM]))["static-freezer"])
