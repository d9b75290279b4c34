"""pip's internals, as the installed release has them. What fails here fails builds in the way that each test says."""

from __future__ import annotations

import subprocess
import sys

from packaging.specifiers import SpecifierSet

from freezer.environment.pip_internals import NO_COMPILER, RUNNER, own_package, supported_pythons


def test_the_runner_runs_the_package_that_it_lies_in() -> None:
    """Else pip could not be run under another Python, and no environment be made."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", own_package() / RUNNER, "--version"], capture_output=True, text=True, check=True
    )
    assert str(own_package()) in done.stdout


def test_the_supported_pythons_are_stated() -> None:
    """Else an old Python would be given a pip that does not run under it."""
    assert SpecifierSet(supported_pythons()).contains("3.12.0") and not SpecifierSet(supported_pythons()).contains(
        "2.7"
    )


def test_a_missing_compiler_is_known_by_setuptools_words() -> None:
    """Else the hint would be about names and networks, where a compiler is missing."""
    for said in (
        "error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory",
        "error: [Errno 2] No such file or directory: 'g++'",
    ):
        assert NO_COMPILER.search(said)
    assert not NO_COMPILER.search("error: [Errno 2] No such file or directory: 'data.txt'")
