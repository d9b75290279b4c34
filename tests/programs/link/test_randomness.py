"""How random numbers are drawn by what start.so gives the interpreter: from the C library, or by system calls."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest
from support import PATIENCE, compile_c

from freezer.link.launcher.build import SOURCE

COUNTED = r"""
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/random.h>
#include <sys/types.h>

/* Stands in for the C library, which is asked first: this comes behind the library of the test. */
ssize_t getrandom(void *data, size_t size, unsigned flags)
{
    fputs("asked\n", stderr);
    for (size_t at = 0; at < size; at++)
        ((char *)data)[at] = (char)flags;
    return (ssize_t)size;
}
"""
PROGRAM = r"""
#include "randomness.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

int main(int count, char **words)
{
    unsigned char data[300] = {0}, none[300] = {0};
    if (count > 1 && words[1][0] == 'c')
        draw_by_calls();
    long got = getrandom(data, 16, 1);
    printf("%ld %d", got, memcmp(data, none, 16) != 0);
    memset(data, 0, sizeof data);
    got = getentropy(data, 256);
    printf(" %ld %d", got, memcmp(data + 200, none, 56) != 0);
    got = getentropy(data, 257);
    printf(" %ld %d", got, errno == EIO);
    got = getrandom(words[1][0] == 'c' ? NULL : data, 16, 0);
    printf(" %ld %d\n", got, errno == EFAULT);
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("randomness")
    text = (SOURCE / "randomness.c").read_text()
    ours = compile_c(text, folder / "libours.so", "-I", str(SOURCE), "-shared", "-fPIC")
    theirs = compile_c(COUNTED, folder / "libtheirs.so", "-shared", "-fPIC")
    options = ("-I", str(SOURCE), "-Wl,--no-as-needed")
    return compile_c(PROGRAM, folder / "program", *options, libraries=(ours, theirs))


def run(program: Path, *words: str) -> tuple[str, str]:
    done = subprocess.run([program, *words], capture_output=True, text=True, check=True, timeout=PATIENCE)
    return done.stdout, done.stderr


def test_a_process_that_is_to_be_saved_draws_by_calls(program: Path) -> None:
    assert run(program, "calls") == ("16 1 0 1 -1 1 -1 1\n", "")


def test_others_have_what_the_c_library_draws(program: Path) -> None:
    """Here that is the stand-in's answer, the flags, of which getentropy has none."""
    assert run(program, "library") == ("16 1 0 0 -1 1 16 0\n", "asked\n" * 3)


def test_numbers_differ(program: Path) -> None:
    library = ctypes.CDLL(str(program.parent / "libours.so"))
    library.draw_by_calls()
    seen = set()
    for _ in range(100):
        data = ctypes.create_string_buffer(16)
        assert library.getrandom(data, 16, 0) == 16
        seen.add(data.raw)
    assert len(seen) == 100
