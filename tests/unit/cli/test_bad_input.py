"""Every command and option with every kind of bad input: a status that says whose fault it is, and one message.

Nothing is changed or left, and nothing waits for a pipe. Errors with words of their own are in test_errors.py.
"""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from images import Made, archive, file
from support import compile_c, held_free, snapshot

from freezer import stages
from freezer.application import inputs
from freezer.base.errors import ExitStatus, FreezerError
from freezer.cli.main import main
from freezer.plan.image_settings import IMAGE_DATA, IMAGE_OUTPUT, IMAGE_SETTINGS
from freezer.plan.settings import SETTINGS, ValueKind

USAGE, INPUT, ENVIRONMENT, OUTPUT = ExitStatus.USAGE, ExitStatus.INPUT, ExitStatus.ENVIRONMENT, ExitStatus.OUTPUT
LONG, DEEP = "x" * 4000, "a/" * 2000 + "b"

NOTHING = ("missing", "dangling", "loop", "empty/x", "dangling/x", "", LONG, DEEP, "x\ny", "\udcff", "-x", "$HOME", " ")
"""Names that nothing has."""
NO_FILE = ("directory", "pipe", "socket", "/dev/null", "link to null", "link to pipe")
NO_CONTENT = ("empty", "text", "zeros", "binary", "elf magic", "elf cut", "tar cut", "tar", "gzip")
"""Files that are no executable, and no image."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c("int main(void) { return 0; }", tmp_path_factory.mktemp("program") / "program", "-static", "-s")


@pytest.fixture
def here(tmp_path: Path, program: Path, alone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with one of everything, and no cache of anybody."""
    place = tmp_path / "here"
    place.mkdir()
    # All files of freezer's own: the same for every build, and not what is wrong with any of these.
    monkeypatch.setattr(inputs, "toolchain_state", dict)
    monkeypatch.chdir(place)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    shutil.copy(program, place / "program")
    image = Made(archive(file("run", b"x", mode=0o755))).write(place / "image.tar").read_bytes()
    for name, content in {
        "app.py": b"",
        "empty": b"",
        "text": b"hello\n",
        "zeros": bytes(5000),
        "binary": b"\xff\xfe\x00\x01",
        "elf magic": b"\x7fELF",
        "elf cut": program.read_bytes()[:5000],
        "tar cut": image[:700],
        "tar": archive(file("a")),
        "gzip": gzip.compress(image, mtime=0),
    }.items():
        (place / name).write_bytes(content)
    for name, target in {
        "dangling": "no",
        "loop": "loop",
        "link to null": "/dev/null",
        "link to pipe": "pipe",
    }.items():
        (place / name).symlink_to(target)
    (place / "directory").mkdir()
    os.mkfifo(place / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    return place


def shown(name: str) -> str:
    """The path of a file as the captured messages have it."""
    return os.path.abspath(name).encode("utf-8", "replace").decode()


class Reached(FreezerError):
    """The build's environment would be made now: nothing was wrong before."""

    status = ExitStatus.INTERRUPTED


Refused = Callable[..., tuple[int, str]]


@pytest.fixture
def refused(here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Refused]:
    """Runs a command that must fail as it should; returns the status and the message."""

    def reached(*_arguments: object) -> None:
        raise Reached("reached")

    def call(*arguments: str) -> tuple[int, str]:
        try:
            status = int(main(arguments))
        except SystemExit as wrong_usage:
            said = capfd.readouterr()
            assert (wrong_usage.code, said.out) == (USAGE, ""), arguments
            assert said.err.count("error: ") == 1
            return USAGE, said.err
        said = capfd.readouterr()
        assert said.out == "" and status != ExitStatus.DONE, (arguments, said)
        assert "Traceback" not in said.err
        assert said.err.count("freezer: error: ") == 1, said.err
        return status, said.err[said.err.index("freezer: error: ") :]

    monkeypatch.setattr(stages, "prepare", reached)
    before = snapshot(here)
    yield call
    assert snapshot(here) == before
    assert held_free(Path(os.environ["XDG_CACHE_HOME"], "freezer", "work")) == []


@pytest.mark.parametrize("command", [("check",), ("inspect",), ("inspect", "--json", "-q"), ("image", "-o", "out.tar")])
def test_the_file_of_a_command(refused: Refused, capfd: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    for name in (*NOTHING, *NO_FILE, *NO_CONTENT):
        if "--json" in command:
            assert main([*command, "--", name]) == INPUT
            assert '"status": 3' in capfd.readouterr().out
            continue
        status, message = refused(*command, "--", name)
        assert (status, shown(name) in message) == (INPUT, True), (name, message)


OPTIONS_WITH_FILES = {
    "requirement": (*NOTHING, *NO_FILE, "zeros", "binary", "elf cut", "tar cut", "tar"),
    "constraint": (*NOTHING, *NO_FILE, "zeros", "binary", "elf cut", "tar cut", "tar"),
    "library": (*NOTHING, *NO_FILE),
    "add-data": tuple(f"{name}:d" for name in (*NOTHING, *NO_FILE) if name != "directory"),
    "add-binary": tuple(f"{name}:d" for name in (*NOTHING, *NO_FILE) if name != "directory"),
    "chroot": (*NOTHING, *NO_FILE, *NO_CONTENT, "program", "image.tar"),
    "python": (*(f"./{name}" for name in NOTHING), *(f"./{name}" for name in NO_FILE if "/dev" not in name)),
}


@pytest.mark.parametrize("option", OPTIONS_WITH_FILES)
def test_the_file_of_an_option(refused: Refused, option: str) -> None:
    for name in OPTIONS_WITH_FILES[option]:
        status, message = refused("build", "app.py", f"--{option}={name}")
        assert status == INPUT, (name, message)


@pytest.mark.parametrize("name", [*NOTHING, *NO_FILE])
def test_the_entry(refused: Refused, name: str) -> None:
    status, message = refused("build", f"./{name}" if name != "/dev/null" else name)
    assert status == INPUT and shown(name) in message


@pytest.mark.parametrize("name", [*NOTHING, "pipe", "socket", "/dev/null", "link to pipe"])
def test_what_an_image_is_to_have(refused: Refused, name: str) -> None:
    status, message = refused("image", "program", "-o", "out.tar", f"--add-file={name}:/x")
    assert status == INPUT and "--add-file" in message


@pytest.mark.parametrize(
    "command", [("build", "app.py", "-o"), ("image", "program", "-o"), ("inspect", "tar", "--html")]
)
@pytest.mark.parametrize("name", ["directory", "socket", "empty/x", "dangling/x", LONG, "/proc/x", ".", "/", ""])
def test_the_place_of_a_result(refused: Refused, command: tuple[str, ...], name: str) -> None:
    status, _ = refused(*command, name)
    assert status == OUTPUT


ODD = ("", "x\ny", "a:b:c", "../..", "\udcff", "é", "--x", "-1", "²", LONG)


def options_of(command: str) -> list[str]:
    settings = SETTINGS if command == "build" else (IMAGE_OUTPUT, *IMAGE_SETTINGS, *IMAGE_DATA)
    kinds = (ValueKind.FLAG, ValueKind.SWITCH)
    return [item.name for item in settings if item.kind not in kinds and item.name not in ("output", "jobs")]


@pytest.mark.parametrize("value", ODD)
def test_any_value_of_any_option(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], value: str
) -> None:
    """It is taken, or refused with a message: never a traceback. What it writes is one image."""

    def reached(*_arguments: object) -> None:
        raise Reached("reached")

    monkeypatch.setattr(stages, "prepare", reached)
    before, names = snapshot(here), set(os.listdir(here))
    for words in (("build", "app.py"), ("image", "program", "-o", "out.tar")):
        for option in options_of(words[0]):
            try:
                status = int(main([*words, f"--{option}={value}"]))
            except SystemExit as wrong_usage:
                status = int(str(wrong_usage.code))
            said = capfd.readouterr()
            assert status in (0, USAGE, INPUT, OUTPUT, Reached.status), (option, said.err)
            assert "Traceback" not in said.err and said.err.count("error: ") == (status != 0), (option, said.err)
            if status != 0:
                assert said.out == ""
            if (here / "out.tar").exists():
                assert status == 0
                (here / "out.tar").unlink()
            assert set(os.listdir(here)) == names, option
        assert snapshot(here) == before


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("--older-than", ("", "x", "-1d", "1", "1y", "²d", "9" * 30 + "d")),
        ("--max-size", ("", "x", "-1M", "1X", "²M", "9" * 400 + "T")),
        ("--kind", ("", "root", "all")),
    ],
)
def test_the_rules_of_pruning(refused: Refused, option: str, values: tuple[str, ...]) -> None:
    for value in values:
        assert refused("cache", "prune", f"{option}={value}")[0] in (USAGE, INPUT), value


