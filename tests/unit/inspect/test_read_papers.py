"""The papers in executables and images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from images import Made, archive, file
from running import Runner

from freezer.base.bill import NOTICES, SBOM, Bill, Component
from freezer.base.errors import InputError
from freezer.bill.cyclonedx import render
from freezer.inspect.read_papers import as_asked, notices_of, parsed, read_papers, sbom_of
from freezer.link.payload.pack import Record, Type, write
from freezer.plan.choices import Packing

DATA = render(Bill(Component("application", "app"), (Component("library", "one", "1"),), 0))
HERE = Path("x")


def test_an_executable(tmp_path: Path) -> None:
    launcher = tmp_path / "launcher"
    launcher.write_bytes(Path("/bin/true").read_bytes())
    records = [Record(Type.FILE, SBOM, data=DATA), Record(Type.EXECUTABLE, "program", data=b"x")]
    write(launcher, records, Packing.FAST, tmp_path / "app")
    job = Runner(tmp_path / "job").job
    assert read_papers(tmp_path / "app", job) == {SBOM: DATA}
    assert read_papers(Path("/bin/true"), job) == {}
    assert not [path for path in job.work.iterdir() if path.name.startswith("papers-")]


def test_an_image(tmp_path: Path) -> None:
    layer = archive(file(f"app/{SBOM}", DATA), file(f"app/{NOTICES}", b"n"), file(f"other/{SBOM}", b"no"))
    path = Made(archive(file("etc/x")), layer).write(tmp_path / "image.tar")
    assert read_papers(path, Runner(tmp_path / "job").job) == {SBOM: DATA, NOTICES: b"n"}


def test_formats() -> None:
    assert as_asked(DATA, HERE, Path("a.json"), 0) == DATA
    assert json.loads(as_asked(DATA, HERE, Path("a.spdx.json"), 0))["spdxVersion"] == "SPDX-2.3"


def test_notices() -> None:
    assert notices_of({SBOM: DATA, NOTICES: b"whole"}, HERE) == (b"whole", True)
    text, whole = notices_of({SBOM: DATA}, HERE)
    assert b"one 1" in text and not whole


def test_none_and_damaged_ones() -> None:
    with pytest.raises(InputError, match="no bill of materials"):
        sbom_of({}, HERE)
    for wrong in (b"{", b"[]", b"{}", b'{"bomFormat": "CycloneDX"}', b"\xff", b"[" * 100000):
        with pytest.raises(InputError, match="damaged"):
            parsed(wrong, HERE)
