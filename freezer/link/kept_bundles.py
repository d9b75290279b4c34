"""Closed bundles that are kept for the next build of the same application, which then needs no analysis.

A build is much the same as the one before: a line of a source has changed. Its bundle is taken from the one that is
kept, with the code of the changed modules, and the changed files, in place of the old ones. That is so only if nothing
else has changed that the analysis, or what comes after it, depends on (``bundle_state``), and if the sources have the
shapes that they had (``alterable``). Whatever is missing, damaged or different leads to a whole build.

Layout of a kept bundle, a directory that is named for what was asked for: the ``tree``; the ``code`` of all modules;
and ``facts``, a line with the SHA-256 of the rest, which is JSON, with the digests of all other files. ``seen``, of the
same form, says of which files nothing has changed since their digests were taken: to read thousands takes long.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from freezer.application.entry import Application
from freezer.application.inputs import NamedInputs, changed_since
from freezer.base.bill import Bill, Component
from freezer.base.elf import is_elf
from freezer.base.errors import ToolError
from freezer.base.job import Job
from freezer.base.plain_values import PlainValues
from freezer.base.publish import digest_file
from freezer.closure.close import ClosedApp
from freezer.closure.libraries import Missing
from freezer.closure.provisions import Provided
from freezer.environment.venv import Environment
from freezer.freeze.pyinstaller import Added, FrozenApp, OwnOrigins
from freezer.link.alterable import Alterable, Unusable, alterable_files, altered_code, state_of
from freezer.link.bundle_state import bundle_key, bundle_state, can_be_kept, decisive_files, this_machine
from freezer.link.clones import Seen, clone_tree, listed_tree
from freezer.link.held_bundles import held_bundle, remove_bundle
from freezer.link.modules import Package
from freezer.link.other_size import Other
from freezer.link.unpacked_project import content_of, is_unpacked
from freezer.plan.build import Plan
from freezer.plan.choices import Linker

FOLDER = "bundles"
FACTS, CODE, TREE, SEEN = "facts", "code", "tree", "seen"
MOST_NAMED = 3
MOST, DAYS = 16, 30
"""How many are kept, and for how many days after their last use."""
CLASSES = (FrozenApp, OwnOrigins, Added, ClosedApp, Missing, Provided, Bill, Component)


@dataclass(frozen=True)
class Bundle:
    """A closed bundle and its code. ``loaded`` is how many libraries of it an earlier proof has loaded, None if none
    has; ``warnings`` were given while it was made; ``changed`` are the files that differ from a kept one's, None if it
    was not kept. ``other`` is what the other linker would give of it; of a kept one, what it would have given before
    the change, which is a hint all the same. ``held`` ends when a kept one need not stay any longer: it is
    read where it lies."""

    closed: ClosedApp
    package: Package
    loaded: Optional[int] = None
    warnings: tuple[str, ...] = ()
    changed: Optional[tuple[str, ...]] = None
    other: Optional[Other] = None
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, compare=False)

    def release(self) -> None:
        """Let others, and this build, replace what is kept."""
        self.held.close()


def recall_bundle(
    plan: Plan, named: NamedInputs, environment: Environment, application: Application, job: Job
) -> Optional[Bundle]:
    """Return the bundle of an earlier build as this one would make it; None if there is none that is known to be."""
    if plan.refresh or not can_be_kept(plan, environment):
        return None
    home = job.cache / FOLDER / bundle_key(plan, environment, application, job)
    if not home.is_dir():
        return None
    with job.step("recall") as step, contextlib.ExitStack() as held:
        try:
            held.callback(os.close, held_bundle(home))
            bundle = _recalled(home, plan, named, environment, application, job)
        except Unusable as reason:
            step.result = f"no: {reason}"
            return None
        except (OSError, ValueError, LookupError, TypeError, AttributeError, ToolError) as error:
            step.result = "no: what is kept is damaged"
            job.log.detail(f"    {home} cannot be used: {type(error).__name__}: {error}")
            return None
        names = [os.path.basename(path) for path in bundle.changed or ()]
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        changed = f"but for {', '.join(names[:MOST_NAMED])}{more}" if names else "nothing has changed in it"
        step.result = f"{len(bundle.closed.frozen.modules)} modules as in the build before, {changed}"
        bundle = dataclasses.replace(bundle, held=held.pop_all())
        job.holding.callback(bundle.release)
    with contextlib.suppress(OSError):
        os.utime(home)
    for warning in bundle.warnings:
        job.log.warning(warning)
    return bundle


def _recalled(
    home: Path, plan: Plan, named: NamedInputs, environment: Environment, application: Application, job: Job
) -> Bundle:
    """Raises Unusable; and many others if what is kept is damaged."""
    facts = _read(home / FACTS)
    places = _values(home / TREE, job)
    before = {places.whole(path): _alterable(item) for path, item in facts["alterable"].items()}
    now = bundle_state(plan, facts["files"], before, named, environment, application, job)
    different = sorted(name for name in now if facts["state"][name] != now[name])
    if different:
        raise Unusable(f"the {different[0]} differ")
    changed = _changed(before, job)
    code = altered_code(plan, environment, before, changed, facts["groups"], job)
    bundle = _taken(home, facts, before, changed, code, application, job)
    other = None if facts["other"] is None else Other(Linker(facts["other"][0]), int(facts["other"][1]))
    return dataclasses.replace(bundle, other=other)


def keep_bundle(
    plan: Plan,
    named: NamedInputs,
    environment: Environment,
    application: Application,
    bundle: Bundle,
    job: Job,
) -> None:
    """Keep a bundle that was proven, or was not to be. Failing to is not an error: the next build is a whole one."""
    if not can_be_kept(plan, environment) or bundle.changed is not None:
        return
    code = {name: bundle.package.read(name) for name in _origins(bundle.closed).code if name in bundle.package.modules}
    alterable = alterable_files(plan, environment, application, bundle.closed, code, job)
    files = decisive_files(environment, bundle.closed, job)
    state = bundle_state(plan, files, alterable, named, environment, application, job)
    looked_at = [path for group in (state["sources"], state["own"], files["system"], alterable) for path in group]
    looked_at = [path for path in looked_at if not is_unpacked(path, job)]
    changed = changed_since({"sources": dict.fromkeys(looked_at), "packages": state["packages"]}, named.time)
    if changed is not None:
        job.log.detail(f"the bundle is not kept: {changed} has changed during the build")
        return
    with contextlib.suppress(OSError):
        aside = job.apart().work
        digests = clone_tree(bundle.closed.frozen.tree, aside / TREE, bundle.closed.listed)
        shutil.copyfile(bundle.package.code, aside / CODE)
        # Its sources are among the files that decide.
        frozen = dataclasses.replace(bundle.closed.frozen, own=None, sources=())
        places = _values(frozen.tree, job)
        facts = {
            "closed": places.plain(dataclasses.replace(bundle.closed, frozen=frozen, listed={})),
            "package": _package_facts(bundle.package),
            "code": digest_file(aside / CODE),
            "tree": digests,
            "groups": list(_origins(bundle.closed).groups),
            "alterable": {places.text(path): dataclasses.asdict(item) for path, item in alterable.items()},
            "files": files,
            "state": state,
            "loaded": bundle.loaded,
            "other": None if bundle.other is None else [bundle.other.linker.value, bundle.other.size],
            "warnings": list(bundle.warnings),
            "machine": this_machine(),
        }
        _write(aside / FACTS, facts)
        home = job.cache / FOLDER / bundle_key(plan, environment, application, job)
        _put(aside, home, job)
        _sweep(home.parent, job)


def _put(aside: Path, home: Path, job: Job) -> None:
    """Put a bundle in its place, unless another build reads the one that is there."""
    if not home.exists() or remove_bundle(home, job):
        os.rename(aside, home)


def _sweep(folder: Path, job: Job) -> None:
    """Remove those that were not used for long, and the oldest of too many."""
    found = sorted(((item.stat().st_mtime, item) for item in folder.iterdir()), reverse=True)
    for number, (used, item) in enumerate(found):
        if number >= MOST or time.time() - used > DAYS * 24 * 3600:
            remove_bundle(item, job)


def _origins(closed: ClosedApp) -> OwnOrigins:
    return closed.frozen.own_origins or OwnOrigins({}, {}, (), by_shape=False)


def _changed(before: Mapping[str, Alterable], job: Job) -> list[str]:
    """Return the alterable files that have changed. Raises Unusable if one has become something else."""
    changed = []
    for path, item in before.items():
        signature, executable = state_of(path)
        if executable != item.executable or (item.shape is None and is_elf(Path(path))):
            raise Unusable(f"{os.path.basename(path)} has become something else")
        same = signature == item.signature if item.digest is None else content_of(path, job) == item.digest
        if not same:
            changed.append(path)
    return changed


def _taken(
    home: Path,
    facts: Mapping[str, Any],
    before: Mapping[str, Alterable],
    changed: list[str],
    code: Mapping[str, bytes],
    application: Application,
    job: Job,
) -> Bundle:
    """Make the bundle of a kept one. Raises ValueError if that is damaged."""
    folder = job.apart().work
    tree = home / TREE
    seen = _seen(home)
    before_it = dict(seen)
    if listed_tree(tree, seen) != facts["tree"]:
        raise ValueError("its files are damaged")
    if seen != before_it:
        # Without it they are read once more.
        with contextlib.suppress(OSError):
            _write(folder / SEEN, seen)
            os.replace(folder / SEEN, home / SEEN)
    replaced = {}
    for number, path in enumerate(changed):
        # A copy, as somebody may go on editing the file.
        copy = folder / f"changed-{number}"
        shutil.copyfile(path, copy)
        replaced.update(dict.fromkeys(before[path].places, copy))
    if digest_file(home / CODE) != facts["code"]:
        raise ValueError("its code is damaged")
    package = _package(facts["package"], folder / CODE)
    shutil.copyfile(home / CODE, package.code)
    closed: ClosedApp = _values(tree, job).value(facts["closed"])
    kept = hashlib.sha256(json.dumps([facts["tree"], facts["state"]["toolchain"]]).encode()).hexdigest()
    frozen = dataclasses.replace(closed.frozen, own=application.own, sources=tuple(facts["files"]["sources"]))
    loaded = facts["loaded"] if facts["machine"] == this_machine() else None
    return Bundle(
        closed=dataclasses.replace(closed, frozen=frozen, kept=kept, listed=facts["tree"], replaced=replaced),
        package=package.with_code(code),
        loaded=loaded,
        warnings=tuple(facts["warnings"]),
        changed=tuple(changed),
    )


def _values(tree: Path, job: Job) -> PlainValues:
    return PlainValues(CLASSES, {"tree": tree, "work": job.work})


def _alterable(item: Mapping[str, Any]) -> Alterable:
    return Alterable(**{**item, "signature": tuple(item["signature"]), "places": tuple(item["places"])})


def _package_facts(package: Package) -> dict[str, Any]:
    facts = dataclasses.asdict(package)
    return {**facts, "code": None, "magic": package.magic.hex()}


def _package(facts: Mapping[str, Any], code: Path) -> Package:
    return Package(
        code=code,
        scripts=[(name, offset, size) for name, offset, size in facts["scripts"]],
        modules={name: (offset, size, kind) for name, (offset, size, kind) in facts["modules"].items()},
        options=tuple(facts["options"]),
        magic=bytes.fromhex(facts["magic"]),
        version=(facts["version"][0], facts["version"][1]),
        library=facts["library"],
    )


def _seen(home: Path) -> Seen:
    try:
        return _read(home / SEEN)
    except (OSError, ValueError):
        return {}


def _write(path: Path, facts: Mapping[str, Any]) -> None:
    text = json.dumps(facts).encode()
    path.write_bytes(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)


def _read(path: Path) -> dict[str, Any]:
    digest, _, text = path.read_bytes().partition(b"\n")
    if hashlib.sha256(text).hexdigest().encode() != digest:
        raise ValueError("its facts are damaged")
    facts: dict[str, Any] = json.loads(text)
    return facts
