"""What comes of a build: remembered, and recalled only while it is still true."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any, Optional

import pytest
from sites import Site
from support import let_the_clock_go_on

from freezer import results
from freezer.application.entry import Application
from freezer.application.origin import Origin
from freezer.base.publish import digest_file
from freezer.closure.close import ClosedApp
from freezer.closure.provisions import Provided
from freezer.environment.interpreter import Interpreter
from freezer.freeze.pyinstaller import Added, FrozenApp
from freezer.link.linkers import StaticApp
from freezer.link.modules import Package
from freezer.link.other import Looking
from freezer.link.other_size import Other
from freezer.plan.choices import Linker
from freezer.prove.proof import Proof
from freezer.prove.strength import Strength
from freezer.results import built_of
from freezer.store import inventory


def test_nothing_changed(finished: Site) -> None:
    kept = finished.kept()
    assert kept is not None
    assert kept.path == finished.folder / "out"
    assert kept.proof == Proof(Strength.EMPTY_ROOT, "root", "ran", 0.1, 3, ("a note",))
    assert isinstance(kept.proof.strength, Strength)
    assert finished.kept(jobs=3) is not None


def test_an_output_that_became_a_link_is_not_up_to_date(finished: Site) -> None:
    (finished.folder / "out").rename(finished.folder.parent / "moved")
    (finished.folder / "out").symlink_to(finished.folder.parent / "moved")
    assert finished.kept() is None
    assert finished.said == f"{finished.folder / 'out'} is no longer there"


def test_an_output_that_has_changed(finished: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its times are set to. One that nothing has touched is not read again, unless it was just written."""
    out = finished.folder / "out"
    monkeypatch.setattr(results, "SETTLED", -(10**18))
    finished.write()
    digested: list[Path] = []

    def digest(path: Path) -> str:
        digested.append(path)
        return digest_file(path)

    monkeypatch.setattr(results, "digest_file", digest)
    assert finished.kept() is not None and digested == []
    before = out.stat()
    let_the_clock_go_on()
    os.utime(out, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert finished.kept() is not None and digested == [out]
    let_the_clock_go_on()
    out.write_text("tuo")
    os.utime(out, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert out.stat().st_size == before.st_size
    assert finished.kept() is None and finished.said == f"{out} has changed"
    monkeypatch.setattr(results, "SETTLED", 10**18)
    finished.write()
    digested.clear()
    assert finished.kept() is not None and digested == [out]


def test_what_changes_while_its_digest_is_taken_is_read_again(finished: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest and a state that are not of the same content would be taken for each other for good."""
    out = finished.folder / "out"
    monkeypatch.setattr(results, "SETTLED", -(10**18))

    def change() -> None:
        let_the_clock_go_on()
        out.write_text("tuo")

    finished.write(late=change)
    assert finished.kept() is None and finished.said == f"{out} has changed"


@pytest.mark.parametrize(
    "change", [{"strip": True}, {"output": "other"}, {"verify": False}, {"verify": "require"}, {"smoke": "x"}]
)
def test_another_plan_is_another_build(finished: Site, change: dict[str, Any]) -> None:
    assert finished.kept(**change) is None
    assert finished.said == "there is no earlier build with these settings"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"output": 3}', "null"])
def test_a_damaged_record_is_none(finished: Site, text: str) -> None:
    (path,) = (finished.cache / "record").iterdir()
    path.write_text(text)
    assert finished.kept() is None
    assert finished.said.startswith("the record of the earlier build cannot be used (")


def test_an_unwritable_record_is_no_failure(finished: Site) -> None:
    for path in (finished.cache / "record").iterdir():
        path.unlink()
    (finished.cache / "record").rmdir()
    (finished.cache / "record").write_text("no directory")
    finished.write()
    assert finished.kept() is None


def test_what_is_recalled_is_what_was_remembered(finished: Site) -> None:
    kept = finished.kept()
    assert kept is not None and kept.unchanged
    out = finished.folder / "out"
    assert (kept.size, kept.sha256, kept.python) == (out.stat().st_size, digest_file(out), "3.11.2")
    # What came along was told of when it did.
    assert (kept.added, kept.provided, kept.image, kept.other) == ((), (), None, None)
    assert kept.origin.newest == max(
        int(path.stat().st_mtime) for path in finished.folder.rglob("*") if path.is_file() and path.name != "out"
    )


def test_a_build_anew_recalls_nothing(finished: Site) -> None:
    assert finished.kept(refresh=True) is None
    assert finished.said == "--refresh asks for it"
    # The files of the application are not kept, and an image of them needs them.
    assert finished.kept(image="image.tar", image_layout="unpacked") is None
    assert finished.kept(image="image.tar") is not None


@pytest.mark.parametrize("other", [None, Other(Linker.NATIVE, 123)])
def test_the_other_linker_is_remembered(finished: Site, other: Optional[Other]) -> None:
    finished.write(other=other)
    kept = finished.kept()
    assert kept is not None and kept.other == other


NOWHERE = Origin(None, None, None)


def test_a_result_states_what_is_in_place(finished: Site, tmp_path: Path) -> None:
    frozen = FrozenApp(tmp_path, "app", tmp_path, frozenset(), {}, (), (Added("x", 1, 2, 3),), (), False)
    closed = ClosedApp(frozen, "ld.so", tmp_path, (), (), (Provided("locale", 7),))
    package = Package(tmp_path, [], {}, (), b"", (3, 11), "libpython3.11.so.1.0")
    thread = threading.Thread(target=lambda: None)
    thread.start()
    looking = Looking(thread, [Other(Linker.NATIVE, 5)])
    linked = StaticApp(tmp_path / "elsewhere", 0, closed, package, True, looking)
    python = Interpreter(tmp_path, (3, 11, 2), tmp_path, tmp_path)
    out = finished.folder / "out"
    application = Application("app", out, False, (), (), (), {}, None)
    built = built_of(out, finished.plan(), application, linked, python, frozen, None, NOWHERE, None, None)
    assert (built.path, built.size, built.sha256) == (out, out.stat().st_size, digest_file(out))
    assert (built.python, built.added, built.provided) == ("3.11.2", frozen.added, closed.provided)
    assert (built.proof, built.unchanged, built.other) == (None, False, Other(Linker.NATIVE, 5))
    assert built.untried == ()
    proof = Proof(Strength.EMPTY_ROOT, "root", "ran", 0.1, 3)
    built = built_of(out, finished.plan(), application, linked, python, frozen, proof, NOWHERE, None, None)
    assert "more than a start without arguments" in built.untried[0]


def test_what_changes_during_a_build_is_not_remembered(finished: Site) -> None:
    """Which of its contents was built is unknown."""
    (finished.folder / "app.py").write_text("new")
    finished.write(during=lambda: (finished.folder / "app.py").write_text("newer"))
    assert finished.kept() is None and finished.said == f"{finished.folder / 'app.py'} has changed"
    finished.write(during=lambda: (finished.folder / "data" / "x").write_text("newer"))
    assert finished.kept() is None and finished.said == f"{finished.folder / 'data' / 'x'} has changed"


def test_the_cache_knows_what_an_environment_is_for(finished: Site) -> None:
    """The inventory reads what is remembered here."""
    (record,) = (finished.cache / "record").iterdir()
    items = {item.path.name: item for item in inventory.contents(finished.cache)}
    assert items[record.name].litter is None
    (finished.cache / "env" / "key" / "complete").unlink()
    items = {item.path.name: item for item in inventory.contents(finished.cache)}
    assert items[record.name].litter == "its environment is gone"
