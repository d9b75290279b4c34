"""The executables of the samples, each made once for all tests, whichever process and file they are in.

Beside those of the native linker for the system's Python are their unpacked images, of the same freezing.
"""

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
from typing import Optional

from samples.catalogue import Need, Sample
from support import Freezer, has_headers


def unpacked_image(executable: Path) -> tuple[Path, str]:
    """The unpacked image beside an executable, and its name."""
    return executable.with_name("unpacked.tar"), f"unpacked-{executable.parent.name}"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file's lock; other threads and other processes wait for it."""
    with open(path, "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Builds:
    """The executables of the samples. Samples with equal ``build`` share one; builds run side by side.

    ``folder`` is common to the workers of pytest-xdist. A build is known by its arguments, its linker, and the
    parameter that names its Python, not by that Python's place: each worker may have its own, and the application needs
    none.
    """

    def __init__(self, freezer: Freezer, samples: Path, folder: Path, pythons: Callable[[str], Path]) -> None:
        self.freezer = freezer
        self.samples = samples
        self.folder = folder
        self.pythons = pythons
        self.pool = ThreadPoolExecutor(max_workers=max(2, (os.cpu_count() or 1)))
        self.futures: dict[tuple[tuple[str, ...], str, str], Future[Path]] = {}

    def start(self, sample: Sample, python: str, linker: str = "staticx") -> Future[Path]:
        """Have it built."""
        key = (sample.build, python, linker)
        if key not in self.futures:
            # Not in the thread: fixtures are pytest's, and not made for several threads.
            self.futures[key] = self.pool.submit(self._build, sample, python, linker, self.pythons(python))
        return self.futures[key]

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

    def _build(self, sample: Sample, python: str, linker: str, interpreter: Path) -> Path:
        mark = hashlib.sha256(json.dumps([sample.build, python, linker]).encode()).hexdigest()[:16]
        place = self.folder / mark
        place.mkdir(parents=True, exist_ok=True)
        result = place / "result.json"
        with locked(place / "lock"):
            if not result.exists():
                result.write_text(json.dumps(self._attempt(sample, python, linker, interpreter, place)))
            output, error = json.loads(result.read_text())
        assert output is not None, error
        return Path(output)

    def _attempt(
        self, sample: Sample, python: str, linker: str, interpreter: Path, place: Path
    ) -> tuple[Optional[str], str]:
        # Packed for speed, in which nothing differs for the application.
        arguments = [*sample.build_arguments(self.samples), "--linker", linker, "--compress", "none"]
        output = place / sample.name
        if (python, linker) == ("system", "native"):
            image, name = unpacked_image(output)
            arguments += ["--image", str(image), "--tag", name, "--image-layout", "unpacked", "--entrypoint"]
        try:
            self.freezer("build", *arguments, "--python", interpreter, "-o", output, cwd=place)
        except Exception as error:  # Whatever it was, all who want this build are told.
            return None, f"{type(error).__name__}: {error}"
        return str(output), ""
