"""Make the root of a minimal Debian or Ubuntu from its packages, with the packages that a build needs and few others.

mmdebstrap makes it, for root and for users with a range of subordinate users; debootstrap is the second choice, and
only for root. Each runs in new namespaces for mounts and processes, so that the kernel cleans up whenever freezer ends,
even by SIGKILL. In a user namespace most files belong to users that exist only there; so mmdebstrap writes a tar, whose
files belong to the user after unpacking.

apt checks the packages' signatures by the distribution's keyring.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.base import tools
from freezer.base.errors import EnvironmentFailure, InputError
from freezer.base.isolation.users import subordinate_maps
from freezer.base.job import Job
from freezer.base.publish import digest_file
from freezer.plan.choices import DEFAULT_EPOCH
from freezer.plan.values import DISTRIBUTION
from freezer.system.chroot.apt import apt_proxies, mirror, suites

APT = Path("/etc/apt")
KEYRINGS = Path("/usr/share/keyrings")
KEYRING_PACKAGES = {
    "debian": "debian-archive-keyring",
    "ubuntu": "ubuntu-keyring   (in Ubuntu, and in Debian from 13 on)",
}
COMPONENTS = {"debian": "main", "ubuntu": "main,universe"}
"""Ubuntu has python3-venv in universe."""
PACKAGES = ("python3", "python3-venv", "ca-certificates")
LIBPYTHON = (
    r"?and(?name(^libpython3\.[0-9]+t?6?4?$),?reverse-depends(?and(?name(^libpython3\.[0-9]+-dev$),"
    "?reverse-depends(?exact-name(libpython3-dev)))))"
)
"""The shared libpython of the suite's python3, whatever its version: libpython3-dev depends on libpython3.X-dev, which
depends on it (apt-patterns(7)). A suite may have libpythons of other versions; noble's name ends in t64, and patterns
must not contain parentheses."""
UNWANTED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/lintian/*")
MERGED_USR = Path("/usr/share/mmdebstrap/hooks/maybe-merged-usr")
"""The hook that merges /usr from the start, as bookworm requires. Without it, bookworm needs usrmerge, and so all of
perl: 50 MB. Later releases are merged anyway, and earlier ones need not be; with noble the hook fails."""
ANONYMOUS = 'echo localhost >"$1/etc/hostname"; : >"$1/etc/resolv.conf"'
"""Keeps the host's name and resolver out of the result."""
OTHERWISE = "or give --chroot a directory, or the tar of a root file system or an image, that is made elsewhere"

ALONE = Path(__file__).with_name("alone.py")

FINISH = """
version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
apt-get install --yes --no-install-recommends "libpython$version" ||
    apt-get install --yes --no-install-recommends "libpython${version}t64"
apt-get clean
rm -rf /var/lib/apt/lists/* /var/log/bootstrap.log /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /dev/*
echo localhost >/etc/hostname
: >/etc/resolv.conf
"""
"""The remaining steps in a root made by debootstrap, which does not support patterns."""


@dataclass(frozen=True)
class Distribution:
    """A distribution's release: ``family`` is "debian" or "ubuntu", ``suite`` its code name, ``packages`` are extra."""

    family: str
    suite: str
    packages: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the distribution's usual name: debian:trixie."""
        return f"{self.family}:{self.suite}"


def parse_distribution(text: str) -> Optional[Distribution]:
    """Parse "debian:bullseye" or "ubuntu:jammy/python3-dev,gcc"; None if the text starts with neither name.

    Raises InputError if the name of the suite or a package is not valid: these names go to a command line.
    """
    start = DISTRIBUTION.match(text)
    if start is None:
        return None
    suite, slash, rest = text[start.end() :].partition("/")
    packages = tuple(rest.split(",")) if slash else ()
    if not re.fullmatch(r"[a-z][a-z0-9.-]*", suite):
        raise InputError(
            f"--chroot {text}: {suite!r} is not a suite name", hint="name one as in debian:trixie or ubuntu:noble"
        )
    for package in packages:
        # A name that ends in "-" tells apt to remove the package.
        if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.]", package):
            raise InputError(
                f"--chroot {text}: {package!r} is not a package name",
                hint=f"separate packages by commas: {start.group(1)}:{suite}/python3-dev,gcc",
            )
    return Distribution(start.group(1), suite, packages)


