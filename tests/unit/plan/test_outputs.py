"""No output is an input, whatever it is called, nor another output, nor anything but a file or a stream."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from furnishing import furnish
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import plan

from freezer.base.errors import FreezerError, OutputError, UsageError
from freezer.plan.outputs import check_image_output, check_outputs
from freezer.plan.resolve import resolve_for_image

INPUTS: dict[str, dict[str, Any]] = {
    "script": {"entry": "app.py"},
    "spec": {"entry": "app.spec"},
    "requirements": {"requirement": ["r.txt"]},
    "constraints": {"constraint": ["c.txt"]},
    "included": {"requirement": ["r.txt"]},
    "data": {"add_data": ["data.txt:."]},
    "in a data directory": {"add_data": ["folder:."]},
    "binary": {"add_binary": ["lib.so:."]},
    "library": {"library": ["lib.so"]},
    "module beside the script": {},
    "in a project": {"entry": "project"},
    "local requirement": {"with": ["./lib/"]},
    "image file": {"image": "x.tar", "add_file": ["cfg:/etc/cfg"]},
    "python": {"python": "./python3"},
}
FILES = {
    "script": "app.py",
    "spec": "app.spec",
    "requirements": "r.txt",
    "constraints": "c.txt",
    "included": "more/more.txt",
    "data": "data.txt",
    "in a data directory": "folder/x",
    "binary": "lib.so",
    "library": "lib.so",
    "module beside the script": "helper.py",
    "in a project": "project/pkg/mod.py",
    "local requirement": "lib/setup.py",
    "image file": "cfg",
    "python": "python3",
}


def fill(top: Path) -> Path:
    """One of each kind of input."""
    furnish(top, *FILES.values(), "project/pyproject.toml")
    (top / "project" / "pyproject.toml").write_text("")
    (top / "r.txt").write_text("-r more/more.txt\n")
    (top / "more" / "more.txt").write_text("six\n")
    (top / "c.txt").write_text("six\n")
    return top


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return fill(tmp_path)


def directly(path: Path) -> Path:
    return path


def through_dots(path: Path) -> Path:
    return path.parent / "x" / ".." / path.name


def through_a_link(path: Path) -> Path:
    (path.parent / "link").symlink_to(path.name)
    return path.parent / "link"


def through_a_linked_directory(path: Path) -> Path:
    (path.parent / "there").symlink_to(path.parent)
    return path.parent / "there" / path.name


def as_a_hard_link(path: Path) -> Path:
    os.link(path, path.parent / "hard")
    return path.parent / "hard"


NAMES = (directly, through_dots, through_a_link, through_a_linked_directory, as_a_hard_link)


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.__name__)
def test_an_input_is_no_output(site: Path, kind: str, name: Callable[[Path], Path]) -> None:
    path = name(site / FILES[kind])
    for output in ("output", "image"):
        arguments: dict[str, Any] = {"entry": "app.py", **INPUTS[kind], output: str(path)}
        made = plan(site, **{"output": "free", **arguments})
        with pytest.raises(UsageError, match="would be replaced by the result"):
            check_outputs(made)


@pytest.mark.parametrize("content", [b"", b"\x7fELF...", bytes(257) + b"ustar"])
def test_an_earlier_result_may_be_replaced(site: Path, content: bytes) -> None:
    for name in ("result", "dist/app"):
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_bytes(content)
        check_outputs(plan(site, entry="app.py", output=name))


def test_a_result_that_is_an_input_may_not(site: Path) -> None:
    (site / "lib.so").write_bytes(b"\x7fELF")
    with pytest.raises(UsageError):
        check_outputs(plan(site, entry="app.py", library=["lib.so"], output="lib.so"))
    with pytest.raises(UsageError):
        check_outputs(plan(site, entry="app.py", output="lib.so"))


def test_the_name_of_a_project_is_known_later(site: Path) -> None:
    furnish(site, "project/dist/thing")
    made = plan(site / "project", entry=".")
    check_outputs(made)
    with pytest.raises(UsageError, match="would be replaced"):
        check_outputs(made, "thing")


@pytest.mark.parametrize(
    ("output", "image"), [("x", "x"), ("x", "./y/../x"), ("x", "y/x"), ("y/new", "new"), ("dist/app", "dist/app")]
)
def test_two_outputs_of_one_path(site: Path, output: str, image: str) -> None:
    (site / "y").symlink_to(".")
    with pytest.raises(UsageError, match="cannot both be"):
        check_outputs(plan(site, entry="app.py", output=output, image=image))


def special(site: Path, kind: str) -> Path:
    path = site / "special"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    elif kind == "directory":
        path.mkdir()
    else:
        path = Path(kind)
    return path


@pytest.mark.parametrize("kind", ["fifo", "socket", "directory", "/dev/null", "/dev/stdout", "/proc/self/fd/1", "-"])
def test_an_executable_is_a_file(site: Path, kind: str) -> None:
    path = special(site, kind)
    with pytest.raises(OutputError, match=r"it is not a regular file|it is a directory"):
        check_outputs(plan(site, entry="app.py", output=str(path)))


@pytest.mark.parametrize("kind", ["fifo", "/dev/null", "/dev/fd/1023", "socket", "directory"])
def test_an_image_may_be_a_stream(site: Path, kind: str) -> None:
    path = special(site, kind)
    made = plan(site, entry="app.py", image=str(path))
    if kind in ("socket", "directory"):
        with pytest.raises(OutputError):
            check_outputs(made)
    else:
        check_outputs(made)
    assert os.path.lexists(path) or kind == "/dev/fd/1023"


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.__name__)
@pytest.mark.parametrize("source", ["app", "cfg"])
def test_the_image_of_an_executable(site: Path, name: Callable[[Path], Path], source: str) -> None:
    (site / "app").write_bytes(b"\x7fELF")
    output = name(site / source)
    made = resolve_for_image({"output": str(output), "add_file": ["cfg:/etc/cfg"]}, folder=site, environ={})
    with pytest.raises(UsageError, match="would be replaced"):
        check_image_output(made, site / "app")


def test_nothing_is_left_or_changed(site: Path) -> None:
    before = sorted((path, path.lstat().st_ctime_ns) for path in site.rglob("*") if not path.is_dir())
    for kind, arguments in INPUTS.items():
        try:
            check_outputs(plan(site, **{"entry": "app.py", **arguments, "output": FILES[kind]}))
        except FreezerError:
            continue
        raise AssertionError(kind)
    assert sorted((path, path.lstat().st_ctime_ns) for path in site.rglob("*") if not path.is_dir()) == before


PARTS = (".", "..", "project", "pkg", "folder", "more", "dist", "up", "there", "new")
LEAVES = (*sorted({name.rpartition("/")[2] for name in FILES.values()}), "hard", "soft", "new", "result", "APP.py")
PATHS = st.tuples(st.lists(st.sampled_from(PARTS), max_size=4), st.sampled_from(LEAVES)).map(
    lambda it: "/".join((*it[0], it[1]))
)


@pytest.fixture(scope="module")
def tangle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs that have several names: links, hard links, directories with links up and round in circles."""
    top = tmp_path_factory.mktemp("tangle")
    fill(top)
    (top / "dist").mkdir()
    (top / "dist/result").write_bytes(b"\x7fELF")
    for place in ("", "folder", "project/pkg"):
        (top / place / "up").symlink_to("..")
        (top / place / "there").symlink_to(top)
        (top / place / "soft").symlink_to(top / "cfg")
        os.link(top / "data.txt", top / place / "hard")
    return top


