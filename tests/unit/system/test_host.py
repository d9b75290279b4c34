"""The host as the system to build in: nothing is anywhere else than it says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from freezer.base.errors import InputError, VerificationError
from freezer.base.job import Job
from freezer.system.host import Host


def test_paths_are_the_same_on_both_sides() -> None:
    host = Host()
    assert host.path == Path("/")
    assert host.inside(Path("/a/../b")) == "/a/../b"
    assert host.outside("/a/b") == Path("/a/b")
    assert host.state() == []


def test_the_python_to_build_with(tmp_path: Path) -> None:
    assert Host().locate(None).resolve() == Path(sys.executable).resolve()
    with pytest.raises(InputError, match="--python"):
        Host().locate(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("what", "package"),
    [("venv", "python3.11-venv"), ("libpython", "libpython3.11"), ("compiler", "g++ python3.11-dev")],
)
def test_how_to_add(what: str, package: str) -> None:
    assert Host().how_to_add(what, "3.11") == f"Debian, Ubuntu:  apt-get install {package}"


def test_run(tmp_path: Path, job: Job) -> None:
    lines: list[str] = []

    def watch(line: str) -> bool:
        lines.append(line)
        return True

    done = Host().run(
        ["sh", "-c", "pwd; echo $A; cat; echo seen >&2"], job, env={"A": "b", "PATH": "/usr/bin:/bin"}, cwd=tmp_path,
        what="look", stdin="in", capture=True, on_line=watch,
    )  # fmt: skip
    assert done.stdout.splitlines() == [str(tmp_path), "b", "in"]
    assert lines == ["seen"]


def test_a_failure_is_of_the_kind_that_was_asked_for(tmp_path: Path, job: Job) -> None:
    with pytest.raises(VerificationError, match="cannot look: sh exited with status 3") as caught:
        Host().run(
            ["sh", "-c", "exit 3"], job, env={"PATH": "/usr/bin:/bin"}, cwd=tmp_path, what="look",
            error=VerificationError, hint="look away",
        )  # fmt: skip
    assert (caught.value.hint or "").startswith("look away; ")
