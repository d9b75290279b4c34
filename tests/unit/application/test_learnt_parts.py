"""What comes along because the file of learned things says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plans import plan

from freezer.application.entry import Application
from freezer.application.learnt_parts import is_of_tools, is_secret, place_of, with_learned
from freezer.application.own import OwnFile, OwnFound
from freezer.environment.interpreter import Interpreter
from freezer.environment.venv import Environment
from freezer.plan.learned import FILE_NAME, Learned
from freezer.system.host import Host

ELF = "\x7fELF"


class Site:
    """An application with an environment."""

    def __init__(self, folder: Path) -> None:
        self.app, self.home = folder / "app", folder / "env"
        self.packages = self.home / "lib" / "python3.11" / "site-packages"
        self.entry = self.write(self.app / "app.py")
        self.packages.mkdir(parents=True)
        interpreter = Interpreter(folder / "python3", (3, 11, 2), folder / "usr", folder / "libpython.so")
        python = self.home / "bin/python"
        self.environment = Environment(python, interpreter, "key", False, Host(), folder, folder)

    @staticmethod
    def write(path: Path, text: str = "") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def made(self, application: Any = None, arguments: Any = None, **tables: Any) -> Application:
        learned = Learned(self.app / FILE_NAME, self.app, **{name: dict.fromkeys(tables[name], "x") for name in tables})
        self.write(learned.path, learned.text())
        made = plan(self.app, **{"entry": "app.py", **(arguments or {})})
        return with_learned(application or self.application(), made, self.environment)

    def application(self, **values: Any) -> Application:
        return Application("app", self.entry, False, (), (self.entry,), (), {}, None, **values)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_without_a_file_nothing_changes(site: Site) -> None:
    application = site.application()
    assert with_learned(application, plan(site.app, entry="app.py"), site.environment) is application


def test_own_files_come_to_their_places(site: Site) -> None:
    a, b = site.write(site.app / "a.txt", "12"), site.write(site.app / "data/b.txt")
    library = site.write(site.app / "native/lib.so", ELF)
    made = site.made(files=("a.txt", "data/b.txt", "native/lib.so", "gone.txt"))
    assert made.own.files == (OwnFile(a, ".", 2, "learned: x"), OwnFile(b, "data", 0, "learned: x"))
    assert made.learnt.binaries == ((library, "native"),)
    assert made.learnt.stale == ("[files] gone.txt",)
    assert made.own.asks  # so that a new file in a directory is noticed


def test_what_comes_along_anyway_comes_once(site: Site) -> None:
    known = OwnFile(site.write(site.app / "a.txt"), ".", 0, "named at app.py:1")
    made = site.made(site.application(own=OwnFound(files=(known,))), files=("a.txt",))
    assert made.own.files == (known,)


def test_of_a_directory_the_files_come_that_may(site: Site) -> None:
    for name in ("a.txt", "b.log", ".env", "sub/c.txt", "x.pyc"):
        site.write(site.app / "plugins" / name)
    assert [item.place for item in site.made(files=("plugins/",)).own.files] == ["plugins/a.txt"]
    assert site.made(files=("plugins/",), arguments={"exclude_data": ["plugins"]}).own.files == ()
    assert [item.place for item in site.made(files=("plugins/.env",)).own.files] == ["plugins/.env"]


def test_files_of_packages(site: Site) -> None:
    data = site.write(site.packages / "pkg/data.bin")
    library = site.write(site.packages / "pkg.libs/libx.so.1", ELF)
    theme = site.write(site.packages / "pkg/themes/dark.css")
    made = site.made(package_files=("pkg/data.bin", "pkg.libs/libx.so.1", "pkg/themes/", "pkg/gone"))
    assert made.learnt.data == ((data, "pkg"), (theme, "pkg/themes"))
    assert made.learnt.binaries == ((library, "pkg.libs"),)
    assert made.learnt.stale == ("[package-files] pkg/gone",)


def test_modules_are_told_of_with_the_reason(site: Site) -> None:
    made = site.made(modules=("b", "a"))
    assert made.learnt.modules == ("a", "b")
    assert made.own.modules == (("a", "learned: x"), ("b", "learned: x"))


def test_distributions_and_groups(site: Site) -> None:
    info = site.packages / "Some_Thing-1.dist-info"
    site.write(info / "METADATA", "Name: Some_Thing\nVersion: 1\n")
    site.write(info / "entry_points.txt", "[a.group]\nx = some:run\n")
    made = site.made(metadata=("some-thing", "gone"), entry_points=("a.group", "no.group"))
    assert (made.learnt.metadata, made.learnt.entry_points) == (("some-thing",), ("a.group",))
    assert made.learnt.stale == ("[metadata] gone", "[entry-points] no.group")


def test_a_file_outside_the_directories_of_modules(site: Site, tmp_path: Path) -> None:
    application = site.application(imported_from=(site.app / "lib",))
    made = plan(site.app, entry="app.py")
    assert place_of(site.app / "lib/pkg/x", made, application) == "pkg/x"
    assert place_of(tmp_path / "elsewhere/x", made, application) == "x"


def test_a_function_finds_modules_in_the_current_directory(site: Site) -> None:
    """As servers do, which are told the name of the application's module."""
    arguments = {"entry": "server:main", "with": ["server"]}
    made = plan(site.app, **arguments)
    page = site.write(site.app / "shop/templates/page.html")
    assert place_of(page, made, site.application()) == "shop/templates/page.html"
    site.write(site.app / "shop/__init__.py")
    assert site.made(arguments=arguments, modules=("shop",)).imported_from == (site.app,)
    assert site.made(arguments=arguments, modules=("elsewhere", "shop.gone")).imported_from == ()


def test_secrets_and_what_tools_keep(site: Site) -> None:
    key = site.write(site.app / "a.txt", "-----BEGIN RSA PRIVATE KEY-----")
    assert is_secret(key, site.app) and is_secret(site.app / ".ssh/x", site.app)
    assert not is_secret(site.entry, site.app)
    site.write(site.app / "venv/pyvenv.cfg")
    assert is_of_tools(site.app / "venv/lib/x", site.app) and is_of_tools(site.app / ".git/HEAD", site.app)
    assert not is_of_tools(site.entry, site.app)
