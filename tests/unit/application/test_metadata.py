"""What a project says of itself, and the commit it is at."""

from __future__ import annotations

import subprocess
from pathlib import Path

from support import need_program

from freezer.application.metadata import Metadata, parse_metadata, revision

TEXT = """\
Metadata-Version: 2.4
Name: greeter
Version: 1.2
Summary: Greets
License-Expression: MIT
Project-URL: Homepage, https://example.com
Project-URL: Source Code, https://example.com/git
Project-URL: nonsense
Requires-Dist: click
Requires-Dist: rich

The description: not a field.
"""


def test_metadata() -> None:
    expected = Metadata(
        *("greeter", "1.2", "Greets", "MIT", "https://example.com/git", "https://example.com", None), ("click", "rich")
    )
    assert parse_metadata(TEXT) == expected


def test_little_is_known() -> None:
    assert parse_metadata("Name: x\nSummary: UNKNOWN\nLicense: a\n b\n") == Metadata("x")


def test_revision(tmp_path: Path) -> None:
    git = [need_program("git"), "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    project = tmp_path / "packages" / "one"
    project.mkdir(parents=True)
    assert revision(project) is None
    subprocess.run([*git, "init", "-q"], check=True)
    assert revision(project) is None
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    head = done.stdout.strip()
    assert revision(project) == head
    subprocess.run([*git, "pack-refs", "--all"], check=True)
    assert revision(project) == head
    subprocess.run([*git, "checkout", "-q", "--detach"], check=True)
    assert revision(project) == head
    subprocess.run([*git, "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "other"], check=True)
    assert revision(tmp_path / "tree") == head
