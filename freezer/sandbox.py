"""Run commands in an empty root, to prove that they need nothing of the machine that built them.

Runs on the build host hide real breakage: a library, a locale or a CA bundle that happens to be there. So
this program builds a root with nothing but ``/app/NAME``, ``/dev``, ``/proc`` and ``/tmp``, in private
namespaces with the network off, and reports what a command did there.

It is standalone (standard library only, started as ``python -I -S sandbox.py``, a JSON request on stdin, a
JSON reply on stdout) because unsharing, pivoting and dropping privileges belong in a process that does
nothing else afterwards. Every run gets a *cell* of its own::

    caller -> this program -> keeper (unshares the namespaces) -> init (PID 1: mounts, watches) -> application

The end of a cell's PID 1 is the whole clean-up: the kernel kills what is left and drops the mounts; and since
each process dies with its parent (PR_SET_PDEATHSIG), killing the caller does the same. To the kernel, the
parent is the *thread* that started a process: the caller's must live as long as this program does.
See namespaces(7), pivot_root(2) and ld.so(8).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import re
import resource
import select
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

# <sys/mount.h>
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 0x1, 0x2, 0x4, 0x8, 0x20
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x1000, 0x4000, 0x40000, 0x2
# <sched.h>
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
# <linux/prctl.h>, <linux/capability.h>, <linux/sockios.h>
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38
CAPABILITY_VERSION_3 = 0x20080522
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1

# DAC_OVERRIDE, KILL, SETGID, SETUID, SETPCAP, NET_ADMIN, SYS_CHROOT, SYS_PTRACE, SYS_ADMIN: root without one
# of them, as in a container, does better with a user namespace of its own, which has them all.
NEEDED_CAPABILITIES = sum(1 << number for number in (1, 5, 6, 7, 8, 12, 18, 19, 21))
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
KEPT_BYTES = 32 * 1024
MAXIMUM_LEFTOVERS = 100
MAXIMUM_PROBLEMS = 100
LOAD_SECONDS = 10.0
POLL_SECONDS = 0.003

Reply = dict[str, Any]
LIBC = ctypes.CDLL(None, use_errno=True)


class IsolationError(Exception):
    """The kernel, or a policy on top of it, refuses something that the isolation is made of."""

    def __init__(self, step: str, code: int) -> None:
        """Remember ``code``, an errno, because some refusals have a second best."""
        super().__init__(f"{step}: {os.strerror(code)}")
        self.step, self.code = step, code


class Cell(NamedTuple):
    """What an empty root is made of; all paths are the host's."""

    root: str
    binary: str
    name: str
    bundle: str | None
    uid: int
    real_root: bool


