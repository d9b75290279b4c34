"""Builds in other systems: older and newer ones than this, as root and as an ordinary user, of whatever people have."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import roots
from support import CHECKOUT, ORDINARY, Freezer, Run, compile_c, need_program, sha256

ENVIRONMENT, INPUT = 4, 3
Empty = Callable[..., Run]


def listing(root: Path) -> list[str]:
    """Every entry of a root with its type, size, owner and times: what a build may not change."""
    done = subprocess.run(
        [need_program("find"), str(root), "-printf", "%P %y %s %U %m %T@ %l\n"],
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(done.stdout.splitlines())


def test_the_root_is_as_it_was(chroot_freezer: Freezer, bullseye: Path, here: Path, run_in_empty_root: Empty) -> None:
    before = listing(bullseye)
    built = chroot_freezer("build", "hello.py", "--chroot", bullseye, "--refresh", cwd=here)
    assert run_in_empty_root(built.output, "x").stdout == "hello 3 9 x\n"
    assert listing(bullseye) == before


def test_packages(fresh_freezer: Freezer, trixie: Path, here: Path) -> None:
    before = listing(trixie)
    arguments = ("build", "hello.py", "--chroot", trixie, "--chroot-package", "hello")
    fresh_freezer(*arguments, cwd=here)
    (made,) = (path for path in (fresh_freezer.cache / "roots").iterdir() if path.is_dir())
    assert (made / "root/usr/bin/hello").is_file()
    assert listing(trixie) == before
    (here / "hello.py").touch()
    assert f"{trixie}, reused" in fresh_freezer(*arguments, cwd=here).stderr


# As an ordinary user


@pytest.mark.parametrize("ranges", [True, False], ids=["range", "one user"])
def test_as_ordinary_user(
    as_ordinary_user: Callable[[bool], Freezer], trixie: Path, ranges: bool, here: Path, tmp_path: Path
) -> None:
    """A system that is root's, without and with packages, or one from a tar; man-db gives files to other users."""
    user = as_ordinary_user(ranges)
    os.chown(here, ORDINARY, ORDINARY)
    system = trixie if ranges else roots.tarball(trixie, tmp_path / "root.tar")
    packages = ["--chroot-package", "man-db" if ranges else "hello"]
    outputs = []
    for number, arguments in enumerate([[], packages] if ranges else [packages]):
        output = here / f"out{number}"
        user("build", "hello.py", "--chroot", system, *arguments, "-o", output, cwd=here)
        outputs.append(sha256(output))
    assert len(set(outputs)) == 1
    assert not os.listdir(user.cache / "work")


# Nothing of the host


def test_nothing_of_the_host_is_seen(
    chroot_freezer: Freezer, trixie: Path, tmp_path: Path, run_in_empty_root: Empty
) -> None:
    """What a project's build sees, written down by its setup.py."""
    poison = tmp_path / "poison"
    poison.mkdir()
    (poison / "sitecustomize.py").write_text("import os\nif os.path.exists('/freezer'):\n    os._exit(76)\n")
    library = compile_c(
        "#include <stdlib.h>\n#include <unistd.h>\n__attribute__((constructor)) static void f(void)"
        '{ if (access("/freezer", 0) == 0) _exit(77); }',
        poison / "poison.so",
        "-shared",
        "-fPIC",
    )
    project = tmp_path / "project"
    project.mkdir()
    (project / "setup.py").write_text(
        "import json, os, platform, sys\n"
        "from setuptools import setup\n"
        "seen = {'env': dict(os.environ), 'top': os.listdir('/'), 'path': sys.path, 'version': sys.version_info[:2],\n"
        f"        'host': os.path.exists({str(CHECKED)!r}), 'mounts': open('/proc/self/mountinfo').read(),\n"
        "        'processes': [name for name in os.listdir('/proc') if name.isdigit()], 'writable': []}\n"
        "for place in ('/usr', '/etc', '/source', '/freezer', '/proc/sys', '/'):\n"
        "    try:\n"
        "        open(place + '/probe', 'w').close()\n"
        "        seen['writable'].append(place)\n"
        "    except OSError:\n"
        "        pass\n"
        "code = 'import json\\nDATA = %r\\ndef main():\\n    print(json.dumps(DATA))\\n'\n"
        "open('seen.py', 'w').write(code % seen)\n"
        "setup(name='seen', version='1', py_modules=['seen'], entry_points={'console_scripts': ['seen=seen:main']})\n"
    )
    env = {"PYTHONPATH": str(poison), "LD_PRELOAD": str(library), "SECRET_OF_THE_HOST": "secret"}
    built = chroot_freezer("build", "project", "--chroot", trixie, cwd=tmp_path, env=env)
    seen = json.loads(run_in_empty_root(built.output).stdout)
    assert seen["version"] == [3, 13]
    assert "secret" not in json.dumps(seen["env"])
    assert not {"LD_PRELOAD", "SECRET_OF_THE_HOST", "XDG_CACHE_HOME"} & set(seen["env"])
    # pip sets the one that there is, for the backend.
    assert seen["env"].get("PYTHONPATH", "/freezer/").startswith("/freezer/")
    assert not seen["host"]
    assert set(seen["top"]) - set(os.listdir(trixie)) <= {"freezer", "source", "proc", "dev", "run", "tmp", "sys"}
    assert seen["writable"] == []
    assert len(seen["processes"]) < 12
    assert str(poison) not in json.dumps(seen)


