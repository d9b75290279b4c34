"""The toolchain: which one it is, that only what was pinned gets into it, and that the pins cover what is promised."""

from __future__ import annotations

import configparser
import dataclasses
import hashlib
import importlib
import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from running import Runner
from support import CHECKOUT

from freezer.base.elf import read_elf
from freezer.base.errors import EnvironmentFailure
from freezer.environment import toolchain as module
from freezer.environment.interpreter import Interpreter
from freezer.environment.toolchain import PINS, analysis_memory, make_toolchain, toolchain_key
from freezer.system.host import Host
from freezer.system.locate import locate_interpreter

sys.path.insert(0, str(CHECKOUT / "packaging"))
pin_toolchain: Any = importlib.import_module("pin_toolchain")
del sys.path[0]


class Elsewhere(Host):
    """Another system."""

    def state(self) -> list[object]:
        """Return what tells it from the host."""
        return ["elsewhere"]


@pytest.fixture
def interpreter() -> Interpreter:
    python = locate_interpreter(None)
    return Interpreter(python, sys.version_info[:3], Path("/"), python)


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel of one module, the only one that pip finds."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    path = folder / "tool-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tool.py", "name = 'tool'\n")
        archive.writestr("tool-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tool\nVersion: 1.0\n")
        archive.writestr("tool-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tool-1.0.dist-info/RECORD", "tool.py,,\n")
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", str(folder)), ("PIP_CONFIG_FILE", "/dev/null")):
        monkeypatch.setenv(name, value)
    return path


