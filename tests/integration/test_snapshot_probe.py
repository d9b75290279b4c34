"""Whether imports may be saved: an application whose imports do all that may not, line by line, and one that may.

Each line of tests/samples/imports/behaviours.py says itself what the probe is to find there.
"""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from support import Freezer

from freezer.base.log import Log
from freezer.prove.snapshot.findings import SnapshotFindings, parse
from freezer.prove.snapshot.probing import run_imports
from freezer.prove.snapshot.verdict import judge_run
from freezer.store.workspace import workspace

INPUT = 3
EXPECTED = re.compile(r"# (wrong 0|wrong|key): (.*)$")
HARMLESS = """\
import hashlib
import json
import logging
import ssl
import sys

if __name__ == "__main__":
    print(json.dumps(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def wrong(freezer: Freezer, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An application whose imports do all that may not be saved."""
    folder = tmp_path_factory.mktemp("imports")
    words = ("--name", "imports", "-o", "imports", "--linker", "native", "--verify", "no")
    return freezer("build", samples / "imports" / "main.py", *words, cwd=folder).output


@pytest.fixture(scope="module")
def told(wrong: Path) -> list[str]:
    """What the probe finds if the imports run to their end, in lines."""
    with workspace(wrong.parent / "cache", "probe", keep=False, log=Log(stream=io.StringIO())) as job:
        findings, _ = judge_run(run_imports(wrong, job, (), ()))
    return [" ".join(line) for line in findings.lines()]


def test_each_behaviour_is_found(told: list[str], samples: Path) -> None:
    source = (samples / "imports" / "behaviours.py").read_text(encoding="utf-8").splitlines()
    expected = [(number, match) for number, line in enumerate(source, 1) for match in EXPECTED.finditer(line)]
    assert len(expected) > 75
    missed = []
    for number, match in expected:
        kind, text = match.groups()
        begins = {"key": text, "wrong": f"reason behaviours {number} ", "wrong 0": "reason "}[kind]
        if not any(line == text if kind == "key" else line.startswith(begins) and text in line for line in told):
            missed.append(source[number - 1])
    assert missed == []


def test_what_imports_may_do_is_no_reason(told: list[str]) -> None:
    assert [line for line in told if line.startswith("reason harmless")] == []
    assert any(line.startswith("reason behaviours ") for line in told)


def test_there_could_be_a_snapshot_before_all_that(freezer: Freezer, wrong: Path, told: list[str]) -> None:
    done = freezer("check", wrong, "--snapshot", "--verify", "no", "-v", cwd=wrong.parent)
    lines = [line.strip() for line in done.stderr.splitlines()]
    assert "verdict yes" in lines
    # What is said has names and numbers that are others each time.
    places = {tuple(line.split()[1:3]) for line in lines if line.startswith("limit ")}
    assert places == {tuple(line.split()[1:3]) for line in told if line.startswith("reason ")}


@pytest.fixture(scope="module")
def harmless(freezer: Freezer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("harmless")
    (folder / "calm.py").write_text(HARMLESS)
    return freezer("build", "calm.py", "-o", "calm", "--linker", "native", cwd=folder).output


def findings_of(freezer: Freezer, path: Path) -> SnapshotFindings:
    facts = json.loads(freezer("check", path, "--snapshot", "--json", cwd=path.parent).stdout)
    return parse("".join("\t".join(line) + "\n" for line in facts["snapshot"]).encode())


def test_an_application_that_may_be_saved(freezer: Freezer, harmless: Path) -> None:
    findings = findings_of(freezer, harmless)
    assert findings.verdict
    assert findings.boundary == ("calm.py", 7)
    assert {"LANG", "LC_ALL", "LC_CTYPE", "TZ"} <= set(findings.variables)
    assert "OPENSSL_CONF" in findings.unset
    kinds = dict(findings.files)
    assert kinds["/etc/localtime"] == "file"
    assert any(path.endswith("/openssl.cnf") and kind == "file" for path, kind in kinds.items())
    assert not [path for path in kinds if "probe" in path or path.startswith("/tmp")]
    assert "user" in findings.asks
    freezer.assert_tidy()


def test_twice_the_same(freezer: Freezer, harmless: Path) -> None:
    assert findings_of(freezer, harmless) == findings_of(freezer, harmless)


def test_what_cannot_be_asked(freezer: Freezer, hello: Path, harmless: Path) -> None:
    message = freezer.fails("check", hello, "--snapshot", "--verify", "no", cwd=hello.parent, status=INPUT)
    assert "only freezer's own launcher can start an application so" in message
    message = freezer.fails("check", harmless, "--ignore-env", "X_*", cwd=harmless.parent, status=2)
    assert "--ignore-env needs --snapshot" in message
