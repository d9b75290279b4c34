"""Answer one request: run the imports of an application in a cell, and tell everything that they did.

The request, on stdin; all paths are absolute::

    root     an empty directory of the host to mount on
    binary   the executable, which becomes /app/NAME
    name     the NAME in /app/NAME
    uid      the user that the application runs as
    timeout  seconds
    terminal  whether its standard streams are a terminal, rather than /dev/null (optional)
    before    the modules before whose imports they end at the latest
    imports   what is imported in addition, where they end
    env      variables that the application has, beside HOME and PATH

The reply, on stdout::

    events    what the imports did, see ``events``
    state     what the kernel has of the process: {"imports": before them, "done": behind them}, see ``tracer``
    tree      where the application was
    executable  its path
    boundary  [file, line] where the imports ended
    after_fork  how many threads are left when the process forks, if it has several (optional)
    faults    why the run proves nothing, if it does not

or ``cause`` and ``remedy`` if this host permits no isolation.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from freezer.base.isolation.privileges import can_isolate_as_root, drop_privileges
from freezer.base.isolation.refusals import explain
from freezer.base.isolation.seccomp import install
from freezer.base.isolation.system import LIBC, IsolationError, die_with_parent, forked, reset_signals, seal_descriptors
from freezer.freeze import RUNTIME
from freezer.prove.sandbox.cells import in_cell
from freezer.prove.sandbox.protocol import Cell, Message
from freezer.prove.snapshot import ptrace
from freezer.prove.snapshot.calls import CHANNEL, MACHINE, TRACES, tracing_filter
from freezer.prove.snapshot.tracer import Tracer

HOME, FOLDER, SEARCHED, CACHE = "/tmp/probe/home", "/tmp/probe/cwd", "/probe-path/bin", "/tmp/probe/cache"
"""Places whose paths show where the imports have them from."""
END_OF_INPUT = b"\4" * 256
"""The ends of as many reads of a terminal (termios(3), VEOF)."""
PR_SET_TSC, PR_TSC_SIGSEGV = 26, 2
DRIVERS = Path(__file__).with_name("drivers")
MODULES = (
    RUNTIME / "_freezer_boundary.py",
    *(DRIVERS / f"probe_{name}.py" for name in ("channel", "boundary", "watch", "left", "imports")),
)
"""The modules that the interpreter is given, in the order of their imports."""
START = """\
import sys
for name, text in {texts!r}:
    module = sys.modules[name] = type(sys)(name)
    exec(compile(text, "<probe>", "exec"), module.__dict__)
del sys, name, text, module
__import__("probe_imports").run({before!r}, {imports!r})
"""


def main() -> int:
    """Answer the request on stdin; return 0 even if isolation is impossible, since the reply reports that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    die_with_parent()
    request = json.loads(sys.stdin.buffer.read())
    for path in (request["root"], request["binary"]):
        os.stat(path)
    if request.get("terminal"):
        # Before the host is left: a cell need not have any.
        request["stream"] = open_terminal()
    # The cell does not have the files.
    request["texts"] = [(path.stem, path.read_text(encoding="utf-8")) for path in MODULES]
    seal_descriptors()
    uid = int(request["uid"])
    real_root = can_isolate_as_root(uid)
    cell = Cell(request["root"], request["binary"], request["name"], None, uid, uid, real_root)
    try:
        reply = in_cell(cell, lambda _tables: probe(request, cell), [])
    except IsolationError as error:
        reply = dict(explain(error)._asdict())
    print(json.dumps(reply), flush=True)
    return 0


def open_terminal() -> int:
    """Return a terminal at which nobody waits for anybody: what is written there is taken, and who reads is told at
    once that there is no more."""
    master, terminal = os.openpty()
    os.write(master, END_OF_INPUT)

    def take() -> None:
        os.close(terminal)
        with suppress(OSError):  # nobody has the terminal any more
            while os.read(master, 65536):
                pass

    forked(take)
    os.close(master)
    return terminal


