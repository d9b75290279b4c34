"""Jobs for the CI of a project: they build, check and publish its image, without Docker.

What is built is in the settings, so that the same command does the same on a developer's machine.
"""

from __future__ import annotations

import enum
import posixpath
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Optional

from freezer.base.oci.reference import Reference
from freezer.scaffold.yaml_text import Block, Noted, yaml

DISTRIBUTION = "static-freezer"
TOOLS = ("binutils",)
COMPILER = ("gcc", "libc6-dev", "libzstd-dev")
"""What the installation of freezer needs for its own launcher."""
CACHED = ".cache/freezer/env"
CHECKOUT, SETUP_PYTHON = "actions/checkout@v4", "actions/setup-python@v5"
CACHE, UPLOAD = "actions/cache@v4", "actions/upload-artifact@v4"
RUNNER = "ubuntu-22.04"
"""The newest system of GitHub's that lets ordinary users make namespaces, which the proof needs."""
NOTE = "Written by freezer init. It builds, checks and publishes the image that [tool.freezer] of pyproject.toml names."
LOG_IN = """\
auth=$(printf %s "$REGISTRY_USER:$REGISTRY_PASSWORD" | base64 --wrap=0)
REGISTRY_AUTH_FILE=$(mktemp)
export REGISTRY_AUTH_FILE
printf '{"auths": {"%s": {"auth": "%s"}}}' "$registry" "$auth" > "$REGISTRY_AUTH_FILE"
"""
"""Writes the credentials where freezer looks for them; the file is for its owner alone."""


class CiService(enum.Enum):
    """The services that jobs are written for."""

    GITHUB = "github"
    GITLAB = "gitlab"


@dataclass(frozen=True)
class Job:
    """What a job does: ``build`` is the command that builds, ``image`` the file that it writes, relative to the
    project; ``folder`` is that of the project in its repository. ``name`` says where the image is published, None for
    the registry of the service; ``compiles`` tells whether freezer's own launcher is needed."""

    image: str
    name: Optional[Reference]
    python: str
    compiles: bool
    build: str = "freezer build"
    folder: str = "."

    def inside(self, path: str) -> str:
        """Return the path of a file of the project in its repository."""
        return posixpath.normpath(posixpath.join(self.folder, path))

    @property
    def packages(self) -> str:
        """Return the packages of the system that it needs."""
        return " ".join((*TOOLS, *(COMPILER if self.compiles else ())))

    def push(self, tags: str) -> str:
        """Return the commands that publish the image under tags, which are words of a shell."""
        return f'for tag in {tags}; do\n  freezer push {shlex.quote(self.image)} "$name:$tag"\ndone\n'

    def target(self, registry: str, name: str) -> str:
        """Return the commands that say where to publish; the arguments are for the registry of the service."""
        if self.name is not None:
            registry, name = self.name.domain, f"{self.name.domain}/{self.name.path}"
        return f"registry={registry}\nname={name}\n"


def github(job: Job) -> str:
    """Return a workflow for GitHub Actions."""
    files = f"hashFiles('{job.inside('pyproject.toml')}', '{job.inside('requirements*.txt')}')"
    steps: list[dict[str, Any]] = [
        {"uses": CHECKOUT},
        {"uses": SETUP_PYTHON, "with": {"python-version": job.python}},
        {
            "name": "Install freezer",
            "run": Block(
                "sudo apt-get update\n"
                f"sudo apt-get install --yes --no-install-recommends {job.packages}\n"
                f"python -m pip install {DISTRIBUTION}\n"
            ),
        },
        {"uses": CACHE, "with": {"path": f"~/{CACHED}", "key": "freezer-${{ runner.os }}-${{ " + files + " }}"}},
        {"name": "Build", "run": job.build},
        {"name": "Check", "run": f"freezer check {shlex.quote(job.image)}"},
        {"uses": UPLOAD, "with": {"name": "image", "path": job.inside(job.image), "if-no-files-found": "error"}},
        _published_by_github(job),
    ]
    here: dict[str, Any] = {} if job.folder == "." else {"defaults": {"run": {"working-directory": job.folder}}}
    return yaml(
        {
            "name": "image",
            "on": ["push", "pull_request"],
            "permissions": {"contents": "read", **({"packages": "write"} if job.name is None else {})},
            "jobs": {"image": {"runs-on": RUNNER, "timeout-minutes": 30, **here, "steps": steps}},
        },
        NOTE,
    )


