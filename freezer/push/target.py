"""Where a push goes: the registry of a name, and whether it is spoken to without TLS."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Optional
from urllib.parse import SplitResult

from freezer.base.errors import OutputError, UsageError
from freezer.base.oci.reference import Reference, parse_reference

DOCKER_HUB, DOCKER_HOST = "docker.io", "registry-1.docker.io"
"""docker's own registry, whose interface is on another host than its name says."""


@dataclass(frozen=True)
class Target:
    """A repository and tag in a registry; ``plain`` is for one without TLS."""

    reference: Reference
    plain: bool

    @property
    def base(self) -> str:
        """Return the start of all of the registry's addresses."""
        domain = self.reference.domain
        return f"{'http' if self.plain else 'https'}://{DOCKER_HOST if domain == DOCKER_HUB else domain}"

    def address(self, path: str) -> str:
        """Return an address in the repository."""
        return f"{self.base}/v2/{self.reference.path}/{path}"

    def check_safe(self, url: SplitResult) -> None:
        """Raise an OutputError for an address without TLS that the registry sends to, unless the user allows that."""
        if url.scheme == "https" or (url.scheme == "http" and self.plain and self._is_own(url)):
            return
        raise OutputError(
            f"{self.reference.domain} sends to an address that is not safe",
            why=f"{url.scheme}://{url.netloc} has no TLS",
            hint="ask the registry's administrator; --plain-http allows this for the registry itself",
        )

    def _is_own(self, url: SplitResult) -> bool:
        return url.netloc == self.reference.domain or is_loopback(url.hostname or "")


def resolve_target(text: str, plain_http: Optional[str]) -> Target:
    """Return the target of a name. ``plain_http`` is None for TLS, "" to do without it on this machine, or the registry
    that has none.

    Raises InputError for a name that is not valid, and UsageError if the registry must be named and is not.
    """
    reference = parse_reference(text)
    domain = reference.domain
    if plain_http is None or (plain_http == "" and is_loopback(host_of(domain))) or plain_http == domain:
        return Target(reference, plain=plain_http is not None)
    raise UsageError(
        f"--plain-http{'=' if plain_http else ''}{plain_http} does not name {domain}",
        why="without TLS, others on the network can read the credentials and change the image",
        hint=f"if it is meant to be without: --plain-http={domain}",
    )


def resolve_repository(text: str, target: Target) -> str:
    """Return the path of another repository in the target's registry, whose name may be in front of it.

    Raises InputError for a name that is not valid, and UsageError for one in another registry.
    """
    domain = target.reference.domain
    found = parse_reference(text if text.startswith(f"{domain}/") else f"{domain}/{text}")
    if text.startswith(f"{found.domain}/") or parse_reference(text).domain in (DOCKER_HUB, domain):
        return found.path
    raise UsageError(
        f"--mount-from {text} is not in {domain}",
        why="a registry takes layers from its own repositories only",
        hint=f"name a repository without its registry, such as {target.reference.path}",
    )


def host_of(domain: str) -> str:
    """Return the host of a registry's name, without the port, and an IPv6 address without its brackets."""
    if domain.startswith("["):
        return domain[1:].partition("]")[0]
    return domain.partition(":")[0]


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine: localhost, or an address of its loopback network."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
