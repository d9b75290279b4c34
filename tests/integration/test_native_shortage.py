"""Natively linked executables where the system fails them: each system call of a start, and the end at each of them.

Whatever fails, the application runs, or the start ends with one message; an entry that was whole stays so; and a start
that failed leaves nothing anywhere. The payload is small, for there are hundreds of starts.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from launching import (
    CANDIDATES,
    CANNOT_RUN,
    DONE,
    SHARED,
    WAITING,
    Outcome,
    Root,
    compile_launcher,
    compile_small_library,
    compile_small_program,
    executable,
    make_root,
    tree_of,
)
from support import attended, in_memory, need_program, need_root

from freezer.store.entries import Home, entries
from freezer.store.prune import remove

ERRORS = ("EMFILE", "ENOMEM", "EIO", "ENOSPC", "EACCES", "EINTR", "ENOLCK")
WHOLE = {"lock", "used", "tree", "manifest"}
REMOVALS = {"unlinkat", "rmdir"}
"""Calls without which nothing can be cleaned."""
ONCE = {*REMOVALS, "mprotect", "exit"}
"""Those that only fail once: the application needs the one, and the end of a thread is tried for ever."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An executable with records of every kind, each of a small file."""
    folder = tmp_path_factory.mktemp("app")
    records = tree_of(compile_small_program(folder), compile_small_library(folder))
    return executable(compile_launcher(folder, *WAITING).read_bytes(), records)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, app: bytes) -> Iterator[Root]:
    """In memory: the disk would take half of the time."""
    need_root()
    with in_memory(tmp_path_factory.mktemp("shortage")) as folder:
        yield make_root(folder, app)


@pytest.fixture
def root_on_disk(tmp_path: Path, app: bytes) -> Root:
    return make_root(tmp_path, app)


def judge(root: Root, done: Outcome, before: dict[str, tuple[int, int]], where: object, silent: bool = False) -> None:
    """What is true of every start: ``before`` is what was there, and still must be. It may be that nothing can be
    written, so that it is silent."""
    now = root.content()
    assert {name: now.get(name) for name in before} == before, where
    if done.status == CANNOT_RUN:
        assert silent or done.refusal
        assert now.keys() == before.keys(), where
        return
    assert (done.status, done.stderr) == (DONE, ""), where
    for entry in root.entries():
        assert set(os.listdir(entry)) - {"seen"} == WHOLE, where


def times(call: str, number: int, error: str) -> list[str]:
    """When a call fails, as strace has it: once, and from then on. What is interrupted is tried again for ever."""
    return [f"{number}"] if call in ONCE or error == "EINTR" else [f"{number}", f"{number}+"]


def place_of(done: Outcome) -> str:
    """Where it was started from, as the launcher tells it to the dynamic loader."""
    return done.said["env"][-1].partition("=")[2].split("/")[1]


@pytest.mark.parametrize("error", ERRORS)
def test_a_warm_start_when_a_call_fails(root: Root, error: str) -> None:
    root.clean()
    assert root.start().status == DONE
    before = root.content()
    calls = root.calls()
    assert len(calls) > 40 and dict(calls).keys() >= {"open", "openat", "read", "fstat", "flock", "mmap", "execve"}
    for call, number in calls:
        for when in times(call, number, error):
            judge(root, root.faulty(call, f"error={error}", when), before, (call, when))
            done = root.start()
            assert done.status == DONE and place_of(done) == "first", (call, when)
            if root.content().keys() != before.keys():  # it ran from another place meanwhile
                root.clean()
                assert root.start().status == DONE
                before = root.content()


@pytest.mark.parametrize("shift", range(2))
def test_a_cold_start_when_a_call_fails(root: Root, shift: int) -> None:
    """Each call with two of the errors, so that each kind of call meets all of them."""
    root.clean()
    calls = root.calls()
    assert len(calls) > 150 and dict(calls).keys() >= {"write", "pwrite64", "mkdirat", "clone", "renameat", "unlinkat"}
    for index, (call, number) in enumerate(calls):
        error = ERRORS[(index + 2 * shift) % len(ERRORS)]
        for when in times(call, number, error):
            root.clean()
            before = root.content()
            judge(root, root.faulty(call, f"error={error}", when), before, (call, when, error), silent=call == "write")
            assert root.start().status == DONE, (call, when, error)
            assert len(root.entries()) == 1, (call, when, error)


def test_a_damaged_entry_when_a_call_fails(root: Root) -> None:
    """It is unpacked again, now or at the next start."""

    def spoil() -> None:
        root.clean()
        assert root.start().status == DONE
        (entry,) = root.entries()
        (entry / "tree/lib/data").unlink()

    spoil()
    for index, (call, number) in enumerate(root.calls()):
        if call in REMOVALS:
            continue
        spoil()
        done = root.faulty(call, f"error={ERRORS[index % len(ERRORS)]}", f"{number}")
        assert done.status == DONE or done.refusal, (call, number)
        assert root.start().status == DONE, (call, number)
        whole = [entry for entry in root.entries() if (entry / "manifest").exists()]
        assert whole and all((entry / "tree/lib/data").exists() for entry in whole[1:]), (call, number)


def test_a_start_killed_at_each_call_leaves_what_can_be_removed(root_on_disk: Root) -> None:
    """By freezer, which follows no path into another process's file systems."""
    root = root_on_disk
    root.clean()
    homes = [Home(root.path / path.lstrip("/"), False) for path in ("first", "second/freezer/apps")]
    for call, number in root.calls():
        root.clean()
        root.faulty(call, "signal=KILL", f"{number}")
        items = entries(homes, {})
        assert [item.path for item in items] == root.entries(), (call, number)
        for item in items:
            assert not item.in_use and (item.litter or (item.path / "manifest").exists()), (call, number)
            assert remove(root.path, item), (call, number)
        assert root.entries() == [], (call, number)


def test_starts_that_fail_do_not_disturb_others(root: Root) -> None:
    """They come and go in the same directories, while others unpack there and start."""
    root.clean()
    limited = [need_program("prlimit"), "--nofile=8:8"]
    command = [str(root.enter), str(root.path), "/app"]

    quiet: dict[str, Any] = {"env": CANDIDATES, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    for _ in range(5):
        shutil.rmtree(root.path / "first", ignore_errors=True)
        with contextlib.ExitStack() as stack:
            failing = [stack.enter_context(attended([*limited, *command], **quiet)) for _ in range(40)]
            others = [stack.enter_context(attended(command, **quiet)) for _ in range(40)]
            assert {process.wait() for process in others} == {DONE}
            assert {process.wait() for process in failing} <= {DONE, CANNOT_RUN}
        (entry,) = root.entries()
        assert entry.parent.name == "first" and set(os.listdir(entry)) - {"seen"} == WHOLE
    assert [name for name in SHARED if os.listdir(root.path / name)] == []
    assert not (root.path / "second/freezer").exists()