def main() -> int:
    """Answer the request on stdin; 0 even when isolation is impossible, since the reply then says so."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    die_with_parent()
    request = json.loads(sys.stdin.buffer.read())
    for path in (request["root"], request["binary"], *filter(None, [request["bundle"]])):
        os.stat(path)  # a wrong path is the caller's bug, and must not look like a refused mount below
    seal_descriptors()
    try:
        reply = answer(request)
    except IsolationError as error:
        reply = {"error": str(error), "reason": likely_reason()}
    print(json.dumps(reply), flush=True)
    return 0


def answer(request: Reply) -> Reply:
    """Do the runs, each in a fresh cell, then all the loads in one cell that has the bundle too."""
    uid = int(request["uid"])
    real_root = can_isolate_as_root(uid)
    cell = Cell(request["root"], request["binary"], request["name"], None, uid, real_root)
    notes: list[str] = []
    runs = [in_cell(cell, partial(run_application, run, cell), notes) for run in request["runs"]]
    loads: list[Reply] = []
    if request["loads"]:
        stocked = cell._replace(bundle=request["bundle"])
        tracing = partial(trace_loads, request["loads"], stocked, request["progress_fd"])
        loads = in_cell(stocked, tracing, notes)
    isolation = "root" if real_root else "user namespace"
    return {"isolation": isolation, "notes": list(dict.fromkeys(notes)), "runs": runs, "loads": loads}


# --- Cells --------------------------------------------------------------------------------------------------


def in_cell(cell: Cell, work: Callable[[], Any], notes: list[str]) -> Any:
    """Return what ``work`` returns as PID 1 of a new cell; add what the cell had to do without to ``notes``.

    Raises IsolationError when the cell cannot be built.
    """
    reading, writing = os.pipe()
    keeper = forked(lambda: keep_cell(cell, work, writing))
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        text = stream.read()
    os.waitpid(keeper, 0)
    if not text:
        raise RuntimeError("a cell ended without an answer")
    reply = json.loads(text)
    if "refused" in reply:
        raise IsolationError(*reply["refused"])
    notes.extend(reply["notes"])
    return reply["result"]


def keep_cell(cell: Cell, work: Callable[[], Any], writing: int) -> None:
    """Unshare, and wait for init: a process that unshares is not itself in its new PID namespace."""
    try:
        enter_namespaces(cell)
    except IsolationError as error:
        send(writing, {"refused": [error.step, error.code]})
        return
    os.waitpid(forked(lambda: be_init(cell, work, writing)), 0)


def be_init(cell: Cell, work: Callable[[], Any], writing: int) -> None:
    """Build the root, do the work in it, and send the outcome to the program outside."""
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        notes = build_root(cell)
        outcome = {"notes": notes, "result": work()}
    except IsolationError as error:
        outcome = {"refused": [error.step, error.code]}
    send(writing, outcome)


def send(writing: int, message: Reply) -> None:
    """Write ``message`` to the pipe ``writing``."""
    with os.fdopen(writing, "wb") as stream:
        stream.write(json.dumps(message).encode())


def forked(body: Callable[[], None]) -> int:
    """Return the process id of a child that runs ``body`` and ends, with a traceback if that raises."""
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        die_with_parent()
        if os.getppid() in (parent, 0):  # else it is gone already; 0 is a parent outside the PID namespace
            body()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def enter_namespaces(cell: Cell) -> None:
    """Leave the host's namespaces, as root or through a user namespace that maps us to ``cell.uid``."""
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
    libc("unshare", "create namespaces", flags | (0 if cell.real_root else CLONE_NEWUSER))
    if cell.real_root:
        return
    lines = {"setgroups": "deny", "gid_map": f"{cell.uid} {gid} 1", "uid_map": f"{cell.uid} {uid} 1"}
    for name, line in lines.items():
        try:
            with open(f"/proc/self/{name}", "w") as stream:
                stream.write(line)
        except OSError as error:
            raise IsolationError(f"write /proc/self/{name}", error.errno or errno.EIO) from error


# --- The empty root -----------------------------------------------------------------------------------------


