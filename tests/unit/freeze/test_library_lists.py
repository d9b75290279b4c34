"""Which libraries a file loads, by the loader: what PyInstaller takes ldd's answer for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from freezer.freeze.drivers import DRIVERS

CODE = """
import json, os, sys
sys.path.insert(0, {drivers!r})
import library_lists
{code}
print(json.dumps(result))
"""


def ask(code: str) -> Any:
    """What the code finds and leaves in ``result``."""
    command = [sys.executable, "-c", CODE.format(drivers=str(DRIVERS), code=code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_libraries_are_listed_by_the_loader() -> None:
    """Else each file takes the three processes of ldd, or what it loads is not found."""
    code = """
from PyInstaller.depend import bindepend
with_ldd = {}
import glob, sysconfig
files = sorted(glob.glob(os.path.join(sysconfig.get_config_var("DESTSHARED"), "*.so")))[:40] + [sys.executable]
for file in files:
    with_ldd[file] = sorted(map(list, bindepend.get_imports(file)))
library_lists.list_by_loader()
ran = []
run = library_lists.subprocess.run
library_lists.subprocess.run = lambda command, **options: (ran.append(command[:2]), run(command, **options))[1]
again = {file: sorted(map(list, bindepend.get_imports(file))) for file in files}
data = bindepend.get_imports(library_lists.__file__)
result = [again == with_ldd, any(with_ldd.values()), len(ran) == len(files) + 1, ran[0], len(data)]
"""
    same, any_found, by_loader, command, of_data = ask(code)
    assert same and any_found and by_loader
    assert Path(command[0]).name.startswith("ld-linux") and command[1] == "--list"
    assert of_data == 0


def test_the_loader_of_a_program(tmp_path: Path) -> None:
    """Else the libraries of this Python would be looked for by another C library's loader."""
    for content in (b"", b"#!/bin/sh\n", b"\x7fELF" + bytes(60)):
        (tmp_path / "file").write_bytes(content)
        assert ask(f"result = library_lists.interpreter_of({str(tmp_path / 'file')!r})") is None
    found = ask("result = library_lists.interpreter_of(os.path.realpath(sys.executable))")
    assert Path(found).is_file()
