"""The roots that builds run in: a directory of the user's, or one in the cache, made from the archive or name given.

The key of a root in the cache is its source: the digest of an archive or a distribution's name, and the packages added.
It is always complete, as it is made in the work directory and then renamed. Builds hold it while they run. They see it
read-only, so that any number of them can use it at once and none finds it changed; this needs no overlay. Only the
installation of packages writes to a root, and that is a copy: in a user namespace an overlay cannot change files whose
owners are not mapped, and its content cannot be read from outside.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import platform
import stat
from collections.abc import Callable
from pathlib import Path

import freezer
from freezer.base.beneath import kind_of, make_folder, opened_top, write_file
from freezer.base.dismantle import remove
from freezer.base.errors import EnvironmentFailure, InputError
from freezer.base.isolation.users import subordinate_maps
from freezer.base.job import Job
from freezer.plan.build import Plan
from freezer.plan.choices import EntryKind
from freezer.plan.requirements import local_paths
from freezer.plan.trees import copy_sources, repository_of, signature
from freezer.plan.values import DISTRIBUTION
from freezer.store.unpacked_roots import cached_root
from freezer.store.workspace import OWN
from freezer.system.buildroot import BuildRoot
from freezer.system.chroot.archives import identify, is_archive_or_layout, unpack
from freezer.system.chroot.bootstrap import bootstrap, parse_distribution
from freezer.system.chroot.chroot import PIP_CACHE, SOURCE, Chroot, Mount
from freezer.system.chroot.network import network_files
from freezer.system.chroot.packages import copy_root, database_state, manager_of
from freezer.system.host import Host
from freezer.system.rooted import is_folder, place

LAYOUT = 1
"""Part of every root's key; raised when freezer makes roots differently."""
POLICY = "usr/sbin/policy-rc.d"


def open_root(plan: Plan, job: Job) -> BuildRoot:
    """Prepare the system to build in, the host or the plan's root, and hold it until the build ends.

    Raises InputError if the plan names no root, or a hostile archive; EnvironmentFailure if it cannot be made.
    """
    if plan.chroot is None:
        return Host()
    with job.log.step("root") as step:
        # Making a distribution's root takes minutes: what would fail after that is asked for before. What is there
        # already is looked at first, as pip takes longer to say its configuration than to see that there is nothing.
        network = network_files(os.environ, job) if parse_distribution(plan.chroot) is not None else None
        path, made = _directory(plan, job)
        _check(path, plan.chroot)
        network = network or network_files(os.environ, job)
        mounts = [Mount(job.work, f"{OWN}/work", writable=True)]
        mounts += [Mount(source, target) for source, target in network.files]
        root = Chroot(path, plan.chroot, database_state(path), tuple(mounts), network)
        if plan.chroot_packages:
            path, added = _with_packages(plan, root, job)
            made = made or added
        step.result = (
            f"{plan.chroot}, {'made' if made else 'used unchanged' if path == Path(plan.chroot) else 'reused'}"
        )
    mounts.append(Mount(Path(freezer.__file__).parent, f"{OWN}/package"))
    top, sources = _sources(plan, job)
    pip_cache = job.cache / "pip" / _key([str(path)])
    pip_cache.mkdir(exist_ok=True, mode=0o700)
    mounts += [*sources, Mount(pip_cache, PIP_CACHE, writable=True)]
    return Chroot(path, plan.chroot, database_state(path), tuple(mounts), network, top)


def source_state_of(plan: Plan, cache: Path) -> list[object]:
    """Return the state of the plan's root: it differs whenever another root might result."""
    assert plan.chroot is not None
    if DISTRIBUTION.match(plan.chroot):
        home = cache / "roots" / _key([plan.chroot, platform.machine()])
        return [plan.chroot, database_state(home / "root")]
    status = os.stat(plan.chroot)
    return [plan.chroot, status.st_ino, *signature(status), database_state(Path(plan.chroot))]


def _directory(plan: Plan, job: Job) -> tuple[Path, bool]:
    """Return the root as a directory, and whether it was made just now."""
    text = plan.chroot
    assert text is not None
    distribution = parse_distribution(text)
    if distribution is not None:
        key = _key([text, platform.machine()])
        return _cached(key, text, lambda folder: bootstrap(distribution, folder, job), plan.refresh, job)
    path = Path(text)
    if not is_archive_or_layout(path):
        return path, False
    digest = identify(path)
    return _cached(_key([digest]), text, lambda folder: unpack(path, folder, digest=digest), plan.refresh, job)


