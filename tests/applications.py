"""An application under test: an executable, or a script with the Python before it, and the ways to start it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Optional, Union

from support import PATIENCE

PATH = "/usr/local/bin:/usr/bin:/bin"
Environment = Optional[Mapping[str, str]]


@dataclass(frozen=True)
class Application:
    """An executable, or a script with the Python before it, and a cache for the former."""

    words: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def path(self) -> Path:
        return Path(self.words[0])

    @property
    def cache(self) -> Path:
        return Path(self.environment["FREEZER_CACHE"])

    def at(self, path: Union[str, Path]) -> Application:
        """The same at another path."""
        return Application((str(path),), self.environment)

    def cold(self, cache: Path) -> Application:
        """The same with another cache."""
        return Application(self.words, {**self.environment, "FREEZER_CACHE": str(cache)})

    def run(
        self, *arguments: str, before: Sequence[str] = (), env: Environment = None, input: bytes = b"", **options: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it to its end, with the words ``before`` in front of it."""
        return subprocess.run(
            [*before, *self.words, *arguments],
            env={**self.environment, **(env or {})},
            input=input,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            **options,
        )

    def says(self, *arguments: str, **options: Any) -> Any:
        """What it finds out."""
        done = self.run(*arguments, **options)
        assert (done.returncode, done.stderr) == (0, b""), done
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def started(
        self, *arguments: str, before: Sequence[str] = (), env: Environment = None, **options: Any
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start it, and wait until it says that it is ready; it is killed in the end."""
        with subprocess.Popen(
            [*before, *self.words, *arguments],
            env={**self.environment, **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            **options,
        ) as process:
            try:
                assert line(process.stdout) == "ready"
                yield process
            finally:
                process.kill()


def line(stream: Optional[IO[bytes]]) -> str:
    assert stream is not None
    return os.fsdecode(stream.readline()).rstrip("\n")


def tell(process: subprocess.Popen[bytes]) -> None:
    """Write a line to it, if it is there to read it."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(b"\n")
