"""What the caller of ``freezer run`` wants, from the words of the command line, which are docker's."""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from freezer.base.errors import InputError, UsageError

UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
LEAST_MEMORY = 6 << 20
"""Bytes: with less, docker starts nothing, either."""
VOLUME_OPTIONS = {"ro": False, "rw": True, "z": None, "Z": None}
"""Whether a volume may be written to; the last two are labels for SELinux, which has no part in this."""
OWN_PLACES = ("proc", "dev")
"""What every root gets anew."""


class Network(enum.Enum):
    """The network that the application has."""

    HOST = "host"
    NONE = "none"


@dataclass(frozen=True)
class Volume:
    """A file or directory of the host's, and its place in the image's root."""

    source: Path
    target: str
    writable: bool


@dataclass(frozen=True)
class Limits:
    """The limits of all processes together: bytes of memory, their number, and processors; None is no limit."""

    memory: Optional[int] = None
    processes: Optional[int] = None
    processors: Optional[float] = None

    def __bool__(self) -> bool:
        """Return whether there is any limit."""
        return (self.memory, self.processes, self.processors) != (None, None, None)


@dataclass(frozen=True)
class Wanted:
    """Everything that the caller decides. None is what the image states."""

    arguments: tuple[str, ...] = ()
    entrypoint: Optional[str] = None
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Optional[str] = None
    user: Optional[str] = None
    volumes: tuple[Volume, ...] = ()
    network: Network = Network.HOST
    hostname: Optional[str] = None
    writable: bool = False
    limits: Limits = Limits()


def wanted_of(given: Mapping[str, Any], folder: Path, environ: Mapping[str, str]) -> Wanted:
    """Return what the parsed command line wants. Raises UsageError and InputError."""
    if given.get("publish"):
        raise UsageError(
            f"-p {given['publish'][0]}: there are no ports to publish",
            why="the application has the host's network: a port that it listens on is the host's",
            hint="leave -p out; to have it listen on another port, use the application's own options",
        )
    if given.get("detach"):
        raise UsageError(
            "-d: freezer run stays in the foreground",
            why="there is no daemon that would keep the application",
            hint="put & behind the command, or start it by systemd-run --user",
        )
    directory = given.get("workdir")
    if directory is not None and not directory.startswith("/"):
        raise UsageError(f"--workdir {directory}: this is not an absolute path")
    hostname = given.get("hostname")
    if hostname is not None and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?", hostname):
        raise UsageError(
            f"--hostname {hostname}: this is not a host's name", hint="at most 64 letters, digits, - and ."
        )
    return Wanted(
        arguments=tuple(given.get("arguments") or ()),
        entrypoint=given.get("entrypoint"),
        environment={
            **environment_of(_file_lines(given.get("env_file") or (), folder), environ),
            **environment_of(given.get("env") or (), environ),
        },
        directory=directory,
        user=given.get("user"),
        volumes=volumes_of(given.get("volume") or (), folder),
        network=Network(given.get("network") or Network.HOST.value),
        hostname=hostname,
        writable=bool(given.get("writable")),
        limits=Limits(
            memory=None if given.get("memory") is None else parse_memory(given["memory"]),
            processes=None if given.get("pids_limit") is None else _parse_count(given["pids_limit"]),
            processors=None if given.get("cpus") is None else _parse_processors(given["cpus"]),
        ),
    )


def environment_of(items: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of ``NAME=VALUE``; of ``NAME`` alone the caller's value, if there is one. Raises
    UsageError."""
    found = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not name or "\0" in item:
            raise UsageError(f"--env {item!r}: there is no name", hint="give NAME=VALUE, or NAME for your own value")
        if equals:
            found[name] = value
        elif name in environ:
            found[name] = environ[name]
    return found


def _file_lines(files: Sequence[str], folder: Path) -> list[str]:
    """Return the lines of files of variables, as docker reads them: without empty ones and comments."""
    lines: list[str] = []
    for name in files:
        path = folder / name
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise InputError(f"--env-file {path} cannot be read", why=str(error)) from error
        stripped = (line.lstrip() for line in text.splitlines())
        lines += [line for line in stripped if line and not line.startswith("#")]
    return lines


def volumes_of(items: Sequence[str], folder: Path) -> tuple[Volume, ...]:
    """Return the volumes of ``SOURCE:DEST[:ro]``. Raises UsageError and InputError."""
    found: dict[str, Volume] = {}
    for item in items:
        source, target, options = _parts(item)
        if "/" not in source and source not in (".", ".."):
            raise UsageError(
                f"--volume {item}: there are no volumes with names",
                hint=f"give a file or a directory of the host: ./{source}:{target}",
            )
        path = Path(os.path.abspath(folder / os.path.expanduser(source)))
        if not os.path.exists(path):
            raise InputError(f"--volume {item}: {path} does not exist", hint="make it, or check its name")
        place = place_of(target)
        if place is None:
            raise UsageError(
                f"--volume {item}: nothing can be put at {target}", hint="give an absolute path, such as /data"
            )
        if place in found:
            raise UsageError(f"--volume {item}: there is another volume for {target}")
        writable = True
        for option in filter(None, options.split(",")):
            if option not in VOLUME_OPTIONS:
                raise UsageError(f"--volume {item}: {option!r} is not an option of volumes", hint="there are ro and rw")
            wanted = VOLUME_OPTIONS[option]
            writable = writable if wanted is None else wanted
        found[place] = Volume(path, place, writable)
    return tuple(found.values())


def _parts(item: str) -> Iterator[str]:
    parts = item.split(":")
    if not 2 <= len(parts) <= 3 or not parts[0]:
        raise UsageError(f"--volume {item}: this is not SOURCE:DEST or SOURCE:DEST:ro")
    return iter((*parts, "")[:3])


def place_of(path: str) -> Optional[str]:
    """Return a path of the root without its first slash and in its shortest form; None if nothing can be put there."""
    if not path.startswith("/") or "\0" in path:
        return None
    place = os.path.normpath(path).lstrip("/")
    return None if place.split("/")[0] in ("", *OWN_PLACES) else place


def parse_memory(text: str) -> int:
    """Return the bytes of a size such as 512m or 2g; the units are powers of 1024, as docker's. Raises UsageError."""
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)([bkmgt]?)(?:i?b)?", text.lower(), re.ASCII)
    size = int(float(match[1]) * UNITS[match[2]]) if match is not None else 0
    if match is None or size < LEAST_MEMORY:
        raise UsageError(f"--memory {text}: this is not a size of at least 6m", hint="for example 512m or 2g")
    return size


def _parse_count(text: str) -> Optional[int]:
    """Return a number of processes; None for -1, which is no limit to docker. Raises UsageError."""
    if text == "-1":
        return None
    if not re.fullmatch("[0-9]{1,7}", text, re.ASCII) or int(text) < 1:
        raise UsageError(f"--pids-limit {text}: this is not a number of processes", hint="for example 100")
    return int(text)


def _parse_processors(text: str) -> float:
    if not re.fullmatch(r"[0-9]{0,4}(\.[0-9]{1,3})?", text, re.ASCII) or not text or float(text) < 0.01:
        raise UsageError(f"--cpus {text}: this is not a number of processors", hint="for example 0.5 or 2")
    return float(text)
