"""Whether imports may be saved: an application whose imports do all that may not, line by line, and one that may.

Each line of tests/samples/imports/behaviours.py says itself what the probe is to find there.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support import Freezer

from freezer.prove.snapshot.findings import SnapshotFindings, parse

VERIFICATION, INPUT = 6, 3
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
def told(freezer: Freezer, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What freezer says of the application, in lines."""
    folder = tmp_path_factory.mktemp("imports")
    freezer(
        *("build", samples / "imports" / "main.py", "--name", "imports", "-o", "imports", "--linker", "native"),
        *("--verify", "no"),
        cwd=folder,
    )
    done = freezer("check", "imports", "--snapshot", "--verify", "no", "-v", cwd=folder, check=False)
    assert done.status == VERIFICATION
    return [line.strip() for line in done.stderr.splitlines()]


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
