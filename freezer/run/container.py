"""What is started of an image: its configuration, and what the caller wants instead, become plain values.

The configuration is untrusted: every part of it may be missing, of another type, or name what is not there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from freezer.base.beneath import kind_of, opened_top, resolved
from freezer.base.errors import InputError
from freezer.base.oci.documents import object_at, strings
from freezer.image.accounts import account_of
from freezer.image.merged import SEARCH_PATH, command_of
from freezer.run.wanted import Network, Volume, Wanted, place_of

TEMPORARY = {"tmp": 0o1777, "var/tmp": 0o1777, "run": 0o755}
"""The directories that are empty and can be written to, where the image has them, and their modes."""
MOST_WORDS, MOST_BYTES = 10_000, 1 << 20
"""Of a command and its variables; the kernel's own limits are beyond these."""
LOCAL_HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
HOST_FILES = ("/etc/hosts", "/etc/resolv.conf")


@dataclass(frozen=True)
class Scratch:
    """A directory in memory that can be written to; with ``filled``, it has at first what the image has there."""

    place: str
    mode: Optional[int]
    filled: bool


@dataclass(frozen=True)
class Container:
    """The application as it is started. Places are relative to the root, and have no links."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    user: int
    group: int
    scratches: tuple[Scratch, ...]
    volumes: tuple[Volume, ...]
    files: Mapping[str, str]
    network: Network
    hostname: Optional[str]
    writable: bool


def container_of(config: Mapping[str, Any], wanted: Wanted, root: Path, terminal: Optional[str]) -> Container:
    """Return what is started of an image with that configuration, which is unpacked in ``root``.

    ``terminal`` is the kind of the caller's terminal (TERM), None if there is none. Raises InputError.
    """
    settings = object_at(config, "config")
    account = account_of(root, wanted.user if wanted.user is not None else _text(settings, "User"))
    directory = wanted.directory or _text(settings, "WorkingDir") or "/"
    if not directory.startswith("/"):
        raise InputError(f"the image's working directory {directory!r} is not an absolute path", hint="name one: -w /")
    environment = {"PATH": SEARCH_PATH}
    if wanted.hostname is not None:
        environment["HOSTNAME"] = wanted.hostname
    if terminal is not None:
        environment["TERM"] = terminal
    environment["HOME"] = account.home
    environment.update(item.partition("=")[::2] for item in strings(settings.get("Env")) if item.partition("=")[0])
    environment.update(wanted.environment)
    argv = _command(settings, wanted)
    _check_size(argv, environment)
    with opened_top(root) as top:
        volumes = tuple(Volume(item.source, _resolved(top, item.target), item.writable) for item in wanted.volumes)
        return Container(
            argv=argv,
            environment=environment,
            directory=os.path.normpath(directory),
            user=account.user,
            group=account.group,
            scratches=_scratches(top, settings, {item.target for item in volumes}),
            volumes=tuple(sorted(volumes, key=lambda item: item.target.count("/"))),
            files=network_files(wanted, {item.target for item in volumes}),
            network=wanted.network,
            hostname=wanted.hostname,
            writable=wanted.writable,
        )


def _text(settings: Mapping[str, Any], key: str) -> str:
    value = settings.get(key)
    return value if isinstance(value, str) else ""


def _command(settings: Mapping[str, Any], wanted: Wanted) -> tuple[str, ...]:
    """Return the command line, by docker's rules: arguments replace the image's command, and an entrypoint of the
    caller's replaces both."""
    changed = dict(settings)
    if wanted.entrypoint is not None:
        changed.update(Entrypoint=[wanted.entrypoint] if wanted.entrypoint else [], Cmd=[])
    if wanted.arguments:
        changed["Cmd"] = list(wanted.arguments)
    argv = command_of(changed)
    if not argv or not argv[0]:
        raise InputError("the image states no command", hint="name one behind the image: freezer run IMAGE COMMAND")
    return argv


def _check_size(argv: tuple[str, ...], environment: Mapping[str, str]) -> None:
    words = [*argv, *environment, *environment.values()]
    if len(words) > MOST_WORDS or sum(map(len, words)) > MOST_BYTES:
        raise InputError("the image's command and variables are too long to start anything")
    if any("\0" in word for word in words):
        raise InputError("the image's command or a variable has a null byte in it")


def _resolved(top: int, place: str) -> str:
    """Return a place without links. Raises InputError if it is where every root has something of its own."""
    try:
        found = place_of("/" + resolved(top, place))
    except OSError as error:
        raise InputError(f"nothing can be put at /{place} in the image: {error.strerror}") from error
    if found is None:
        raise InputError(f"nothing can be put at /{place} in the image", why="it is a link to /, /proc or /dev")
    return found


def _scratches(top: int, settings: Mapping[str, Any], taken: set[str]) -> tuple[Scratch, ...]:
    """Return the directories of the root that can be written to; those above others come first."""
    found: dict[str, Scratch] = {}
    for name, mode in TEMPORARY.items():
        if kind_of(top, name) == stat.S_IFDIR:
            place = _resolved(top, name)
            found[place] = Scratch(place, mode, filled=False)
    for volume in object_at(settings, "Volumes"):
        wanted = place_of(volume)
        if wanted is None:
            raise InputError(f"the image's volume {volume!r} is not possible", why="nothing can be put there")
        place = _resolved(top, wanted)
        found[place] = Scratch(place, TEMPORARY.get(place), filled=kind_of(top, place) == stat.S_IFDIR)
    ordered = sorted(found.values(), key=lambda item: item.place.count("/"))
    return tuple(item for item in ordered if item.place not in taken)


def network_files(wanted: Wanted, taken: set[str]) -> dict[str, str]:
    """Return the files that tell the application of its network, by their places; volumes replace them."""
    hostname = wanted.hostname or os.uname().nodename
    texts = dict.fromkeys(HOST_FILES, "")
    if wanted.network is Network.HOST:
        texts = {name: _host_text(name) for name in HOST_FILES}
    hosts = texts["/etc/hosts"] or LOCAL_HOSTS
    if wanted.hostname is not None or wanted.network is Network.NONE:
        hosts = f"{hosts.rstrip()}\n127.0.1.1 {hostname}\n"
    files = {"etc/hosts": hosts, "etc/resolv.conf": texts["/etc/resolv.conf"], "etc/hostname": f"{hostname}\n"}
    return {name: text for name, text in files.items() if not {name, "etc"} & taken}


def _host_text(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
