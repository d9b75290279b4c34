"""What builds an application is no part of it, whatever the application requires."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Freezer, Run

from freezer.environment.toolchain import PINS

Empty = Callable[..., Run]
OF_THE_TOOLCHAIN = {
    "PyInstaller",
    "altgraph",
    "packaging",
    "setuptools",
    "pkg_resources",
    "jaraco",
    "wheel",
    "distutils",
}


def pythons() -> list[tuple[int, Path]]:
    """The oldest and the newest Python that freezer can build with here: the tests' own, and pyenv's."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {sys.version_info[1]: Path(sys.executable)}
    for library in versions.glob("3.*/lib/libpython3.*.so.1.0"):
        minor = int(library.name.split(".")[1].rstrip("m"))
        if 9 <= minor <= 14:
            found.setdefault(minor, library.parent.parent / "bin" / "python3")
    return [(minor, found[minor]) for minor in sorted({min(found), max(found)})]


def environments(freezer: Freezer) -> list[Path]:
    """The build environments of a cache."""
    return [path for path in (freezer.cache / "env").iterdir() if path.is_dir()]


def installed_in(environment: Path) -> set[str]:
    """What pip lists of an environment."""
    python = environment / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "list", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {re.sub(r"[-_.]+", "-", item["name"]).lower() for item in json.loads(done.stdout)}


def modules_of(freezer: Freezer, path: Path) -> set[str]:
    """The first parts of the names of the modules in an executable, and of its packages' folders."""
    found: dict[str, Any] = json.loads(freezer("inspect", "--json", path, cwd=path.parent).stdout)
    places = [item["path"].rpartition("modules/")[2] for item in found["items"]]
    return {re.split(r"[./]", place)[0] for place in places if "scripts/" not in place}


def test_an_environment_has_what_is_required(fresh_freezer: Freezer, tmp_path: Path, run_in_empty_root: Empty) -> None:
    """And the executable nothing else, either; one toolchain is made for all of them."""
    (tmp_path / "hello.py").write_text("print('hello')\n")
    (tmp_path / "get.py").write_text(
        "import sys, requests\nprint(*sorted({m.partition('.')[0] for m in sys.modules}))\n"
    )
    hello = fresh_freezer("build", "hello.py", cwd=tmp_path)
    get = fresh_freezer("build", "get.py", "--with", "requests", cwd=tmp_path)
    closure = {"requests", "certifi", "charset-normalizer", "idna", "urllib3"}
    assert sorted(map(installed_in, environments(fresh_freezer)), key=len) == [set(), closure]
    for built in (hello, get):
        assert modules_of(fresh_freezer, built.output) & OF_THE_TOOLCHAIN == set()
    imported = set(run_in_empty_root(get.output).stdout.split())
    assert {"requests", "urllib3"} <= imported and not imported & OF_THE_TOOLCHAIN
    (made,) = [path for path in (fresh_freezer.cache / "toolchain").iterdir() if path.is_dir()]
    listed = json.loads(fresh_freezer("cache", "list", "--json", cwd=tmp_path).stdout)["items"]
    assert [item["path"] for item in listed if item["kind"] == "toolchains"] == [str(made)]


REQUIRED = {
    "older": (
        ["packaging==21.3", "setuptools==67.8.0", "altgraph==0.17.2"],
        "import packaging, setuptools, pkg_resources\nfrom importlib.metadata import version\n"
        "print(packaging.__version__, setuptools.__version__, version('altgraph'))\n"
        "print(pkg_resources.parse_version('1') is not None)",
        "21.3 67.8.0 0.17.2\nTrue",
    ),
    "newer": (
        ["pyinstaller==6.16.0", "setuptools==75.0.0"],
        # PyInstaller wants an objdump when it is imported, which the machine may lack.
        "import shutil\nshutil.which = lambda *_: '/objdump'\n"
        "import PyInstaller, altgraph, setuptools, distutils.util, importlib.metadata\n"
        "print(PyInstaller.__version__, importlib.metadata.version('pyinstaller'), setuptools.__version__)\n"
        "print(distutils.util.strtobool('y'))",
        "6.16.0 6.16.0 75.0.0\n1",
    ),
}
"""What an application requires, its code, and what that prints; releases that every Python from 3.9 on takes."""


