"""What an image says of itself to whoever runs it: by its settings, or by its configuration in a file."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from freezer.base.errors import InputError
from freezer.base.oci.archive import open_image
from freezer.base.oci.documents import object_at, strings
from freezer.base.oci.reference import default_reference, parse_reference
from freezer.plan.image import Healthcheck, ImagePlan

MAX_LABEL = 63
"""Characters of a name in DNS (RFC 1123), and of one in Kubernetes."""
SHELL = ("/bin/sh", "-c")
PORT = re.compile(r"([0-9]{1,5})(?:/(tcp|udp|sctp))?")
PRIVILEGED = 1024
"""Ports below this number are root's, unless the system says otherwise."""


class Workload(enum.Enum):
    """What an image runs as: for ever, or once."""

    DEPLOYMENT = "deployment"
    JOB = "job"


@dataclass(frozen=True)
class Port:
    """A port that the application listens on."""

    number: int
    protocol: str

    @property
    def name(self) -> str:
        """Return a name for it, such as ``tcp-8080``."""
        return f"{self.protocol}-{self.number}"


@dataclass(frozen=True)
class Described:
    """An image: its ``name`` in full, the program that it runs with its arguments, and what it asks for. ``label`` is
    what things are called that belong to it; ``gid`` None means that the image names no group."""

    label: str
    name: str
    command: tuple[str, ...]
    uid: int
    gid: Optional[int]
    ports: tuple[Port, ...]
    volumes: tuple[str, ...]
    healthcheck: Optional[Healthcheck]

    @property
    def workload(self) -> Workload:
        """Return what it most likely is. Who can be reached, or asked how it is, runs for ever; of the rest nothing
        shows that it does, and a command that ends would be started again and again as a deployment."""
        return Workload.DEPLOYMENT if self.ports or self.healthcheck else Workload.JOB

    @property
    def mounts(self) -> dict[str, str]:
        """Return a name for each volume."""
        found: dict[str, str] = {}
        for place in self.volumes:
            base = label_of(f"{self.label}-{place}"[: MAX_LABEL - 4])
            names = (base, *(f"{base}-{number}" for number in range(2, len(self.volumes) + 1)))
            found[place] = next(name for name in names if name not in found.values())
        return found

    @property
    def lowest_port(self) -> Optional[int]:
        """Return the lowest port that only root may listen on where the system says nothing else; None if there is
        none."""
        return min((port.number for port in self.ports if port.number < PRIVILEGED), default=None)


def described_by_plan(plan: ImagePlan, application: str, program: str) -> Described:
    """Return what the image of an application will say, whose executable is called ``program``. Raises InputError for
    an image that runs as root."""
    return Described(
        label=label_of(application),
        name=str((plan.names or (default_reference(program),))[0]),
        command=(f"/app/{program}", *plan.arguments),
        uid=_ordinary(plan.uid, "the image"),
        gid=plan.gid,
        ports=tuple(_port(text, "the image") for text in plan.ports),
        volumes=_volumes(plan.volumes, "the image"),
        healthcheck=plan.healthcheck,
    )


def described_by_file(path: Path, name: Optional[str] = None) -> Described:
    """Return what an image in a file or layout says, the first of several. ``name`` replaces its name.

    Raises InputError if it is damaged, has no name, runs as root, or as a user without a number.
    """
    with open_image(path) as archive:
        image = archive.images[0]
        config, names = object_at(image.config, "config"), image.names
    if name is None and not names:
        raise InputError(f"{path} has no name", hint="name the image: --tag NAME:TAG")
    reference = parse_reference(name if name is not None else names[0])
    user = str(config.get("User") or "0")
    match = re.fullmatch(r"([0-9]{1,10})(?::([0-9]{1,10}))?", user)
    if match is None:
        raise InputError(
            f"{path} runs as the user {user!r}",
            why="only a number shows a cluster that the user is not root (Kubernetes' runAsNonRoot)",
            hint="give the image a numeric user",
        )
    return Described(
        label=label_of(reference.path.rpartition("/")[2]),
        name=str(reference),
        command=(*strings(config.get("Entrypoint")), *strings(config.get("Cmd"))),
        uid=_ordinary(int(match[1]), str(path)),
        gid=int(match[2]) if match[2] else None,
        ports=tuple(
            sorted(
                (_port(text, str(path)) for text in object_at(config, "ExposedPorts")),
                key=lambda port: (port.number, port.protocol),
            )
        ),
        volumes=_volumes(tuple(sorted(object_at(config, "Volumes"))), str(path)),
        healthcheck=_healthcheck(object_at(config, "Healthcheck")),
    )


def label_of(text: str) -> str:
    """Return a name in DNS that is like a text. Raises InputError if none is."""
    found = re.sub(r"[^a-z0-9]+", "-", text.lower())[:MAX_LABEL].strip("-")
    if not found:
        raise InputError(f"nothing in a cluster can be named after {text!r}", hint="give it a name: --name NAME")
    return found if found[0].isalpha() else f"app-{found}"[:MAX_LABEL].rstrip("-")


def _ordinary(uid: int, what: str) -> int:
    if uid == 0:
        raise InputError(
            f"{what} runs as root",
            why="the restricted Pod Security Standard forbids that",
            hint="give the image another user: --user 65535",
        )
    return uid


def _port(text: str, what: str) -> Port:
    match = PORT.fullmatch(text)
    if match is None or not 1 <= int(match[1]) <= 65535:
        raise InputError(f"{what} exposes {text!r}, which is not a port")
    return Port(int(match[1]), match[2] or "tcp")


def _volumes(places: tuple[str, ...], what: str) -> tuple[str, ...]:
    """Return the places of volumes; the one of temporary files is there anyway."""
    for place in places:
        if not place.startswith("/") or place == "/" or ".." in place.split("/") or ":" in place:
            raise InputError(f"{what} has a volume at {place!r}, where none can be")
    return tuple(place for place in places if place != "/tmp")


def _healthcheck(found: Mapping[str, Any]) -> Optional[Healthcheck]:
    """Return the health check of a configuration, in docker's words; 0 is docker's word for its default."""
    kind, *words = strings(found.get("Test")) or ("NONE",)
    if kind not in ("CMD", "CMD-SHELL") or not words:
        return None

    def number(key: str) -> Optional[int]:
        value = found.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None

    command = (*SHELL, words[0]) if kind == "CMD-SHELL" else tuple(words)
    return Healthcheck(command, number("Interval"), number("Timeout"), number("StartPeriod"), number("Retries"))