def bootstrap(distribution: Distribution, target: Path, job: Job) -> None:
    """Make the new directory ``target``, on the file system of the work directory, a root of the distribution.

    Raises EnvironmentFailure if a tool or keyring is missing, or the archive cannot be reached or has no such suite.
    """
    maker = find_maker(distribution)
    key = keyring(distribution.family, KEYRINGS)
    archive = mirror(distribution.family, APT)
    env = tools.clean_environment(
        home=job.folder("home"),
        temporary=job.folder("tmp"),
        epoch=DEFAULT_EPOCH,
        extra={"DEBIAN_FRONTEND": "noninteractive", **apt_proxies(job)},
    )

    def run(command: Sequence[str]) -> None:
        job.run(
            command if maker.mode == "fakechroot" else isolated(command),
            what=f"make a root of {distribution.name}",
            env=env,
            error=EnvironmentFailure,
            hint=hint,
            shown=command,
        )

    hint = f"check that {archive} can be reached and has {distribution.suite}"
    if maker.mode == "fakechroot":
        # In this mode, programs need the C libraries of the root and of the host at once.
        hint += f"\nfor a release other than the host's, run as root, or: apt-get install uidmap\n{OTHERWISE}"
    job.log.detail(f"    {distribution.name} from {archive}")
    folder = job.folder("bootstrap") / "root"
    if maker.mode is None:
        run(debootstrap(maker.program, distribution, folder, archive, key))
        run(["chroot", str(folder), "/bin/sh", "-ec", FINISH])
    else:
        from freezer.system.chroot.archives import unpack

        tar = folder.with_suffix(".tar")
        run(mmdebstrap(maker.program, maker.mode, distribution, tar, archive, key))
        unpack(tar, folder, digest=digest_file(tar))
        tar.unlink()
    os.rename(folder, target)


@dataclass(frozen=True)
class Maker:
    """The program that makes roots: mmdebstrap in one of its modes, or debootstrap, with None."""

    program: Path
    mode: Optional[str]


def find_maker(distribution: Distribution) -> Maker:
    """Choose the program. Raises EnvironmentFailure that names the missing package."""
    what = f"cannot make a root of {distribution.name}"
    root = os.geteuid() == 0
    program = tools.find("mmdebstrap")
    if program is None:
        second = tools.find("debootstrap") if root else None
        if second is not None:
            return Maker(second, None)
        why = "neither mmdebstrap nor debootstrap is on PATH" if root else "mmdebstrap is not on PATH"
        packages = "mmdebstrap" if root else "mmdebstrap uidmap"
        raise EnvironmentFailure(what, why=why, hint=f"apt-get install {packages}\n{OTHERWISE}")
    if root:
        return Maker(program, "root")
    if subordinate_maps(os.geteuid(), os.getegid()):
        return Maker(program, "unshare")
    if tools.find("fakechroot") is not None and tools.find("fakeroot") is not None:
        return Maker(program, "fakechroot")
    if tools.find("newuidmap") is None:
        raise EnvironmentFailure(
            what,
            why="only root can give files to a distribution's users, unless newuidmap is installed",
            hint=f"apt-get install uidmap\nor run as root\n{OTHERWISE}",
        )
    raise EnvironmentFailure(
        what,
        why="there is no range of 65536 subordinate users for you in /etc/subuid and /etc/subgid",
        hint="usermod --add-subuids 100000-165535 --add-subgids 100000-165535 YOU, as root\n"
        f"or run as root\n{OTHERWISE}",
    )


def isolated(command: Sequence[str]) -> list[str]:
    """Return the argv that runs a command in new namespaces, which end with the command and with its parent."""
    return [tools.own_python(), "-I", "-S", str(ALONE), *command]


def mmdebstrap(program: Path, mode: str, distribution: Distribution, tar: Path, archive: str, key: Path) -> list[str]:
    """Return the argv that makes the tar of a root."""
    # As root of new namespaces mmdebstrap may not mount a new sysfs; in this mode, it binds the existing one.
    words = [str(program), f"--mode={'unshare' if mode == 'root' else mode}", "--variant=apt", "--format=tar"]
    words += ["--skip=output/dev", f"--include={','.join((*PACKAGES, *distribution.packages))}"]
    # In a separate option, as the pattern contains commas.
    words += [f"--include={LIBPYTHON}"]
    words += [f"--dpkgopt=path-exclude={pattern}" for pattern in UNWANTED]
    words += ["--dpkgopt=force-unsafe-io", f"--customize-hook={ANONYMOUS}"]
    if distribution.suite == "bookworm" and MERGED_USR.is_dir():
        words += [f"--hook-dir={MERGED_USR}"]
    components = COMPONENTS[distribution.family].replace(",", " ")
    places = suites(distribution.family, distribution.suite, archive, APT)
    sources = [f"deb [signed-by={key}] {uri} {suite} {components}" for uri, suite in places]
    return [*words, distribution.suite, str(tar), *sources]


def debootstrap(program: Path, distribution: Distribution, folder: Path, archive: str, key: Path) -> list[str]:
    """Return the argv that makes a root in a directory. debootstrap supports only one suite."""
    words = [str(program), "--variant=minbase", f"--include={','.join((*PACKAGES, *distribution.packages))}"]
    words += [f"--keyring={key}", "--force-check-gpg", f"--components={COMPONENTS[distribution.family]}"]
    return [*words, distribution.suite, str(folder), archive]


def keyring(family: str, folder: Path) -> Path:
    """Return the file with the keys that sign a distribution's archive. Raises EnvironmentFailure."""
    for suffix in ("gpg", "pgp"):
        path = folder / f"{family}-archive-keyring.{suffix}"
        if path.is_file():
            return path
    raise EnvironmentFailure(
        f"cannot check the signatures of {family}'s packages",
        why=f"there is no {folder / f'{family}-archive-keyring.gpg'}",
        hint=f"apt-get install {KEYRING_PACKAGES[family]}\n{OTHERWISE}",
    )