CHECKED = CHECKOUT / "README.md"
"""A file of the host's that no root has."""


def test_same_bytes_from_two_directories(chroot_freezer: Freezer, samples: Path, trixie: Path, tmp_path: Path) -> None:
    """The second with an environment and a toolchain of its own."""
    digests = set()
    for name, options in (("one", ()), ("two/deeper", ("--refresh",))):
        folder = tmp_path / name
        shutil.copytree(samples / "cli", folder / "cli")
        built = chroot_freezer("build", "cli", "-c", "greeter", "--chroot", trixie, *options, cwd=folder)
        digests.add(sha256(built.output))
    assert len(digests) == 1


def test_two_at_once(fresh_freezer: Freezer, trixie: Path, here: Path, tmp_path: Path) -> None:
    """In a system that is not even unpacked yet."""
    tar = roots.tarball(trixie, tmp_path / "root.tar")

    def build(number: int) -> str:
        return fresh_freezer("build", "hello.py", "--chroot", tar, "-o", f"out{number}", cwd=here).stderr

    with ThreadPoolExecutor(2) as pool:
        messages = list(pool.map(build, range(2)))
    assert sorted(f"{tar}, made" in text for text in messages) == [False, True]
    assert len({sha256(here / f"out{number}") for number in range(2)}) == 1
    fresh_freezer.assert_tidy()


def test_relative_requirements(chroot_freezer: Freezer, trixie: Path, here: Path, run_in_empty_root: Empty) -> None:
    """Paths between files mean inside what they mean outside."""
    package = here / "libs" / "part"
    package.mkdir(parents=True)
    (package / "setup.py").write_text("from setuptools import setup\nsetup(name='part', py_modules=['part'])\n")
    (package / "part.py").write_text("ANSWER = 42\n")
    (here / "deploy").mkdir()
    (here / "deploy" / "base.txt").write_text("./libs/part\n")
    (here / "deploy" / "all.txt").write_text("-r base.txt\n")
    (here / "bin").mkdir()
    (here / "bin" / "app.py").write_text("import part\nprint(part.ANSWER)\n")
    built = chroot_freezer("build", "bin/app.py", "-r", "deploy/all.txt", "--chroot", trixie, cwd=here)
    assert run_in_empty_root(built.output).stdout == "42\n"


# What cannot work


def furnish(root: Path, *files: str) -> Path:
    """A root with empty executables at the given places."""
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
        (root / name).chmod(0o755)
    return root


@pytest.mark.parametrize(
    ("files", "status", "message"),
    [
        ((), INPUT, "not a root file system"),
        (("usr/bin/apt-get",), ENVIRONMENT, "freezer build --chroot-package python3 --chroot-package python3-venv"),
        (("usr/bin/dnf",), ENVIRONMENT, "--chroot-package python3"),
        (("usr/bin/python3", "lib/ld-musl-x86_64.so.1"), ENVIRONMENT, "musl"),
        (("usr/bin/python3",), ENVIRONMENT, "cannot start"),
        (("usr/bin/true",), ENVIRONMENT, "no package manager"),
    ],
)
def test_unusable_roots(
    chroot_freezer: Freezer, here: Path, tmp_path: Path, files: Sequence[str], status: int, message: str
) -> None:
    root = furnish(tmp_path / "root", *files)
    root.mkdir(exist_ok=True)
    assert message in chroot_freezer.fails("build", "hello.py", "--chroot", root, cwd=here, status=status)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--chroot", "/no/such/root"), INPUT, "no such file"),
        (("--chroot", "hello.py"), INPUT, "hello.py"),
        (("--chroot", "debian:../x"), INPUT, "debian:"),
        (("--chroot-package", "hello"), 2, "--chroot"),
        (("--chroot", ".", "--chroot-package", "-o=x"), 2, ""),
    ],
)
def test_wrong_arguments(
    chroot_freezer: Freezer, here: Path, arguments: Sequence[str], status: int, message: str
) -> None:
    done = chroot_freezer("build", "hello.py", *arguments, cwd=here, check=False)
    assert done.status == status, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_without_shared_libpython(chroot_freezer: Freezer, trixie: Path, here: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", str(trixie), str(root)], check=True)
    for path in root.glob("usr/lib/*/libpython3*.so*"):
        path.unlink()
    message = chroot_freezer.fails("build", "hello.py", "--chroot", root, cwd=here, status=ENVIRONMENT)
    assert "--chroot-package libpython3.13" in message


@pytest.mark.parametrize("wanted", ["3.8", "/usr/bin/python9", "pypy3"])
def test_no_such_python(chroot_freezer: Freezer, trixie: Path, here: Path, wanted: str) -> None:
    message = chroot_freezer.fails("build", "hello.py", "--chroot", trixie, "--python", wanted, cwd=here, status=INPUT)
    assert wanted in message


def test_named_python(chroot_freezer: Freezer, trixie: Path, here: Path) -> None:
    assert chroot_freezer("build", "hello.py", "--chroot", trixie, "--python", "3.13", cwd=here).output.is_file()
