"""Images made by the command: the same bytes everywhere, errors that say so, and files that are whole or not there."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
from support import (
    CHECKOUT,
    PATIENCE,
    Freezer,
    as_user,
    compile_c,
    kill_group,
    need_program,
    need_root,
    small_disk,
    wait_until,
)

from freezer.base.errors import InputError
from freezer.base.oci.archive import open_image
from freezer.base.oci.model import PREDEFINED
from freezer.image.check import validate

USAGE, INPUT, VERIFICATION, OUTPUT, INTERRUPTED = 2, 3, 6, 7, 130
TIME = 1_600_000_000
STRANGER = 1234
PREVIOUS = "the previous output"
OVERHEAD = 96 << 10
"""Bytes that an image may have beyond its executable: files for scanners, and the blocks of tars."""
BIG = 600 << 20
EM_SPARC = 2
NEEDED = ("packaging", "rich", "certifi", "tzdata")
"""The requirements of freezer that making an image has."""


def dated(binary: Path, folder: Path) -> Path:
    """A copy of an executable in a directory, with a time that is always the same."""
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / "hello"
    shutil.copy(binary, copy)
    os.utime(copy, (TIME, TIME))
    return copy


@pytest.fixture(scope="module")
def binary(hello: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dated(hello, tmp_path_factory.mktemp("binary"))


@pytest.fixture(scope="module")
def image(freezer: Freezer, binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image that all others of the same executable must equal."""
    folder = tmp_path_factory.mktemp("image")
    return freezer("image", binary, "-o", "hello.tar", cwd=folder).output


def same(one: Path, other: Path) -> bool:
    """Whether files are equal, without pytest's explaining the difference of megabytes."""
    return one.read_bytes() == other.read_bytes()


def documents(path: Path) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """The configuration, the manifest and the names of an image, read with nothing of freezer's."""
    with tarfile.open(path) as archive:

        def load(name: str) -> Any:
            file = archive.extractfile(name)
            assert file is not None
            return json.load(file)

        descriptor, *_names = load("index.json")["manifests"]
        manifest = load("blobs/" + descriptor["digest"].replace(":", "/"))
        config = load("blobs/" + manifest["config"]["digest"].replace(":", "/"))
        (listed,) = load("manifest.json")
        return config, manifest, listed["RepoTags"]


# The same bytes


@pytest.mark.parametrize(
    ("env", "umask"),
    [
        ({"TZ": "Asia/Tokyo"}, 0o022),
        ({"TZ": "UTC"}, 0o077),
        ({"LC_ALL": "C"}, 0o022),
        ({"LC_ALL": "C.UTF-8"}, 0o022),
        ({"PYTHONHASHSEED": "1"}, 0o022),
        ({"PYTHONHASHSEED": "2"}, 0o022),
    ],
    ids=["tokyo", "utc-umask", "locale-c", "locale-utf8", "seed-1", "seed-2"],
)
def test_same_bytes(
    freezer: Freezer, hello: Path, image: Path, tmp_path: Path, env: dict[str, Optional[str]], umask: int
) -> None:
    copy = dated(hello, tmp_path / "quite another place")
    made = freezer("image", copy, "-o", "other.tar", cwd=tmp_path, env=env, umask=umask).output
    assert same(image, made)
    assert made.stat().st_mode & 0o777 == 0o666 & ~umask & 0o644


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A directory of the stranger's that he can reach, unlike those of pytest."""
    need_root()
    folder = Path("/var/tmp") / f"freezer-images-{os.getpid()}"
    folder.mkdir(mode=0o755)
    os.chown(folder, STRANGER, STRANGER)
    yield folder
    shutil.rmtree(folder)