def build_root(cell: Cell) -> list[str]:
    """Make ``/`` an empty root; return notes about what this host does not let us provide."""
    notes: list[str] = []
    root = cell.root
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for name in ("app", "dev", "proc", "tmp"):
        os.mkdir(f"{root}/{name}")
    bind_file(cell.binary, f"{root}/app/{cell.name}", MS_RDONLY | MS_NOSUID | MS_NODEV)
    if cell.bundle is not None:
        os.mkdir(f"{root}/bundle")
        bind(cell.bundle, f"{root}/bundle", MS_RDONLY | MS_NOSUID | MS_NODEV)
    mount("tmpfs", f"{root}/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    try:
        mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except IsolationError as error:  # a container masks parts of its /proc, and the kernel keeps it so
        notes.append(f"/proc is empty, so mapped files are unknown: {error}")
    notes += build_dev(f"{root}/dev")
    remount(root, MS_RDONLY | MS_NOSUID | MS_NODEV)
    notes += enter_root(root)
    notes += raise_loopback()
    return notes


def build_dev(dev: str) -> list[str]:
    """Provide the devices that every container has, bound: a user namespace cannot make nodes."""
    notes = []
    mount("tmpfs", dev, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755")
    for name in DEVICES:
        try:
            bind_file(f"/dev/{name}", f"{dev}/{name}", MS_NOSUID | MS_NOEXEC)
        except IsolationError as error:
            notes.append(f"no /dev/{name}: {error}")
    os.mkdir(f"{dev}/shm")
    mount("tmpfs", f"{dev}/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    os.symlink("/proc/self/fd", f"{dev}/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"{dev}/{name}")
    remount(dev, MS_RDONLY | MS_NOSUID | MS_NOEXEC)
    return notes


def enter_root(root: str) -> list[str]:
    """Make ``root`` the root and detach the old one (the pivot_root(".", ".") of its manual page)."""
    os.chdir(root)
    try:
        libc("pivot_root", "pivot_root", b".", b".")
    except IsolationError as error:
        if error.code != errno.EINVAL:
            raise
        os.chroot(".")  # the root of an initramfs cannot be pivoted away
        os.chdir("/")
        return ["the root was changed with chroot: this host's root cannot be pivoted"]
    libc("umount2", "detach the old root", b".", MNT_DETACH)
    os.chdir("/")
    return []


def raise_loopback() -> list[str]:
    """Bring ``lo`` up, because "no network" still means that a program can talk to itself (netdevice(7))."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            reply = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sH22x", b"lo", 0))
            flags: int = struct.unpack("16sH22x", reply)[1]
            fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))
    except OSError as error:
        return [f"the loopback interface is down: {error}"]
    return []


def bind_file(source: str, target: str, flags: int) -> None:
    """Make the file ``source`` appear as ``target``, which must not exist."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444))
    bind(source, target, flags)


def bind(source: str, target: str, flags: int) -> None:
    """Make ``source`` appear at ``target``; the flags take a second call, since the first ignores them."""
    mount(source, target, "", MS_BIND | MS_REC)
    try:
        remount(target, flags)
    except IsolationError as error:
        if error.code != errno.EPERM:
            raise
        # In a user namespace the flags that the host set are locked: they have to be repeated.
        remount(target, flags | os.statvfs(target).f_flag & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC))


def remount(target: str, flags: int) -> None:
    """Set the flags of the mount at ``target``."""
    mount("none", target, "", MS_REMOUNT | MS_BIND | flags)


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Attach a filesystem of type ``kind``, or with MS_BIND ``source`` itself, to ``target`` (mount(2))."""
    names = (os.fsencode(source), os.fsencode(target), kind.encode())
    libc("mount", f"mount {source} on {target}", *names, ctypes.c_ulong(flags), data.encode())


# --- The application ----------------------------------------------------------------------------------------


class Capture:
    """The first and the last KEPT_BYTES of a stream, so that no application can fill our memory."""

    def __init__(self) -> None:
        """Start empty."""
        self.head, self.tail, self.dropped = bytearray(), bytearray(), 0

    def add(self, chunk: bytes) -> None:
        """Take the next bytes."""
        room = KEPT_BYTES - len(self.head)
        self.head += chunk[:room]
        self.tail += chunk[room:]
        excess = max(0, len(self.tail) - KEPT_BYTES)
        del self.tail[:excess]
        self.dropped += excess

    def drain(self, reading: int) -> None:
        """Take everything up to the end of the pipe ``reading``."""
        while chunk := os.read(reading, 65536):
            self.add(chunk)

    def text(self) -> str:
        """Return what was kept, with a line that tells how much is missing in the middle."""
        gap = f"\n[... {self.dropped} bytes left out ...]\n".encode() if self.dropped else b""
        return bytes(self.head + gap + self.tail).decode("utf-8", "replace")


class Application(NamedTuple):
    """A command that was started, at ``began`` on the monotonic clock; ``error`` tells why exec failed."""

    pid: int
    began: float
    error: str | None
    streams: dict[int, Capture]


def run_application(run: Reply, cell: Cell) -> Reply:
    """Run one command until it ends or its time is up, and report everything that it did."""
    wake = wake_on_child()
    application = start_application(run, cell)
    seen, status = watch(application, wake, float(run["timeout"]), bool(run["trace_maps"]))
    status = kill_everything(application.pid, status)
    for reading, capture in application.streams.items():
        capture.drain(reading)
    stdout, stderr = (capture.text() for capture in application.streams.values())
    if seen["first_output"] is None and (stdout or stderr):
        seen["first_output"] = seen["seconds"]
    code = os.waitstatus_to_exitcode(status)
    return {
        **seen,
        "status": code if code >= 0 and application.error is None else None,
        "signal": -code if code < 0 and application.error is None else None,
        "exec_error": application.error,
        "stdout": stdout,
        "stderr": stderr,
        "leftovers": leftovers("/tmp"),
    }


def start_application(run: Reply, cell: Cell) -> Application:
    """Start the command in a session of its own, and return once exec has succeeded or failed.

    The child reports through a pipe that closes on exec: the time, then the error if exec failed.
    """
    report, told = os.pipe()
    pipes = [os.pipe(), os.pipe()]
    child = forked(partial(become_application, run, cell, told, [writing for _, writing in pipes]))
    for writing in (told, *(writing for _, writing in pipes)):
        os.close(writing)
    with os.fdopen(report, "rb") as stream:
        message = stream.read()
    if not message:
        raise RuntimeError("the child ended before it could execute the application")
    began, error = struct.unpack("d", message[:8])[0], message[8:].decode() or None
    return Application(child, began, error, {reading: Capture() for reading, _ in pipes})


def become_application(run: Reply, cell: Cell, told: int, outputs: list[int]) -> None:
    """Turn this child into the command: nothing of this program but its arguments gets through."""
    os.setsid()
    drop_privileges(cell)
    reset_signals()
    null = os.open("/dev/null", os.O_RDONLY)
    for target, source in enumerate((null, *outputs)):
        os.dup2(source, target)
    os.write(told, struct.pack("d", time.monotonic()))
    try:
        os.execve(run["argv"][0], run["argv"], run["env"])
    except OSError as error:
        os.write(told, f"{errno.errorcode.get(error.errno or 0)}: {error.strerror}".encode())


def watch(application: Application, wake: int, timeout: float, trace: bool) -> tuple[Reply, int | None]:
    """Follow the application for ``timeout`` seconds; return what was seen, and the status if it ended."""
    poller = select.poll()
    for reading in (wake, *application.streams):
        poller.register(reading, select.POLLIN)
    mapped: set[str] = set()
    first_output: float | None = None
    look = application.began
    while True:
        if trace and application.error is None and time.monotonic() >= look:
            mapped |= mapped_files()
            look = time.monotonic() + POLL_SECONDS
        left = application.began + timeout - time.monotonic()
        events = poller.poll(max(0.0, min(left, POLL_SECONDS) if trace else left) * 1000)
        seconds = time.monotonic() - application.began
        for reading, _ in events:
            chunk = os.read(reading, 65536)
            if not chunk:
                poller.unregister(reading)
            elif reading != wake:
                application.streams[reading].add(chunk)
                first_output = seconds if first_output is None else first_output
        status = reap(application.pid)
        timed_out = status is None and seconds >= timeout
        if status is not None or timed_out:
            seen = {"seconds": seconds, "first_output": first_output, "timed_out": timed_out}
            return {**seen, "mapped": sorted(mapped)}, status


def mapped_files() -> set[str]:
    """Return the files that the processes of this PID namespace, except this one, have mapped (proc(5))."""
    files = set()
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or entry == "1":
            continue
        with suppress(OSError), open(f"/proc/{entry}/maps", "rb") as stream:  # it may be gone, or a zombie
            for line in stream.read().splitlines():
                fields = line.split(None, 5)
                if len(fields) == 6 and fields[5].startswith(b"/"):
                    files.add(os.fsdecode(fields[5]))
    return files - {"/dev/zero (deleted)"}  # what the kernel calls shared anonymous memory


def wake_on_child() -> int:
    """Return a descriptor that becomes readable when a child ends (pidfd_open(2) would need Linux 5.3)."""
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)  # only signals with a handler write there
    return wake


def reap(application: int) -> int | None:
    """Reap what has ended, orphans included, as PID 1 must; return the application's wait status."""
    status = None
    with suppress(ChildProcessError):
        while True:
            child, code = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                break
            status = code if child == application else status
    return status


def kill_everything(application: int, status: int | None) -> int:
    """Kill and reap all other processes of this PID namespace; return the application's wait status."""
    if os.getpid() != 1:
        raise RuntimeError("not in a PID namespace")  # and the kill below would end everything on the host
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    with suppress(ChildProcessError):
        while True:
            child, code = os.waitpid(-1, 0)
            status = code if child == application else status
    if status is None:
        raise RuntimeError("the application's wait status was lost")
    return status


def leftovers(top: str) -> list[str]:
    """Return the relative paths, at most MAXIMUM_LEFTOVERS, of the files and empty directories in ``top``."""
    found = []
    for directory, names, files in os.walk(top):
        links = [name for name in names if os.path.islink(os.path.join(directory, name))]
        found += [os.path.relpath(os.path.join(directory, name), top) for name in (*files, *links)]
        if directory != top and not names and not files:
            found.append(os.path.relpath(directory, top) + "/")
    return sorted(found)[:MAXIMUM_LEFTOVERS]


# --- The dynamic loader -------------------------------------------------------------------------------------


class Trace(NamedTuple):
    """A dynamic loader at work on the load with the number ``place``."""

    place: int
    pid: int | None
    deadline: float
    output: bytearray


def trace_loads(loads: list[Reply], cell: Cell, progress: int | None) -> list[Reply]:
    """Ask the dynamic loader about each file, a few at once, since there may be hundreds."""
    drop_privileges(cell)
    replies: dict[int, Reply] = {}
    active: dict[int, Trace] = {}
    width = len(os.sched_getaffinity(0)) + 1
    while len(replies) < len(loads):
        while len(active) < width and len(active) + len(replies) < len(loads):
            place = len(active) + len(replies)
            reading, trace = start_trace(place, loads[place])
            active[reading] = trace
        for reading in select.select(list(active), [], [], 0.1)[0]:
            chunk = os.read(reading, 65536)
            active[reading].output.extend(chunk)
            if not chunk:
                os.close(reading)
                trace = active.pop(reading)
                replies[trace.place] = finish_trace(loads[trace.place], trace)
                tell_progress(progress, len(replies), len(loads))
        for trace in active.values():
            if trace.pid is not None and time.monotonic() > trace.deadline:
                os.kill(trace.pid, signal.SIGKILL)
    return [replies[place] for place in range(len(loads))]


def start_trace(place: int, load: Reply) -> tuple[int, Trace]:
    """Start the loader in the mode of ``ldd -r``; return the pipe that holds its output.

    Not ``--list``: that stops at the first missing library, and does not look symbols up.
    """
    environment = {"LD_TRACE_LOADED_OBJECTS": "1", "LD_WARN": "1", "LD_BIND_NOW": "1"}
    if load["preload"]:
        environment["LD_PRELOAD"] = ":".join(load["preload"])
    argv = [load["loader"], "--library-path", ":".join(load["library_path"]), load["file"]]
    reading, writing = os.pipe()
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, writing, 1),
        (os.POSIX_SPAWN_DUP2, writing, 2),
    ]
    defaults = [signal.SIGPIPE, signal.SIGXFSZ]
    options: dict[str, Any] = {"file_actions": actions, "setsigmask": [], "setsigdef": defaults}
    pid = None
    try:
        pid = os.posix_spawn(argv[0], argv, environment, **options)
    except OSError as error:
        os.write(writing, f"{argv[0]}: {error.strerror}".encode())
    os.close(writing)
    return reading, Trace(place, pid, time.monotonic() + LOAD_SECONDS, bytearray())


