"""Which functions read the clock only to wait."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import compile_c

from freezer.prove.snapshot.memory import is_fixed, symbols_of
from freezer.prove.snapshot.waiting import waiting_functions

CODE = """
#include <semaphore.h>
#include <time.h>

static sem_t lock;

long tells(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

int waits(void)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec++;
    return sem_timedwait(&lock, &end);
}

int tries(void)
{
    return sem_trywait(&lock) + sem_post(&lock);
}

int main(void) { return sem_init(&lock, 0, 1) + waits() + tries() + tells() == 0; }
"""
NAMES = frozenset(("tells", "waits", "tries"))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("-shared", "-fPIC"), id="library"),
        pytest.param(("-shared", "-fPIC", "-fno-plt"), id="without-stubs"),
        pytest.param(("-shared", "-fPIC", "-fcf-protection=full", "-Wl,-z,ibtplt"), id="marked"),
        pytest.param(("-shared", "-fPIC", "-Wl,-z,now", "-O2"), id="bound-at-once"),
        pytest.param(("-rdynamic", "-no-pie"), id="fixed"),
        pytest.param(("-rdynamic", "-pie", "-fPIE"), id="movable"),
    ],
)
def test_functions_that_wait(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = compile_c(CODE, tmp_path / "code", *options, "-pthread")
    functions = symbols_of(path, NAMES)
    found = waiting_functions(path)
    assert sorted(functions) == sorted(NAMES)
    for name, (start, size) in functions.items():
        assert ((start, start + size) in found) == (name != "tells")
    assert len(found) == 2
    assert is_fixed(path) == ("-no-pie" in options)


def test_files_without_such(tmp_path: Path) -> None:
    assert waiting_functions(compile_c("int f(void) { return 1; }", tmp_path / "f.so", "-shared")) == []
    for text in (b"", b"#!/bin/sh\n", b"\x7fELF" + bytes(60)):
        (tmp_path / "file").write_bytes(text)
        assert waiting_functions(tmp_path / "file") == []
        assert not is_fixed(tmp_path / "file")
    assert waiting_functions(tmp_path / "missing") == []


def test_damaged_files(tmp_path: Path) -> None:
    """Whatever the tables say, there is an answer."""
    whole = compile_c(CODE, tmp_path / "code", "-shared", "-fPIC").read_bytes()
    for at in range(0, len(whole), 97):
        (tmp_path / "damaged").write_bytes(
            whole[:at] + bytes(255 - byte for byte in whole[at : at + 8]) + whole[at + 8 :]
        )
        assert isinstance(waiting_functions(tmp_path / "damaged"), list)
        (tmp_path / "damaged").write_bytes(whole[:at])
        assert isinstance(waiting_functions(tmp_path / "damaged"), list)
