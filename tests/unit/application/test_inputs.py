"""Notes on finished builds: used only if nothing that decided the result has changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sites import Site
from support import let_the_clock_go_on

from freezer.application import inputs
from freezer.base.versions import installed_versions


def remove(path: str) -> Callable[[Site], None]:
    return lambda finished: (finished.folder.parent / path).unlink()


def write(path: str, text: str = "changed") -> Callable[[Site], Any]:
    return lambda finished: (finished.folder.parent / path).write_text(text)


def exchange(path: str) -> Callable[[Site], Any]:
    """Another content of the same size and the same time, as all files of a normalised archive have."""

    def act(finished: Site) -> None:
        place = finished.folder.parent / path
        status = place.stat()
        let_the_clock_go_on()
        place.write_bytes(bytes(byte ^ 1 for byte in place.read_bytes()))
        os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))

    return act


CHANGES: dict[str, tuple[Callable[[Site], Any], str]] = {
    "source": (write("site/helper.py"), "site/helper.py has changed"),
    "source of the same size and time": (exchange("site/app.py"), "site/app.py has changed"),
    "data of the same size and time": (exchange("site/data/x"), "site/data/x has changed"),
    "library of the same size and time": (exchange("site/lib.so"), "site/lib.so has changed"),
    "source removed": (remove("site/helper.py"), "site/helper.py is no longer there"),
    "data": (write("site/data/x"), "site/data/x has changed"),
    "new data": (write("site/data/y"), "site/data/y is new"),
    "library": (write("site/lib.so"), "site/lib.so has changed"),
    "requirement": (write("site/r.txt"), "site/r.txt has changed"),
    "output": (write("site/out"), "site/out has changed"),
    "output, of the same size": (write("site/out", "tou"), "site/out has changed"),
    "output removed": (remove("site/out"), "site has changed"),
    "new module": (write("site/new.py"), "site has changed"),
    "new module in a package": (write("site/pkg/new.py"), "site/pkg has changed"),
    "new data in a package": (write("site/pkg/new.txt"), "site/pkg/new.txt is new"),
    "new data beside the script": (write("site/settings.json"), "site/settings.json is new"),
    "environment": (remove("cache/env/key/complete"), "cache/env/key is no longer there"),
    "time": (lambda finished: os.utime(finished.folder / "app.py", (1, 1)), "site/app.py has changed"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_noticed(finished: Site, name: str) -> None:
    change, said = CHANGES[name]
    assert finished.kept() is not None
    change(finished)
    assert finished.kept() is None
    assert finished.said == f"{finished.folder.parent}/{said}"


@pytest.mark.parametrize("name", [".env", "app.log", "README.md"])
def test_what_never_comes_along_unasked_is_no_change(finished: Site, name: str) -> None:
    (finished.folder / name).write_text("x")
    assert finished.kept() is not None


def test_new_data_is_no_change_for_code_that_does_not_ask_for_its_files(finished: Site) -> None:
    finished.write(asks="")
    (finished.folder / "notes.txt").write_text("x")
    assert finished.kept() is not None


def test_what_was_learned_decides(finished: Site) -> None:
    path = finished.folder / "freezer.learned.toml"
    path.write_text('[modules]\n"late" = "app.py:1"\n')
    assert finished.kept() is None
    finished.write()
    assert finished.kept() is not None
    path.write_text('[modules]\n"later" = "app.py:1"\n')
    assert finished.kept() is None


@pytest.mark.parametrize("name", inputs.BUNDLED)
def test_other_tools(finished: Site, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "installed_versions", lambda names: {**installed_versions(names), name: "99"})
    assert finished.kept() is None and finished.said == f"{name} has changed"


def test_freezer_itself(finished: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freezer.__file__", str(tmp_path / "__init__.py"))
    assert finished.kept() is None and finished.said == "freezer has changed"
