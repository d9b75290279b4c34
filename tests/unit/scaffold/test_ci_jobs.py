"""CI jobs agree with the schemas of their services, and their commands do what they are for."""

from __future__ import annotations

import base64
import configparser
import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from schemas import check_schema
from support import CHECKOUT

from freezer.base.oci.reference import parse_reference
from freezer.scaffold.ci_jobs import DISTRIBUTION, WRITERS, CiService, Job, github

PLAIN = Job("dist/app.tar", None, "3.12", compiles=False)
NAMED = Job(
    "out dir/app.tar", parse_reference("registry.example:5000/team/app:1.2"), "3.13", True, "freezer build -q", "sub"
)
JOBS = pytest.mark.parametrize("job", [PLAIN, NAMED], ids=["plain", "named"])

FAKE = """\
#!/bin/sh
echo "freezer $*" >> "$TOLD"
case $1 in push) cat "$REGISTRY_AUTH_FILE" >> "$TOLD"; stat -c ' %a' "$REGISTRY_AUTH_FILE" >> "$TOLD" ;; esac
"""
OTHER = '#!/bin/sh\necho "$(basename "$0") $*" >> "$TOLD"\n'
VARIABLES = {
    "GITHUB_REPOSITORY": "Team/Shop", "GITHUB_SHA": "0123abc", "GITHUB_REF_NAME": "feature/a b",
    "CI_REGISTRY": "registry.gitlab.example", "CI_REGISTRY_IMAGE": "registry.gitlab.example/team/shop",
    "CI_REGISTRY_USER": "ci", "CI_REGISTRY_PASSWORD": "token:x", "CI_COMMIT_SHA": "0123abc",
    "CI_COMMIT_REF_SLUG": "feature-a-b", "CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main",
}  # fmt: skip


def document(service: CiService, job: Job) -> Any:
    found = yaml.safe_load(WRITERS[service][1](job))
    check_schema("github-workflows" if service is CiService.GITHUB else "gitlab-ci", found)
    return found


def run(scripts: list[str], folder: Path, **variables: str) -> list[str]:
    """The commands that scripts call, in the shell that the services use; what they install with is not real."""
    programs = folder / "bin"
    programs.mkdir()
    for name, text in {"freezer": FAKE, "sudo": OTHER, "apt-get": OTHER, "python": OTHER}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (folder / "sub").mkdir()
    told = folder / "told"
    env = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "TOLD": str(told),
        "TMPDIR": str(folder),
        **VARIABLES,
        **variables,
    }
    subprocess.run(["bash", "-eo", "pipefail", "-c", "\n".join(scripts)], env=env, cwd=folder, check=True)
    return told.read_text().splitlines()


def credentials(registry: str, user: str, password: str) -> str:
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    return json.dumps({"auths": {registry: {"auth": auth}}}) + " 600"


@JOBS
def test_github(tmp_path: Path, job: Job) -> None:
    found = document(CiService.GITHUB, job)
    (inner,) = found["jobs"].values()
    publish = inner["steps"][-1]
    scripts = [step["run"] for step in inner["steps"] if "run" in step]
    # The service puts these in.
    told = run(scripts, tmp_path, REGISTRY_USER="ada", REGISTRY_PASSWORD="secret")
    installed = [line for line in told if not line.startswith("freezer")]
    assert installed[0] == "sudo apt-get update"
    assert f"python -m pip install {DISTRIBUTION}" in installed
    if job is PLAIN:
        assert "sudo apt-get install --yes --no-install-recommends binutils" in installed
        assert told[-6:] == [
            "freezer build",
            "freezer check dist/app.tar",
            "freezer push dist/app.tar ghcr.io/team/shop:0123abc",
            credentials("ghcr.io", "ada", "secret"),
            "freezer push dist/app.tar ghcr.io/team/shop:feature-a-b",
            credentials("ghcr.io", "ada", "secret"),
        ]
        assert publish["env"] == {
            "REGISTRY_USER": "${{ github.actor }}",
            "REGISTRY_PASSWORD": "${{ secrets.GITHUB_TOKEN }}",
        }
        assert found["permissions"] == {"contents": "read", "packages": "write"}
    else:
        assert "sudo apt-get install --yes --no-install-recommends binutils gcc libc6-dev libzstd-dev" in installed
        assert told[-4:-2] == [
            "freezer push out dir/app.tar registry.example:5000/team/app:0123abc",
            credentials("registry.example:5000", "ada", "secret"),
        ]
        assert "secrets.REGISTRY_PASSWORD" in publish["env"]["REGISTRY_PASSWORD"]
        assert found["permissions"] == {"contents": "read"}
        assert inner["defaults"]["run"]["working-directory"] == "sub"
        (upload,) = (step for step in inner["steps"] if "upload" in step.get("uses", ""))
        assert upload["with"]["path"] == "sub/out dir/app.tar"