def finish_trace(load: Reply, trace: Trace) -> Reply:
    """Return the reply for a loader that has closed its output."""
    libraries, problems = parse_trace(trace.output.decode("utf-8", "replace"), load["file"])
    code = None if trace.pid is None else os.waitstatus_to_exitcode(os.waitpid(trace.pid, 0)[1])
    if time.monotonic() > trace.deadline:
        problems.append(f"the loader did not end within {LOAD_SECONDS:g} seconds")
    elif code is not None and code < 0:
        problems.append(f"the loader was killed by {signal.Signals(-code).name}: the file may be damaged")
    if len(problems) > MAXIMUM_PROBLEMS:
        problems[MAXIMUM_PROBLEMS:] = [f"... and {len(problems) - MAXIMUM_PROBLEMS} more"]
    return {
        "file": load["file"],
        "status": None if code is None or code < 0 else code,
        "libraries": libraries,
        "problems": problems,
    }


def parse_trace(text: str, file: str) -> tuple[dict[str, str | None], list[str]]:
    """Split what ld.so printed into libraries and problems.

    Only the lines about libraries start with a tab: ``NAME => PATH (ADDRESS)``, ``NAME => not found``,
    ``PATH (ADDRESS)`` for what was named by its path (preloaded files, the loader itself),
    ``linux-vdso.so.1 (ADDRESS)``, which is no file, and ``statically linked`` for a file without DT_NEEDED.
    """
    libraries: dict[str, str | None] = {}
    problems = []
    for line in text.splitlines():
        if not line.startswith("\t"):
            problems.append(line.removeprefix(f"{file}: ").replace("\t", " "))
            continue
        match = re.fullmatch(r"\t(?:(?P<name>.+) => )?(?P<path>/.*) \(0x[0-9a-f]+\)", line)
        if match:
            libraries[os.path.basename(match["name"] or match["path"])] = match["path"]
        elif line.endswith(" => not found"):
            libraries[line.strip().removesuffix(" => not found")] = None
    return libraries, problems


