"""Roots that somebody made to reach the host through, and what freezer does with them.

Each has one place that freezer reads, makes, mounts on or removes, and in it something else than belongs there: a link
to the host, a pipe, a device. ``python tests/hostile.py REQUEST`` treats roots as builds do, in one process for all,
and writes down what that changed of the host.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import platform
import stat
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from images import Entry, Made, archive, file, folder, link
from plans import plan
from support import compile_c

from freezer.base import beneath
from freezer.base.errors import FreezerError
from freezer.base.job import Completed, Job
from freezer.base.log import Log
from freezer.base.oci.machine import HOSTS
from freezer.base.removal import remove_tree
from freezer.closure.provisions import PROVISIONS
from freezer.store.workspace import workspace
from freezer.system.chroot import roots as module
from freezer.system.chroot.chroot import Chroot
from freezer.system.chroot.network import NetworkFiles
from freezer.system.entering import program
from freezer.system.loader import loader_directories

SECRET = "what only the host knows"
FOLDERS = (
    *("etc", "dev", "dev/shm", "proc", "sys", "tmp", "run", "var", "home", "usr", "usr/bin", "usr/sbin", "bin", "lib"),
    *("usr/lib/locale/C.utf8", "opt", "freezer", "freezer/work", "source"),
)
FILES = (
    *("etc/resolv.conf", "etc/hosts", "etc/ld.so.conf", "etc/ld.so.cache", "bin/sh", "usr/bin/apt-get", "dev/null"),
    *("usr/bin/python3", "var/lib/dpkg/status", "usr/sbin/policy-rc.d", "usr/lib/locale/C.utf8/LC_CTYPE"),
    "usr/share/terminfo/x/xterm",
)
"""What freezer touches in roots."""
UP = "../" * 24


EXIT = {
    "x86_64": 'asm volatile("xor %edi, %edi; mov $60, %eax; syscall");',
    "aarch64": 'asm volatile("mov x0, #0; mov x8, #93; svc #0");',
}


def make_program(path: Path) -> bytes:
    """An executable that does nothing and needs nothing; a small one, as many roots have it."""
    leave = EXIT.get(platform.machine())
    if leave is None:
        compile_c("int main(void) { return 0; }", path, "-static", "-s")
    else:
        compile_c(f"void _start(void) {{ {leave} }}", path, "-static", "-nostdlib", "-s", "-Wl,-z,noseparate-code")
    return path.read_bytes()


@dataclasses.dataclass(frozen=True)
class Hostile:
    """A root: its name, and the entries of its archive."""

    name: str
    entries: tuple[Entry, ...]


def shapes(place: str, host: Path) -> Iterator[tuple[str, list[Entry]]]:
    """What may stand at a place of a root; ``host`` is the directory that is not to be reached."""
    yield "link to a directory", [link(place, str(host))]
    yield "link to a file", [link(place, str(host / "hosts"))]
    yield "relative link", [link(place, f"{UP}{str(host).lstrip('/')}")]
    chain = [link(f"link{number}", f"/link{number + 1}") for number in range(5)]
    yield "chain", [link(place, "/link0"), *chain, link("link5", f"{UP}link6"), link("link6", str(host))]
    yield "circle", [link(place, place.rpartition("/")[2])]
    yield "dangling link", [link(place, f"{host}/new")]
    yield "pipe", [(place, {"type": tarfile.FIFOTYPE, "mode": 0o666})]
    yield "device", [(place, {"type": tarfile.CHRTYPE, "mode": 0o666, "devmajor": 1, "devminor": 9})]
    yield "other kind", [file(place) if place in FOLDERS else folder(place)]


def hostile_roots(host: Path, program_file: bytes) -> list[Hostile]:
    """All of them. ``program_file`` is an executable that does nothing."""
    contents = dict.fromkeys(FILES, b"/opt/x\n")
    contents.update(dict.fromkeys(("bin/sh", "usr/bin/apt-get", "usr/bin/python3"), program_file))
    made = []
    for place in (*FOLDERS, *FILES):
        for kind, entries in shapes(place, host):
            around = [folder(name) for name in FOLDERS if not (name == place or name.startswith(f"{place}/"))]
            around += [
                file(name, content, mode=0o755)
                for name, content in contents.items()
                if not (name == place or name.startswith(f"{place}/"))
            ]
            made.append(Hostile(f"{place}: {kind}", (*around, *entries)))
    return made


def as_tar(root: Hostile, path: Path) -> Path:
    path.write_bytes(archive(*root.entries))
    return path


def as_layout(root: Hostile, path: Path) -> Path:
    made = Made(archive(*root.entries))
    made.config["architecture"] = HOSTS[platform.machine()].architecture
    for name, content in made.contents().items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def as_directory(root: Hostile, path: Path) -> Path:
    path.mkdir()
    for name, fields in root.entries:
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        kind = fields.get("type", tarfile.REGTYPE)
        if kind == tarfile.SYMTYPE:
            place.symlink_to(fields["linkname"])
        elif kind == tarfile.DIRTYPE:
            place.mkdir(exist_ok=True)
        elif kind == tarfile.FIFOTYPE:
            os.mkfifo(place)
        elif kind == tarfile.CHRTYPE:
            os.mknod(place, 0o666 | stat.S_IFCHR, os.makedev(fields["devmajor"], fields["devminor"]))
        else:
            place.write_bytes(fields["content"])
            place.chmod(fields["mode"])
    return path


FORMS = {"tar": as_tar, "layout": as_layout, "directory": as_directory}


def make_host(path: Path) -> Path:
    """A directory of the host's that has whatever freezer could look for in a root, readable or not."""
    for name in ("work", "net", "shm", "sys", "lib/dpkg", "locale/C.utf8", "x", "closed", "bin", "sbin"):
        (path / name).mkdir(parents=True)
    for name in {Path(name).name for name in FILES} | {f"{name}/file" for name in ("work", "bin", "closed")}:
        (path / name).write_text(f"/{SECRET}\n")
        (path / name).chmod(0o640)
        with contextlib.suppress(OSError):  # not every file system has them
            os.setxattr(path / name, "user.freezer", b"x")
    for name in ("LC_CTYPE", "locale/C.utf8/LC_CTYPE", "x/xterm", "lib/dpkg/status"):
        (path / name).write_text(f"/{SECRET}\n")
    (path / "closed").chmod(0o500)
    for place in (path, *path.rglob("*")):
        os.utime(place, (1_000_000_000, 1_000_000_000))
    return path