def pin(folder: Path, digest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pins = folder / "toolchain.txt"
    pins.write_text(f"tool==1.0 --hash=sha256:{digest}\n")
    monkeypatch.setattr(module, "PINS", pins)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    (tmp_path / "cache" / "toolchain").mkdir(parents=True)
    return Runner(tmp_path / "job", cache=tmp_path / "cache")


def test_what_makes_another_one(interpreter: Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    major, minor, patch = interpreter.version
    key = toolchain_key(interpreter, Host())
    assert toolchain_key(dataclasses.replace(interpreter, version=(major, minor, patch + 1)), Host()) == key
    keys = {key, toolchain_key(interpreter, Elsewhere())}
    keys.add(toolchain_key(dataclasses.replace(interpreter, version=(major, minor + 1, 0)), Host()))
    elf = read_elf(interpreter.libpython)
    monkeypatch.setattr(module, "read_elf", lambda _: dataclasses.replace(elf, machine="another"))
    keys.add(toolchain_key(interpreter, Host()))
    pin(tmp_path, "0" * 64, monkeypatch)
    keys.add(toolchain_key(interpreter, Host()))
    assert len(keys) == 5


def test_it_is_made_once(
    interpreter: Interpreter, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runner: Runner
) -> None:
    """Constraints of the user's do not count: they are for applications."""
    pin(tmp_path, hashlib.sha256(wheel.read_bytes()).hexdigest(), monkeypatch)
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("tool<1\n")
    monkeypatch.setenv("PIP_CONSTRAINT", str(constraints))
    made = make_toolchain(interpreter, Host(), Path(sys.executable), runner.job)
    assert made == runner.job.cache / "toolchain" / toolchain_key(interpreter, Host()) / "modules"
    assert (made / "tool.py").read_text() == "name = 'tool'\n"
    wheel.unlink()
    assert make_toolchain(interpreter, Host(), Path(sys.executable), runner.job) == made
    assert (made.parent / "complete").is_file()
    runner.job.holding.close()
    with pytest.raises(EnvironmentFailure):
        make_toolchain(interpreter, Host(), Path(sys.executable), runner.job, anew=True)
    assert (made / "tool.py").is_file(), "what could not be made anew was lost"


def test_another_system_has_its_own_memory(interpreter: Interpreter, runner: Runner) -> None:
    """What programs of that system write must not be read by builds elsewhere."""
    (runner.job.cache / "analysis").mkdir()
    places = [analysis_memory(interpreter, root, runner.job) for root in (Host(), Elsewhere(), Host())]
    assert places[0] == places[2] != places[1]
    assert [(place.is_dir(), place.stat().st_mode & 0o077) for place in places[:2]] == [(True, 0), (True, 0)]


def test_another_wheel_than_was_pinned_is_refused(
    interpreter: Interpreter, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runner: Runner
) -> None:
    pin(tmp_path, "0" * 64, monkeypatch)
    with pytest.raises(EnvironmentFailure) as caught:
        make_toolchain(interpreter, Host(), Path(sys.executable), runner.job)
    assert "DO NOT MATCH THE HASHES" in (caught.value.why or "")
    assert (caught.value.hint or "").startswith(module.HINT)
    assert [path for path in (runner.job.cache / "toolchain").iterdir() if path.is_dir()] == []
    assert not list(runner.job.work.rglob("tool.py"))


def test_nothing_is_built_from_sources(
    interpreter: Interpreter, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runner: Runner
) -> None:
    archive = Path(shutil.make_archive(str(wheel.parent / "tool-1.0"), "gztar", tmp_path, "wheels"))
    wheel.unlink()
    pin(tmp_path, hashlib.sha256(archive.read_bytes()).hexdigest(), monkeypatch)
    with pytest.raises(EnvironmentFailure, match="install PyInstaller") as caught:
        make_toolchain(interpreter, Host(), Path(sys.executable), runner.job)
    assert "No matching distribution found for tool==1.0" in (caught.value.why or "")


def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    return parser


def pins() -> list[tuple[Requirement, list[str]]]:
    """The requirements of the file, with their hashes."""
    text = re.sub(r"^#.*\n", "", PINS.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(" --hash=sha256:") for line in text.splitlines()]
    return [(Requirement(line[0].strip()), [item.strip() for item in line[1:]]) for line in lines]


@pytest.mark.parametrize("python", re.findall(r"Python :: (3\.\d+)", setup_cfg()["metadata"]["classifiers"]), ids=str)
def test_every_python_has_one_version_of_each(python: str) -> None:
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    found = [item for item, _ in pins() if item.marker is None or item.marker.evaluate(environment)]
    names = ["altgraph", "packaging", "pyinstaller", "pyinstaller-hooks-contrib"]
    old = ["importlib-metadata", "zipp"] if python == "3.9" else []
    assert sorted(item.name for item in found) == sorted(names + old)
    assert pin_toolchain.PYTHONS[0] == "3.9" and python in pin_toolchain.PYTHONS


def test_every_version_is_exact_and_has_hashes() -> None:
    for item, hashes in pins():
        assert re.fullmatch(r"==[\d.]+", str(item.specifier)), item
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in hashes)
        assert len(hashes) == (len(pin_toolchain.PLATFORMS) if item.name == "pyinstaller" else 1), item


def test_the_pinned_pyinstaller_is_one_that_freezer_works_with() -> None:
    """Beside freezer, another one of this range reads what it writes."""
    (pinned,) = [item for item, _ in pins() if item.name == "pyinstaller"]
    wanted = Requirement(pin_toolchain.wanted("pyinstaller").strip())
    assert len(wanted.specifier) == 2
    assert wanted.specifier.contains(str(pinned.specifier)[2:])


def test_the_file_is_installed_with_freezer() -> None:
    assert setup_cfg()["options.package_data"]["freezer.environment"].split() == [PINS.name]


def test_markers_tell_versions_apart() -> None:
    first, second, third = ("1", frozenset("a")), ("2", frozenset("b")), ("3", frozenset("c"))
    found = pin_toolchain.markers({"3.9": first, "3.10": second, "3.11": second, "3.12": third}, True)
    assert {version: marker for version, (_, marker) in found.items()} == {
        "1": 'python_version < "3.10"',
        "2": 'python_version >= "3.10" and python_version < "3.12"',
        "3": 'python_version >= "3.12"',
    }
    assert pin_toolchain.markers({"3.9": first, "3.10": first}, True) == {"1": (first, "")}
    assert pin_toolchain.markers({"3.9": first}, False) == {"1": (first, 'python_version < "3.10"')}


def test_what_is_written_for_one_of_them() -> None:
    text = pin_toolchain.render("tool", ("1.0", frozenset(("b", "a"))), 'python_version < "3.10"')
    assert text == 'tool==1.0 ; python_version < "3.10" \\\n    --hash=sha256:a \\\n    --hash=sha256:b\n'
