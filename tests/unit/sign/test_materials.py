"""What a build was made from: no path of the machine, nothing that another one would state otherwise."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from plans import plan
from running import Runner
from signing import check_statement
from support import need_program, sha256

from freezer.application.entry import Application
from freezer.application.own import OwnFile, OwnFound
from freezer.base.bill import Bill, Component
from freezer.base.job import Job
from freezer.closure.close import ClosedApp
from freezer.environment.interpreter import Interpreter
from freezer.environment.resolved import FILE, Resolved
from freezer.environment.venv import Environment
from freezer.freeze.pyinstaller import FrozenApp
from freezer.link.launcher import launcher_path
from freezer.link.linkers import StaticApp
from freezer.plan.build import Plan
from freezer.sign.made_of import Materials
from freezer.sign.materials import materials_of
from freezer.sign.provenance import Provenance
from freezer.sign.statement import Subject
from freezer.system.host import Host

RELEASE = 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'


@pytest.fixture
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return Runner(tmp_path_factory.mktemp("job")).job


class Made:
    """A build that is made up, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.here = folder / "project"
        for name in ("app.py", "helper.py", "data/x.txt", "r.txt", "c.txt", "lib.so"):
            (self.here / name).parent.mkdir(parents=True, exist_ok=True)
            (self.here / name).write_text(name)
        (self.here / "r.txt").write_text("-c c.txt\n")
        (self.here / "c.txt").write_text("")
        root = folder / "root"
        (root / "etc").mkdir(parents=True)
        (root / "etc/os-release").write_text(RELEASE)
        (root / "usr/lib").mkdir(parents=True)
        (root / "usr/lib/python3.11").write_text("python")
        (root / "usr/lib/libpython3.11.so").write_text("libpython")
        for place, found in (
            (
                "env",
                [Resolved("Click", "8.1", "a" * 64), Resolved("ours", "1", None, "b" * 40), Resolved("local", "2")],
            ),
            ("tools", [Resolved("pyinstaller", "6.22.3", "c" * 64)]),
        ):
            (folder / place).mkdir()
            (folder / place / FILE).write_text(json.dumps([dataclasses.asdict(item) for item in found]))
        host = Host()
        host.path = root
        python = Interpreter(root / "usr/lib/python3.11", (3, 11, 2), root / "usr", root / "usr/lib/libpython3.11.so")
        self.environment = Environment(
            folder / "env/bin/python", python, "key", False, host, folder / "tools/modules", folder
        )
        own = OwnFound(files=(OwnFile(self.here / "data/x.txt", "data", 1, "it is beside the script"),))
        files = (self.here / "app.py", self.here / "helper.py")
        self.application = Application("app", self.here / "app.py", False, (), files, (), {}, None, own=own)
        tree = folder / "tree"
        frozen = FrozenApp(tree, "app", tree, frozenset(), {}, (), (), (), False)
        bill = Bill(Component("application", "app"), (Component("library", "libc6", purl="pkg:deb/debian/libc6@2"),), 0)
        closed = ClosedApp(frozen, "ld.so", python.executable, (), (), (), bill=bill)
        self.linked: Any = dataclasses.make_dataclass("Linked", ["closed"])(closed)

    def plan(self, **values: Any) -> Plan:
        return plan(self.here, **{"entry": "app.py", "linker": "native", **values})

    def materials(self, job: Job, **values: Any) -> Materials:
        linked: StaticApp = self.linked
        return materials_of(self.plan(**values), self.environment, self.application, linked, job)

    def statement(self, job: Job, **values: Any) -> Any:
        how = self.materials(job, **values).made(job)
        return json.loads(Provenance(how, None, (Subject("app", "a" * 64),)).render())


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def by_role(statement: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in statement["predicate"]["buildDefinition"]["resolvedDependencies"]:
        found.setdefault(item["annotations"]["role"], []).append(item)
    return found


def test_everything(made: Made, job: Job) -> None:
    statement = made.statement(job, requirement=["r.txt"], library=["lib.so"])
    check_statement(statement)
    found = by_role(statement)
    (source,) = found["source"]
    assert (source["annotations"]["files"], set(source["digest"])) == (3, {"sha256"})
    assert [(item["name"], item["digest"]["sha256"]) for item in found["input"]] == [
        (name, sha256(made.here / name)) for name in ("c.txt", "lib.so", "r.txt")
    ]
    assert [(item["uri"], item.get("digest")) for item in found["requirement"]] == [
        ("pkg:pypi/click@8.1", {"sha256": "a" * 64}),
        ("pkg:pypi/ours@1", {"gitCommit": "b" * 40}),
        ("pkg:pypi/local@2", None),
    ]
    assert [item["uri"] for item in found["toolchain"]] == ["pkg:pypi/pyinstaller@6.22.3"]
    assert [item["digest"]["sha256"] for item in found["launcher"]] == [sha256(launcher_path())]
    assert [(item["name"], item["uri"]) for item in found["python"]] == [
        ("python3.11", "pkg:generic/python@3.11.2"),
        ("libpython3.11.so", "pkg:generic/python@3.11.2"),
    ]
    assert [item["digest"]["sha256"] for item in found["python"]] == [
        sha256(made.environment.interpreter.executable),
        sha256(made.environment.interpreter.libpython),
    ]
    assert [item["uri"] for item in found["system"]] == ["pkg:generic/debian@12", "pkg:deb/debian/libc6@2"]
    assert found["system"][0]["annotations"]["title"] == "Debian GNU/Linux 12 (bookworm)"
    names = [item["uri"].partition("@")[0] for item in found["freezer"]]
    assert {"pkg:pypi/certifi", "pkg:pypi/tzdata"} <= set(names) and "pkg:pypi/staticx" not in names


def test_another_machine_states_the_same(tmp_path: Path, job: Job) -> None:
    """And no path of either is in it."""
    options = {
        "requirement": ["r.txt"],
        "add_data": ["data:d"],
        "library": ["lib.so"],
        "rest": ["--additional-hooks-dir", "/opt/x"],
        "exclude": ["tkinter"],
        "tzdata": True,
        "jobs": 3,
    }
    texts = []
    for name in ("one", "other/deeper"):
        (tmp_path / name).mkdir(parents=True)
        statement = Made(tmp_path / name).statement(job, **options)
        texts.append(json.dumps(statement))
    assert texts[0] == texts[1]
    assert str(tmp_path) not in texts[0] and "/opt" not in texts[0]


def test_parameters(made: Made, job: Job) -> None:
    assert made.materials(job).parameters == {
        "entry": {"kind": "script", "path": "app.py"},
        "linker": "native",
        "compress": "fast",
        "source": "own",
    }
    packages = made.materials(
        job, **{"with": ["click>=8"]}, own="code", init=False, verify="no", hidden_import=["x"]
    ).parameters
    assert packages["packages"] == ["click>=8"]
    assert (packages["own"], packages["init"], packages["verify"]) == ("code", False, "no")
    assert packages["hidden-imports"] == ["x"]
    # What decides no byte of the result is no parameter of it.
    for irrelevant in ({"jobs": 7}, {"sbom": "x.json"}, {"smoke": "--help"}, {"image": "x.tar"}, {"sign_key": "k"}):
        assert made.materials(job, **irrelevant) == made.materials(job)


def test_the_commit_is_that_of_now(made: Made, job: Job) -> None:
    """The record of an earlier build has the rest."""
    kept = made.materials(job)
    assert json.loads(json.dumps(dataclasses.asdict(kept)))["top"] == str(made.here)
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        git = [need_program("git"), "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(made.here)]
        subprocess.run([*git, *words], check=True)
    (source,) = by_role(made.statement(job))["source"]
    assert source["annotations"]["changed"] is False
    (made.here / "helper.py").write_text("changed")
    (source,) = by_role(made.statement(job))["source"]
    assert source["annotations"]["changed"] is True


def test_an_entry_without_sources(made: Made, job: Job) -> None:
    made.application = dataclasses.replace(made.application, own_files=(), own=OwnFound())
    statement = made.statement(job, entry=None, console_script="click", **{"with": ["click"]})
    check_statement(statement)
    assert "source" not in by_role(statement)


def test_a_system_that_says_nothing_of_itself(made: Made, job: Job) -> None:
    (made.environment.root.path / "etc/os-release").write_text("ID=a b/c\nVERSION_ID=\x1b[31m\n")
    assert by_role(made.statement(job))["system"][0]["uri"] == "pkg:generic/a%20b/c@%1B%5B31m"
    (made.environment.root.path / "etc/os-release").unlink()
    check_statement(made.statement(job))
    assert by_role(made.statement(job))["system"][0]["uri"] == "pkg:generic/linux"


def test_a_project_without_what_it_was_built_to(made: Made, job: Job) -> None:
    """Wherever that lies: the next build states the same. Empty files and compiled modules are sources."""
    (made.here / "pyproject.toml").write_text("")
    before = made.materials(job, entry=".").files
    assert str(made.here / "pyproject.toml") in before
    for name, start in (
        ("app", b"\x7fELF"),
        ("app.intoto.jsonl", b'{"payloadType":"application/vnd.in-toto+json"'),
        ("x.json", b'{"_type":"https://in-toto.io/Statement/v1"'),
    ):
        (made.here / name).write_bytes(start)
    assert made.materials(job, entry=".").files == before
    for name, start in (("empty", b""), ("mod.so", b"\x7fELF")):
        (made.here / name).write_bytes(start)
    assert set(made.materials(job, entry=".").files) - set(before) == {
        str(made.here / "empty"),
        str(made.here / "mod.so"),
    }
