"""What an Analysis gets besides what its spec file asks for."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional

import pytest

from freezer.freeze.drivers import DRIVERS
from freezer.freeze.drivers.freeze_messages import FreezeRequest

sys.path.insert(0, str(DRIVERS))
additions: Any = importlib.import_module("additions")
collect: Any = importlib.import_module("collect")
installed: Any = importlib.import_module("installed")
del sys.path[0]

LOCALES = """
for name in ("de_DE.ISO-8859-15@euro", 'ja_JP.eucJP', "ru_RU.koi8r", "de_DE.UTF-8", "en_US.utf8", "C.UTF-8", "de_DE"):
    setlocale(LC_ALL, name)
"""


def request(folder: Path, **changes: Any) -> FreezeRequest:
    """A request as it arrives: JSON has lists for tuples."""
    plain: Any = {
        "search": ["/own"], "beside": ["/script"], "own_files": [], "own_data": [], "named": [], "whole": [],
        "exclude_data": [], "entry_points": [],
        "distribution": None, "add_data": [["/d", "data"]], "add_binary": [["/b", "."]], "hidden_imports": ["hidden"],
        "collect_all": [], "copy_metadata": [], "exclude": ["tkinter"], "optimize": 0, "hooks": str(folder), **changes,
    }  # fmt: skip
    wanted: FreezeRequest = plain
    return wanted


def test_they_come_behind_the_spec_files_own(tmp_path: Path) -> None:
    found = additions.Additions(request(tmp_path))
    options = {"datas": [("/mine", ".")], "hookspath": ["hooks"], "excludes": None, "upx": True}
    found.add_to(options)
    assert options == {
        "datas": [("/mine", "."), ("/d", "data")],
        "binaries": [("/b", ".")],
        "hiddenimports": ["runpy", "hidden"],
        "hookspath": ["hooks", str(tmp_path)],
        "excludes": ["tkinter"],
        "optimize": 0,
        "upx": True,
    }


@pytest.mark.parametrize(("own", "wanted", "level"), [(None, 1, 1), (-1, 0, 0), (2, 1, 2), (0, 2, 2), (1, 0, 1)])
def test_the_code_is_compiled_as_one_of_them_wants(tmp_path: Path, own: Optional[int], wanted: int, level: int) -> None:
    options: dict[str, Any] = {} if own is None else {"optimize": own}
    additions.Additions(request(tmp_path, optimize=wanted)).add_to(options)
    assert options["optimize"] == level


def test_own_parts_are_added(tmp_path: Path) -> None:
    made = additions.Additions(request(tmp_path, own_data=[["/script/x.css", "static"]], named=["backend_sql"]))
    assert made.datas == [("/d", "data"), ("/script/x.css", "static")]
    assert made.modules == ["runpy", "hidden", "backend_sql"]
    assert made.search == ["/script", "/own"]


def test_data_of_the_projects_wheel_may_stay_out(tmp_path: Path) -> None:
    names = ["app/__init__.py", "app/raw/a.bin", "app/a.psd", "app/keep.txt", "app-1.0.dist-info/METADATA"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("Metadata-Version: 2.1\nName: app\nVersion: 1.0\n" if "META" in name else "")
    (tmp_path / "app-1.0.dist-info" / "RECORD").write_text("".join(f"{name},,\n" for name in names))
    collector = collect.Collector(installed.Inventory([str(tmp_path)]))
    wanted = request(tmp_path, distribution="app", exclude_data=["*.psd", "app/raw"], add_data=[])
    found = additions.find_additions(wanted, collector)
    assert {Path(path).name for path, _ in found.datas} == {"keep.txt", "METADATA"}


def test_own_sources_ask_for_plugins_metadata_libraries_and_charsets(tmp_path: Path) -> None:
    info = tmp_path / "thing-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    (info / "RECORD").write_text("thing-1.0.dist-info/METADATA,,\n")
    (tmp_path / "app.py").write_text("version('thing')\nfind_library('pq')\n" + LOCALES)
    collector = collect.Collector(installed.Inventory([str(tmp_path)]))
    found = additions.find_additions(request(tmp_path, own_files=[str(tmp_path / "app.py")]), collector)
    assert found.datas == [("/d", "data"), (str(info / "METADATA"), "thing-1.0.dist-info")]
    assert (collector.opened, collector.charsets) == ({"pq"}, {"ISO-8859-15", "eucJP", "koi8r"})


@pytest.mark.parametrize("option", ["collect-all", "copy-metadata"])
def test_what_is_not_there_ends_the_run(tmp_path: Path, option: str) -> None:
    collector = collect.Collector(installed.Inventory([]))
    wanted = request(tmp_path, **{option.replace("-", "_"): ["no_such_package"]})
    with pytest.raises(SystemExit, match=f"ERROR: --{option} no_such_package: "):
        additions.find_additions(wanted, collector)


def test_hooks_run_what_they_displace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    standard, folder = tmp_path / "standard", tmp_path / "hooks"
    for place in (standard, folder):
        place.mkdir()
    (standard / "hook-known.py").write_text("datas = [('/of', 'the hook')]\nhiddenimports = ['its']\n")
    monkeypatch.setattr(additions.internals, "hook_directories", lambda: [str(standard)])
    inventory = installed.Inventory([], [(name, str(tmp_path)) for name in ("known", "new.part", "PyInstaller")])
    additions.write_hooks(str(folder), inventory)
    assert sorted(path.name for path in folder.iterdir()) == [
        "hook-PyInstaller.py",
        "hook-known.py",
        "hook-new.part.py",
    ]
    context = SimpleNamespace(package=lambda name, hooked: ([("/of", name)], [str(hooked)]))
    monkeypatch.setitem(sys.modules, "collect_context", context)
    names: dict[str, Any] = {}
    exec((folder / "hook-known.py").read_text(), names)
    assert names["datas"] == [("/of", "the hook"), ("/of", "known")]
    assert names["hiddenimports"] == ["its", "True"]
    names = {}
    exec((folder / "hook-new.part.py").read_text(), names)
    assert (names["datas"], names["hiddenimports"]) == ([("/of", "new.part")], ["False"])


def test_learned_groups_of_entry_points_come_with_all_that_is_offered(tmp_path: Path) -> None:
    info = tmp_path / "thing-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[a.group]\nx = thing:run\n")
    (info / "RECORD").write_text("thing-1.0.dist-info/METADATA,,\nthing-1.0.dist-info/entry_points.txt,,\nthing.py,,\n")
    (tmp_path / "thing.py").touch()
    collector = collect.Collector(installed.Inventory([str(tmp_path)]))
    found = additions.find_additions(request(tmp_path, entry_points=["a.group"]), collector)
    assert "thing" in found.modules
    assert (str(info / "entry_points.txt"), info.name) in found.datas
    assert "thing" not in additions.find_additions(request(tmp_path, entry_points=["other"]), collector).modules