def probe(request: Message, cell: Cell) -> Message:
    """Run the imports, as PID 1 of a cell."""
    if os.uname().machine != MACHINE:
        return {"faults": [f"the system calls of {os.uname().machine} are not known"]}
    for path in ("/tmp/probe", HOME, FOLDER, CACHE):
        os.mkdir(path, 0o700)
        os.chown(path, cell.uid, cell.gid)
    environment = {**request.get("env", {}), "HOME": HOME, "PATH": SEARCHED}
    deadline = time.monotonic() + float(request["timeout"])
    program = unpack(cell, {**environment, "FREEZER_CACHE": CACHE}, deadline)
    if program is None:
        return {"faults": ["its launcher has not unpacked it"]}
    tree = os.path.dirname(program)
    traces = os.memfd_create("traces")
    text = START.format_map(request)
    command = [f"/app/{cell.name}", "-X", "freezer_hooks=wait", "-u", "-c", text]
    pid = start_traced(cell, f"{tree}/bin/python3", command, environment, traces, request.get("stream"))
    tracer = Tracer(pid, tree, traces, deadline)
    return {**reply_of(tracer, tracer.run()), "executable": f"/app/{cell.name}"}


def reply_of(tracer: Tracer, in_time: bool) -> Message:
    """Return what a run has shown."""
    reply: Message = {
        "events": [event.as_json() for event in tracer.events],
        "state": tracer.state,
        "tree": tracer.tree,
        "faults": [],
    }
    faults: list[str] = reply["faults"]
    for message in tracer.messages:
        reply.update(message)
    if not in_time:
        faults.append("its imports took too long")
    elif tracer.status:
        faults.append(f"the run ended with {os.waitstatus_to_exitcode(tracer.status)}")
    if "unknown_python" in reply:
        faults.append(f"the code of Python {reply['unknown_python']} is not known")
    if "ended" in reply:
        faults.append(f"its imports end it: {reply['ended']}")
    if "impossible" in reply:
        faults.append(reply["impossible"])
    if tracer.is_full:
        faults.append("its imports do more than can be noted")
    faults += [f"{name} of the C library cannot be watched" for name in sorted(tracer.breakpoints.missing)]
    if not faults and "boundary" not in reply:
        faults.append("its imports end it")
    return reply


def unpack(cell: Cell, environment: dict[str, str], deadline: float) -> str | None:
    """Have the launcher unpack the application; return the program that it would start, None if there is none."""
    pid = start_traced(cell, f"/app/{cell.name}", [f"/app/{cell.name}"], environment, None)
    ptrace.resume(pid)
    program = None
    while time.monotonic() < deadline and program is None:
        found, status = os.waitpid(pid, os.WNOHANG)
        if not found:
            time.sleep(0.001)
        elif not os.WIFSTOPPED(status):
            return None
        elif status >> 16 == ptrace.EVENT_EXEC and os.readlink(f"/proc/{pid}/exe") != f"/app/{cell.name}":
            program = os.readlink(f"/proc/{pid}/exe")
        else:
            ptrace.resume(pid, number=0 if status >> 16 else os.WSTOPSIG(status))
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return program


def start_traced(
    cell: Cell, path: str, argv: list[str], environment: dict[str, str], traces: int | None, streams: int | None = None
) -> int:
    """Start a program that stops before it is executed; with ``traces``, at each call that is judged, too.
    ``streams`` is what its standard streams are, unless that is /dev/null."""
    pid = forked(partial(become, cell, path, argv, environment, traces, streams))
    _, status = os.waitpid(pid, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        raise RuntimeError("the child ended before it could execute the application")
    ptrace.request(ptrace.SETOPTIONS, pid, 0, ptrace.OPTIONS if traces is not None else ptrace.ONLY_EXEC)
    if traces is not None:
        ptrace.resume(pid)
    return pid


def become(
    cell: Cell, path: str, argv: list[str], environment: dict[str, str], traces: int | None, streams: int | None
) -> None:
    """Turn this child into the program."""
    os.setsid()
    drop_privileges(cell.uid, cell.gid, real_root=cell.real_root)
    reset_signals()
    nothing = os.open("/dev/null", os.O_RDWR)
    for target in (0, 1, 2):
        os.dup2(nothing if streams is None else streams, target)
    if traces is not None:
        os.dup2(nothing, CHANNEL)
        os.dup2(traces, TRACES)
    os.chdir(FOLDER)
    ptrace.request(ptrace.TRACEME, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    if traces is not None:
        LIBC.prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0)
        if install(tracing_filter()) is None:
            raise RuntimeError("the kernel refuses the filter")
    os.execve(path, argv, environment)
