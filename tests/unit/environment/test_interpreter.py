"""What an interpreter says of itself, and which ones cannot be built with."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from plans import plan
from support import compile_c

from freezer.base.errors import EnvironmentFailure, InputError
from freezer.base.job import Job
from freezer.environment.interpreter import (
    Interpreter,
    check_architecture,
    describe_interpreter,
    find_libpython,
    parse_description,
    probe_interpreter,
)
from freezer.system.host import Host


def test_find_libpython(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freezer.environment.interpreter.loader_directories", lambda *_: [tmp_path / "system"])
    answer = facts(library="libpython3.99.so.1.0", directories=[str(tmp_path / "lib")], executable="/x")
    found = parse_description(json.dumps(answer))
    assert find_libpython(found, Host()) is None
    for folder in ("system", "lib"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "libpython3.99.so.1.0").write_text("")
        assert find_libpython(found, Host()) == tmp_path / folder / "libpython3.99.so.1.0"


def facts(**changes: object) -> dict[str, object]:
    """What an interpreter that would do says of itself."""
    return {
        "version": [3, 11, 2], "implementation": "cpython", "executable": "/opt/odd/bin/python3", "prefix": "/opt/odd",
        "libc": "glibc", "library": "libpython3.11.so.1.0", "directories": ["/opt/odd/lib"], **changes,
    }  # fmt: skip


def answering(folder: Path, answer: str) -> Path:
    """A program that answers every question in one way."""
    path = folder / "python3"
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    path.chmod(0o755)
    return path


def test_what_an_interpreter_says(tmp_path: Path, job: Job) -> None:
    (tmp_path / "libpython3.11.so.1.0").touch()
    answer = facts(directories=[str(tmp_path)], executable=str(tmp_path / "bin/python"))
    found = describe_interpreter(answering(tmp_path, json.dumps(answer)), Host(), job)
    assert found == Interpreter(
        tmp_path / "bin/python", (3, 11, 2), Path("/opt/odd"), tmp_path / "libpython3.11.so.1.0"
    )
    assert found.version_text == "3.11.2"


def test_this_python_describes_itself(job: Job) -> None:
    found = describe_interpreter(Path(sys.executable), Host(), job)
    assert found.version == sys.version_info[:3]
    assert found.libpython.is_file()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": [3, 8, 18]}, "Python 3.8.18 at /opt/odd/bin/python3 is too old"),
        ({"implementation": "pypy"}, "only CPython can be frozen"),
        ({"libc": "musl"}, "is linked against musl"),
        ({"library": "libpython3.11-odd.so.1.0"}, "has no shared libpython"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, job: Job, changes: dict[str, object], words: str) -> None:
    with pytest.raises(EnvironmentFailure, match=words):
        describe_interpreter(answering(tmp_path, json.dumps(facts(**changes))), Host(), job)


@pytest.mark.parametrize("answer", ["", "hello", "[1"])
def test_no_python(tmp_path: Path, job: Job, answer: str) -> None:
    path = answering(tmp_path, answer)
    with pytest.raises(EnvironmentFailure, match=f"{path} is not a Python interpreter"):
        describe_interpreter(path, Host(), job)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("null", "no JSON object"),
        ("[3, 11, 2]", "no JSON object"),
        ("{}", "no valid version or implementation or executable or prefix or libc or library or directories"),
        (json.dumps(facts(version="3.11.2")), "no valid version"),
        (json.dumps(facts(version=[3, 11])), "no valid version"),
        (json.dumps(facts(version=[3, True, "x"])), "no valid version"),
        (json.dumps(facts(libc=None, directories="/lib")), "no valid libc or directories"),
        (json.dumps(facts(directories=[1])), "no valid directories"),
    ],
)
def test_an_odd_description(tmp_path: Path, job: Job, answer: str, why: str) -> None:
    """What a program that is no Python may print, such as a wrapper's own JSON, is no bug of freezer's."""
    path = answering(tmp_path, answer)
    with pytest.raises(EnvironmentFailure, match=f"{path} is not a Python interpreter") as caught:
        describe_interpreter(path, Host(), job)
    assert str(caught.value.why).endswith(why)
    assert "--python" in str(caught.value.hint)


def test_the_step_says_which(tmp_path: Path, job: Job) -> None:
    (tmp_path / "libpython3.11.so.1.0").touch()
    path = answering(tmp_path, json.dumps(facts(directories=[str(tmp_path)])))
    (tmp_path / "app.py").touch()
    probe_interpreter(plan(tmp_path, entry="app.py", python=str(path)), Host(), job)
    stream = job.log.stream
    assert isinstance(stream, io.StringIO)
    assert "3.11.2 at /opt/odd/bin/python3" in stream.getvalue()


def test_libraries_for_another_machine(tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    own = compile_c("int x;", tmp_path / "lib.so", "-shared", "-fPIC")
    python = Interpreter(tmp_path / "python3", (3, 11, 2), tmp_path, own)
    check_architecture(plan(tmp_path, entry="app.py", library=["lib.so"], add_binary=["lib.so:x"]), python)
    content = bytearray(own.read_bytes())
    content[18:20] = (2).to_bytes(2, "little")
    (tmp_path / "foreign.so").write_bytes(content)
    (tmp_path / "folder").mkdir()
    for arguments in ({"library": ["foreign.so"]}, {"add_binary": ["foreign.so:x"]}):
        with pytest.raises(InputError, match=r"foreign\.so is made for another machine") as caught:
            check_architecture(plan(tmp_path, entry="app.py", **arguments), python)
        assert "EM_SPARC" in (caught.value.why or "")
    check_architecture(plan(tmp_path, entry="app.py", add_binary=["folder:x"]), python)