def _published_by_github(job: Job) -> dict[str, Any]:
    user, password = "github.actor", "secrets.GITHUB_TOKEN"
    if job.name is not None:
        user, password = "secrets.REGISTRY_USER", "secrets.REGISTRY_PASSWORD"
    target = job.target("ghcr.io", '$(printf %s "ghcr.io/$GITHUB_REPOSITORY" | tr A-Z a-z)')
    tags = '"$GITHUB_SHA" "$(printf %s "$GITHUB_REF_NAME" | tr -c A-Za-z0-9_.- -)"'
    default = "github.ref_name == github.event.repository.default_branch"
    step: dict[str, Any] = {
        "name": "Publish",
        "if": f"github.event_name == 'push' && (github.ref_type == 'tag' || {default})",
        "env": {"REGISTRY_USER": f"${{{{ {user} }}}}", "REGISTRY_PASSWORD": f"${{{{ {password} }}}}"},
    }
    if job.name is not None:
        step["env"] = Noted(step["env"], "Secrets of the repository: Settings, Secrets and variables, Actions.")
    return {**step, "run": Block(target + LOG_IN + job.push(tags))}


def gitlab(job: Job) -> str:
    """Return the file for GitLab CI."""
    user, password = '"$CI_REGISTRY_USER"', '"$CI_REGISTRY_PASSWORD"'
    own = "" if job.name is not None else f"REGISTRY_USER={user}\nREGISTRY_PASSWORD={password}\n"
    publish = job.target('"$CI_REGISTRY"', '"$CI_REGISTRY_IMAGE"') + own + LOG_IN
    publish += job.push('"$CI_COMMIT_SHA" "$CI_COMMIT_REF_SLUG"')
    inner = "".join(f"  {line}\n" for line in publish.splitlines())
    guard = 'if [ -n "$CI_COMMIT_TAG" ] || [ "$CI_COMMIT_BRANCH" = "$CI_DEFAULT_BRANCH" ]; then\n'
    script = [
        "apt-get update",
        f"apt-get install --yes --no-install-recommends {job.packages}",
        f"python -m pip install {DISTRIBUTION}",
        *([] if job.folder == "." else [f"cd {shlex.quote(job.folder)}"]),
        f"{job.build} --verify=auto",
        f"freezer check --verify=auto {shlex.quote(job.image)}",
        Block(f"{guard}{inner}fi\n"),
    ]
    variables: Any = {"XDG_CACHE_HOME": "$CI_PROJECT_DIR/.cache"}
    if job.name is not None:
        credentials = "REGISTRY_USER and REGISTRY_PASSWORD are variables of the project: Settings, CI/CD, Variables."
        variables = Noted(variables, credentials)
    files = {"files": [job.inside("pyproject.toml")]}
    note = "The proof needs namespaces, which many runners forbid. On one that allows them: --verify=require."
    return yaml(
        {
            # Not called image: that is a word of GitLab's own.
            "publish-image": {
                "image": f"python:{job.python}-bookworm",
                "variables": variables,
                "cache": {"key": files, "paths": [CACHED]},
                "script": Noted(script, note),
                "artifacts": {"paths": [job.inside(job.image)]},
            }
        },
        NOTE,
    )


WRITERS: dict[CiService, tuple[str, Callable[[Job], str]]] = {
    CiService.GITHUB: (".github/workflows/image.yml", github),
    CiService.GITLAB: (".gitlab-ci.yml", gitlab),
}
"""For each service: where it looks for its file, and what makes it."""
