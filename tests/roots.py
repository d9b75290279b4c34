"""Roots of other systems than this one, made by freezer's own code, and the tars and images that people have of them.

A root is made once for all workers of pytest-xdist, and with FREEZER_TEST_CACHE once for all calls of pytest. Tests
share it, and do not change it; whoever needs to takes a copy.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import consumers
import pytest
from builds import locked
from support import CHECKOUT, PATIENCE, Freezer, lacking, need_program

from freezer.base.errors import ExitStatus

NAME = "docker.io/library/root:1"
"""What images are called."""
BOOTSTRAP = """
import sys
from pathlib import Path

from freezer.system.chroot.bootstrap import bootstrap, parse_distribution
from freezer.base.errors import FreezerError
from freezer.base.log import Log
from freezer.store.workspace import workspace

distribution = parse_distribution(sys.argv[1])
assert distribution is not None
target = Path(sys.argv[2])
try:
    with workspace(target.parent / "cache", "roots", keep=False, log=Log()) as job:
        bootstrap(distribution, target, job)
except FreezerError as error:
    sys.stderr.write(error.render())
    sys.exit(int(error.status))
"""


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """Where roots are kept."""
    wanted = os.environ.get("FREEZER_TEST_CACHE")
    base = factory.getbasetemp()
    session = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = (Path(wanted).absolute() if wanted else session) / "test-roots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def debian(suite: str, folder: Path) -> Path:
    """The root directory of a release of Debian's, with Python in it, below ``folder``.

    What this machine or its network lacks for that skips the test.
    """
    root = folder / suite
    with locked(folder / f"{suite}.lock"):
        if not root.exists():
            # In a process of its own, which can be given up, and is cleaned up after.
            done = subprocess.run(
                [sys.executable, "-c", BOOTSTRAP, f"debian:{suite}", str(root)],
                env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=3 * PATIENCE,
                check=False,
            )
            if done.returncode == ExitStatus.ENVIRONMENT:
                lacking(done.stderr)
            assert done.returncode == 0, done.stderr
    return root


@dataclass(frozen=True)
class Named:
    """What a build in a distribution that is given by its name has made: the executable, and what the cache has of the
    root, which is the directory ``root`` in it."""

    executable: Path
    kept: Path


def debian_by_name(distribution: str, source: str, folder: Path) -> Named:
    """Build a script in debian:``distribution``, with a cache of the build's own below ``folder``.

    What this machine or its network lacks for that skips the test.
    """
    place = folder / distribution.replace("/", "-with-")
    executable = place / "executable"
    with locked(place.with_name(f"{place.name}.lock")):
        freezer = Freezer(place / "cache")
        if not executable.exists():
            place.mkdir(exist_ok=True)
            (place / "script.py").write_text(source)
            words = ("build", "script.py", "--chroot", f"debian:{distribution}", "-o", executable)
            done = freezer(*words, cwd=place, check=False)
            if done.status == ExitStatus.ENVIRONMENT:
                lacking(done.stderr)
            assert done.status == 0, done.stderr
    (kept,) = (path for path in (freezer.cache / "roots").iterdir() if path.is_dir())
    return Named(executable, kept)


def call(*words: str | Path) -> None:
    """Run a program to its end."""
    command = [need_program(str(words[0])), *map(str, words[1:])]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"


COMPRESSIONS = {"": None, "gz": "gzip -1", "bz2": "bzip2 -1", "xz": "xz -0", "zst": "zstd -1"}


def tarball(root: Path, path: Path, compression: str = "") -> Path:
    """The tar of a root file system, by tar; ``compression`` is one of COMPRESSIONS."""
    program = COMPRESSIONS[compression]
    words = []
    if program is not None:
        need_program(program.split()[0])
        words = [f"--use-compress-program={program}"]
    call("tar", *words, "--create", "--numeric-owner", "--sort=name", f"--file={path}", f"--directory={root}", ".")
    return path


def layout(root: Path, path: Path) -> Path:
    """An OCI layout, a directory, with one image of a root, whose tag is NAME's; by umoci."""
    tag = NAME.rpartition(":")[2]
    with tar_beside(root, path) as tar:
        call("umoci", "init", "--layout", path)
        call("umoci", "new", "--image", f"{path}:{tag}")
        call("umoci", "raw", "add-layer", "--image", f"{path}:{tag}", tar)
    return path


ENGINES = {"docker": consumers.docker, "podman": consumers.podman}
ARCHIVES = ("docker-archive", "oci-archive")
TOOLS = (*ENGINES, *ARCHIVES)


def image_tar(root: Path, path: Path, tool: str) -> Path:
    """The tar of an image of a root: as one of the ENGINES saves it, or one of the ARCHIVES that skopeo knows."""
    if tool in ENGINES:
        with tar_beside(root, path) as tar, ENGINES[tool]() as engine:
            engine.place.output(*engine.command, "import", str(tar), NAME)
            engine.place.output(*engine.command, "save", "--output", str(path), NAME)
        return path
    folder = path.with_name(f"{path.name}.layout")
    tag = NAME.rpartition(":")[2]
    name = NAME if tool == "docker-archive" else tag
    source, target = f"oci:{layout(root, folder)}:{tag}", f"{tool}:{path}:{name}"
    call("skopeo", "--insecure-policy", "copy", source, target)
    return path


@contextlib.contextmanager
def tar_beside(root: Path, path: Path) -> Iterator[Path]:
    """The tar of a root while it is needed."""
    tar = path.with_name(f"{path.name}.root.tar")
    try:
        yield tarball(root, tar)
    finally:
        tar.unlink(missing_ok=True)
