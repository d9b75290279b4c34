"""The image for this machine, of those in a file."""

from __future__ import annotations

import platform
from typing import Any

from freezer.base.errors import InputError
from freezer.base.oci.archive import ImageArchive
from freezer.base.oci.documents import Image, object_at
from freezer.base.oci.model import Platform

HOSTS = {
    "x86_64": Platform("amd64"),
    "aarch64": Platform("arm64", "v8"),
    "armv7l": Platform("arm", "v7"),
    "armv6l": Platform("arm", "v6"),
    "i386": Platform("386"),
    "i686": Platform("386"),
    "ppc64le": Platform("ppc64le"),
    "s390x": Platform("s390x"),
    "riscv64": Platform("riscv64"),
    "loongarch64": Platform("loong64"),
}
"""Go's platforms for the kernel's names of machines (uname(2))."""


def image_for_host(archive: ImageArchive) -> Image:
    """Return the image for this machine. Raises InputError if there is none, or several."""
    machine = platform.machine()
    host = HOSTS.get(machine, Platform(machine))
    found: set[str] = set()

    def fits(fields: dict[str, Any]) -> bool:
        """Return whether a platform is the host's; variants are ignored."""
        found.add("/".join(str(fields[key]) for key in ("os", "architecture", "variant") if fields.get(key)))
        stated = (fields.get("os") or "linux", fields.get("architecture") or host.architecture)
        return stated == ("linux", host.architecture)

    def wanted(descriptor: dict[str, Any]) -> bool:
        return "platform" not in descriptor or fits(object_at(descriptor, "platform"))

    images = {image.config_digest: image for image in archive.images_where(wanted) if fits(image.config)}
    # Of several variants, prefer the host's own.
    exact = [image for image in images.values() if image.config.get("variant") == host.variant]
    fitting = exact or list(images.values())
    if not fitting:
        there = ", ".join(sorted(found - {"unknown/unknown", ""}))
        raise InputError(
            f"{archive.path} has no image for {host}", why=f"it has images for {there}" if there else "it has no image"
        )
    if len(fitting) > 1:
        raise InputError(
            f"{archive.path} has {len(fitting)} images for {host}",
            why=", ".join(sorted(", ".join(image.names) or image.config_digest for image in fitting)),
            hint="save only one image",
        )
    return fitting[0]
