"""Caches made by hand, as builds and launchers leave them."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

from freezer.cli.main import main
from freezer.store import entries
from freezer.store.inventory import Item, contents

HOUR, DAY = 3600, 86400


NOW = time.time()


@contextmanager
def held(path: Path, mode: int = fcntl.LOCK_SH) -> Iterator[None]:
    """Somebody has a lock on ``path``."""
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, mode)
    try:
        yield
    finally:
        os.close(descriptor)


class Cache:
    """A cache as builds leave it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("work", "env", "toolchain", "roots", "pip", "record", "log"):
            (path / name).mkdir(parents=True)

    def used(self, path: Path, hours: float) -> Path:
        os.utime(path, (NOW - hours * HOUR,) * 2)
        return path

    def root(self, key: str, source: str = "debian:bullseye", size: int = 0, hours: float = 0) -> Path:
        home = self.path / "roots" / key
        (home / "root" / "usr").mkdir(parents=True)
        (home / "root" / "usr" / "file").write_bytes(b"x" * size)
        (home / "origin.json").write_text(json.dumps({"source": source, "made": 1}))
        (self.path / "roots" / f"{key}.lock").touch()
        return self.used(home, hours)

    def environment(self, key: str, *, inside: bool = False, python: str = sys.executable, hours: float = 0) -> Path:
        home = self.path / "env" / key
        (home / "bin").mkdir(parents=True)
        (home / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.2\n")
        (home / "bin" / "python3").symlink_to(python)
        (home / "bin" / "python").symlink_to("python3")
        made = "/freezer/work/environment" if inside else f"{self.path}/work/app-0/environment"
        (home / "bin" / "activate").write_text(f'    export VIRTUAL_ENV="{made}"\n')
        (home / "complete").touch()
        (self.path / "env" / f"{key}.lock").touch()
        return self.used(home, hours)

    def toolchain(self, key: str, *, hours: float = 0) -> Path:
        home = self.path / "toolchain" / key
        (home / "modules").mkdir(parents=True)
        (home / "complete").write_text("Python 3.11")
        (self.path / "toolchain" / f"{key}.lock").touch()
        return self.used(home, hours)

    def work(self, name: str, hours: float = 0) -> Path:
        home = self.path / "work" / name
        (home / "tmp").mkdir(parents=True)
        return self.used(home, hours)

    def record(self, key: str, output: Path, environment: Path) -> Path:
        path = self.path / "record" / f"{key}.json"
        path.write_text(json.dumps({"output": str(output), "environment": {str(environment): True}}))
        return path

    def log(self, name: str) -> Path:
        path = self.path / "log" / f"{name}.log"
        path.write_text("said\n")
        return path

    def item(self, path: Path) -> Item:
        return next(item for item in contents(self.path) if item.path == path)


def pruned(cache: Cache, *arguments: str, status: int = 0) -> set[str]:
    """What a prune removed: the names of what was there before and is not any more, but for the locks."""
    before = {str(item.path) for item in contents(cache.path)}
    assert main(["cache", "prune", *arguments]) == status
    assert not list((cache.path / "work").glob("*-????????"))
    return {Path(path).name for path in before - {str(item.path) for item in contents(cache.path)}}


IDENTITY, OTHER = "0123456789abcdef" * 4, "f" * 64


def unpacked(home: Path, name: str = IDENTITY, *, hours: float = 0) -> Path:
    """An entry as a launcher makes it."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    entry = home / name
    (entry / "tree").mkdir(parents=True)
    entry.chmod(0o700)
    (entry / "tree" / "program").write_bytes(b"x" * 100_000)
    for file in ("lock", "used", "manifest", "seen"):
        (entry / file).touch(mode=0o600)
    os.utime(entry / "used", (NOW - hours * HOUR,) * 2)
    return entry


def listed(environment: Optional[dict[str, str]] = None) -> list[Item]:
    return entries.entries(entries.homes(environment or dict(os.environ), os.geteuid()), {})