def test_nothing_of_a_pull_request_is_published_by_github() -> None:
    (job,) = document(CiService.GITHUB, PLAIN)["jobs"].values()
    publish = job["steps"][-1]
    assert publish["if"].startswith("github.event_name == 'push' && (")
    assert not any("secrets." in json.dumps(step) for step in job["steps"][:-1])


@JOBS
def test_gitlab(tmp_path: Path, job: Job) -> None:
    found = document(CiService.GITLAB, job)
    assert not {"image", "services", "stages", "variables", "cache", "include", "default", "pages"} & set(found)
    (inner,) = found.values()
    told = run(inner["script"], tmp_path, REGISTRY_USER="ada", REGISTRY_PASSWORD="secret")
    if job is PLAIN:
        login = credentials("registry.gitlab.example", "ci", "token:x")
        assert told[-6:] == [
            "freezer build --verify=auto",
            "freezer check --verify=auto dist/app.tar",
            "freezer push dist/app.tar registry.gitlab.example/team/shop:0123abc",
            login,
            "freezer push dist/app.tar registry.gitlab.example/team/shop:feature-a-b",
            login,
        ]
    else:
        assert told[-6] == "freezer build -q --verify=auto"
        assert told[-3] == credentials("registry.example:5000", "ada", "secret")
        assert inner["artifacts"]["paths"] == ["sub/out dir/app.tar"]


def test_gitlab_publishes_the_default_branch_and_tags(tmp_path: Path) -> None:
    (inner,) = document(CiService.GITLAB, PLAIN).values()
    for number, (variables, pushes) in enumerate(
        [({"CI_COMMIT_BRANCH": "x"}, 0), ({"CI_COMMIT_BRANCH": "", "CI_COMMIT_TAG": "v1"}, 2), ({}, 2)]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        told = run(inner["script"], folder, **variables)
        assert sum(line.startswith("freezer push") for line in told) == pushes


def test_commands_that_fail_fail_the_job(tmp_path: Path) -> None:
    (inner,) = document(CiService.GITLAB, PLAIN).values()
    with pytest.raises(subprocess.CalledProcessError):
        run([*inner["script"][:3], "freezer() { case $1 in push) return 7 ;; esac; }", inner["script"][-1]], tmp_path)


def test_they_install_what_there_is() -> None:
    """And the actions are those that freezer's own CI uses, as far as it does."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    assert setup["metadata"]["name"] == DISTRIBUTION
    own = (CHECKOUT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    for action in ("checkout", "setup-python"):
        assert len(set(re.findall(rf"actions/{action}@(\S+)", own + github(PLAIN)))) == 1


@JOBS
def test_the_commands_parse(job: Job) -> None:
    from freezer.cli.main import build_parser

    (inner,) = document(CiService.GITHUB, job)["jobs"].values()
    (other,) = document(CiService.GITLAB, job).values()
    scripts = [*(step["run"] for step in inner["steps"] if "run" in step), *other["script"]]
    lines = [line.strip() for script in scripts for line in script.splitlines()]
    words = [shlex.split(line.replace("$name:$tag", "a/b:1")) for line in lines if line.startswith("freezer ")]
    assert [line[1] for line in words] == ["build", "check", "push"] * 2
    for line in words:
        assert build_parser().parse_args(line[1:]).command == line[1]