@pytest.mark.parametrize("name", REQUIRED)
def test_what_the_toolchain_has_too(freezer: Freezer, tmp_path: Path, name: str) -> None:
    """The application gets its own version. Not in an empty root: PyInstaller runs the system's ldd."""
    requirements, code, said = REQUIRED[name]
    (tmp_path / "app.py").write_text(code)
    (tmp_path / "requirements.txt").write_text("\n".join(requirements))
    built = freezer("build", "app.py", "-r", "requirements.txt", cwd=tmp_path)
    done = subprocess.run([built.output], capture_output=True, text=True, check=False)
    assert done.stdout == f"{said}\n", done.stderr


def test_the_oldest_and_the_newest_python(freezer: Freezer, tmp_path: Path, run_in_empty_root: Empty) -> None:
    """Of those on this machine; the oldest needs more of the toolchain."""
    code = "import sys, packaging\nprint(sys.version_info[1], packaging.__version__, 'zipp' in sys.modules)\n"
    (tmp_path / "app.py").write_text(code)
    for minor, python in pythons():
        built = freezer("build", "app.py", "--python", python, "--with", "packaging==21.3", cwd=tmp_path)
        assert run_in_empty_root(built.output).stdout == f"{minor} 21.3 False\n"


def test_a_spec_file_sees_the_toolchain(freezer: Freezer, tmp_path: Path, run_in_empty_root: Empty) -> None:
    """And with it its hooks; what they are told of is the application's."""
    (tmp_path / "app.py").write_text("import thing\n")
    (tmp_path / "hooks").mkdir()
    asked = "import packaging\nfrom PyInstaller.utils.hooks import check_requirement\n"
    asked += "found = [packaging.__version__ > '22']\n"
    asked += "found += [check_requirement(name) for name in ('packaging == 21.3', 'altgraph')]\n"
    (tmp_path / "hooks" / "hook-thing.py").write_text(
        f"{asked}open({str(tmp_path / 'hook')!r}, 'w').write(str(found))\n"
    )
    (tmp_path / "thing.py").write_text("import packaging\nprint(packaging.__version__)\n")
    (tmp_path / "app.spec").write_text(
        f"{asked}open({str(tmp_path / 'spec')!r}, 'w').write(str(found))\n"
        f"a = Analysis(['app.py'], hookspath=[{str(tmp_path / 'hooks')!r}])\n"
        "EXE(PYZ(a.pure), a.scripts, a.binaries, a.datas, name='app')\n"
    )
    built = freezer("build", "app.spec", "--with", "packaging==21.3", cwd=tmp_path)
    assert run_in_empty_root(built.output).stdout == "21.3\n"
    assert (tmp_path / "spec").read_text() == (tmp_path / "hook").read_text() == "[True, True, False]"


def test_a_wrong_hash_ends_the_build(fresh_freezer: Freezer, tmp_path: Path) -> None:
    """Before anything of it was run."""
    (tmp_path / "app.py").write_text("print('app')\n")
    pins = tmp_path / "toolchain.txt"
    pins.write_text(re.sub(r"sha256:.", "sha256:", PINS.read_text()).replace("sha256:", "sha256:0"))
    program = "import pathlib, sys\nfrom freezer.environment import toolchain\nfrom freezer.cli.main import main\n"
    program += f"toolchain.PINS = pathlib.Path({str(pins)!r})\nsys.exit(main(sys.argv[1:]))\n"
    done = fresh_freezer.python("-c", program, "build", "app.py", cwd=tmp_path)
    assert done.returncode == 4 and "cannot install PyInstaller" in done.stderr, done.stderr
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not (tmp_path / "app").exists() and not list(fresh_freezer.cache.rglob("PyInstaller"))
    assert "PyInstaller:" not in "".join(path.read_text() for path in (fresh_freezer.cache / "log").iterdir())
