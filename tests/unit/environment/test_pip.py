"""pip: how it is asked, and what its failures mean."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Optional

import pytest

from freezer.base.errors import EnvironmentFailure
from freezer.base.job import Completed, Job
from freezer.environment.interpreter import Interpreter
from freezer.environment.pip import make_venv, pip
from freezer.environment.pip_internals import NO_COMPILER, own_package
from freezer.system.host import Host


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("error: [Errno 2] No such file or directory: 'x86_64-linux-gnu-gcc'", True),
        ("error: command 'gcc' failed: No such file or directory", True),
        ("unable to find 'c++' failed: No such file or directory", True),
        ("error: [Errno 2] No such file or directory: 'README.md'", False),
        ("error: command 'gcc' failed with exit status 1", False),
    ],
)
def test_a_missing_compiler_is_known_by_what_backends_say(line: str, missing: bool) -> None:
    assert bool(NO_COMPILER.search(line)) == missing


def interpreter(folder: Path, version: tuple[int, int, int] = (3, 11, 2)) -> Interpreter:
    return Interpreter(folder / "python3", version, folder, folder / "libpython.so")


class Recorded(Host):
    """The host, which only notes what would be run; ``printed`` is what that prints before it fails."""

    def __init__(self, printed: Optional[str] = None) -> None:
        self.calls: list[tuple[list[str], dict[str, Any]]] = []
        self.printed = printed

    def run(self, argv: Any, job: Job, **options: Any) -> Completed:
        self.calls.append((list(map(str, argv)), options))
        if self.printed is not None:
            job.build_log.append(self.printed)
            raise options["error"](f"cannot {options['what']}", why=self.printed, hint=options["hint"])
        return Completed(0, "")


def test_how_pip_is_run(tmp_path: Path, job: Job) -> None:
    root = Recorded()
    python = interpreter(tmp_path)
    pip("install", ["--", "six"], job, root=root, interpreter=python, what="install", folder=tmp_path)
    ((argv, options),) = root.calls
    assert argv == [str(python.executable), "-I", str(own_package() / "__pip-runner__.py"), "install", "--", "six"]
    assert (options["cwd"], options["error"]) == (tmp_path, EnvironmentFailure)
    assert "SOURCE_DATE_EPOCH" not in options["env"]
    assert (own_package() / "__pip-runner__.py").is_file()


def test_another_python_and_the_time_of_builds(tmp_path: Path, job: Job) -> None:
    root = Recorded()
    other = tmp_path / "other"
    own = interpreter(tmp_path)
    pip("wheel", ["."], job, root=root, interpreter=own, python=other, what="x", folder=tmp_path, epoch=7)
    ((argv, options),) = root.calls
    assert argv[0] == str(other)
    assert (options["env"]["SOURCE_DATE_EPOCH"], options["env"]["PYTHONHASHSEED"]) == ("7", "0")


@pytest.mark.parametrize(
    ("printed", "hint"),
    [
        ("No matching distribution found for nonsense", "check the requirement's name"),
        ("error: command 'gcc' failed: No such file or directory", "apt-get install g++ python3.11-dev"),
    ],
)
def test_failures_say_what_to_do(tmp_path: Path, job: Job, printed: str, hint: str) -> None:
    with pytest.raises(EnvironmentFailure, match="cannot install") as caught:
        pip(
            "install", ["x"], job, root=Recorded(printed), interpreter=interpreter(tmp_path), what="install",
            folder=tmp_path,
        )  # fmt: skip
    assert printed in (caught.value.why or "")
    assert hint in (caught.value.hint or "")


def test_an_old_python_gets_a_pip_of_its_time_once(tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads: list[list[str]] = []

    def download(argv: list[str], **_: Any) -> Completed:
        downloads.append([str(word) for word in argv])
        target = Path(argv[argv.index("--dest") + 1])
        with zipfile.ZipFile(target / "pip-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr("pip/__pip-runner__.py", "")
        return Completed(0, "")

    monkeypatch.setattr(Job, "run", lambda _job, argv, **options: download(argv, **options))
    for _ in range(2):
        root = Recorded()
        pip("install", ["x"], job, root=root, interpreter=interpreter(tmp_path, (3, 2, 1)), what="x", folder=tmp_path)
        assert root.calls[0][0][2] == str(job.cache / "env" / "pip-3.2" / "pip" / "__pip-runner__.py")
    (argv,) = downloads
    assert argv[argv.index("--python-version") + 1] == "3.2"
    assert (job.cache / "env" / "pip-3.2" / "pip" / "__pip-runner__.py").is_file()


def test_virtual_environments(tmp_path: Path, job: Job) -> None:
    root = Recorded()
    make_venv(tmp_path / "venv", root, interpreter(tmp_path), job)
    ((argv, options),) = root.calls
    assert argv[1:] == ["-I", "-m", "venv", "--without-pip", str(tmp_path / "venv")]
    assert options["hint"] == "Debian, Ubuntu:  apt-get install python3.11-venv"
