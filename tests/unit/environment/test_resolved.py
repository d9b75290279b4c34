"""What pip has installed, by its report; a report that programs of others may have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from freezer.base.errors import EnvironmentFailure
from freezer.base.job import Job
from freezer.environment.resolved import FILE, Resolved, keep_report, parse_report, read_resolved

ITEMS = [
    {
        "metadata": {"name": "Typing_Extensions", "version": "4.1", "description": "long"},
        "download_info": {
            "url": "https://user:secret@index.example/x.whl",
            "archive_info": {"hash": "sha256=" + "a" * 64, "hashes": {"sha256": "a" * 64}},
        },
    },
    {
        "metadata": {"name": "older", "version": "1"},
        "download_info": {"url": "file:///x.whl", "archive_info": {"hash": "sha256=" + "b" * 64}},
    },
    {
        "metadata": {"name": "cloned", "version": "2"},
        "download_info": {"url": "https://x/y", "vcs_info": {"vcs": "git", "commit_id": "c" * 40}},
    },
    {"metadata": {"name": "local", "version": "3"}, "download_info": {"url": "file:///home/x", "dir_info": {}}},
    {
        "metadata": {"name": "md5", "version": "4"},
        "download_info": {"url": "x", "archive_info": {"hashes": {"md5": "d" * 32}, "hash": "md5=" + "d" * 32}},
    },
]
FOUND = (
    Resolved("cloned", "2", None, "c" * 40),
    Resolved("local", "3"),
    Resolved("md5", "4"),
    Resolved("older", "1", "b" * 64),
    Resolved("Typing_Extensions", "4.1", "a" * 64),
)


def test_a_report() -> None:
    found = parse_report(json.dumps({"version": "1", "install": ITEMS}))
    assert found == FOUND
    assert found[-1].purl == "pkg:pypi/typing-extensions@4.1"


def test_kept_and_read(job: Job) -> None:
    """Without addresses, which may have passwords, and without what distributions say of themselves."""
    report = job.write("report.json", json.dumps({"install": ITEMS}))
    job.folder("environment")
    keep_report(report, "environment", job)
    assert read_resolved(job.work / "environment") == FOUND
    text = (job.work / "environment" / FILE).read_text()
    assert "secret" not in text and "long" not in text and "file:" not in text


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"install": {}}', "[" * 100000, '{"install": 1}'])
def test_a_report_that_is_none(job: Job, text: str) -> None:
    report = job.write("report.json", text)
    job.folder("environment")
    keep_report(report, "environment", job)
    assert read_resolved(job.work / "environment") == ()


def test_odd_values(job: Job) -> None:
    odd: list[Any] = [1, {}, {"metadata": 1, "download_info": {"archive_info": {"hashes": {"sha256": "A" * 64}}}}]
    odd.append({"metadata": {"name": ["x"], "version": None}, "download_info": {"vcs_info": {"commit_id": "x"}}})
    for item in parse_report(json.dumps({"install": odd})):
        assert (item.sha256, item.commit) == (None, None)


def test_a_link_in_place_of_a_report(job: Job, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(json.dumps({"install": ITEMS}))
    (job.work / "report.json").symlink_to(tmp_path / "secret")
    job.folder("environment")
    with pytest.raises(EnvironmentFailure, match="cannot use"):
        keep_report(job.work / "report.json", "environment", job)


def test_environments_of_before(tmp_path: Path) -> None:
    assert read_resolved(tmp_path) == ()
    (tmp_path / FILE).write_text('[{"name": "x"}]')
    assert read_resolved(tmp_path) == ()
