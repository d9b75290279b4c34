"""Which files are on an application's own ground."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import pytest

from freezer.application import ground as module
from freezer.application.ground import Ground, find_ground, no_project, project_of
from freezer.base.errors import InputError
from freezer.plan.resolve import resolve


def ground(folder: Path, files: dict[str, str], entry: str = "app.py", **arguments: Any) -> Optional[Ground]:
    for name, text in {"app.py": "", **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return find_ground(resolve({"entry": entry, **arguments}, folder=folder, environ={}))


def names(found: Optional[Ground]) -> tuple[set[str], dict[str, str], dict[str, str]]:
    """The code, the data that need not be named, and what never comes along."""
    assert found is not None
    return (
        {str(path.relative_to(found.top)) for path in found.code},
        {str(path.relative_to(found.top)): reason for path, reason in found.data},
        {str(path.relative_to(found.top)): reason for path, reason in found.refused},
    )


def test_code_data_and_what_never_comes_along(tmp_path: Path) -> None:
    files = dict.fromkeys(
        (
            "pkg/__init__.py pkg/x.html pkg/.hidden pkg/tests/test_x.py pkg/test/limits.ini settings.json .env "
            "secrets.py venv/pyvenv.cfg venv/lib/x.py node_modules/x.js __pycache__/x.pyc .git/HEAD .idea/x "
            ".ssh/config tests/conftest.py test_app.py setup.py README.md Dockerfile requirements.txt app.log "
            "lib/x.so ignored/x pkg/secrets.toml build/lib/x.txt build/icon.png dist/x.whl x.egg-info/SOURCES.txt"
        ).split(),
        "x",
    )
    files["server.pem"] = "-----BEGIN PRIVATE KEY-----"
    files[".gitignore"] = "/ignored\n"
    code, data, refused = names(ground(tmp_path, files))
    assert code == {"app.py", "pkg/__init__.py", "secrets.py", "lib/x.so"}
    assert {name for name, reason in data.items() if not reason} == {
        "pkg/x.html", "pkg/.hidden", "pkg/test/limits.ini", "settings.json", "lib/x.so", "build/icon.png",
    }  # fmt: skip
    assert {name for name, reason in data.items() if reason} == {
        "README.md", "Dockerfile", "requirements.txt", ".gitignore", "app.log",
    }  # fmt: skip
    assert refused == {
        ".env": "a secret", "server.pem": "a secret", "pkg/secrets.toml": "a secret", "ignored": "git ignores it",
        ".ssh": "a directory with secrets",
    }  # fmt: skip


def test_large_files_and_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 1000)
    files = {"big.bin": "x" * 1001, "data/1": "x" * 600, "data/2": "x" * 600, "pkg/__init__.py": "", "pkg/1": "x" * 999}
    _, data, _ = names(ground(tmp_path, {**files, "pkg/2": "x" * 999}))
    assert data == {
        "big.bin": "larger than 1.0 kB: 1.0 kB",
        "data/1": "heavy: data has 1.2 kB",
        "data/2": "heavy: data has 1.2 kB",
        "pkg/1": "",
        "pkg/2": "",
    }


def test_results_of_builds_are_no_data(tmp_path: Path) -> None:
    files = {"app": "\x7fELF", "older": "\x7fELF", "image.tar": "", "libx.so.1": "\x7fELF", "empty": ""}
    _, data, _ = names(ground(tmp_path, files, output="app"))
    assert data == {"older": "the result of a build", "image.tar": "", "libx.so.1": "", "empty": ""}


def test_what_is_added_by_name_is_no_secret_that_stays_out(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----")
    assert names(ground(tmp_path, {}, add_data=["key.pem:."]))[1:] == ({}, {})


def test_what_is_required_is_not_the_applications_own(tmp_path: Path) -> None:
    files = {"base.txt": "./dep\n", "all.txt": "-r base.txt\n", "dep/setup.py": "", "dep/x.txt": "", "notes.txt": ""}
    code, data, _ = names(ground(tmp_path, files, requirement=["all.txt"]))
    assert (code, data) == ({"app.py"}, {"notes.txt": ""})


def test_exclude_data(tmp_path: Path) -> None:
    files = {"a.psd": "", "raw/x": "", "static/a.psd": "", "static/a.css": ""}
    _, data, refused = names(ground(tmp_path, files, exclude_data=["*.psd", "raw"]))
    assert set(data) == {"static/a.css"}
    assert refused == dict.fromkeys(("a.psd", "raw", "static/a.psd"), "exclude-data")


def test_names_that_cannot_be_written(tmp_path: Path) -> None:
    _, data, refused = names(ground(tmp_path, {"data/\udcff": "", "data/\xff": ""}))
    assert (data, refused) == ({"data/\xff": ""}, {"data/\udcff": "its name is not UTF-8"})


def test_links_to_secrets(tmp_path: Path) -> None:
    place = tmp_path / "home" / ".aws"
    place.mkdir(parents=True)
    (place / "config").write_text("x")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "settings.ini").symlink_to(place / "config")
    _, data, refused = names(ground(tmp_path / "project", {}))
    assert (data, refused) == ({}, {"settings.ini": "a secret"})


def test_links_to_directories_of_the_project(tmp_path: Path) -> None:
    for name in ("project/shared/x.html", "elsewhere/y", "project/pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    app = tmp_path / "project" / "app"
    app.mkdir()
    for name, target in (("templates", "../shared"), ("other", "../../elsewhere"), ("circle", "."), ("above", "..")):
        (app / name).symlink_to(target)
    _, data, _ = names(ground(app, {}))
    assert set(data) == {"templates/x.html"}


def test_a_home_is_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script in it has its modules and packages, and no data but theirs."""
    monkeypatch.setenv("HOME", str(tmp_path))
    files = {
        "diary.txt": "",
        "photos/x.jpg": "",
        "pkg/__init__.py": "",
        "pkg/x.html": "",
        "pkg/.env": "",
        "other/x.py": "",
    }
    found = ground(tmp_path, {**files, "helper.py": ""})
    code, data, refused = names(found)
    assert found is not None
    assert found.limited == "it is a home"
    assert code == {"app.py", "helper.py", "pkg/__init__.py"}
    assert (set(data), set(refused)) == ({"pkg/x.html"}, {"pkg/.env"})
    with pytest.raises(InputError, match="is not a project's directory"):
        ground(tmp_path, {}, own="all")
    # A container's only user often has the application as home.
    (tmp_path / "requirements.txt").write_text("")
    found = ground(tmp_path, {})
    assert found is not None
    assert found.limited is None


