"""What pip has installed, with the hashes of what it got: from its report, for a build's provenance.

What an index is called, and where a wheel lay, is left out: the hash says which it was, and another machine has its own
mirror. The report is written by programs of the system to build in, which may be others' (``received``).
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional

from freezer.base.beneath import open_file, opened_top
from freezer.base.job import Job
from freezer.base.oci.documents import object_at, objects_at
from freezer.base.received import check_file

FILE = "resolved.json"
"""The file of an environment, and of a toolchain, with the list."""
LARGEST = 256 << 20
"""Bytes of a report: it has the whole metadata of each distribution."""
SHA256, COMMIT = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Resolved:
    """A distribution that was installed. ``sha256`` is that of the wheel or archive that it came from, ``commit`` the
    one of a repository; a project on this machine has neither."""

    name: str
    version: str
    sha256: Optional[str] = None
    commit: Optional[str] = None

    @property
    def purl(self) -> str:
        """Return the package URL."""
        return f"pkg:pypi/{re.sub(r'[-_.]+', '-', self.name).lower()}@{self.version}"


def parse_report(text: str) -> tuple[Resolved, ...]:
    """Read a report of pip's, version 1 (https://pip.pypa.io/en/stable/reference/installation-report/). Raises
    ValueError if it is none."""
    document = json.loads(text)
    if not isinstance(document, dict) or not isinstance(document.get("install"), list):
        raise ValueError("it has no list of installations")
    found = []
    for item in objects_at(document, "install"):
        about, got = object_at(item, "metadata"), object_at(item, "download_info")
        archive = object_at(got, "archive_info")
        # Before pip 22.3, and for links without a fragment, only one of the two is there.
        sha256 = object_at(archive, "hashes").get("sha256") or str(archive.get("hash") or "").partition("sha256=")[2]
        commit = object_at(got, "vcs_info").get("commit_id")
        found.append(
            Resolved(str(about.get("name")), str(about.get("version")), _one(SHA256, sha256), _one(COMMIT, commit))
        )
    return tuple(sorted(found, key=lambda item: (item.purl, item.sha256 or "")))


def _one(pattern: re.Pattern[str], text: Any) -> Optional[str]:
    return text if isinstance(text, str) and pattern.fullmatch(text) else None


def keep_report(report: Path, folder: str, job: Job) -> None:
    """Write the list of a report to a folder of the work directory. A report that cannot be read is an empty list: then
    the provenance names no requirements, and the build is the same."""
    try:
        check_file(report, job.work)
        with opened_top(report.parent) as top, open_file(top, report.name) as file:
            found = parse_report(file.read(LARGEST).decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        job.log.detail(f"    pip's report cannot be used: {error}")
        found = ()
    job.write(f"{folder}/{FILE}", json.dumps([asdict(item) for item in found]))


def read_resolved(home: Path) -> tuple[Resolved, ...]:
    """Return what is installed in an environment or a toolchain; nothing if no list is there."""
    try:
        listed = json.loads((home / FILE).read_text(encoding="utf-8"))
        return tuple(Resolved(**item) for item in listed)
    except (OSError, ValueError, TypeError):
        return ()