def everything_read(top: Path) -> list[Path]:
    """The files that a build with all kinds of inputs reads, but for what may be an earlier result."""
    return [path for path in top.rglob("*") if path.is_file() and not path.is_symlink() and path.name != "result"]


@settings(max_examples=150)
@given(output=PATHS, image=PATHS, absolute=st.booleans())
def test_no_way_to_an_input_leads_an_output_there(tangle: Path, output: str, image: str, absolute: bool) -> None:
    """Whatever the paths are: what they lead to is no file that is read, nor each other."""
    together: dict[str, Any] = {"entry": "app.py"}
    for arguments in INPUTS.values():
        together.update({key: value for key, value in arguments.items() if key not in ("entry", "image")})
    together["add_file"] = ["cfg:/etc/cfg"]
    given_output = str(tangle / output) if absolute else output
    made = plan(tangle, **together, output=given_output, image=image)
    read = everything_read(tangle)
    try:
        check_outputs(made)
    except FreezerError as error:
        assert str(tangle.parent) in error.render()
        return
    assert made.output is not None and made.image is not None
    places = [Path(os.path.realpath(path.parent), path.name) for path in (made.output, made.image.output)]
    assert places[0] != places[1]
    for place in places:
        # A link is replaced itself; a file of another name is the same file.
        assert place.is_symlink() or not any(place.exists() and place.samefile(path) for path in read), place
        assert not place.is_dir() or place.is_symlink()
    assert everything_read(tangle) == read