@pytest.mark.parametrize("place", ["/", "/tmp", "/usr/lib", "/etc", "/home", "/home/someone", "~", "~/Downloads"])
def test_places_that_are_no_projects(place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert no_project(Path(place.replace("~", str(tmp_path)))) is not None


@pytest.mark.parametrize(
    "place", ["/tmp/x", "/home/someone/work", "/srv/app", "/usr/src/app", "/app", "~/work", "/opt/app"]
)
def test_places_that_may_be(place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert no_project(Path(place.replace("~", str(tmp_path)))) is None


def test_the_project_that_a_directory_is_in(tmp_path: Path) -> None:
    inner = tmp_path / "project" / "bin" / "tools"
    inner.mkdir(parents=True)
    assert project_of(inner) == inner.parent
    (tmp_path / "project" / "pyproject.toml").write_text("")
    assert project_of(inner) == tmp_path / "project"
    # A package with a manage.py of its own.
    for name in ("manage.py", "__init__.py"):
        (inner / name).write_text("")
    assert project_of(inner) == tmp_path / "project"
    (inner.parent / "setup.cfg").write_text("")
    assert project_of(inner) == inner.parent


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 3)
    found = ground(tmp_path, {f"{number}.txt": "" for number in range(5)})
    assert found is not None
    assert found.limited == "it has more than 3 files"


def test_a_package_brings_its_own_data(tmp_path: Path) -> None:
    found = ground(tmp_path, {"pkg/__init__.py": "", "x.txt": ""}, entry="pkg:main")
    assert found is not None
    assert (found.top, found.limited) == (tmp_path, "the application is a package")
    assert ground(tmp_path, {"setup.py": ""}, entry=".") is None


def test_directories_that_the_code_searches(tmp_path: Path) -> None:
    for name in ("bin/app.py", "lib/x/__init__.py", "lib/x/data.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    plan = resolve({"entry": "bin/app.py"}, folder=tmp_path, environ={})
    found = find_ground(plan, [tmp_path / "lib"])
    assert found is not None
    assert set(found.code) == {tmp_path / "bin/app.py", tmp_path / "lib/x/__init__.py"}
    assert [path for path, _ in found.data] == [tmp_path / "lib/x/data.txt"]


def test_results_keys_and_passphrases_stay_out(tmp_path: Path) -> None:
    """Wherever they are; they are of this plan, and not of the application."""
    files = dict.fromkeys(("out/app", "out/app.intoto.jsonl", "out/x.cdx.json", "keys/k", "keys/pass", "data/x"), "x")
    options = {"output": "out/app", "sbom": "out/x.cdx.json", "sign_key": "keys/k", "sign_passphrase": "keys/pass"}
    _, data, _ = names(ground(tmp_path, files, **options))
    assert data == {"data/x": ""}
