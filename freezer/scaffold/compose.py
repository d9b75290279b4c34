"""A compose file for an image, as strict as the manifest for clusters.

The format is that of the compose specification (https://github.com/compose-spec/compose-spec)."""

from __future__ import annotations

from typing import Any, Optional

from freezer.plan.image import Healthcheck
from freezer.scaffold.described import Described, Workload
from freezer.scaffold.yaml_text import Noted, yaml

SECOND, MILLISECOND = 10**9, 10**6


def compose(image: Described, workload: Optional[Workload] = None) -> str:
    """Return the compose file of an image."""
    server = (workload or image.workload) is Workload.DEPLOYMENT
    user = str(image.uid) if image.gid is None else f"{image.uid}:{image.gid}"
    service: dict[str, Any] = {
        "image": image.name,
        "user": user,
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": Noted(["/tmp:exec,mode=1777"], "Executables linked by staticx start from there."),
    }
    if image.lowest_port is not None:
        service["sysctls"] = Noted(
            {"net.ipv4.ip_unprivileged_port_start": image.lowest_port}, "An ordinary user may listen on its port."
        )
    if image.ports:
        ports = [f"127.0.0.1:{port.number}:{port.number}/{port.protocol}" for port in image.ports]
        service["ports"] = Noted(ports, "For this machine alone; without 127.0.0.1 for all who reach it.")
    if image.volumes:
        service["volumes"] = [f"{name}:{_literal(place)}" for place, name in image.mounts.items()]
    if image.healthcheck is not None:
        service["healthcheck"] = _healthcheck(image.healthcheck)
    if not server and image.command:
        program, *arguments = map(_literal, image.command)
        service.update(entrypoint=[program], command=arguments)
    if server:
        service["restart"] = "unless-stopped"
    document: dict[str, Any] = {"name": image.label, "services": {image.label: service}}
    if image.volumes:
        document["volumes"] = {name: {} for name in image.mounts.values()}
    command = "docker compose up" if server else f"docker compose run --rm {image.label} [ARGUMENT...]"
    return yaml(document, f"Written by freezer init for {image.name}. To run it: {command}")


def _healthcheck(check: Healthcheck) -> dict[str, Any]:
    found: dict[str, Any] = {"test": ["CMD", *map(_literal, check.command)]}
    for key, value in (("interval", check.interval), ("timeout", check.timeout), ("start_period", check.start_period)):
        if value is not None:
            found[key] = _duration(value)
    if check.retries is not None:
        found["retries"] = check.retries
    return found


def _literal(text: str) -> str:
    """Return a text in which nothing stands for a variable."""
    return text.replace("$", "$$")


def _duration(nanoseconds: int) -> str:
    whole = nanoseconds % SECOND == 0
    return f"{nanoseconds // SECOND}s" if whole else f"{max(1, nanoseconds // MILLISECOND)}ms"
