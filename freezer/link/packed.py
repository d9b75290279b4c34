"""What was compressed, kept by its content: most of an application is the same as in the build before.

It is part of the cache, in a directory for each program that compresses; its version is part of the keys.
"""

from __future__ import annotations

import time
import zlib
from pathlib import Path

from freezer.base.job import Job
from freezer.freeze.drivers.content_memory import ContentMemory

ZSTD, ZLIB = "zstd", "zlib"


def packed_by_zstd(job: Job) -> ContentMemory:
    """Return what zstd has compressed."""
    import zstandard

    library = ".".join(map(str, zstandard.ZSTD_VERSION))
    return _memory(job.cache / "packed" / ZSTD, zstandard.__version__, library)


def packed_by_zlib(job: Job) -> ContentMemory:
    """Return what zlib has compressed."""
    return _memory(job.cache / "packed" / ZLIB, zlib.ZLIB_RUNTIME_VERSION)


def _memory(folder: Path, *context: str) -> ContentMemory:
    memory = ContentMemory(str(folder), *context)
    memory.sweep(time.time())
    return memory
