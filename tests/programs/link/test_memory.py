"""Starts from memory, in a root where nothing that can be written to allows execution."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from launching import (
    CANNOT_RUN,
    DONE,
    App,
    Outcome,
    compile_launcher,
    compile_program,
    executable,
    parse,
    root_of,
    tree_of,
    write_executable,
)
from support import ORDINARY, PATIENCE, lacking, need_program, need_root

PLACES = ("tmp", "var/tmp", "dev/shm")
TIMES = PATIENCE // 2 * 50
"""How often something that must come is looked for."""
NOEXEC = "noexec,nosuid,nodev,mode=1777"
KEEPERS = "keepers | wc -l"
LEFT = f"find {' '.join(PLACES)} -mindepth 1"
"""Shell commands, below the root: how many processes keep files in memory, and what is in the places."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """Makes executables whose application says how it was started."""
    launcher = compile_launcher(tmp_path_factory.mktemp("launcher")).read_bytes()
    program = compile_program(tmp_path_factory.mktemp("program"))
    return lambda **options: executable(launcher, tree_of(program), **options)


class Box:
    """A root with the executable, in mounts and a PID namespace of its own."""

    def __init__(self, folder: Path, data: bytes) -> None:
        need_root()
        write_executable(folder / "bin" / "app", data)
        self.root = root_of(App(folder / "bin" / "app", folder, folder))
        (self.root / "proc").mkdir()
        (self.root / "out").mkdir()
        (self.root / "out").chmod(0o777)

    def run(
        self, script: str, *, options: str = NOEXEC, mounts: Sequence[str] = ("mount -t proc proc proc",), user: int = 0
    ) -> str:
        """Run a script of the shell's in the root, in which ``start FILE`` starts the executable, with its output in
        the file; return its output."""
        chroot = f"{need_program('chroot')} --userspec={user}:{user} . /app"
        lines = [
            "mount --bind . .",
            f"cd '{self.root}'",
            *(f"mount -t tmpfs -o {options} tmpfs {place}" for place in PLACES),
            *mounts,
            f'start() {{ file=$1; shift; env -i "$@" {chroot} > "out/$file" 2> "out/$file.err"; }}',
            f'gone() {{ for i in $(seq {TIMES}); do [ -z "$($1)" ] && return; sleep 0.02; done; $1; }}',
            f"ready() {{ for i in $(seq {TIMES}); do [ -s out/$1 ] && return; sleep 0.02; done; }}",
            f"left() {{ {LEFT}; }}",
            # Without a word of those that end meanwhile.
            "keepers() { grep -slx freezer-memory /proc/[0-9]*/comm; }",
            script,
        ]
        words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", "\n".join(lines)]
        done = subprocess.run(words, cwd=self.root, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.stderr == "", done.stderr
        return done.stdout

    def outcome(self, file: str, status: int = DONE) -> Outcome:
        """What a start has said."""
        said = (self.root / "out" / file).read_text()
        return Outcome(status, (self.root / "out" / f"{file}.err").read_text(), parse(said))


@pytest.fixture
def box(tmp_path: Path, built: Callable[..., bytes]) -> Box:
    return Box(tmp_path, built())


@pytest.mark.parametrize("user", [0, ORDINARY])
def test_a_start(box: Box, user: int) -> None:
    output = box.run("start a X=1; echo $?; start b; echo $?; gone left", user=user)
    assert output.split() == [str(DONE)] * 2  # and nothing is left
    done = box.outcome("a")
    assert (done.stderr, done.one("exe")) == ("", "/memfd:program (deleted)")
    (origin,) = (line.partition("=")[2] for line in done.said["env"] if line.startswith("LD_ORIGIN_PATH="))
    assert re.fullmatch(rf"/var/tmp/freezer-{user}/[0-9a-f]{{64}}-\d+/tree", origin)
    assert {line.partition("=")[0] for line in done.said["env"]} == {"X", "_FREEZER_START", "LD_ORIGIN_PATH"}
    # The streams and the lock, which start.so closes.
    assert len(done.one("fds").split()) == 4


def test_all_starts_share_the_files(box: Box) -> None:
    starts = "for i in 1 2 3 4 5 6; do start $i LINGER=1 & done; for i in 1 2 3 4 5 6; do ready $i; done"
    output = box.run(f"{starts}; {KEEPERS}; ls var/tmp/freezer-0 | wc -l; start more; {KEEPERS}")
    assert output.split() == ["1", "1", "1"]


@pytest.mark.parametrize("number", [9, 15])
def test_the_end_of_the_application(box: Box, number: int) -> None:
    """Whatever ends it, nothing is left, and no process stays."""
    kill = f"kill -{number} $(grep -slx program /proc/[0-9]*/comm | cut -d/ -f3)"
    output = box.run(f"start a LINGER=1 & ready a; {KEEPERS}; {kill}; gone left; gone keepers; {KEEPERS}")
    assert output.split() == ["1", "0"]


def test_the_process_that_keeps_the_files_is_killed(box: Box) -> None:
    """Links into /proc lead nowhere then, or to files of other processes."""
    kill = "kill -9 $(grep -slx freezer-memory /proc/[0-9]*/comm | cut -d/ -f3)"
    output = box.run(
        f"start a LINGER=1 & ready a; {kill}; gone keepers; start b; echo $?; {KEEPERS}; ls var/tmp/freezer-0 | wc -l"
    )
    assert output.split() == [str(DONE), "1", "1"]


def test_what_that_process_has(box: Box) -> None:
    """Nothing of the caller's: no streams, no files, no signals that end it, no rights."""
    keeper = "k=$(grep -slx freezer-memory /proc/[0-9]*/comm | cut -d/ -f3)"
    look = "readlink /proc/$k/fd/*; grep -E 'CapPrm|PPid' /proc/$k/status; readlink /proc/$k/cwd"
    output = box.run(f"start a LINGER=1 7<app & ready a; {keeper}; kill -TERM $k; kill -INT $k; sleep 0.1; {look}")
    *lines, capabilities, folder = output.splitlines()
    assert lines.pop() == "PPid:\t1" and capabilities.split()[1].strip("0") == "" and folder == str(box.root)
    names = {re.sub(r"^.*/freezer-0|^/memfd:|:.*", "", line) for line in lines}
    files = {re.sub(r"^/[0-9a-f]+-[0-9]+", "ENTRY", name) for name in names}
    # The directory of entries, the entry, its tree and locks, and the end that tells when the start holds one of them.
    assert files == {"", "ENTRY", "ENTRY/memory", "ENTRY/used", "ENTRY/tree", "socket", "program (deleted)"}


