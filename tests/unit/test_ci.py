"""The workflow of freezer's own CI: it calls what exists, and covers what setup.cfg promises.

It is read as text, so that the tests need no parser of YAML.
"""

from __future__ import annotations

import configparser
import re
import subprocess

import pytest
from support import CHECKOUT

WORKFLOW = (CHECKOUT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
TEMPLATES = CHECKOUT / "packaging" / "ci"
OLDEST = CHECKOUT / "packaging" / "oldest.txt"


def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    return parser


def commands_of_run() -> set[str]:
    """What ``./run --help`` lists."""
    done = subprocess.run([CHECKOUT / "run", "--help"], capture_output=True, text=True, check=True)
    return set(re.findall(r"^  (\w+)  ", done.stdout, re.MULTILINE))


def matrix() -> list[dict[str, str]]:
    """The cells of the tests' matrix."""
    lines = re.findall(r"^\s+- \{(.*)\}$", WORKFLOW, re.MULTILINE)
    return [dict(re.findall(r'(\w+): "?([^",]+)"?', line)) for line in lines]


def jobs() -> dict[str, str]:
    """The text of each job."""
    _, *parts = re.split(r"^  (\w+):\n", WORKFLOW.partition("\njobs:\n")[2], flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2]))


def test_every_command_exists() -> None:
    called = re.findall(r"\./run (\w+)", "\n".join(line for line in WORKFLOW.splitlines() if "#" not in line))
    assert set(called) >= {"lint", "test", "demo"}
    assert set(called) <= commands_of_run()


def test_every_job_ends_in_run() -> None:
    assert next(iter(jobs())) == "lint"
    for name, text in jobs().items():
        assert re.findall(r"^        run: (.*)$", text, re.MULTILINE)[-1].startswith("./run "), name
        assert name == "lint" or "    needs: lint\n" in text


def test_every_step_says_in_words_what_it_does() -> None:
    assert WORKFLOW.count("        run: ") == len(
        re.findall(r"^      - name: .+\n        run: ", WORKFLOW, re.MULTILINE)
    )


def test_every_python_that_is_promised_is_tested() -> None:
    promised = re.findall(r"Python :: (3\.\d+)", setup()["metadata"]["classifiers"])
    assert sorted({cell["python"] for cell in matrix()}) == sorted(promised)


def test_systems_compilers_and_dependencies() -> None:
    cells = matrix()
    assert {cell["system"] for cell in cells} >= {"debian:12", "debian:13", "ubuntu:22.04", "ubuntu:24.04"}
    assert {cell["compiler"] for cell in cells} == {"gcc", "clang"}
    assert {cell["dependencies"] for cell in cells} == {"oldest", "newest"}
    for cell in cells:
        if cell["system"].startswith("python:"):
            assert cell["system"].startswith(f"python:{cell['python']}-")


def test_new_releases_are_tried_every_week() -> None:
    assert re.search(r'^    - cron: "\d+ \d+ \* \* \d"$', WORKFLOW, re.MULTILINE)


def test_the_oldest_dependencies_are_the_lower_bounds() -> None:
    lines = [line.strip() for line in setup()["options"]["install_requires"].splitlines()]
    wanted = set()
    for line in filter(None, lines):
        found = re.fullmatch(r"([\w-]+) >=([\d.]+)(?:, *<[\d.]+)?(;.*)?", line)
        if found:
            wanted.add(f"{found[1]} =={found[2]}{found[3] or ''}")
        else:
            assert re.fullmatch(r"[\w-]+", line), line
    given = {line for line in OLDEST.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")}
    assert given == wanted
    assert str(OLDEST.relative_to(CHECKOUT)) in WORKFLOW


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_templates_for_users_agree(name: str) -> None:
    """They install the distribution that setup.cfg names, and one more package than they say would be one too many."""
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    assert f"pip install {setup()['metadata']['name']}\n" in text
    assert re.findall(r"install --yes --no-install-recommends (.*)", text) == ["binutils"]
    assert "freezer build . -o dist/app --smoke=--version" in text
    for action in ("checkout", "setup-python"):
        versions = set(re.findall(rf"actions/{action}@(\S+)", text + WORKFLOW))
        assert len(versions) <= 1
