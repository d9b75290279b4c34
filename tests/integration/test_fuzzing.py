"""The launcher's reader of payloads, fed with what chance makes of good ones, for as long as that takes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from sanitizers import ADDRESSES, SANITIZE, THREADS
from support import CHECKOUT, PATIENCE, need_program

from freezer.link.launcher import build

SOURCES = [str(build.SOURCE / name) for name in build.SOURCES if name != "main.c"]
FUZZ = CHECKOUT / "tests" / "launcher" / "fuzz.c"


@pytest.mark.parametrize("sanitizer", [ADDRESSES, THREADS])
def test_the_reader_of_payloads_never_leaves_its_directory(sanitizer: str, tmp_path: Path) -> None:
    fuzz = tmp_path / "fuzz"
    flags = [*SANITIZE, sanitizer, "-I", str(build.SOURCE), str(FUZZ), *SOURCES, "-lzstd"]
    subprocess.run([need_program("gcc"), *flags, "-o", str(fuzz)], check=True)
    (tmp_path / "work").mkdir()
    done = subprocess.run(
        [str(fuzz), str(tmp_path / "work"), "10", "20000"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    numbers = [int(number) for number in re.findall(r"\d+", done.stdout)]
    assert numbers[0] > 500 and min(numbers[1], numbers[3]) > 20, done.stdout