def tell_progress(progress: int | None, done: int, total: int) -> None:
    """Write how many loads are done, if anybody listens."""
    if progress is not None and (done % 10 == 0 or done == total):
        with suppress(OSError):
            os.write(progress, f"{done} {total}\n".encode())


# --- Privileges and the state of this process ---------------------------------------------------------------


def can_isolate_as_root(uid: int) -> bool:
    """Tell whether this process may mount, and may become ``uid``: root in a container may lack either."""
    with open("/proc/self/status") as stream:
        capabilities = next(int(line.split()[1], 16) for line in stream if line.startswith("CapEff:"))
    with open("/proc/self/uid_map") as stream:
        ranges = [[int(field) for field in line.split()] for line in stream]
    has_uid = any(first <= uid < first + count for first, _, count in ranges)
    return os.geteuid() == 0 and has_uid and capabilities & NEEDED_CAPABILITIES == NEEDED_CAPABILITIES


def drop_privileges(cell: Cell) -> None:
    """Become ``cell.uid`` without a capability, for good, as in the image that the application is for."""
    for number in range(64):
        if LIBC.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(number)) != 0:
            break  # past the last capability of this kernel
    if cell.real_root:
        os.setgroups([])
        os.setresgid(cell.uid, cell.uid, cell.uid)
        os.setresuid(cell.uid, cell.uid, cell.uid)
    libc("capset", "drop capabilities", struct.pack("Ii", CAPABILITY_VERSION_3, 0), bytes(24))
    libc("prctl", "set no_new_privs", PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0)))
    die_with_parent()  # a change of user resets it


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    libc("prctl", "set the parent death signal", PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))