def _with_packages(plan: Plan, root: Chroot, job: Job) -> tuple[Path, bool]:
    """Return a copy of the root that has the packages, too, and whether it was made just now."""
    manager = manager_of(root.path)
    if manager is None:
        raise EnvironmentFailure(
            f"cannot add packages to {root.name}", why="it has none of the package managers apt-get, dnf and apk"
        )

    # The copy is in the work directory, of which its programs see a part of their own alone.
    inner = job.inside("packages")
    mounts = (Mount(inner.work, f"{OWN}/work", writable=True), *root.mounts[1:])

    def make(folder: Path) -> None:
        unreadable = copy_root(root.path, folder)
        for name in unreadable[:3]:
            job.log.detail(f"    not copied, because it cannot be read: {name}")
        with opened_top(folder) as top:
            # No service may be started by an installation: what invoke-rc.d asks, and the resolver's place.
            if kind_of(top, "usr/sbin") == stat.S_IFDIR and not kind_of(top, POLICY):
                write_file(top, POLICY, b"#!/bin/sh\nexit 101\n", 0o755)
            make_folder(top, "etc")
            write_file(top, "etc/resolv.conf", b"")
            _clear(top)
        writable = dataclasses.replace(root, path=folder, mounts=mounts, writable=True)
        env = {**writable.user_environment(inner), "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}
        alone = os.geteuid() != 0 and not subordinate_maps(os.geteuid(), os.getegid())
        script = manager.script(plan.chroot_packages, alone=alone)
        writable.run(
            [place(folder, "bin/sh"), "-c", script],
            inner,
            what=f"add {', '.join(plan.chroot_packages)}",
            env=env,
            cwd=inner.work,
            error=EnvironmentFailure,
            hint="check the packages' names, and the network",
        )
        with opened_top(folder) as top:
            _clear(top)

    base = [str(root.path), *root.stamp]
    key = _key([base, sorted(plan.chroot_packages)])
    named = f"{plan.chroot} + {' '.join(plan.chroot_packages)}"
    return _cached(key, named, make, plan.refresh, job)


def _clear(top: int) -> None:
    """Remove the places that only mounts need, and what only an installation does."""
    with contextlib.suppress(FileNotFoundError):
        remove(top, OWN.strip("/"))


def _key(parts: list[object]) -> str:
    return hashlib.sha256(json.dumps([LAYOUT, os.geteuid() == 0, *parts]).encode()).hexdigest()[:24]


def _cached(key: str, source: str, make: Callable[[Path], None], anew: bool, job: Job) -> tuple[Path, bool]:
    """Return the root of that key in the cache, made as needed and held, and whether it was made just now."""
    return cached_root(job.cache / "roots" / key, source, make, job, anew=anew)


def _check(path: Path, name: str) -> None:
    """Refuse a directory that is not a root file system, with a clear message."""
    if not path.is_dir():
        raise InputError(f"--chroot {name} is neither a directory nor an archive")
    if not any(is_folder(path, path / name) for name in ("usr", "bin")):
        raise InputError(
            f"--chroot {name} is not a root file system",
            why="it has neither /usr nor /bin",
            hint="give the root of a system; debian:SUITE makes one",
        )


def _sources(plan: Plan, job: Job) -> tuple[Path, list[Mount]]:
    """Return the directory of all the user's files that the build reads, and their read-only mounts.

    That directory becomes /source, so that relative paths, as in requirements files, stay right. Files that
    requirements name by an absolute path are also visible at that path. Directories that they name are projects, whose
    build backends write beside the sources; so these are copies.
    """
    entry = plan.entry
    wanted: set[Path] = set()
    if entry.path is not None:
        own = entry.path.parent if entry.kind in (EntryKind.SCRIPT, EntryKind.SPEC, EntryKind.ARCHIVE) else entry.path
        # The version of a project may come from its repository.
        wanted.add((repository_of(own) or own) if entry.kind is EntryKind.PROJECT else own)
    wanted |= {path.parent for path in (*plan.requirements, *plan.constraints)}
    wanted |= {source for source, _ in (*plan.add_data, *plan.add_binary)} | set(plan.libraries)
    named = local_paths(plan)
    kept = {path for path in wanted if not any(parent in wanted for parent in path.parents)}
    # Relative requirements start at the directory that freezer was called in, which need not be visible itself.
    top = os.path.commonpath([plan.folder, *(path if path.is_dir() else path.parent for path in (*kept, *named))])

    def below(path: Path) -> str:
        return os.path.normpath(f"{SOURCE}/{path.relative_to(top)}")

    mounts = [Mount(path, below(path)) for path in sorted(kept)]
    for number, path in enumerate(sorted(named)):
        source = path
        if path.is_dir():
            source = job.folder("local") / str(number)
            copy_sources(path, source)
        mounts += [Mount(source, target, writable=path.is_dir()) for target in (below(path), str(path))]
    return Path(top), mounts
