"""A build in the root of another system: the files that are visible inside, and commands that run there.

Visible are the work directory and the build environment, freezer's drivers and pip, the application's sources, and the
files by which pip reaches its index. They have fixed places, so that a result does not contain the sources' paths on
the host. Nothing else of the host's file system is visible, and none of its variables.
"""

from __future__ import annotations

import dataclasses
import errno
import itertools
import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.base import tools
from freezer.base.errors import EnvironmentFailure, FreezerError, InputError, ToolError
from freezer.base.isolation import command_of
from freezer.base.job import Completed, Job, memory_file
from freezer.store.workspace import OWN
from freezer.system.buildroot import BuildRoot
from freezer.system.chroot.network import NetworkFiles
from freezer.system.chroot.packages import manager_of
from freezer.system.entering import ENTERING
from freezer.system.rooted import is_file, is_folder, matches, place

SOURCE = "/source"
"""Where the application's sources are inside."""
PIP_CACHE = f"{OWN}/pip-cache"
PATH = ("usr/local/bin", "usr/bin", "bin", "usr/local/sbin", "usr/sbin", "sbin")


@dataclass(frozen=True)
class Mount:
    """A file or directory of the host, and its path inside."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True)
class Chroot(BuildRoot):
    """The system at ``path``.

    ``name`` is the user's name for it; ``stamp`` changes whenever its content does; ``sources`` is the directory of the
    host, not itself visible inside, that /source stands for.
    """

    path: Path
    name: str
    stamp: tuple[object, ...]
    mounts: tuple[Mount, ...]
    network: NetworkFiles
    sources: Path = Path("/")
    writable: bool = False

    def inside(self, path: Path) -> str:
        """Return the path inside for a path of the host. Raises ValueError if it is not visible there."""
        # The innermost first, as mounts may contain others.
        for mount in sorted(self.mounts, key=lambda item: len(item.source.parts), reverse=True):
            if path == mount.source or mount.source in path.parents:
                return os.path.normpath(f"{mount.target}/{path.relative_to(mount.source)}")
        return f"/{path.relative_to(self.path)}"

    def outside(self, path: str) -> Path:
        """Return the host's path for a path inside."""
        clean = Path(os.path.normpath("/" + path.lstrip("/")))
        for mount in sorted(self.mounts, key=lambda item: len(item.target), reverse=True):
            if mount.target in (str(clean), *map(str, clean.parents)):
                return mount.source / clean.relative_to(mount.target)
        return place(self.path, path)

    def is_writable(self, path: Path) -> bool:
        """Tell whether tools inside may write into a directory of the host."""
        mounts = [mount for mount in self.mounts if path == mount.source or mount.source in path.parents]
        return bool(mounts) and max(mounts, key=lambda item: len(item.source.parts)).writable

    def with_directory(self, path: Path, name: str, *, writable: bool = False) -> Chroot:
        """Return the same system with one more directory of the host visible inside, below /freezer."""
        return dataclasses.replace(self, mounts=(*self.mounts, Mount(path, f"{OWN}/{name}", writable)))

    def state(self) -> list[object]:
        """Return values that change with the system."""
        return [str(self.path), *self.stamp]

    def locate(self, wanted: Optional[str]) -> Path:
        """Find the Python to build with: a path in the root, a name on its PATH, or a version; its ``python3`` by
        default.

        Raises InputError if the wanted one does not exist, EnvironmentFailure if there is no Python at all.
        """
        root = self.path
        if any(matches(root, "lib/ld-musl-*")) and not any(matches(root, "lib*/ld-linux*")):
            raise EnvironmentFailure(
                f"{self.name} is a musl system, such as Alpine",
                why="staticx's start-up code and name service workaround need glibc",
                hint="use the root of a glibc distribution: --chroot debian:trixie; the result runs on musl",
            )
        if wanted is not None and os.sep in wanted:
            path = place(root, wanted)
            if is_folder(root, path):
                path = path / "bin/python3"
            if not is_file(root, path):
                raise InputError(f"--python {wanted}: no such executable in {self.name}")
            return path
        name = wanted or "python3"
        names = [name] if name.startswith("python") else [f"python{name.removeprefix('cpython-')}", name]
        places = [*(place(root, name) for name in PATH), *(path / "bin" for path in matches(root, "opt/*"))]
        for folder, candidate in itertools.product(places, names):
            # A link that leads out of the root means a place in it.
            if is_file(root, folder / candidate):
                return folder / candidate
        if wanted is not None:
            raise InputError(
                f"--python {wanted}: no such Python in {self.name}",
                why="it is neither on PATH there nor below /opt",
                hint="give its path in the root: --python /path/to/bin/python3",
            )
        raise EnvironmentFailure(
            f"{self.name} has no Python", why="no python3 on PATH", hint=self.how_to_add("python", "")
        )

    def how_to_add(self, what: str, version: str) -> str:
        """Return the hint for a component that the system lacks."""
        manager = manager_of(self.path)
        if manager is None:
            return f"add it to {self.name}, which has no package manager that freezer supports (apt-get, dnf, apk)"
        packages = manager.package(what, version).split()
        command = shlex.join([manager.program, *manager.arguments, *packages])
        options = " ".join(f"--chroot-package {package}" for package in packages)
        own = f"\nor, for good:  chroot {shlex.quote(self.name)} {command}" if self.path == Path(self.name) else ""
        return f"freezer build {options} ...{own}"

    def user_environment(self, job: Job) -> dict[str, str]:
        """Return the variables for pip, without any of the user's; the user's configuration is in a file."""
        env = self.clean_environment(job, epoch=0, extra=self.network.variables)
        for name in ("SOURCE_DATE_EPOCH", "PYTHONHASHSEED"):
            del env[name]
        if any(mount.target == PIP_CACHE for mount in self.mounts):
            env["PIP_CACHE_DIR"] = PIP_CACHE
        env.update({"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_ROOT_USER_ACTION": "ignore"})
        return env

    def run(
        self,
        argv: Sequence[str | Path],
        job: Job,
        *,
        env: Mapping[str, str],
        cwd: Path,
        what: str,
        stdin: Optional[str] = None,
        capture: bool = False,
        on_line: Optional[Callable[[str], bool]] = None,
        error: type[FreezerError] = ToolError,
        hint: Optional[str] = None,
    ) -> Completed:
        """Run a program in the root; see ``freezer.system.entering``.

        Raises ``error`` if it fails, EnvironmentFailure if this host does not permit entering the root or the program
        cannot be started there.
        """
        command = [self.inside(word) if isinstance(word, Path) else word for word in argv]
        content = {
            "mount_point": _apart(job.folder("root"), job),
            "root": str(self.path),
            "writable": self.writable,
            # A mount inside of another one comes after it.
            "mounts": [
                (_apart(mount.source, job), mount.target, mount.writable)
                for mount in sorted(self.mounts, key=lambda item: len(item.target))
            ],
            "argv": command,
            "env": dict(env),
            "cwd": self._folder(cwd),
        }
        with memory_file(json.dumps(content).encode()) as request, memory_file(b"") as report:
            try:
                return job.run(
                    command_of(ENTERING, request.fileno(), report.fileno()),
                    shown=command,
                    what=f"{what} in {self.name}",
                    env=tools.clean_environment(home=job.work, temporary=job.work, epoch=0),
                    stdin=stdin,
                    capture=capture,
                    on_line=on_line,
                    error=error,
                    hint=hint,
                    inherited=(request.fileno(), report.fileno()),
                )
            except FreezerError as failure:
                report.seek(0)
                self._explain(report.read(), command[0], failure)
                raise

    def _folder(self, cwd: Path) -> str:
        """Return the directory that a command starts in; if it is not visible inside, an empty one takes its place."""
        try:
            return self.inside(cwd)
        except ValueError:
            return os.path.normpath(f"{SOURCE}/{cwd.relative_to(self.sources)}")

    def _explain(self, report: bytes, program: str, failure: FreezerError) -> None:
        """Raise the error that explains why the command did not start, if it did not."""
        if not report:
            return
        facts = json.loads(report)
        if facts["step"] != "start":
            raise EnvironmentFailure(f"cannot enter {self.name}", why=facts["cause"], hint=facts["remedy"]) from failure
        hint = None
        if facts["errno"] == errno.ENOEXEC:
            hint = "its programs are made for another machine; use a root for this one"
        elif facts["errno"] == errno.ENOENT:
            hint = "check that it has its dynamic loader, and is a complete root file system"
        why = os.strerror(facts["errno"])
        raise EnvironmentFailure(f"cannot start {program} in {self.name}", why=why, hint=hint) from failure


def _apart(path: Path, job: Job) -> tuple[str, str]:
    """Return a directory that only the user can have changed, and the rest of the path, in which what ran in the root
    may have put links."""
    if job.cache in path.parents:
        return str(job.cache), str(path.relative_to(job.cache))
    return str(path), ""
