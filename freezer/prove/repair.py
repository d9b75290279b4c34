"""Adding what a run of the proof lacked, so that the build can be tried again.

Only what is the application's own, or of the build environment, is added, and each thing once; the user's wish to leave
something out, secrets and what git ignores are respected. Every repair names the option that makes it permanent.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from freezer.application.entry import Application
from freezer.application.ground import LARGEST, find_ground
from freezer.application.never_taken import SECRET_FOLDERS, has_private_key, is_secret_name
from freezer.base.job import Job
from freezer.base.places import is_folder, walk
from freezer.environment.available import find_available
from freezer.environment.venv import Environment
from freezer.plan.build import Plan
from freezer.plan.choices import EntryKind, Own
from freezer.prove.advice import Sources, sources_of
from freezer.prove.judge import FailedRun
from freezer.prove.lacking import Kind, Lack, find_lack, is_inside
from freezer.prove.proof import Proof

MOST = 5
"""How often a build is tried again."""


@dataclass(frozen=True)
class Repair:
    """What was added: ``values`` to the plan's list ``field``; ``what`` was lacking, and ``option`` brings it."""

    field: str
    values: tuple[Any, ...]
    what: str
    option: str

    @property
    def sentence(self) -> str:
        """What the log says of it."""
        return f"a run of the proof lacked {self.what}, which was added; to add it from the start: {self.option}"


def repaired(plan: Plan, repairs: Sequence[Repair]) -> Plan:
    """Return the plan with all that was added."""
    for repair in repairs:
        changes: dict[str, Any] = {repair.field: (*getattr(plan, repair.field), *repair.values)}
        plan = dataclasses.replace(plan, **changes)
    return plan


def with_repairs(proof: Optional[Proof], repairs: Sequence[Repair]) -> Optional[Proof]:
    """Return the proof with warnings of what was added, for those who ask again for an unchanged result."""
    if proof is None or not repairs:
        return proof
    return dataclasses.replace(proof, warnings=(*(repair.sentence for repair in repairs), *proof.warnings))


def find_repair(
    plan: Plan,
    environment: Environment,
    application: Application,
    failure: FailedRun,
    repairs: Sequence[Repair],
    job: Job,
) -> Repair:
    """Return what would help against the failure of a run, and say so in the log. Raises the failure if nothing would,
    or if enough was tried."""
    lack = find_lack(failure.said) if len(repairs) < MOST else None
    repair = _Search(plan, environment, application, job).repair_of(lack) if lack is not None else None
    if repair is None or set(repair.values) <= set(getattr(plan, repair.field)):
        raise failure
    job.log.warning(repair.sentence)
    return repair


class _Search:
    """Looks for what is lacking where it may come from."""

    def __init__(self, plan: Plan, environment: Environment, application: Application, job: Job) -> None:
        self._plan = plan
        self._environment = environment
        self._job = job
        self._own = plan.own or Own.ALL
        # Without a path the entry is installed, and the current directory has nothing of it.
        sources = sources_of(plan.entry, plan.folder) if plan.entry.path is not None else Sources((), plan.folder)
        self._sources = dataclasses.replace(sources, folders=(*sources.folders, *application.imported_from))
        beside = sources.folders if plan.entry.kind in (EntryKind.SCRIPT, EntryKind.SPEC) else ()
        self._search = (*application.search, *application.imported_from, *beside)

    def repair_of(self, lack: Lack) -> Optional[Repair]:
        if lack.kind is Kind.MODULE:
            return self._module(lack.name)
        if lack.kind is Kind.METADATA:
            return self._metadata(lack.name)
        return self._file(lack.name) if is_inside(lack.name) else None

    def _module(self, name: str) -> Optional[Repair]:
        parts = name.split(".")
        if {".".join(parts[: depth + 1]) for depth in range(len(parts))} & set(self._plan.exclude):
            return None
        found = find_available(self._environment, self._job, search=self._search, module=name)
        place = found.module
        if place is None and not found.is_built_in:
            return None
        own = place is not None and any(folder in place.parents for folder in self._search)
        if own and self._own is Own.NONE:
            return None
        shown = own and place is not None and self._job.work not in place.parents
        where = f" ({self._sources.named(place)})" if shown and place is not None else ""
        names = (name, *self._below(name, place)) if own and place is not None else (name,)
        option = " ".join(f"--hidden-import {item}" for item in names)
        return Repair("hidden_imports", names, f"the module {name}{where}", option)

    def _below(self, name: str, place: Path) -> list[str]:
        """Return the modules of a package of the application's own: one of them is what was really asked for."""
        folder = place.parent if place.name == "__init__.py" else place
        ground = find_ground(self._plan)
        found = []
        for path in ground.code if ground is not None else ():
            if folder in path.parents and path.suffix == ".py" and path != place:
                parts = path.relative_to(folder).with_suffix("").parts
                found.append(".".join([name, *(parts[:-1] if parts[-1] == "__init__" else parts)]))
        return sorted(item for item in found if all(part.isidentifier() for part in item.split(".")))

    def _metadata(self, name: str) -> Optional[Repair]:
        found = find_available(self._environment, self._job, distribution=name) if name else None
        if found is None or found.distribution is None:
            return None
        option = f"--copy-metadata {found.distribution}"
        return Repair("copy_metadata", (found.distribution,), f"the metadata of {found.distribution}", option)

    def _file(self, inside: str) -> Optional[Repair]:
        """Return what brings a file or directory; ``inside`` is its path in the bundle."""
        found = self._sources.find(inside)
        if found is None:
            return self._installed_file(inside)
        if self._own is not Own.ALL or self._stays_out(found):
            return None
        folder = inside if is_folder(found) else os.path.dirname(inside) or "."
        kind = "directory" if is_folder(found) else "file"
        option = f"--add-data {self._sources.pair(found, folder)}"
        return Repair("add_data", ((found, folder),), f"the {kind} {self._sources.named(found)}", option)

    def _installed_file(self, inside: str) -> Optional[Repair]:
        """Return what brings a file of a package in the environment: all of that package."""
        package = inside.split("/", maxsplit=1)[0]
        if package == inside or not package.isidentifier() or package in self._plan.exclude:
            return None
        if find_available(self._environment, self._job, file=inside).file is None:
            return None
        return Repair("collect_all", (package,), f"the file {inside} of a requirement", f"--collect-all {package}")

    def _stays_out(self, found: Path) -> bool:
        """Return whether a file or directory is, has or is in what never comes along unasked, or is large."""
        ground = find_ground(self._plan)
        refused = [path for path, _ in ground.refused] if ground is not None else []
        if any(path in (found, *found.parents) or found in path.parents for path in refused):
            return True
        files = [found]
        if is_folder(found):
            files = [Path(folder, name) for folder, _, names in walk(found) for name in names]
        secret = any(is_secret_name(path.name) or has_private_key(path) for path in files)
        hidden = any(SECRET_FOLDERS & {*path.parts, *path.resolve().parts} for path in files)
        return secret or hidden or sum(path.stat().st_size for path in files) > LARGEST
