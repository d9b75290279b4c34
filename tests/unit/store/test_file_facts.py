"""What was found out about files: known until something touches them."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest
from support import let_the_clock_go_on

from freezer.base.job import Job
from freezer.store.file_facts import FOLDER, KEPT, fact, known_digest


class Asked:
    def __init__(self, answer: str = "answer \udcff") -> None:
        self.times = 0
        self.answer = answer

    def __call__(self) -> str:
        self.times += 1
        return self.answer


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("content")
    return path


def test_it_is_asked_once(file: Path, job: Job) -> None:
    asked = Asked()
    assert [fact("kind", [file], asked, job) for _ in range(3)] == [asked.answer] * 3
    assert asked.times == 1
    assert fact("other kind", [file], asked, job) == asked.answer
    assert asked.times == 2


def test_a_file_that_was_touched_is_another(file: Path, job: Job) -> None:
    """Whatever its times are set to."""
    asked, status = Asked(), file.stat()
    fact("kind", [file], asked, job)
    let_the_clock_go_on()
    file.write_text("CONTENT")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    fact("kind", [file], asked, job)
    assert asked.times == 2


def test_so_is_one_that_a_link_leads_to(file: Path, tmp_path: Path, job: Job) -> None:
    asked, link, other = Asked(), tmp_path / "link", tmp_path / "other"
    other.write_text("content")
    link.symlink_to(file)
    fact("kind", [link], asked, job)
    link.unlink()
    link.symlink_to(other)
    fact("kind", [link], asked, job)
    link.unlink()
    fact("kind", [link], asked, job)
    fact("kind", [link], asked, job)
    assert asked.times == 3


def test_what_does_not_hold_any_more_is_asked_again(file: Path, job: Job) -> None:
    fact("kind", [file], Asked("old"), job)
    assert fact("kind", [file], Asked("new"), job, holds=lambda known: known != "old") == "new"
    assert fact("kind", [file], Asked("newest"), job) == "new"


@pytest.mark.parametrize("damage", ["truncate", "change", "empty"])
def test_damage_is_noticed(file: Path, job: Job, damage: str) -> None:
    fact("kind", [file], Asked("right"), job)
    (path,) = (job.cache / FOLDER).iterdir()
    data = path.read_bytes()
    path.write_bytes({"truncate": data[:-1], "change": data[:-1] + b"x", "empty": b""}[damage])
    assert fact("kind", [file], Asked("right"), job) == "right"
    assert path.read_bytes() == data


def test_a_digest(file: Path, job: Job) -> None:
    assert known_digest(file, job) == known_digest(file, job) == hashlib.sha256(b"content").hexdigest()
    with pytest.raises(FileNotFoundError):
        known_digest(file.with_name("none"), job)


def test_what_was_not_used_for_long_goes(file: Path, job: Job) -> None:
    fact("old", [file], Asked(), job)
    (old,) = (job.cache / FOLDER).iterdir()
    os.utime(old, (0, time.time() - KEPT - 60))
    fact("new", [file], Asked(), job)
    assert not old.exists()
    assert len(list((job.cache / FOLDER).iterdir())) == 1
