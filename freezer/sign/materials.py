"""What an application was built from, as the resources and parameters of its provenance.

Paths are those of the application, never those of this machine, so that another one gives the same bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import fields
from enum import Enum
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import Any, Optional
from urllib.parse import quote

from freezer.application.entry import Application
from freezer.application.inputs import BUNDLED
from freezer.base.errors import FreezerError
from freezer.base.job import Job
from freezer.base.places import is_file, is_folder
from freezer.base.publish import digest_file, is_result
from freezer.base.versions import installed_versions
from freezer.bill.debian import System
from freezer.environment.resolved import Resolved, read_resolved
from freezer.environment.venv import Environment
from freezer.link.launcher import launcher_path
from freezer.link.linkers import StaticApp
from freezer.plan.build import Entry, Plan
from freezer.plan.choices import EntryKind, Linker, Verification
from freezer.plan.requirements import named_files
from freezer.plan.trees import repository_of, tree_signature
from freezer.sign.made_of import Materials
from freezer.sign.statement import Resource, resource
from freezer.store.file_facts import known_digest
from freezer.system.chroot.archives import identify, is_archive_or_layout
from freezer.system.rooted import opened, within

NOT_DECISIVE = frozenset(
    (
        *("entry", "name", "output", "folder", "refresh", "jobs", "epoch", "verify", "smokes", "image", "sbom"),
        *("signing", "learned", "sources", "own", "pyinstaller_args", "provisions", "python", "chroot"),
    )
)
"""The values of a plan that do not decide the bytes, or that are stated in another way."""


def materials_of(
    plan: Plan, environment: Environment, application: Application, linked: StaticApp, job: Job
) -> Materials:
    """Return what an application was built from."""
    own = sorted(set(_own_files(plan, application)))
    top = _top(plan, own)
    place = _Places(top)
    return Materials(
        parameters=_parameters(plan, place),
        internal={"SOURCE_DATE_EPOCH": plan.epoch},
        dependencies=(
            *_inputs(plan, own, place),
            *_distributions("requirement", read_resolved(environment.python.parent.parent)),
            *_distributions("toolchain", read_resolved(environment.toolchain.parent)),
            *_of_freezer(plan),
            *_interpreter(environment, job),
            *_system(plan, environment, linked),
        ),
        top=str(top) if top is not None else None,
        files=tuple(map(str, own)),
    )


class _Places:
    """Names files by their places in the source; files elsewhere by their names alone."""

    def __init__(self, top: Optional[Path]) -> None:
        self._top = top

    def of(self, path: Path) -> str:
        real = Path(os.path.abspath(path))
        inside = self._top is not None and (real == self._top or self._top in real.parents)
        name = os.path.relpath(real, self._top) if inside else path.name
        return os.fsencode(name).decode("utf-8", "backslashreplace")


def _top(plan: Plan, own: list[Path]) -> Optional[Path]:
    """Return the directory that the source is: its repository, or the one that all of it is in; None without a source.
    What that directory is called does not count."""
    if plan.entry.path is None or not own:
        return None
    place = plan.entry.path if is_folder(plan.entry.path) else plan.entry.path.parent
    return repository_of(place) or Path(os.path.commonpath([place, *(path.parent for path in own)]))


def _own_files(plan: Plan, application: Application) -> Iterator[Path]:
    """Yield the files of the application's own: its modules and data; all of a project's, as its build may read any."""
    entry = plan.entry
    if entry.path is None:
        return
    if entry.kind is EntryKind.PROJECT:
        names = (name for name, size, *_ in tree_signature(entry.path) if not size or not _is_left_behind(Path(name)))
        yield from map(Path, names)
        return
    if is_file(entry.path):
        yield entry.path
    if entry.kind is not EntryKind.ARCHIVE:
        yield from application.own_files
        yield from (item.source for item in application.own.files)


def _is_left_behind(path: Path) -> bool:
    """Return whether a file of a project may be the result of an earlier build: it is no source of the next one."""
    return not path.name.endswith(tuple(all_suffixes())) and is_result(path)


def _parameters(plan: Plan, place: _Places) -> dict[str, Any]:
    """Return what the user has asked for, where it is not the default."""
    asked: dict[str, Any] = {"entry": _entry(plan.entry, place)}
    for item in fields(Plan):
        value = getattr(plan, item.name)
        if item.name not in NOT_DECISIVE and value not in ((), None, False) and item.name != "init":
            asked[item.name.replace("_", "-")] = _plain(value, place)
    if plan.own is not None:
        asked["own"] = plan.own.value
    asked["source"] = plan.sources.value
    if not plan.init:
        asked["init"] = False
    provisions = {name: value for name, value in plan.provisions.items() if value is not None}
    if provisions:
        asked["provisions"] = provisions
    if plan.learned is not None:
        asked["learned"] = place.of(plan.learned.path)
    if plan.pyinstaller_args:
        asked["pyinstaller-args"] = _plain(plan.pyinstaller_args, place)
    if plan.verify is Verification.NO:
        asked["verify"] = plan.verify.value
    if plan.chroot is not None:
        asked["chroot"] = plan.chroot if not os.path.isabs(plan.chroot) else os.path.basename(plan.chroot)
    return asked


def _entry(entry: Entry, place: _Places) -> dict[str, str]:
    found = {
        "kind": entry.kind.value,
        "path": place.of(entry.path) if entry.path is not None else None,
        "function": entry.function,
        "console-script": entry.console_script,
        "package": entry.package,
    }
    return {key: value for key, value in found.items() if value is not None}


def _plain(value: Any, place: _Places) -> Any:
    """Return a setting's value as JSON has it, and as it is on every machine."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return place.of(value)
    if isinstance(value, tuple):
        return [_plain(item, place) for item in value]
    if isinstance(value, str):
        return place.of(Path(value)) if os.path.isabs(value) else os.fsencode(value).decode("utf-8", "backslashreplace")
    return value


