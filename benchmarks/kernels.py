"""Start executables with snapshots on other kernels, in virtual machines.

    python benchmarks/kernels.py [--suite SUITE] [--keep FOLDER] EXECUTABLE [ARGUMENT ...] [-- EXECUTABLE ...]

The newest kernel of each suite of Debian is downloaded with apt, from where this machine gets its packages, and booted
by QEMU with nothing but the executables. Each is started plainly, then with FREEZER_START=snapshot, which waits for the
snapshot, then twice as it is. A table says how each start was made, and whether it printed what the plain one did. That
takes minutes. Needs apt, dpkg-deb, qemu-system-x86_64, and Debian's keys.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

SUITES = ("bullseye", "bookworm")
KERNEL = re.compile(r"linux-image-(\d+)\.(\d+)\.(\d+)(?:-|\+deb12-)(\d+)-cloud-amd64(-unsigned)?")
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
PATIENCE = 1800
"""Seconds that a virtual machine may run."""
STARTS = (("plain", "FREEZER_START=plain"), ("waiting", "FREEZER_START=snapshot"), ("third", "X="), ("fourth", "X="))
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root FREEZER_CACHE=/tmp/cache FREEZER_DEBUG=start
mkdir -p /proc /sys /dev /tmp /root
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev; mount -t tmpfs tmpfs /tmp
ip link set lo up
echo "@kernel $(uname -r)"
start() {
    how=$1 variable=$2 name=$3; shift 3
    env "$variable" "$@" < /dev/null > "/tmp/$name.$how" 2> /tmp/errors
    status=$?
    cmp -s "/tmp/$name.$how" "/tmp/$name.plain" && same=same || same=other
    echo "@start $name $how $status $same $(grep -c . "/tmp/$name.$how") $(grep -m1 ' started ' /tmp/errors)"
}
"""


def apt(folder: Path, suite: str, *words: str) -> str:
    """Run a tool of apt that knows only a suite of Debian, with state of its own in a folder; return its output."""
    state = folder / suite
    for part in ("lists/partial", "cache/archives/partial"):
        (state / part).mkdir(parents=True, exist_ok=True)
    sources = state / "sources.list"
    sources.write_text(f"deb [signed-by={KEYS}] {origin()} {suite} main\n")
    settings = {"Etc::sourcelist": sources, "Etc::sourceparts": "/nowhere", "State::lists": state / "lists"}
    options = [f"-oDir::{name}={value}" for name, value in {**settings, "Cache": state / "cache"}.items()]
    command = [words[0], *options, "-oAPT::Sandbox::User=root", *words[1:]]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=state).stdout


def origin() -> str:
    """Return where this machine gets Debian's packages."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return next(item for item in found if item.rstrip("/").endswith("/debian"))


def fetch(folder: Path, suite: str, package: str) -> Path:
    """Download a package, and return the directory with its files."""
    files = folder / suite / package
    if not files.exists():
        apt(folder, suite, "apt-get", "download", package)
        (archive,) = (folder / suite).glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "-x", archive, files], check=True)
    return files


def fetch_kernel(folder: Path, suite: str) -> Path:
    """Return the newest kernel of a suite."""
    apt(folder, suite, "apt-get", "update")
    names = apt(folder, suite, "apt-cache", "pkgnames", "linux-image-").split()
    found = [(tuple(map(int, match.groups()[:4])), match[0]) for match in map(KERNEL.fullmatch, names) if match]
    (kernel,) = (fetch(folder, suite, max(found)[1]) / "boot").glob("vmlinuz-*")
    return kernel


def entry(name: str, data: bytes, mode: int) -> bytes:
    """Return an entry of a cpio archive as kernels unpack it ("newc")."""
    label = name.encode() + b"\0"
    numbers = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(label), 0)
    head = b"070701" + b"".join(b"%08x" % number for number in numbers) + label
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def root(busybox: Path, commands: Sequence[Sequence[str]]) -> bytes:
    """Return the files of the virtual machine."""
    lines, entries = [INIT], [entry("bin", b"", 0o40755), entry("apps", b"", 0o40755)]
    for path, *words in commands:
        name = Path(path).name
        entries.append(entry(f"apps/{name}", Path(path).read_bytes(), 0o100755))
        lines += [f"start {how} {value} {shlex.join([name, '/apps/' + name, *words])}\n" for how, value in STARTS]
    lines.append("poweroff -f\n")
    entries.append(entry("bin/busybox", busybox.read_bytes(), 0o100755))
    entries += [entry("init", "".join(lines).encode(), 0o100755), entry("TRAILER!!!", b"", 0)]
    return b"".join(entries)


def boot(kernel: Path, files: Path, accelerator: str) -> str:
    """Boot a virtual machine, and return what it has printed."""
    machine = ["-machine", "q35", "-accel", accelerator, "-cpu", "max", "-m", "2048", "-nographic", "-no-reboot"]
    machine += ["-kernel", str(kernel), "-initrd", str(files)]
    command = ["qemu-system-x86_64", *machine, "-append", "console=ttyS0 quiet panic=-1 no_timer_check"]
    done = subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE)
    return (done.stdout + done.stderr).decode(errors="replace")


def rows(said: str) -> Iterator[str]:
    """Yield the lines of the table for what a virtual machine has printed."""
    kernel = "none"
    for line in said.replace("\r", "").splitlines():
        if "@kernel " in line:  # behind what the firmware has printed
            kernel = line.split()[-1]
        elif line.startswith("@start "):
            _, name, how, status, same, count, told = f"{line} ".split(" ", 6)
            reason = told.partition(": ")[2].strip() or "unpacked"
            yield f"| {kernel} | {name} | {how} | {reason} | {status} | {count} lines, {same} |"


def main(arguments: Sequence[str]) -> None:
    """Boot all kernels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", action="append", metavar="SUITE", help="of Debian; by default bullseye and bookworm")
    parser.add_argument("--accelerator", default="tcg", help="of QEMU: kvm, where that works; by default %(default)s")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="download there once")
    parser.add_argument("commands", nargs=argparse.REMAINDER, metavar="EXECUTABLE [ARGUMENT ...]")
    options = parser.parse_args(arguments)
    commands = [shlex.split(part) for part in shlex.join(options.commands).split(" -- ") if part]
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        print("| kernel | executable | start | how it was started | status | output |\n|---|---|---|---|---|---|")
        for suite in options.suite or SUITES:
            kernel = fetch_kernel(folder, suite)
            files = folder / suite / "files.cpio"
            files.write_bytes(root(fetch(folder, suite, "busybox-static") / "bin" / "busybox", commands))
            said = boot(kernel, files, options.accelerator)
            found = list(rows(said))
            print("\n".join(found) if found else f"{kernel.name} printed no result:\n{said[-2000:]}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
