"""RECORD says what of a distribution is in the bundle."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from freezer.freeze.drivers import DRIVERS

sys.path.insert(0, str(DRIVERS))
bundle_records: Any = importlib.import_module("bundle_records")
installed: Any = importlib.import_module("installed")
del sys.path[0]


def test_a_record_names_what_has_come_along(tmp_path: Path) -> None:
    site = tmp_path / "site"
    for info in ("thing-1.0.dist-info", "left-1.0.dist-info"):
        (site / info).mkdir(parents=True)
        (site / info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {info.partition('-')[0]}\nVersion: 1.0\n")
    names = (
        'thing/__init__.py,sha256=x,1 thing/unused.py,, thing/"a,b".txt,, ../../bin/thing,sha256=y,2'
        " thing-1.0.dist-info/METADATA,, thing-1.0.dist-info/RECORD,, thing-1.0.dist-info/INSTALLER,,"
    ).split(" ")
    (site / "thing-1.0.dist-info" / "RECORD").write_text("\n".join(names).replace('thing/"a,b".txt', '"thing/a,b.txt"'))
    # From Python 3.12 on, importlib.metadata leaves out what is not there.
    (site / "thing").mkdir()
    for name in ("__init__.py", "unused.py", "a,b.txt"):
        (site / "thing" / name).write_text("")
    (site / "left-1.0.dist-info" / "RECORD").write_text("left-1.0.dist-info/METADATA,,\n")
    analysis = SimpleNamespace(
        datas=[(f"thing-1.0.dist-info/{name}", "x", "DATA") for name in ("METADATA",)]
        + [("thing/a,b.txt", "x", "DATA")],
        binaries=[],
        pure=[("thing", str(site / "thing" / "__init__.py"), "PYMODULE"), ("space", None, "PYMODULE")],
    )
    bundle_records.add_records(analysis, installed.Inventory([str(site)]), str(tmp_path / "made"))
    place, source, kind = analysis.datas[-1]
    assert (place, kind) == ("thing-1.0.dist-info/RECORD", "DATA")
    assert Path(source).read_text().splitlines() == [
        "thing-1.0.dist-info/METADATA,,",
        "thing-1.0.dist-info/RECORD,,",
        "thing/__init__.py,,",
        '"thing/a,b.txt",,',
    ]
    assert not [item for item in analysis.datas if "left" in item[0]]