def state_of(path: Path) -> list[object]:
    """All that can be told of a tree: content, modes, owners, times, extended attributes."""
    found: list[object] = []
    for place in sorted([path, *path.rglob("*")]):
        status = place.lstat()
        kept = (status.st_mode, status.st_uid, status.st_gid, status.st_nlink, status.st_size, status.st_mtime_ns)
        names = os.listxattr(place, follow_symlinks=False)
        found.append([str(place), *kept, place.read_text() if place.is_file() else "", names])
    return found


# What the program does


def run_forked(_self: Job, argv: Sequence[str | Path], **options: Any) -> Completed:
    """Run the program that enters roots, in a fork of this process, as starting it anew takes most of the time."""
    child = os.fork()
    if not child:
        os._exit(program.main(*map(str, argv[-2:])))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != 0:
        raise options["error"](f"status {status}")
    return Completed(status, "")


def treat(path: Path, top: Path) -> list[str]:
    """Do with a root what builds do with it, with packages and without; return how often its program ran, and how it
    was refused."""
    met = []
    (top / "app.py").touch()
    for packages in (["x"], []):
        with workspace(top / "cache", "app", keep=False, log=Log(stream=open(os.devnull, "w"))) as job:
            try:
                settings = plan(top, entry="app.py", chroot=str(path), chroot_package=packages)
                root = module.open_root(settings, job)
                assert isinstance(root, Chroot)
                if not packages:
                    read(root, top / "read")
                    root.run([root.path / "bin/sh"], job, env={}, cwd=job.work, what="enter")
                met.append("entered")
            except (FreezerError, OSError) as error:
                met.append(error.render() if isinstance(error, FreezerError) else repr(error))
    told = json.dumps(met)
    for place in (top / "cache", top / "read"):
        told += "".join(kept.read_text(errors="replace") for kept in place.rglob("*") if is_small(kept))
    assert SECRET not in told, "it has read a file of the host's"
    for name in ("cache", "read", "app.py"):
        remove_tree(top / name)
        assert not os.path.lexists(top / name), f"{name} cannot be removed"
    return met


def is_small(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISREG(status.st_mode) and status.st_size < 100_000


def read(root: Chroot, target: Path) -> None:
    """Read what decides something, and copy what becomes part of a result."""
    target.mkdir()
    (target / "directories").write_text("\n".join(map(str, loader_directories(root.path, "EM_X86_64"))))
    root.locate(None)
    for provision in PROVISIONS:
        if provision.option in ("locale", "terminfo"):
            provision.copy(root.path, target / provision.option)


def no_such_call(*_arguments: object) -> int:
    """openat2(2), in an old kernel."""
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def main(request_file: str) -> None:
    """Treat the roots of the request, and print for each how it ended, or what it changed."""
    request = json.loads(Path(request_file).read_text())
    host, top = Path(request["host"]), Path(request["top"])
    network = []
    for name in ("resolv.conf", "hosts"):
        (top / name).write_text("127.0.0.1 localhost\n")
        network.append((top / name, f"/etc/{name}"))
    (top / "pip.conf").touch()
    network.append((top / "pip.conf", "/freezer/net/pip.conf"))
    module.network_files = lambda _environ, _job: NetworkFiles(tuple(network), {})  # type: ignore[assignment, attr-defined]
    Job.run = run_forked  # type: ignore[method-assign, assignment]
    if request["without_openat2"]:
        beneath._openat2 = no_such_call  # type: ignore[assignment]
    before = state_of(host)
    reply = {}
    for name, path in request["roots"].items():
        try:
            met = treat(Path(path), top)
        except AssertionError as error:
            met = [f"broken: {error}"]
        after = state_of(host)
        if after != before:
            met = [f"broken: it has changed {[new for new in after if new not in before]}"]
            before = after
        reply[name] = met
    print(json.dumps(reply))


if __name__ == "__main__":
    main(sys.argv[1])
