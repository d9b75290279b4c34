"""The configuration of the host's apt: the archives that packages come from, and the proxy to them.

If none is configured, the distribution's own archive is used. See sources.list(5), apt.conf(5).
"""

from __future__ import annotations

import platform
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from freezer.base import tools
from freezer.base.job import Job
from freezer.plan.choices import DEFAULT_EPOCH

WITHOUT_SECURITY = frozenset(("sid", "unstable", "experimental", "rc-buggy", "buster", "stretch", "jessie"))
"""Suites of Debian without an archive of security updates, or with one that is no longer maintained."""


def suites(family: str, suite: str, archive: str, folder: Path) -> list[tuple[str, str]]:
    """Return the (URI, suite) pairs to take packages from: the archive's, and the security updates, whose libraries
    become part of the result. ``folder`` is apt's configuration.

    Debian has security updates in a separate archive, for the releases that it supports and the next one.
    """
    if family == "ubuntu":
        return [(archive, suite), (archive, f"{suite}-updates"), (archive, f"{suite}-security")]
    if suite in WITHOUT_SECURITY:
        return [(archive, suite)]
    configured = (
        source.uri.rstrip("/")
        for source in _sources(folder)
        if source.suite.endswith("-security") and "debian" in source.uri and "main" in source.components
    )
    return [(archive, suite), (next(configured, "http://security.debian.org/debian-security"), f"{suite}-security")]


def mirror(family: str, folder: Path) -> str:
    """Return the URI of a distribution's archive: the one in apt's configuration in ``folder``, or the
    distribution's own."""
    for source in _sources(folder):
        uri = source.uri.rstrip("/")
        parts = urllib.parse.urlsplit(uri)
        # An archive with security updates only does not count, nor a third party's for that distribution.
        if (
            parts.scheme in ("http", "https")
            and re.fullmatch(f"{family}(-ports)?", parts.path.rpartition("/")[2])
            and "main" in source.components
            and not source.suite.endswith("-security")
            and not re.match(r"security\.|ppa\.", parts.hostname or "")
            and (not source.signed_by or f"{family}-archive" in source.signed_by)
        ):
            return uri
    if family == "debian":
        return "http://ftp.debian.org/debian"
    if platform.machine() == "x86_64":
        return "http://archive.ubuntu.com/ubuntu"
    return "http://ports.ubuntu.com/ubuntu-ports"


@dataclass(frozen=True)
class _Source:
    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str


def _sources(folder: Path) -> Iterator[_Source]:
    """Yield the archives in apt's configuration (sources.list(5))."""
    parts = folder / "sources.list.d"
    for path in (folder / "sources.list", *sorted(parts.glob("*.list")), *sorted(parts.glob("*.sources"))):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        yield from _stanzas(text) if path.suffix == ".sources" else _lines(text)


def _lines(text: str) -> Iterator[_Source]:
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)\s+([^#]*)", line)
        if match is not None:
            options, uri, suite, components = match.groups(default="")
            signed_by = re.search(r"signed-by=(\S+)", options, re.IGNORECASE)
            yield _Source(uri, suite, tuple(components.split()), signed_by.group(1) if signed_by else "")


def _stanzas(text: str) -> Iterator[_Source]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        pairs = re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        fields = {key.lower(): value.strip() for key, value in pairs}
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "").lower() in ("no", "false"):
            continue
        components = tuple(fields.get("components", "").split())
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield _Source(uri, suite, components, fields.get("signed-by", ""))


def apt_proxies(job: Job) -> dict[str, str]:
    """Return the variables for the proxy of the host's apt, else those of the user."""
    program = tools.find("apt-config")
    if program is None:
        return proxies(tools.user_environment(), ())
    done = job.run(
        [program, "dump"],
        what="read apt's configuration",
        env=tools.clean_environment(home=job.folder("home"), temporary=job.folder("tmp"), epoch=DEFAULT_EPOCH),
        capture=True,
        check=False,
    )
    return proxies(tools.user_environment(), done.stdout.splitlines())


def proxies(environ: Mapping[str, str], configuration: Iterable[str]) -> dict[str, str]:
    """Return variables for a proxy: the lines of ``apt-config dump`` take precedence over the user's variables."""
    names = ("http_proxy", "https_proxy", "no_proxy")
    found = {name: environ[name] for name in names if environ.get(name)}
    configured = {}
    for line in configuration:
        match = re.fullmatch(r'Acquire::(https?)::Proxy "([^"]+)";', line, re.IGNORECASE)
        if match is not None:
            configured[match.group(1).lower()] = match.group(2)
    for scheme in ("http", "https"):
        value = configured.get(scheme, configured.get("http"))  # as apt has it
        if value == "DIRECT":
            found.pop(f"{scheme}_proxy", None)
        elif value is not None:
            found[f"{scheme}_proxy"] = value
    return found
