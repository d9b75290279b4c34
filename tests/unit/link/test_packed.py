"""What was compressed is kept by program and version, in the cache."""

from __future__ import annotations

import pytest
import zstandard

from freezer.base.job import Job
from freezer.link.packed import packed_by_zlib, packed_by_zstd


def test_each_version_has_its_own(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    key = packed_by_zstd(job).key("fast", b"content")
    packed_by_zstd(job).put(key, b"packed")
    assert packed_by_zstd(job).get(key) == b"packed"
    assert (job.cache / "packed" / "zstd").is_dir()
    monkeypatch.setattr(zstandard, "ZSTD_VERSION", (0, 0, 1))
    assert packed_by_zstd(job).key("fast", b"content") != key


def test_programs_have_their_own(job: Job) -> None:
    key = packed_by_zlib(job).key("9", b"content")
    packed_by_zlib(job).put(key, b"packed")
    assert packed_by_zstd(job).get(key) is None
    assert (job.cache / "packed" / "zlib").is_dir()