@pytest.mark.parametrize("value", ["", "relative", "empty/x", "socket", "text", "a\nb", LONG])
def test_the_environment(refused: Refused, here: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A place for the cache that cannot be one: a relative one does not count (XDG Base Directory specification)."""
    monkeypatch.setenv("XDG_CACHE_HOME", f"{here}/{value}" if value in ("empty/x", "socket", "text", LONG) else value)
    monkeypatch.setenv("HOME", str(here / "text"))
    status, message = refused("inspect", "image.tar") if value else refused("build", "app.py")
    assert status == ENVIRONMENT, message
    monkeypatch.setenv("XDG_CACHE_HOME", str(here.parent / "cache"))


@pytest.mark.parametrize("name", ["p\udcff", "p q", "p\nq", "p:q", "-p", "$p", "é" * 40])
def test_names_of_programs_and_results(
    here: Path, program: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """They are printed as they are, in whatever encoding the terminal has; or there is no image of that name."""
    with open(sys.stdout.fileno(), "w", encoding="utf-8", errors="strict", closefd=False) as strict:
        monkeypatch.setattr(sys, "stdout", strict)
        shutil.copy(program, here / name)
        assert main(["image", "-q", f"--output={name}.tar", "--tag", "t", "--", name]) == (
            INPUT if "\udcff" in name else 0
        )
        assert main(["image", "-q", f"--output={name}.tar", "--tag", "t", "program"]) == 0
        assert main(["inspect", "-q", f"--html={name}.html", "--", f"{name}.tar"]) == 0
        assert main(["inspect", "-q", "--", name]) == 0
        assert main(["check", "-q", "--no-verify", "--", name]) == 0
    said = capfdbinary.readouterr()
    assert os.fsencode(f"{here}/{name}.tar\n{here}/{name}.html\n") in said.out
    assert b"Traceback" not in said.err
