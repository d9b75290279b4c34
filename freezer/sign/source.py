"""The application's own files as a source: the commit that they are of, whether they are as in that commit, and a
digest of them all, which needs no repository."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Optional

from freezer.application.metadata import revision
from freezer.base.job import Job
from freezer.base.places import is_file, passing_over
from freezer.base.publish import digest_file
from freezer.plan.trees import repository_of
from freezer.sign.statement import Resource, resource


def source_resource(top: Path, files: Iterable[Path], job: Job) -> Resource:
    """Return the descriptor of the files below ``top``.

    ``changed`` says whether any file of the commit differs, or one of these is none of the commit's. The digest of all
    files is that of the lines that sha256sum(1) prints for them, sorted by their bytes.
    """
    lines = digest_lines(top, files)
    noted: dict[str, Any] = {"files": len(lines), "sha256-of": "the lines of sha256sum for these files, sorted"}
    commit = revision(top)
    if commit is not None:
        noted["changed"] = is_changed(top, files, job)
    sha256 = hashlib.sha256(b"".join(lines)).hexdigest()
    return dict(resource("source", name="source", annotations=noted, gitCommit=commit or "", sha256=sha256))


def digest_lines(top: Path, files: Iterable[Path]) -> list[bytes]:
    """Return the lines of ``sha256sum`` for files, with their paths below ``top``."""
    lines = []
    for path in set(files):
        if is_file(path):
            with passing_over():
                lines.append(f"{digest_file(path)}  ".encode() + os.fsencode(os.path.relpath(path, top)) + b"\n")
    return sorted(lines)


def is_changed(top: Path, files: Iterable[Path], job: Job) -> Optional[bool]:
    """Return whether the files of a repository differ from its commit: any that git tracks, or one of ``files`` that it
    does not, ignored or new. None without git, and if git does not say."""
    repository = repository_of(top)
    if repository is None or shutil.which("git") is None:
        return None
    # The repository may belong to another user; its configuration shall not start programs.
    git: list[str | Path] = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-C", repository]
    words = ["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignored=traditional"]
    done = job.run(
        [*git, "--no-optional-locks", *words],
        what=f"compare {repository} with its commit",
        env=_environment(),
        capture=True,
        check=False,
    )
    if done.status != 0:
        return None
    own = {os.path.relpath(os.path.realpath(path), os.path.realpath(repository)) for path in files}
    for item in filter(None, done.stdout.split("\0")):
        state, name = item[:2], item[3:]
        if state not in ("??", "!!") or name in own:
            return True
        # A directory stands for all that is in it.
        if name.endswith("/") and any(path.startswith(name) for path in own):
            return True
    return False


def _environment() -> Mapping[str, str]:
    # None that means another repository.
    return {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
