"""What a system to build in can be: older and newer releases of Debian, in all the forms that people have them in."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import roots
from samples.catalogue import SAMPLES
from support import ORDINARY, Freezer, Run, sha256

BY_NAME = {sample.name: sample for sample in SAMPLES}
Empty = Callable[..., Run]


@pytest.mark.parametrize("name", ["cli", "tls", "numeric"])
def test_samples_as_root(
    chroot_freezer: Freezer, samples: Path, bullseye: Path, name: str, tmp_path: Path, run_in_empty_root: Empty
) -> None:
    sample = BY_NAME[name]
    words = sample.build_arguments(samples)
    built = chroot_freezer("build", *words, "--chroot", bullseye, "-o", tmp_path / name, cwd=tmp_path)
    run = run_in_empty_root(built.output, *sample.run)
    assert run.status is not None, run
    assert sample.accepts(run.stdout, run.status), run


def test_a_sample_as_ordinary_user(
    as_ordinary_user: Callable[[bool], Freezer], samples: Path, trixie: Path, here: Path, run_in_empty_root: Empty
) -> None:
    """A project, whose wheel is built in the system, too."""
    sample = BY_NAME["cli"]
    shutil.copytree(samples, here / "samples")
    for path in (here, *here.rglob("*")):
        os.chown(path, ORDINARY, ORDINARY)
    words = sample.build_arguments(here / "samples")
    built = as_ordinary_user(True)("build", *words, "--chroot", trixie, "-o", here / "out", cwd=here)
    run = run_in_empty_root(built.output, *sample.run)
    assert run.status is not None, run
    assert sample.accepts(run.stdout, run.status), run


# What a system can be given as


@pytest.fixture(params=["tar.zst", "docker", "layout"])
def packed(request: pytest.FixtureRequest, trixie: Path, tmp_path: Path) -> Path:
    """A system as people have them: packed by tar, docker, skopeo and umoci."""
    kind: str = request.param
    path = tmp_path / kind
    if kind.startswith("tar"):
        return roots.tarball(trixie, path, kind[4:])
    if kind == "layout":
        return roots.layout(trixie, path)
    return roots.image_tar(trixie, path, kind)


def test_packed(fresh_freezer: Freezer, packed: Path, here: Path, run_in_empty_root: Empty) -> None:
    """Unpacked once, and used again with the environment that was made in it."""
    built = fresh_freezer("build", "hello.py", "--chroot", packed, cwd=here)
    assert run_in_empty_root(built.output).stdout == "hello 3 13\n"
    if packed.suffix != ".zst":
        return  # what it was made of is forgotten from here on
    first = sha256(built.output)
    (here / "hello.py").touch()
    again = fresh_freezer("build", "hello.py", "--chroot", packed, cwd=here)
    assert f"{packed}, reused" in again.stderr
    assert "environment" in again.stderr and again.stderr.count("reused") == 2
    assert sha256(built.output) == first


def test_distribution(built_by_name: roots.Named, run_in_empty_root: Empty) -> None:
    """By name, with a package."""
    assert run_in_empty_root(built_by_name.executable).stdout == "hello 3 9\n"
    assert (built_by_name.kept / "root/usr/bin/hello").is_file()
    assert json.loads((built_by_name.kept / "origin.json").read_text())["source"] == "debian:bullseye/hello"
