"""Paths in other roots never lead out of them."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import CHECKOUT

from freezer.system.rooted import (
    copy_file,
    copy_folder,
    is_file,
    is_folder,
    matches,
    names,
    place,
    text_of,
    within,
)


@pytest.mark.parametrize(
    ("links", "asked", "found"),
    [
        ({"lib": "usr/lib"}, "lib/x.so", "usr/lib/x.so"),
        ({"lib": "/usr/lib"}, "lib/x.so", "usr/lib/x.so"),
        ({"usr/lib/x.so": "/etc/alternatives/x"}, "usr/lib/x.so", "etc/alternatives/x"),
        ({"up": "../../../../etc"}, "up/passwd", "etc/passwd"),
        ({"a": "b", "b": "/c"}, "a/d", "c/d"),
        ({}, "no/such/../file", "no/file"),
    ],
)
def test_within(tmp_path: Path, links: dict[str, str], asked: str, found: str) -> None:
    for name, target in links.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(target)
    assert within(tmp_path, tmp_path / asked) == tmp_path / found


def test_links_in_circles(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels"):
        within(tmp_path, tmp_path / "a")


@pytest.fixture(scope="module")
def tangled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with links that would lead out of it."""
    root = tmp_path_factory.mktemp("root")
    (root / "a").mkdir()
    (root / "link").symlink_to("a/../..")
    (root / "a" / "up").symlink_to("../../../../..")
    (root / "a" / "abs").symlink_to("/a/up/link")
    return root


@given(st.lists(st.sampled_from(["..", ".", "a", "b", "link", "up", "abs"]), min_size=1, max_size=8))
def test_never_outside(tangled: Path, parts: list[str]) -> None:
    found = within(tangled, tangled.joinpath(*parts))
    assert found == tangled or tangled in found.parents


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A root with links to the host, which is beside it, and with what is no file."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host/a.conf").write_text("host")
    root = tmp_path / "root"
    (root / "etc/conf.d/folder").mkdir(parents=True)
    for name in ("b.conf", "a.conf", ".hidden.conf", "folder/c.conf"):
        (root / "etc/conf.d" / name).write_text(name)
    for name, target in {
        "out": str(tmp_path / "host"),
        "etc/conf.d/out.conf": str(tmp_path / "host/a.conf"),
        "etc/conf.d/near.conf": "/etc/conf.d/a.conf",
        "etc/conf.d/circle": "/etc/conf.d",
    }.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "etc/conf.d/pipe.conf")
    return root


def test_what_is_read_of_a_root_is_in_it(system: Path) -> None:
    folder = system / "etc/conf.d"
    assert text_of(system, folder / "near.conf") == "a.conf"
    assert is_file(system, folder / "near.conf")
    assert is_folder(system, folder / "circle/circle")
    for name in ("out.conf", "pipe.conf", "none", "folder"):
        assert not is_file(system, folder / name)
        with pytest.raises(OSError):
            text_of(system, folder / name)
    assert names(system, system / "out") == []
    assert names(system, folder / "circle/folder") == ["c.conf"]


def test_patterns(system: Path) -> None:
    def found(pattern: str) -> list[str]:
        return [str(path.relative_to(system)) for path in matches(system, pattern)]

    folder = "etc/conf.d"
    assert found("/etc/conf.d/*.conf") == [f"{folder}/{name}.conf" for name in ("a", "b", "near", "pipe")]
    assert found("etc/*/f*/c.conf") == [f"{folder}/folder/c.conf"]
    assert found("/out/*") == found("/../host/*") == found("/etc/../../host/*") == []
    assert found("/etc") == ["etc"]


def test_copies_have_nothing_of_the_host(system: Path, tmp_path: Path) -> None:
    """Links become files; those that lead round in circles end."""
    (system / "etc/conf.d/b.conf").chmod(0o4755)
    copy_folder(system, system / "etc/conf.d", tmp_path / "copy", depth=1)
    copied = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    once = {"a.conf", "b.conf", ".hidden.conf", "near.conf", "folder/c.conf"}
    assert copied == once | {f"circle/{name}" for name in once if "/" not in name}
    assert (tmp_path / "copy/b.conf").stat().st_mode & 0o7777 == 0o755
    with pytest.raises(OSError):
        copy_file(system, system / "etc/conf.d/out.conf", tmp_path / "leak")


@pytest.mark.parametrize("name", ["usr/bin", "/usr/bin", "../usr/bin", "/x/../../usr//bin/.", "//usr/bin"])
def test_places(name: str) -> None:
    assert place(Path("/roots/x"), name) == Path("/roots/x/usr/bin")


# Nobody joins a root and a name by hand

ROOMS = ("system", "base/isolation", "prove/sandbox")
OF_ROOTS = {"root", "base", "rootfs", "mount_point", "self.path", "root.path", "cell.root", "cell.rootfs"}
"""What roots are called there."""
JOINING = {"joinpath", "join", "glob", "rglob"}
ALLOWED = {"rooted.place"}
"""The one function that does."""


def joined(text: str, module: str) -> list[str]:
    """The places of a module where a name is added to the path of a root."""

    def is_root(node: ast.AST) -> bool:
        if isinstance(node, ast.FormattedValue):
            return is_root(node.value)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("str", "Path", "os.fspath"):
            return any(is_root(argument) for argument in node.args)
        return isinstance(node, ast.expr) and ast.unparse(node) in OF_ROOTS

    found = []
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef) or f"{module}.{function.name}" in ALLOWED:
            continue
        for node in ast.walk(function):
            bad = (
                (isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.Add)) and is_root(node.left))
                or (isinstance(node, ast.JoinedStr) and len(node.values) > 1 and is_root(node.values[0]))
                or (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in JOINING
                    and (is_root(node.func.value) or any(is_root(argument) for argument in node.args[:1]))
                )
            )
            if bad:
                found.append(f"{module}:{node.lineno}: {ast.unparse(node)}")  # type: ignore[attr-defined]
    return found


MODULES = [path for room in ROOMS for path in sorted((CHECKOUT / "freezer" / room).rglob("*.py"))]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CHECKOUT / "freezer")))
def test_nobody_joins_a_root_and_a_name(path: Path) -> None:
    assert joined(path.read_text(encoding="utf-8"), path.stem) == []


@pytest.mark.parametrize(
    "line",
    [
        'os.makedirs(f"{root}/{name}")',
        "place = root + target",
        "source, target = base + path, path",
        "status = (root / name).stat()",
        'any(self.path.glob("lib/x"))',
        "os.path.join(root, name)",
        "path = root.joinpath(*done)",
        'bind(source, f"{cell.root}/tmp", 0)',
        'glob.glob(str(root) + "/x")',
    ],
)
def test_joined_paths_are_found(line: str) -> None:
    assert len(joined(f"def f(root):\n    {line}\n", "module")) >= 1
