"""Requirements files as pip is given them: with plain requirements in place of editable ones.

pip installs an editable requirement as a link to its sources, by way of an import hook that PyInstaller does not know.
An executable has a copy in any case, and the sources count for whether it is up to date. Files without editable
requirements are given to pip as they are, so that its messages name them.
"""

from __future__ import annotations

import os
from pathlib import Path

from freezer.base.job import Job
from freezer.plan.build import Plan
from freezer.plan.requirement_lines import joined, parse_lines, path_of
from freezer.plan.requirements import included_files, named_files, plain_requirement
from freezer.system.buildroot import BuildRoot


def plain_files(plan: Plan, root: BuildRoot, job: Job) -> tuple[Path, ...]:
    """Return the requirements files of a plan, or copies of them if any has an editable requirement."""
    files = named_files(plan).files
    if not any(line.editable for text in files.values() for line in parse_lines(text, os.environ)):
        return plan.requirements
    folder = job.folder("requirements")
    copies = {path: folder / f"{number}-{path.name}" for number, path in enumerate(files)}
    for path, text in files.items():
        lines = [_plain(line, path, plan, root, copies) for line in joined(text)]
        copies[path].write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogateescape")
    return tuple(copies[Path(os.path.normpath(path))] for path in plan.requirements)


def _plain(text: str, file: Path, plan: Plan, root: BuildRoot, copies: dict[Path, Path]) -> str:
    """Return a line as it is in the copy of its file."""
    line = next(parse_lines(text, os.environ), None)
    if line is None:
        return text
    if line.editable:
        return plain_requirement(line, plan.folder)
    included = [Path(os.path.normpath(path)) for path in included_files(file, line)]
    if included:
        return f"{'--constraint' if line.constrains else '--requirement'} {root.inside(copies[included[0]])}"
    beside = [path_of(f"./{link}", file.parent) for link in line.links if not os.path.isabs(link)]
    return " ".join(
        [text, *(f"--find-links {root.inside(path)}" for path in beside if path is not None and path.exists())]
    )