def reset_signals() -> None:
    """Undo what the caller, or Python (SIGPIPE, SIGXFSZ), ignores or blocks: both survive exec."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def seal_descriptors() -> None:
    """Let nothing that the caller left open reach the commands."""
    for entry in os.listdir("/proc/self/fd"):
        if int(entry) > 2:
            with suppress(OSError):  # the listing's own descriptor
                os.set_inheritable(int(entry), False)


def libc(function: str, step: str, *arguments: object) -> None:
    """Call a function of the C library that returns 0 when it succeeds.

    Raises IsolationError, which names ``step``, when it fails.
    """
    if getattr(LIBC, function)(*arguments) != 0:
        raise IsolationError(step, ctypes.get_errno())


def likely_reason() -> str:
    """Return the most likely reason why this host refuses isolation, and what to do about it."""
    for path in ("/.dockerenv", "/run/.containerenv"):
        if os.path.exists(path):
            return "this is a container; start it with --privileged, or run on the host"
    with open("/proc/self/mountinfo") as stream:
        if not any(line.split()[4] == "/" for line in stream):
            return "this is a chroot whose root is no mount point; run outside, or bind-mount it on itself"
    forbidding = {
        "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),
        "kernel.unprivileged_userns_clone": ("0", "1"),
        "user.max_user_namespaces": ("0", "10000"),
    }
    for name, (forbids, permits) in forbidding.items():
        with suppress(OSError), open("/proc/sys/" + name.replace(".", "/")) as stream:
            if stream.read().strip() == forbids:
                return f"unprivileged user namespaces are off; run sysctl -w {name}={permits}, or run as root"
    return "the kernel or a security policy (seccomp, AppArmor, SELinux) forbids namespaces or mounts"


if __name__ == "__main__":
    sys.exit(main())
