"""Whose each file of a bundle is, with an environment and a system that are made up."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
from bills import distribution, package
from plans import plan

from freezer.application.entry import Application
from freezer.application.metadata import Metadata
from freezer.base.bill import Bill
from freezer.bill.owners import files_of, make_bill, with_bill
from freezer.closure.close import ClosedApp
from freezer.environment.interpreter import Interpreter
from freezer.environment.venv import Environment
from freezer.freeze.drivers.pyinstaller_internals import PROGRAM
from freezer.freeze.pyinstaller import FrozenApp
from freezer.system.host import Host

FILES = {
    "libc.so.6": "libc6",
    "libstray.so.1": "libstray.so.1",
    f"app{PROGRAM}": "pyinstaller",
    "_internal/base_library.zip": "pyinstaller",
    "_internal/one/data.txt": "one",
    "_internal/one/made.bin": "one",
    "_internal/one-1.0.dist-info/METADATA": "one",
    "_internal/share/one/x": "one",
    "_internal/libz.so.1": "zlib1g",
    "_internal/lib-dynload/_ssl.so": "CPython",
    "_internal/added/deep/x": "app",
    "_internal/mine.py": "app",
    "_internal/_freezer/zones": "tzdata",
    "_internal/_freezer/cacert.pem": "certifi",
    "_internal/_freezer/etc/services": "static-freezer",
    "_internal/_freezer/locale/C.utf8/LC_CTYPE": "libc-bin",
    "_internal/_freezer/terminfo/x/xterm": "ncurses-base",
    "_internal/_freezer/charsets/gconv-modules": "static-freezer",
    "_internal/_freezer/charsets/EUC-JP.so": "libc6",
    "_internal/odd": "_internal/odd",
}


class Made:
    """A closed bundle and where it comes from."""

    def __init__(self, folder: Path) -> None:
        self.root, home = folder / "root", folder / "env"
        for path in FILES:
            (folder / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "tree" / path).write_text(path)
        (folder / "tree/_internal/link").symlink_to("one/data.txt")
        (folder / "tree/_internal/dangling").symlink_to("nowhere")
        site = home / "lib/python3.11/site-packages"
        distribution(site, "one", "1.0", {"one/__init__.py": "", "one/data.txt": ""}, LICENSE="text")
        distribution(site, "pure", "2.0", {"pure.py": ""})
        distribution(site, "unused", "3.0", {"unused.py": ""})
        with open(site / "one-1.0.dist-info/RECORD", "a", encoding="utf-8") as record:
            record.write("../../../share/one/x,,\n")
        distribution(folder / "tools", "pyinstaller", "6.0", {"PyInstaller/x.py": ""}, COPYING="GPL")
        package(self.root, "libc6", "2", "/lib/libc.so.6", "/usr/lib/gconv/EUC-JP.so")
        package(self.root, "zlib1g", "1", "/usr/lib/libz.so.1.2")
        (self.root / "usr/lib/libz.so.1").symlink_to("libz.so.1.2")
        package(self.root, "libc-bin", "2", "/usr/lib/locale/C.utf8/LC_CTYPE")
        package(self.root, "ncurses-base", "6", "/lib/terminfo/x/xterm")
        package(self.root, "python3.11-minimal", "3.11.2-6", "/usr/bin/python3.11")
        (self.root / "usr/lib/libstray.so.1").write_text("")
        (folder / "data/deep").mkdir(parents=True)
        (folder / "data/deep/x").write_text("")
        (folder / "app.py").write_text("")
        tree = folder / "tree"
        frozen = FrozenApp(
            tree=tree,
            name="app",
            package=tree / "app.pkg",
            modules=frozenset(),
            origins={tree / "_internal/libz.so.1": self.root / "usr/lib"},
            sources=(site / "pure.py", site / "one/__init__.py"),
            added=(),
            opened=(),
            strip=False,
            own_files=frozenset({"mine.py"}),
        )
        self.closed = ClosedApp(
            frozen=frozen,
            interpreter="ld.so",
            python=self.root / "usr/bin/python3.11",
            libraries=("libc.so.6",),
            missing=(),
            provided=(),
            sources={
                "libc.so.6": self.root / "usr/lib/libc.so.6",
                "libstray.so.1": self.root / "usr/lib/libstray.so.1",
                "_internal/_freezer/charsets/EUC-JP.so": self.root / "usr/lib/gconv/EUC-JP.so",
            },
        )
        host = Host()
        host.path = self.root
        python = Interpreter(self.root / "usr/bin/python3.11", (3, 11, 2), self.root / "usr", self.root)
        self.environment = Environment(home / "bin/python", python, "key", False, host, folder / "tools", folder)
        about = Metadata("app", "9", licenses="MIT")
        self.application = Application("app", folder / "app.py", False, (), (), (), {}, None, about)
        self.folder = folder

    def bill(self, **values: Any) -> Bill:
        wanted = plan(self.folder, entry="app.py", add_data=["data:added"], **values)
        return make_bill(wanted, self.environment, self.application, self.closed)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def owners(bill: Bill) -> dict[str, str]:
    return {path: item.name for item in (bill.subject, *bill.components) for path in item.files if path != "modules"}


def test_every_file_has_an_owner(made: Made) -> None:
    found = owners(made.bill())
    links = {"_internal/link": "one", "_internal/dangling": "_internal/dangling"}
    assert found == {**FILES, **links}
    assert set(files_of(made.closed.frozen.tree)) == set(found)


def test_what_is_in_the_archive_of_modules(made: Made) -> None:
    bill = made.bill()
    names = {item.name for item in (bill.subject, *bill.components) if "modules" in item.files}
    assert names == {"app", "one", "pure", "pyinstaller", "CPython", "static-freezer"}
    assert "unused" not in {item.name for item in bill.components}


def test_python_and_its_program(made: Made) -> None:
    bill = made.bill()
    assert bill.components[bill.program].name == "python3.11-minimal"
    assert list(bill.components) == sorted(bill.components, key=lambda item: item.key)


def test_the_subject(made: Made) -> None:
    subject = made.bill().subject
    assert (subject.name, subject.version, subject.licenses) == ("app", "9", ("MIT",))
    made.application = dataclasses.replace(made.application, metadata=None)
    assert made.bill().subject.version is None


def test_what_nothing_accounts_for_is_named_with_its_digest(made: Made) -> None:
    (odd,) = (item for item in made.bill().components if item.name == "_internal/odd")
    assert odd.kind == "file" and odd.sha256 is not None and len(odd.sha256) == 64


def test_a_python_of_its_own_prefix(made: Made) -> None:
    """Such as pyenv's or uv's: what is below the prefix is Python's, and no package's."""
    prefix = made.root / "opt/python"
    environment = made.environment
    python = dataclasses.replace(environment.interpreter, prefix=prefix, executable=prefix / "bin/python3.11")
    made.environment = dataclasses.replace(environment, interpreter=python)
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin/python3.11").write_text("")
    sources = {**made.closed.sources, "libstray.so.1": prefix / "lib/libstray.so.1"}
    made.closed = dataclasses.replace(made.closed, python=prefix / "bin/python3.11", sources=sources)
    bill = made.bill()
    assert owners(bill)["libstray.so.1"] == "CPython"
    assert bill.components[bill.program].name == "CPython"


def test_a_system_without_dpkg(made: Made) -> None:
    (made.root / "var").rename(made.root / "gone")
    found = owners(made.bill())
    assert set(found) == {*FILES, "_internal/link", "_internal/dangling"}
    assert found["libc.so.6"] == "libc.so.6"


def test_without_provisions(made: Made) -> None:
    """The user may want none."""
    shutil.rmtree(made.closed.frozen.contents / "_freezer")
    assert not [name for name in owners(made.bill()) if "_freezer" in name]


def test_two_bills_are_equal(made: Made) -> None:
    closed = with_bill(plan(made.folder, entry="app.py"), made.environment, made.application, made.closed)
    again = with_bill(plan(made.folder, entry="app.py"), made.environment, made.application, made.closed)
    assert closed.bill == again.bill
    assert made.bill(notices=True).notices
