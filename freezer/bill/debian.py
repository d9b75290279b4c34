"""Packages of Debian and its relatives: whose a file of the system is, by the database of dpkg.

The database is read, not asked for by programs: in the root of another system nothing shall run for that. See
deb-control(5), and the machine-readable format of debian/copyright (DEP 5).
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Optional
from urllib.parse import quote

from freezer.base import beneath
from freezer.base.bill import Component
from freezer.base.places import passing_over
from freezer.system.rooted import opened, text_of

DATABASE = "var/lib/dpkg"
LARGEST = 256 << 20
"""Bytes of the database's list of packages that are read; a full desktop has some 10 MB."""
LICENSE = re.compile(r"^License: *(\S.*)$", re.MULTILINE)
MACHINE_READABLE = re.compile(r"^Format: .*copyright-format", re.MULTILINE)
COMMON = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9][A-Za-z0-9.+-]*)")
FIELDS = ("Package", "Version", "Architecture", "Source", "Maintainer")


class System:
    """The packages of the system at ``root``; none if it has no database of dpkg."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.release = _release(root)
        self._components: dict[str, Optional[Component]] = {}
        self._fields: Optional[dict[str, dict[str, str]]] = None

    def owners(self, paths: Iterable[str]) -> dict[str, str]:
        """Return the package of each absolute path in the system that belongs to one, as dpkg calls it."""
        # With a merged /usr, a package may name a file either way.
        forms = {path: (path, path.removeprefix("/usr"), f"/usr{path}") for path in paths}
        wanted = {os.fsencode(form): form for group in forms.values() for form in group}
        found: dict[str, str] = {}
        with contextlib.ExitStack() as stack, passing_over():
            top = stack.enter_context(beneath.opened_top(self.root))
            info = stack.enter_context(beneath.opened_below(top, f"{DATABASE}/info"))
            for name in beneath.names_in(info, ".") if wanted else ():
                if name.endswith(".list"):
                    # Each is small, and there are hundreds: they are opened below their directory.
                    with passing_over(), beneath.open_file(info, name) as file:
                        lines = wanted.keys() & set(file.read(LARGEST).split(b"\n"))
                    found.update({wanted[line]: name[: -len(".list")] for line in lines})
        return {path: found[form] for path, group in forms.items() for form in group if form in found}

    def component(self, package: str) -> Optional[Component]:
        """Return the component of an installed package; None if the database has only its files."""
        if package not in self._components:
            self._components[package] = self._described(package)
        return self._components[package]

    def _described(self, package: str) -> Optional[Component]:
        fields = self._packages().get(package) or self._packages().get(package.partition(":")[0])
        if fields is None or "Version" not in fields:
            return None
        name, version, architecture = fields["Package"], fields["Version"], fields.get("Architecture", "")
        distribution = self.release.get("ID", "debian")
        source = (fields.get("Source") or name).partition(" ")[0]
        stated = re.search(r"\(([^)]*)\)", fields.get("Source", ""))
        number = self.release.get("VERSION_ID")
        properties = [("freezer:deb:source", source), ("freezer:deb:architecture", architecture)]
        if stated:
            properties.append(("freezer:deb:source-version", stated[1]))
        query = f"?arch={architecture}" + (f"&distro={distribution}-{number}" if number else "")
        text = self._copyright(name)
        return Component(
            kind="library",
            name=name,
            version=version,
            purl=f"pkg:deb/{distribution}/{quote(name, safe='.-_~')}@{quote(version, safe='.-_~')}{query}",
            licenses=_licenses(text),
            notice=text,
            supplier=fields.get("Maintainer"),
            properties=tuple(properties),
        )

    def _packages(self) -> dict[str, dict[str, str]]:
        if self._fields is None:
            self._fields = {}
            with contextlib.suppress(OSError), opened(self.root, self.root / DATABASE / "status") as file:
                for paragraph in file.read(LARGEST).decode("utf-8", "replace").split("\n\n"):
                    fields = _fields(paragraph)
                    if "Package" in fields:
                        self._fields[fields["Package"]] = fields
                        self._fields[f"{fields['Package']}:{fields.get('Architecture', '')}"] = fields
        return self._fields

    def _copyright(self, name: str) -> str:
        with contextlib.suppress(OSError):
            return text_of(self.root, self.root / "usr/share/doc" / name / "copyright")
        return ""

    def common_licenses(self, texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """Return (name, text) of the licences that copyright files refer to, since every Debian has them."""
        found = {}
        for name in sorted({name.rstrip(".") for text in texts for name in COMMON.findall(text)}):
            with contextlib.suppress(OSError):
                found[name] = text_of(self.root, self.root / "usr/share/common-licenses" / name)
        return tuple(found.items())

    def operating_system(self) -> Optional[Component]:
        """Return the component of the system itself, which scanners know the packages' advisories by."""
        name, version = self.release.get("ID"), self.release.get("VERSION_ID")
        if name is None:
            return None
        title = self.release.get("PRETTY_NAME", name)
        return Component("operating-system", name, version, properties=(("freezer:pretty-name", title),))


def _fields(paragraph: str) -> dict[str, str]:
    lines = (line.partition(": ") for line in paragraph.split("\n") if not line.startswith((" ", "\t")))
    return {key: value for key, _, value in lines if key in FIELDS}


def _licenses(text: str) -> tuple[str, ...]:
    """Return the names of the licences in a machine-readable file; none for another one."""
    if not MACHINE_READABLE.search(text):
        return ()
    return tuple(sorted({match.strip() for match in LICENSE.findall(text)}))


def _release(root: Path) -> Mapping[str, str]:
    """Return what the system says of itself (os-release(5))."""
    for place in ("etc/os-release", "usr/lib/os-release"):
        with contextlib.suppress(OSError):
            lines = text_of(root, root / place).splitlines()
            pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
            return {key: value.strip().strip("\"'") for key, _, value in pairs}
    return {}


def inside(root: Path, path: Path) -> Optional[str]:
    """Return the absolute path of a file in the system; None if it is not of it."""
    if root != path and root not in path.parents:
        return None
    return posixpath.join("/", str(path.relative_to(root)))