def _inputs(plan: Plan, own: list[Path], place: _Places) -> Iterator[Resource]:
    """Yield the files that the user names, beside the application's own."""
    named = {*named_files(plan).files, *plan.added_paths()}
    named |= {plan.learned.path} if plan.learned is not None else set()
    for name, path in sorted((place.of(path), path) for path in named - set(own)):
        if is_file(path):
            yield resource("input", name=name, sha256=digest_file(path))


def _distributions(role: str, found: Iterable[Resolved]) -> Iterator[Resource]:
    for item in found:
        yield resource(role, uri=item.purl, sha256=item.sha256 or "", gitCommit=item.commit or "")


def _of_freezer(plan: Plan) -> Iterator[Resource]:
    """Yield what freezer itself adds, or works with: its own distributions, and its compiled programs."""
    for name, version in installed_versions(("static-freezer", *BUNDLED)).items():
        if name == "staticx" and plan.linker is not Linker.STATICX:
            continue
        if version is not None:
            yield resource("freezer", uri=f"pkg:pypi/{name}@{version}")
    if plan.linker is Linker.NATIVE:
        try:
            yield resource("launcher", name="freezer's launcher", sha256=digest_file(launcher_path()))
        except FreezerError:
            return  # the native linker would have said so


def _interpreter(environment: Environment, job: Job) -> Iterator[Resource]:
    interpreter, root = environment.interpreter, environment.root.path
    uri = f"pkg:generic/python@{interpreter.version_text}"
    for path in dict.fromkeys((within(root, interpreter.executable), within(root, interpreter.libpython))):
        yield resource("python", name=path.name, uri=uri, sha256=_digest(root, path, job))


def _digest(root: Path, path: Path, job: Job) -> str:
    """Return the digest of a file of the system; nothing if it cannot be read."""
    try:
        if root == Path("/"):
            return known_digest(path, job)
        with opened(root, path) as file:
            hasher = hashlib.sha256()
            while data := file.read(1 << 20):
                hasher.update(data)
            return hasher.hexdigest()
    except OSError:
        return ""


def _system(plan: Plan, environment: Environment, linked: StaticApp) -> Iterator[Resource]:
    """Yield the system that was built in, by its name and release, and its packages that are in the result."""
    system = System(environment.root.path).operating_system()
    name, version = (system.name, system.version) if system is not None else ("linux", None)
    digest = ""
    if plan.chroot is not None and os.path.isabs(plan.chroot) and is_archive_or_layout(Path(plan.chroot)):
        digest = identify(Path(plan.chroot))
    title = dict(system.properties).get("freezer:pretty-name") if system is not None else None
    noted = {"title": title, "chroot": plan.chroot is not None}
    uri = f"pkg:generic/{quote(name)}" + (f"@{quote(version)}" if version else "")
    yield resource("system", uri=uri, annotations=noted, sha256=digest)
    bill = linked.closed.bill
    purls = {item.purl for item in bill.components if item.purl} if bill is not None else set()
    for purl in sorted(purl for purl in purls if purl.startswith("pkg:deb/")):
        yield resource("system", uri=purl)
