"""Whose a file is, and where it is in a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plans import plan

from freezer.learn.grounds import Grounds, Located, Owner


def test_owners(ground: Any) -> None:
    grounds = ground.grounds()
    found = {
        ground.app / "data/x": Located(Owner.OWN, "data/x"),
        ground.packages / "pkg/core.py": Located(Owner.PACKAGE, "pkg/core.py"),
        ground.standard / "json/tool.py": Located(Owner.STANDARD, "json/tool.py"),
        ground.standard / "site-packages/pip/x.py": Located(Owner.OTHER, "pip/x.py"),
        ground.tools / "pytest/x.py": Located(Owner.OTHER, "pytest/x.py"),
        ground.home / "bin/alembic": Located(Owner.OTHER, "env/key/bin/alembic"),
        Path("/etc/hosts"): Located(Owner.OTHER, ""),
        ground.app: Located(Owner.OTHER, ""),
    }
    assert {path: grounds.located(str(path)) for path in found} == found


def test_an_environment_below_the_application_is_not_its_own(ground: Any) -> None:
    """As where the cache is in a home, and the script, too."""
    made = plan(ground.app, entry="app.py")
    environment, application = ground.environment, ground.application()
    grounds = Grounds(made, environment, application, ground.folder, ground.tools, ground.cache)
    assert grounds.located(str(ground.packages / "pkg/x")).owner is Owner.PACKAGE
    assert grounds.located(str(ground.cache / "work/x")).owner is Owner.OTHER
    assert grounds.located(str(ground.folder / "x")).owner is Owner.OWN


def test_a_file_by_a_link_to_its_directory(ground: Any) -> None:
    (ground.folder / "link").symlink_to("app")
    assert ground.grounds().located(str(ground.folder / "link" / "x")) == Located(Owner.OWN, "x")


def test_places_are_below_where_modules_are_imported_from(ground: Any) -> None:
    grounds = ground.grounds(ground.application(imported_from=(ground.app / "lib",)))
    places = {"lib/pkg/x.txt": "pkg/x.txt", "data/x.txt": "data/x.txt", "x.txt": "x.txt"}
    assert {name: grounds.place(Located(Owner.OWN, name)) for name in places} == places
    assert grounds.is_importable(Located(Owner.OWN, "lib/pkg/x.py"), "pkg.x")
    assert grounds.is_importable(Located(Owner.OWN, "lib/pkg/__init__.py"), "pkg")
    assert not grounds.is_importable(Located(Owner.OWN, "extra/x.py"), "x")


def test_places_in_a_project_are_those_in_its_wheel(ground: Any) -> None:
    for name in ("pyproject.toml", "src/pkg/__init__.py"):
        ground.write(ground.app / name)
    wheel = ground.cache / "work" / "job" / "application"
    ground.write(wheel / "pkg" / "__init__.py")
    grounds = ground.grounds(ground.application(search=(wheel,)), entry=".")
    assert grounds.place(Located(Owner.OWN, "src/pkg/data/x")) == "pkg/data/x"
    assert grounds.place(Located(Owner.OWN, "data/x")) == "data/x"
    assert grounds.wheel_copy(Located(Owner.OWN, "src/pkg/a.py")) == str(wheel / "pkg" / "a.py")
    assert grounds.located(str(wheel / "pkg/a.py")) == Located(Owner.WHEEL, "pkg/a.py")
    assert {ground.app, ground.packages, wheel} <= set(grounds.watched)


@pytest.mark.parametrize(
    ("name", "test"),
    [
        ("tests/test_a.py", True),
        ("tests/data/x.json", True),
        ("tests", True),
        ("test_app.py", True),
        ("pkg/conftest.py", True),
        ("pkg/testing/x.py", False),
        ("pkg/data.json", False),
    ],
)
def test_what_is_for_tests(ground: Any, name: str, test: bool) -> None:
    for path in ("tests/test_a.py", "tests/data/x.json", "pkg/testing/x.py"):
        ground.write(ground.app / path)
    assert ground.grounds().is_test(Located(Owner.OWN, name)) is test


def test_what_never_comes(ground: Any) -> None:
    ground.write(ground.app / ".env", "PASSWORD=x")
    ground.write(ground.app / "key.txt", "-----BEGIN PRIVATE KEY-----")
    ground.write(ground.app / "left" / "x.psd")
    grounds = ground.grounds(exclude_data=["left"])
    reasons = {name: grounds.refusal(Located(Owner.OWN, name)) for name in (".env", "key.txt", "left/x.psd", "app.py")}
    assert reasons == {".env": "a secret", "key.txt": "a secret", "left/x.psd": "exclude-data", "app.py": None}


def test_by_products(ground: Any) -> None:
    ground.write(ground.app / "env" / "pyvenv.cfg")
    by_products = ("dist/app", "x.pyc", "app.log", ".git/HEAD", "thing.egg-info/SOURCES.txt", "env/lib/x.txt")
    grounds = ground.grounds()
    assert all(grounds.is_by_product(Located(Owner.OWN, name)) for name in by_products)
    assert not any(grounds.is_by_product(Located(Owner.OWN, name)) for name in ("data/x.txt", ".streamlit/x.toml"))


def test_listed_files_of_a_project_are_beside_what_its_wheel_has(ground: Any) -> None:
    for name in ("pyproject.toml", "src/pkg/__init__.py"):
        ground.write(ground.app / name)
    wheel = ground.cache / "work" / "job" / "application"
    ground.write(wheel / "pkg" / "__init__.py")
    grounds = ground.grounds(ground.application(search=(wheel,)), entry=".")
    listed = {
        name: grounds.is_listed(Located(Owner.OWN, name), at_top="/" not in name)
        for name in ("README.md", "data.txt", "docs/index.md", "src/pkg/data.txt")
    }
    assert listed == {"README.md": False, "data.txt": False, "docs/index.md": False, "src/pkg/data.txt": True}
    script = ground.grounds()
    assert script.is_listed(Located(Owner.OWN, "data.txt"), at_top=True)
    assert not script.is_listed(Located(Owner.OWN, "README.md"), at_top=True)


def test_what_is_offered_in_a_group(ground: Any) -> None:
    ground.write(ground.packages / "thing-1.dist-info/METADATA", "Name: thing\nVersion: 1\n")
    ground.write(ground.packages / "thing-1.dist-info/entry_points.txt", "[some.group]\nx = thing.plugin:run\n")
    grounds = ground.grounds()
    assert grounds.offers("some.group") == [("thing.plugin", "thing-1.dist-info")]
    assert grounds.offers("pytest11") == []
