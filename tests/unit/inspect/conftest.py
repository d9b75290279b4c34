"""Fixtures of the tests of inspections."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support import compile_c, need_program

from freezer.link.drivers.staticx_internals import SECTION


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c("int main(void) { return 0; }", tmp_path_factory.mktemp("program") / "plain", "-static")


@pytest.fixture
def link(program: Path, tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    """Makes an executable with the files given as staticx does."""
    need_program("objcopy")

    def make(files: dict[str, bytes]) -> Path:
        with tarfile.open(tmp_path / "archive.tar", "w") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            info = tarfile.TarInfo(".staticx.prog")
            info.type, info.linkname = tarfile.SYMTYPE, next(iter(files))
            archive.addfile(info)
        output = tmp_path / "linked"
        section = f"{SECTION}={tmp_path / 'archive.tar'}"
        subprocess.run(["objcopy", "--add-section", section, program, output], check=True)
        return output

    return make
