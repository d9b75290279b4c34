"""The executables of the samples, each made once for all tests, whichever process and file they are in, with their
unpacked images, of the same freezing."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import containers
from containers import IMAGE, image_name
from samples.catalogue import Need, Sample
from support import Freezer, has_headers


def unpacked_image(executable: Path) -> tuple[Path, str]:
    """The unpacked image beside a natively linked executable, and its name."""
    return executable.with_name(IMAGE), image_name(executable.parent.parent)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file's lock; other threads and other processes wait for it."""
    with open(path, "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Builds:
    """The executables of the samples. Samples with equal ``build`` share one; builds run side by side.

    ``folder`` is common to the workers of pytest-xdist. A build is known by its arguments, and the parameter that names
    its Python, not by that Python's place: each worker may have its own, and the application needs none. What is frozen
    goes into every container at once (``containers``).
    """

    def __init__(self, freezer: Freezer, samples: Path, folder: Path, pythons: Callable[[str], Path]) -> None:
        self.freezer = freezer
        self.samples = samples
        self.folder = folder
        self.pythons = pythons
        self.pool = ThreadPoolExecutor(max_workers=max(2, (os.cpu_count() or 1)))
        self.futures: dict[tuple[tuple[str, ...], str], Future[Path]] = {}

    def start(self, sample: Sample, python: str) -> Future[Path]:
        """Have it built; the result is the folder of its containers."""
        key = (sample.build, python)
        if key not in self.futures:
            # Not in the thread: fixtures are pytest's, and not made for several threads.
            self.futures[key] = self.pool.submit(self._build, sample, python, self.pythons(python))
        return self.futures[key]

    def executable(self, sample: Sample, python: str, linker: str) -> Path:
        """The executable of a linker."""
        (path,) = (path for path in (self.start(sample, python).result() / linker).iterdir() if path.name != IMAGE)
        return path

    def missing(self, sample: Sample, python: str) -> str:
        """What this machine lacks to build the sample; empty if nothing."""
        if Need.COMPILER not in sample.needs:
            return ""
        if not any(map(shutil.which, ("cc", "gcc"))):
            return "there is no C compiler"
        path = self.pythons(python)
        return "" if has_headers(path) else f"{path} has no headers"

    def close(self) -> None:
        """Give up what has not begun, and wait for the rest."""
        for future in self.futures.values():
            future.cancel()
        self.pool.shutdown()

    def _build(self, sample: Sample, python: str, interpreter: Path) -> Path:
        mark = hashlib.sha256(json.dumps([sample.build, python]).encode()).hexdigest()[:16]
        place = self.folder / mark
        place.mkdir(parents=True, exist_ok=True)
        result = place / "result"
        with locked(place / "lock"):
            if not result.exists():
                result.write_text(self._attempt(sample, interpreter, place))
            error = result.read_text()
        assert not error, error
        return place

    def _attempt(self, sample: Sample, interpreter: Path, place: Path) -> str:
        """Build it; what is wrong, if anything is."""
        program = Path(containers.__file__)
        arguments: list[str | Path] = [*sample.build_arguments(self.samples), "--python", interpreter]
        done = self.freezer.python(program, place, *arguments, cwd=place)
        # Whatever it was, all who want this build are told.
        return "" if done.returncode == 0 else done.stderr or f"status {done.returncode}"