def test_another_namespace_has_files_of_its_own(box: Box) -> None:
    """Its processes have other numbers in /proc."""
    chroot = f"env -i LINGER=1 {need_program('chroot')} . /app"
    wait = f"for i in $(seq {TIMES}); do [ -s out/b ] && break; sleep 0.02; done"
    inside = f"mount -t proc proc proc; {chroot} > out/b 2> out/b.err & {wait}; ls var/tmp/freezer-0 | wc -l"
    output = box.run(f"start a LINGER=1 & ready a; unshare --mount --pid --fork --kill-child sh -c '{inside}'")
    assert output.split() == ["2"] and box.outcome("b").one("exe").startswith("/memfd:")


def test_too_little_room(tmp_path: Path, built: Callable[..., bytes]) -> None:
    """What is executed is not on the disk that is too small for all."""
    box = Box(tmp_path, built(need=100_000_000))
    assert box.run("start a; echo $?", options="mode=1777,size=4m").split() == [str(DONE)]
    assert box.outcome("a").one("exe").startswith("/memfd:")


def refusal(box: Box, status: str) -> str:
    assert status.split() == [str(CANNOT_RUN)]
    (reason,) = re.findall(r"^       memory: (.*)$", box.outcome("a", CANNOT_RUN).refusal, re.MULTILINE)
    return str(reason)


def test_without_proc(box: Box) -> None:
    assert refusal(box, box.run("start a; echo $?", mounts=())).startswith("needs /proc: ")


def test_nothing_to_write_to(box: Box) -> None:
    reason = refusal(box, box.run("start a; echo $?", options="ro"))
    assert reason == "it takes a directory that can be written to, even if that forbids execution"


def test_the_system_forbids_it(box: Box) -> None:
    """An administrator's setting of the kernel's, which is about execution from memory."""
    if not os.path.exists("/proc/sys/vm/memfd_noexec"):
        lacking("the kernel has no setting vm.memfd_noexec")
    reason = refusal(box, box.run("echo 2 > /proc/sys/vm/memfd_noexec; start a; echo $?; gone left"))
    assert reason == "cannot write program: Permission denied"


def test_no_room_for_the_rest(box: Box) -> None:
    reason = refusal(box, box.run("start a; echo $?; gone left", options=f"{NOEXEC},size=200k"))
    assert reason.endswith("No space left on device")


@pytest.mark.parametrize("mode", ["0777", "2777"])
def test_a_directory_that_others_can_change(box: Box, mode: str) -> None:
    """As Kubernetes' emptyDir: what is checked could be replaced before it is opened by its name."""
    status = box.run(f"chmod {mode} {' '.join(PLACES)}; start a FREEZER_CACHE=/tmp/own; echo $?; gone left")
    refusal(box, status)
    said = box.outcome("a", CANNOT_RUN).stderr
    assert "$FREEZER_CACHE" not in said and f"/tmp can be written by others (mode {mode.lstrip('0')}, like" in said
    assert "like Kubernetes' emptyDir, must be sticky for that: chmod +t" in said
    # An engine's own /dev/shm is sticky.
    works = box.run(f"chmod {mode} tmp var/tmp; start b; echo $?; gone left")
    assert works.split() == [str(DONE)] and "/dev/shm/freezer-0/" in "".join(box.outcome("b").said["env"])
