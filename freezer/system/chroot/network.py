"""The files by which pip and package managers reach their servers from inside a root: the user's configuration.

The resolver's files are the host's. pip's configuration is the output of ``pip config list`` on the host, which merges
the user's own file, the machine's and the variables in pip's order. Files and directories that it names (an index on
disk, a certificate) become visible inside, each at its own place, and the configuration is rewritten to match. So none
of the user's variables is needed inside. See https://pip.pypa.io/en/stable/topics/configuration/.
"""

from __future__ import annotations

import ast
import os
import re
import ssl
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from freezer.base import tools
from freezer.base.errors import EnvironmentFailure
from freezer.base.job import Job

PLACE = "/freezer/net"
CONFIGURATION = f"{PLACE}/pip.conf"
RESOLVER = ("/etc/resolv.conf", "/etc/hosts")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
OF_THE_HOST = frozenset(("cache-dir", "log", "python", "prefix", "root", "target", "user"))
"""Settings for pip's directories on the host, which do not apply inside."""


@dataclass(frozen=True)
class NetworkFiles:
    """``files`` are (host's path, path inside) of the files to show inside, ``variables`` those to set inside."""

    files: tuple[tuple[Path, str], ...]
    variables: Mapping[str, str]


def network_files(environ: Mapping[str, str], job: Job) -> NetworkFiles:
    """Collect the files to bring into the root. Raises EnvironmentFailure if pip cannot read its own configuration,
    or a certificate that the user names is not there."""
    certificates = environ.get("SSL_CERT_FILE")
    if certificates and not os.path.isfile(certificates):
        raise EnvironmentFailure(
            f"SSL_CERT_FILE names {certificates}, which does not exist or is not a file",
            why="the system to build in would trust its own certificate authorities instead",
            hint="correct the variable, or unset it",
        )
    listed = job.run(
        [tools.own_python(), "-I", "-m", "pip", "config", "list"],
        what="read pip's configuration",
        env=tools.user_environment(),
        capture=True,
        error=EnvironmentFailure,
    )
    carrier = _Carrier()
    for name in RESOLVER:
        if os.path.exists(name):
            carrier.files[Path(name).resolve()] = name
    sections = _sections(parse_configuration(listed.stdout), carrier)
    variables = {"PIP_CONFIG_FILE": CONFIGURATION}
    certificates = certificates or ssl.get_default_verify_paths().cafile
    if certificates and os.path.isfile(certificates):
        # The root's own certificates, if any, may lack a proxy's certificate that the host trusts.
        place = carrier.bring(Path(certificates))
        variables["SSL_CERT_FILE"] = place
        sections.setdefault("global", {}).setdefault("cert", place)
    for name in PROXIES:
        for spelling in (name, name.upper()):
            if spelling in environ:
                variables[spelling] = environ[spelling]
    netrc = Path(environ.get("NETRC") or os.path.expanduser("~/.netrc"))
    if netrc.is_file() and os.access(netrc, os.R_OK):
        variables["NETRC"] = carrier.bring(netrc)
    file = job.folder("net") / "pip.conf"
    file.write_text(_render(sections), encoding="utf-8")
    file.chmod(0o600)
    carrier.files[file] = CONFIGURATION
    return NetworkFiles(tuple(carrier.files.items()), variables)


def parse_configuration(text: str) -> list[tuple[str, str, str]]:
    """Return (section, key, value) for each ``section.key='value'`` line of ``pip config list``.

    Settings from variables are in the section ``:env:``, and apply to all commands.
    """
    found = []
    for line in text.splitlines():
        match = re.fullmatch(r"([\w:-]+)\.([\w-]+)=(.*)", line)
        if match is None:
            continue
        try:
            value = str(ast.literal_eval(match.group(3)))
        except (ValueError, SyntaxError):
            continue
        found.append((match.group(1), match.group(2), value))
    return found


class _Carrier:
    """Assigns files and directories to places inside, each only once."""

    def __init__(self) -> None:
        self.files: dict[Path, str] = {}

    def bring(self, path: Path) -> str:
        real = path.resolve()
        if real not in self.files:
            self.files[real] = f"{PLACE}/{len(self.files)}{real.suffix if real.is_file() else ''}"
        return self.files[real]

    def translate(self, word: str) -> str:
        """Translate a word of a setting: a path or a file: URL becomes its place inside; other words are unchanged."""
        if word.startswith("file:"):
            path = Path(urllib.parse.unquote(urllib.parse.urlsplit(word).path))
            if not path.exists():
                return word
            # Mirrors of an index have their files beside the directory "simple", which has links to them.
            place = f"{self.bring(path.parent)}/{path.name}" if path.name == "simple" else self.bring(path)
            return f"file://{place}"
        path = Path(os.path.expanduser(word))
        return self.bring(path) if path.is_absolute() and path.exists() else word


def _sections(settings: list[tuple[str, str, str]], carrier: _Carrier) -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = {}
    # Variables override every file, whatever section the file has.
    for section, key, value in sorted(settings, key=lambda item: item[0] == ":env:"):
        if key in OF_THE_HOST:
            continue
        translated = "\n".join(" ".join(map(carrier.translate, line.split())) for line in value.splitlines())
        if section == ":env:":
            for other in sections.values():
                other.pop(key, None)
        sections.setdefault("global" if section == ":env:" else section, {})[key] = translated
    return sections


def _render(sections: Mapping[str, Mapping[str, str]]) -> str:
    lines = []
    for section, values in sections.items():
        lines.append(f"[{section}]")
        for key, value in values.items():
            # Continuation lines are indented, and none may be empty.
            lines.append(f"{key} = " + "\n    ".join(line for line in value.split("\n") if line))
    return "\n".join(lines) + "\n"