def run_as_stranger(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run freezer as another user."""
    env = {"PATH": os.defpath, "HOME": str(cwd), "XDG_CACHE_HOME": str(cwd / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    staging = cwd.with_name("staging")
    staging.mkdir(exist_ok=True)
    command = [*as_user(STRANGER, staging), sys.executable, "-m", "freezer", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
        check=False,
    )  # fmt: skip


def test_same_bytes_as_another_user(hello: Path, image: Path, open_folder: Path) -> None:
    copy = dated(hello, open_folder)
    done = run_as_stranger("image", copy, "-o", "hello.tar", cwd=open_folder)
    assert done.returncode == 0, done.stderr
    made = open_folder / "hello.tar"
    assert made.stat().st_uid == STRANGER
    assert same(image, made)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What freezer needs to make images, all of it for any Python: some of what is installed here is for this one."""
    folder = tmp_path_factory.mktemp("packages")
    options = ("--quiet", "--disable-pip-version-check", "--target", str(folder), "--python-version", "3.9")
    command = [sys.executable, "-m", "pip", "install", *options, "--only-binary=:all:", *NEEDED]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return folder


IN_ROOT = """
mount --rbind "$1" "$2"
mount --rbind /dev "$2/dev"
mount --rbind /proc "$2/proc"
mount -t tmpfs tmpfs "$2/mnt"
mkdir "$2/mnt/freezer" "$2/mnt/packages" "$2/mnt/work" "$2/mnt/tmp"
mount --bind "$3" "$2/mnt/freezer"
mount --bind "$4" "$2/mnt/packages"
mount --bind . "$2/mnt/work"
root=$2
shift 4
export HOME=/mnt/tmp TMPDIR=/mnt/tmp PYTHONPATH=/mnt/freezer:/mnt/packages PYTHONDONTWRITEBYTECODE=1
exec chroot "$root" sh -c 'cd /mnt/work; exec "$@"' sh "$@"
"""
"""Runs a command in another system's root, which stays as it is, with this directory, freezer and its packages."""


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("suite", ["bullseye", "trixie"])
def test_same_bytes_under_other_pythons(
    freezer: Freezer, binary: Path, packages: Path, tmp_path: Path, suite: str, compression: str,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    need_root()
    options = ("--layer-compression", compression)
    expected = freezer("image", binary, "-o", "expected.tar", *options, cwd=tmp_path).output
    dated(binary, tmp_path)
    (tmp_path / "root").mkdir()
    places = (request.getfixturevalue(suite), tmp_path / "root", CHECKOUT, packages)
    words = [need_program("unshare"), "--mount", "sh", "-e", "-c", IN_ROOT, "sh", *map(str, places)]
    command = [*words, "python3", "-m", "freezer", "image", "hello", "-o", "made.tar", *options]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PATH": os.environ["PATH"]}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert same(expected, tmp_path / "made.tar")


# What is made


def test_size_and_facts(freezer: Freezer, binary: Path, tmp_path: Path) -> None:
    tags = ("-t", "example.com/a/hello:1", "-t", "hello")
    facts = json.loads(freezer("image", binary, "-o", "x.tar", *tags, "--json", cwd=tmp_path).stdout)
    made = tmp_path / "x.tar"
    config, manifest, names = documents(made)
    assert facts["path"] == str(made)
    assert facts["size"] == made.stat().st_size <= binary.stat().st_size + OVERHEAD
    assert facts["names"] == names == ["example.com/a/hello:1", "docker.io/library/hello:latest"]
    assert facts["image_id"] == manifest["config"]["digest"]
    with tarfile.open(made) as archive:
        assert "blobs/" + facts["manifest_digest"].replace(":", "/") in archive.getnames()
    assert config["config"]["Cmd"] == ["/app/hello"]
    assert config["created"].startswith("2020-09-13T12:26:40")


def test_with_a_build(freezer: Freezer, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('app')\n")
    first = freezer("build", "app.py", "--image", "x.tar", cwd=tmp_path)
    made = tmp_path / "x.tar"
    assert first.stdout == f"{tmp_path}/dist/app\n{made}\n"
    before, inode = made.read_bytes(), made.stat().st_ino
    second = freezer("build", "app.py", "--image", "x.tar", cwd=tmp_path)
    assert "is up to date" in second.stderr
    assert second.stdout == first.stdout
    assert made.stat().st_ino != inode
    assert (made.read_bytes() == before) is True


def test_settings_of_a_file(freezer: Freezer, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('app')\n")
    (tmp_path / "pyproject.toml").write_text(
        "[tool.freezer.image]\noutput = 'images/x.tar'\ntag = ['example.com/app:7']\nentrypoint = true\n"
    )
    done = freezer("build", "app.py", cwd=tmp_path)
    made = tmp_path / "images" / "x.tar"
    assert done.stdout == f"{tmp_path}/dist/app\n{made}\n"
    config, _, names = documents(made)
    assert names == ["example.com/app:7"]
    assert config["config"]["Entrypoint"] == ["/app/app"]
    assert "Cmd" not in config["config"]


def test_metadata_becomes_labels(freezer: Freezer, samples: Path, tmp_path: Path) -> None:
    made = tmp_path / "greeter.tar"
    freezer("build", "cli", "-c", "greeter", "-o", tmp_path / "greeter", "--image", made, cwd=samples)
    config, manifest, _ = documents(made)
    labels = config["config"]["Labels"]
    assert labels[f"{PREDEFINED}title"] == "greeter"
    assert labels[f"{PREDEFINED}version"] == "1.2.3"
    assert labels[f"{PREDEFINED}description"] == "Greets people in their language"
    assert labels.items() <= manifest["annotations"].items()


# Bad input


@pytest.mark.parametrize("tag", ["a/UPPER", "a:b:c", "", "a b", "example.com/a@sha256:00"])
def test_bad_tag(freezer: Freezer, binary: Path, tmp_path: Path, tag: str) -> None:
    freezer.fails("image", binary, "-o", "x.tar", f"--tag={tag}", cwd=tmp_path, status=INPUT)


def test_missing_executable(freezer: Freezer, tmp_path: Path) -> None:
    message = freezer.fails("image", "nothing", "-o", "x.tar", cwd=tmp_path, status=INPUT)
    assert str(tmp_path / "nothing") in message


def test_dynamic_executable(freezer: Freezer, tmp_path: Path) -> None:
    program = compile_c("int main(void) { return 0; }", tmp_path / "dynamic")
    message = freezer.fails("image", program, "-o", "x.tar", cwd=tmp_path, status=INPUT)
    assert "is not a static executable" in message
    assert "it asks for the interpreter /" in message


def test_dynamic_executable_of_the_system(freezer: Freezer, tmp_path: Path) -> None:
    assert "interpreter" in freezer.fails("image", "/bin/ls", "-o", "x.tar", cwd=tmp_path, status=INPUT)


@pytest.mark.parametrize("text", ["#!/bin/sh\necho hello\n", ""], ids=["script", "empty"])
def test_no_executable(freezer: Freezer, tmp_path: Path, text: str) -> None:
    (tmp_path / "script").write_text(text)
    assert "is not an executable" in freezer.fails("image", "script", "-o", "x.tar", cwd=tmp_path, status=INPUT)


def test_machine_without_a_name(freezer: Freezer, binary: Path, tmp_path: Path) -> None:
    copy = dated(binary, tmp_path)
    with open(copy, "r+b") as file:
        file.seek(18)
        file.write(EM_SPARC.to_bytes(2, sys.byteorder))
    assert "EM_SPARC" in freezer.fails("image", copy, "-o", "x.tar", cwd=tmp_path, status=INPUT)


def test_unreadable_executable_as_another_user(binary: Path, open_folder: Path) -> None:
    copy = dated(binary, open_folder)
    copy.chmod(0)
    done = run_as_stranger("image", copy, "-o", "x.tar", cwd=open_folder)
    assert done.returncode == INPUT, done.stderr
    assert f"freezer: error: {copy} cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (open_folder / "x.tar").exists()


def test_tag_without_an_image(freezer: Freezer, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('app')\n")
    message = freezer.fails("build", "app.py", "--tag", "a:1", cwd=tmp_path, status=USAGE)
    assert "--image" in message


# Bad outputs


def test_output_is_a_directory(freezer: Freezer, binary: Path, tmp_path: Path) -> None:
    (tmp_path / "x.tar").mkdir()
    message = freezer.fails("image", binary, "-o", "x.tar", cwd=tmp_path, status=OUTPUT)
    assert f"cannot write {tmp_path / 'x.tar'}" in message


def test_output_cannot_be_written(freezer: Freezer, binary: Path, tmp_path: Path) -> None:
    """Not even root makes directories in /proc."""
    message = freezer.fails("image", binary, "-o", "/proc/no/such/x.tar", cwd=tmp_path, status=OUTPUT)
    assert "cannot write /proc/no/such/x.tar" in message


def test_streams(freezer: Freezer, binary: Path, image: Path, tmp_path: Path) -> None:
    """Standard output, a named pipe and a descriptor get the same bytes as a file, and nothing else."""
    os.mkfifo(tmp_path / "fifo")
    for output in ("-", "/dev/stdout", "/dev/fd/1", str(tmp_path / "fifo")):
        script = 'exec "$@" | cat >out; exit "${PIPESTATUS[0]}"'
        if output.endswith("fifo"):
            script = f'cat {output} >out & "$@" >paths; status=$?; wait; exit $status'
        command = ["bash", "-c", script, "sh", *freezer.command("image", binary, "-o", output)]
        done = subprocess.run(
            command, cwd=tmp_path, env=freezer.environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert same(image, tmp_path / "out")
    assert stat.S_ISFIFO(os.lstat(tmp_path / "fifo").st_mode) and os.path.islink("/dev/stdout")
    assert (tmp_path / "paths").read_text() == f"{tmp_path}/fifo\n"


def test_a_reader_that_goes_away(freezer: Freezer, binary: Path, tmp_path: Path) -> None:
    script = '"$@" | head -c 9 >/dev/null; exit "${PIPESTATUS[0]}"'
    command = ["bash", "-c", script, "sh", *freezer.command("image", binary, "-o", "-")]
    done = subprocess.run(command, cwd=tmp_path, env=freezer.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == OUTPUT
    assert "cannot write /dev/stdout: Broken pipe" in done.stderr and "Traceback" not in done.stderr


def test_json_and_an_image_on_standard_output(freezer: Freezer, binary: Path, tmp_path: Path) -> None:
    message = freezer.fails("image", binary, "-o", "-", "--json", cwd=tmp_path, status=USAGE)
    assert "cannot both be written to standard output" in message


def test_full_disk(freezer: Freezer, binary: Path, tmp_path: Path) -> None:
    place = tmp_path / "small"
    script = 'printf "%s" "$1" >"$2/x.tar"; shift 2; "$@"; echo "status $?"; cd "$0"; ls -A; cat x.tar'
    with small_disk(place, "2m") as words:
        command = [*words, "sh", "-c", script, str(place), PREVIOUS, str(place)]
        command += freezer.command("image", binary, "-o", place / "x.tar")
        done = subprocess.run(
            command, cwd=tmp_path, env=freezer.environment(), capture_output=True, text=True, check=False
        )
    match = re.search(r"^status (\d+)\n(.*)", done.stdout, re.MULTILINE | re.DOTALL)
    assert match, done
    assert int(match[1]) == OUTPUT, done.stderr
    assert f"cannot write {place}/x.tar: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert match[2] == f"x.tar\n{PREVIOUS}"


# Interrupted


@pytest.fixture
def big(binary: Path, tmp_path: Path) -> Iterator[Path]:
    """An executable that takes a while to write, and no room itself."""
    path = dated(binary, tmp_path / "big")
    os.truncate(path, BIG)
    yield path
    path.unlink()


def interrupt(freezer: Freezer, big: Path, folder: Path, number: signal.Signals) -> tuple[int, str]:
    """Send a signal to a run that is writing its image."""
    process = freezer.start("image", big, "-o", "x.tar", cwd=folder)

    def writing() -> bool:
        # Whether a place can be written is tried with files of a byte.
        for path in folder.glob(".x.tar.freezer-*.tmp"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_size > 1:
                    return True
        return process.poll() is not None

    try:
        wait_until(writing, "the temporary file")
        assert process.poll() is None, process.communicate()
        process.send_signal(number)
        output, said = process.communicate(timeout=PATIENCE)
        assert output == ""
        return process.returncode, said
    finally:
        kill_group(process)
        process.communicate()


def test_killed(freezer: Freezer, binary: Path, big: Path, image: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "x.tar").write_text(PREVIOUS)
    status, _ = interrupt(freezer, big, folder, signal.SIGKILL)
    assert status == -signal.SIGKILL
    assert (folder / "x.tar").read_text() == PREVIOUS
    assert len(os.listdir(folder)) == 2
    freezer("image", binary, "-o", "x.tar", cwd=folder)
    assert os.listdir(folder) == ["x.tar"]
    assert same(image, folder / "x.tar")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_interrupted(freezer: Freezer, big: Path, tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "x.tar").write_text(PREVIOUS)
    status, said = interrupt(freezer, big, folder, number)
    assert status == INTERRUPTED, said
    assert f"interrupted by {number.name}" in said
    assert "Traceback" not in said
    assert os.listdir(folder) == ["x.tar"]
    assert (folder / "x.tar").read_text() == PREVIOUS


# Looking at it


def test_check_passes(freezer: Freezer, image: Path) -> None:
    assert freezer("check", image, cwd=image.parent).output == image


def test_inspect(freezer: Freezer, image: Path) -> None:
    report = json.loads(freezer("inspect", image, "--json", cwd=image.parent).stdout)
    assert (report["path"], report["kind"], report["size"]) == (str(image), "image", image.stat().st_size)
    assert report["items"]


def found_wrong(path: Path) -> bool:
    """What ``freezer check`` does with the file itself, without starting a process."""
    try:
        with open_image(path) as archive:
            return bool(validate(archive).problems)
    except InputError:
        return True


def flip(path: Path, offset: int) -> None:
    with open(path, "r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def test_every_flipped_byte_is_found(image: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(image, tmp_path / "x.tar"))
    assert not found_wrong(copy)
    last = copy.stat().st_size - 1
    missed = []
    for offset in [last * step // 39 for step in range(40)]:
        flip(copy, offset)
        if not found_wrong(copy):
            missed.append(offset)
        flip(copy, offset)
    assert missed == []
    assert same(image, copy)


@pytest.mark.parametrize("where", ["start", "middle", "end"])
def test_check_fails_after_a_flip(freezer: Freezer, image: Path, tmp_path: Path, where: str) -> None:
    copy = Path(shutil.copy(image, tmp_path / "x.tar"))
    size = copy.stat().st_size
    flip(copy, {"start": 0, "middle": size // 2, "end": size - 1}[where])
    done = freezer("check", copy, cwd=tmp_path, check=False)
    assert done.status in (INPUT, VERIFICATION), done.stderr
    assert done.error
