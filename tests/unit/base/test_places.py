"""What is not there is not there, whatever it is called; what the system cannot tell is an error."""

from __future__ import annotations

import ast
import errno
import os
from pathlib import Path

import pytest
from furnishing import furnish
from support import CHECKOUT

from freezer.base.places import exists, is_file, is_folder, is_link, is_text, passing_over, walk
from freezer.base.shortage import SHORTAGES

OTHERS = (errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.EINVAL, errno.ELOOP, errno.ENAMETOOLONG)


def failure(code: int, path: str = "x") -> OSError:
    return OSError(code, os.strerror(code), path)


@pytest.mark.parametrize("code", [*OTHERS, *sorted(SHORTAGES)])
def test_passing_over(code: int) -> None:
    if code in OTHERS:
        with passing_over():
            raise failure(code)
    else:
        with pytest.raises(OSError), passing_over():
            raise failure(code)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    furnish(tmp_path, "file", "folder/x")
    for name, target in (("to file", "file"), ("to folder", "folder"), ("dangling", "no"), ("loop", "loop")):
        (tmp_path / name).symlink_to(target)
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


@pytest.mark.parametrize(("name", "text"), [("a.txt", True), ("\xe4", True), (os.fsdecode(b"\xff"), False)])
def test_names_that_can_be_written(name: str, text: bool) -> None:
    assert is_text(name) == text


LOOKS = (exists, is_file, is_folder, is_link)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("file", {exists, is_file}),
        ("to file", {exists, is_file, is_link}),
        ("folder", {exists, is_folder}),
        ("to folder", {exists, is_folder, is_link}),
        ("dangling", {is_link}),
        ("loop", {is_link}),
        ("pipe", {exists}),
        ("no", set()),
        ("file/x", set()),
        ("n" * 256, set()),
        ("n/" * 3000, set()),
        ("a\0b", set()),
        ("\ud800", set()),
        ("\udcff", set()),
    ],
)
def test_what_is_there(top: Path, name: str, found: set[object]) -> None:
    for place in (top / name, f"{top}/{name}"):
        assert {look for look in LOOKS if look(place)} == found


def failing(monkeypatch: pytest.MonkeyPatch, name: str, place: Path, code: int) -> None:
    """Let a function of os fail for one path."""
    real = getattr(os, name)

    def fails(path: object, *arguments: object, **options: object) -> object:
        if Path(str(path)) == place:
            raise failure(code, str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, name, fails)


def test_what_the_system_cannot_tell(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stat", "lstat"):
        failing(monkeypatch, name, top / "file", errno.EIO)
    for look in LOOKS:
        with pytest.raises(OSError):
            look(top / "file")


def test_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish(tmp_path, "a/x", "b/y")
    assert {tuple(files) for _, _, files in walk(tmp_path)} == {(), ("x",), ("y",)}
    failing(monkeypatch, "scandir", tmp_path / "b", errno.EACCES)
    assert len(list(os.walk(tmp_path))) < 3
    with pytest.raises(PermissionError):
        list(walk(tmp_path))


def test_no_walk_passes_over_what_it_cannot_read() -> None:
    """Programs that run elsewhere cannot import it: what they list is judged by what they need."""
    for path in sorted((CHECKOUT / "freezer").rglob("*.py")):
        if {"drivers", "runtime", "sandbox"} & set(path.parts):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.walk":
                assert [item.arg for item in node.keywords] == ["onerror"], f"{path}:{node.lineno}"


def test_nobody_asks_pathlib_for_what_users_name() -> None:
    """It raises for names that are too long."""
    for room in ("plan", "cli"):
        for path in sorted((CHECKOUT / "freezer" / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) != "os.path":
                    assert node.attr not in ("exists", "is_file", "is_dir", "is_symlink"), f"{path}:{node.lineno}"
