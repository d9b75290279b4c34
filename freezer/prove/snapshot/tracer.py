"""Runs the imports of one application under ptrace(2), and notes what they do.

Of each call that is judged, the process stops at its beginning; of an event, also at its end, for the result. Then a
signal asks for the place in the Python code (``stack_frames``): the call has been done by then, so the signal does not
interrupt it.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from freezer.base.isolation.system import LIBC
from freezer.prove.snapshot import ptrace
from freezer.prove.snapshot.breakpoints import Breakpoints, emulate_counter, hide_vdso
from freezer.prove.snapshot.callers import Callers
from freezer.prove.snapshot.calls import CHANNEL, NAMES
from freezer.prove.snapshot.events import DONE, IMPORTS, PREPARE, START, Event
from freezer.prove.snapshot.memory import maps_of
from freezer.prove.snapshot.ptrace import Registers
from freezer.prove.snapshot.rules import Call, judge
from freezer.prove.snapshot.stack_frames import SIGNAL, Frame, module_of, parse

NR_TGKILL = 234  # <asm/unistd_64.h>
TRAP_OF_CALL = signal.SIGTRAP | 0x80
ONCE = frozenset(("open", "stat", "list", "variable", "ask"))
"""Kinds of events that are the same wherever they come from."""
BY_CALLER = "cwd"
"""What Python asks for by itself, too, when it looks for modules: who does so decides."""
MOST_EVENTS = 20_000


@dataclass
class Thread:
    """A traced thread: the event whose call it is in, and those whose place it has been asked for."""

    pid: int
    calling: Event | None = None
    asked: list[Event] = field(default_factory=list)
    is_new: bool = True


class Tracer:
    """One run. ``tree`` is the directory whose files do not count."""

    def __init__(self, pid: int, tree: str, traces: int, deadline: float) -> None:
        self.pid, self.tree, self.traces = pid, tree, traces
        self.own = os.path.dirname(tree)
        self.contents = f"{tree}/_internal"
        self.phase = START
        self.events: list[Event] = []
        self.messages: list[Any] = []
        self.state: dict[str, Any] = {}
        self.status: int | None = None
        self.is_full = False
        self._threads = {pid: Thread(pid, is_new=False)}
        self.breakpoints = Breakpoints()
        self._callers = Callers(pid, tree)
        self._read = 0
        self._deadline = deadline
        self._seen: dict[tuple[str, ...], Event] = {}
        self._asked = ""

    def run(self) -> bool:
        """Trace until the process ends; return whether it did so in time."""
        signal.signal(signal.SIGALRM, _raise_timeout)
        signal.setitimer(signal.ITIMER_REAL, max(0.01, self._deadline - time.monotonic()))
        try:
            while self.status is None:
                tid, status = os.waitpid(-1, ptrace.WALL)
                with suppress(ProcessLookupError, FileNotFoundError):
                    self._stopped(tid, status)
        except TimeoutError:
            return False  # the process ends with its cell
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return True

    def _stopped(self, tid: int, status: int) -> None:
        if not os.WIFSTOPPED(status):
            self._threads.pop(tid, None)
            if tid == self.pid:
                self.status = status
            return
        thread = self._threads.setdefault(tid, Thread(process_of(tid)))
        number, event = os.WSTOPSIG(status), status >> 16
        if event == ptrace.EVENT_SECCOMP:
            self._called(tid, thread)
        elif event == ptrace.EVENT_EXEC:
            hide_vdso(tid)
            ptrace.resume(tid)
        elif event:
            # The call that has made a process or thread has not returned yet.
            ptrace.resume(tid, ptrace.SYSCALL if thread.calling is not None else ptrace.CONTINUE)
        elif number == TRAP_OF_CALL:
            self._returned(tid, thread)
        elif number == signal.SIGSTOP and thread.is_new:
            thread.is_new = False
            if thread.pid == self.pid:
                self.breakpoints.watch(tid)
            ptrace.resume(tid)
        elif number == signal.SIGTRAP and (
            self.breakpoints.has_seen(tid, self._note_function)
            or self.breakpoints.hit(tid, thread.pid, self._note_function)
        ):
            ptrace.resume(tid)
        elif number == signal.SIGSEGV and emulate_counter(tid, thread.pid):
            self._note_function(tid, "clock", "rdtsc", ptrace.registers_of(tid))
            ptrace.resume(tid)
        else:
            ptrace.resume(tid, number=number)

    def _called(self, tid: int, thread: Thread) -> None:
        registers = ptrace.registers_of(tid)
        name = NAMES.get(registers.orig_rax, str(registers.orig_rax))
        if name == "rt_sigreturn":
            self._take_place(thread)
        elif name == "write" and registers.rdi == CHANNEL:
            self._told(tid, registers)
        elif name == "mmap":
            self._callers.forget()
            ptrace.resume(tid, ptrace.SYSCALL)
            return
        elif thread.pid == self.pid:
            call = Call(name, self.pid, tid == self.pid, self.phase, registers.arguments())
            event = judge(call) if self.phase != DONE else None
            if event is not None and self._note(event, tid, thread, registers):
                thread.calling = event
                ptrace.resume(tid, ptrace.SYSCALL)
                return
        ptrace.resume(tid)

    def _returned(self, tid: int, thread: Thread) -> None:
        event, thread.calling = thread.calling, None
        registers = ptrace.registers_of(tid)
        if event is not None:
            event.result = registers.rax - (1 << 64) if registers.rax >> 63 else registers.rax
            if event.pair and event.result == 0:
                event.made = list(struct.unpack("<2i", ptrace.read_memory(self.pid, event.pair, 8)))
        elif thread.pid == self.pid:
            self._callers.forget()
            self.breakpoints.place(tid, self.pid)
        if thread.asked:
            self._ask_place(tid)
        ptrace.resume(tid)

    def _note(self, event: Event, tid: int, thread: Thread, registers: Registers) -> bool:
        """Keep an event, with its place to come; return whether it is new."""
        if self.phase == START and event.value == f"{self.tree}/modules":
            self.phase = PREPARE
        event.phase, event.after = self.phase, self._asked
        if self._is_own(event) and not self._is_data(event):
            return False
        event.library, harmless = self._callers.of(registers, event.kind)
        if harmless:
            return False
        key = (event.kind, event.value, event.phase, event.library)
        if event.kind in ONCE and event.value != BY_CALLER and key in self._seen:
            return False
        if len(self.events) >= MOST_EVENTS:
            self.is_full = True
            return False
        self._seen[key] = event
        self.events.append(event)
        if self.phase == IMPORTS:
            thread.asked.append(event)
        return True

    def _is_own(self, event: Event) -> bool:
        """Whether an event is about a file of the tree, which is the launcher's matter."""
        path = event.value
        return event.kind in ("open", "stat", "list") and (path == self.own or path.startswith(self.own + "/"))

    def _is_data(self, event: Event) -> bool:
        """Make what opens a file of the tree, other than a library, an event of its own: it may stay open."""
        is_data = event.kind == "open" and self.phase != START and ".so" not in os.path.basename(event.value)
        event.kind = "own" if is_data else event.kind
        return is_data

    def _note_function(self, tid: int, kind: str, value: str, registers: Registers) -> None:
        thread = self._threads[tid]
        if self._note(Event(kind, value), tid, thread, registers) and thread.asked:
            self._ask_place(tid)

    def _ask_place(self, tid: int) -> None:
        os.kill(tid, 0)  # the thread is there
        LIBC.syscall(NR_TGKILL, self.pid, tid, SIGNAL)

    def _take_place(self, thread: Thread) -> None:
        text = b""
        while piece := os.pread(self.traces, 65536, self._read):
            self._read += len(piece)
            text += piece
        frames = parse(text.decode("utf-8", "replace"), self.contents) if text else []
        for event in thread.asked:
            event.frames = frames
        thread.asked = []

    def _told(self, tid: int, registers: Registers) -> None:
        """Take a message of ``drivers``."""
        message = json.loads(ptrace.read_memory(self.pid, registers.rsi, registers.rdx))
        if "phase" in message:
            self.phase = message["phase"]
            if self.phase == DONE:
                self._asked = ""
            if self.phase in (IMPORTS, DONE):
                variables = self.breakpoints.variables(self.pid)
                self.state[self.phase] = {**state_of(self.pid), "variables": variables}
        elif "kind" in message:
            frames = [Frame(module_of(file, self.contents), *rest) for file, *rest in message.get("frames", [])]
            event = Event(message["kind"], message["value"], self.phase, frames=frames, after=self._asked)
            self.events.append(event)
        elif "asked" in message:
            self._asked = message["asked"]
        else:
            self.messages.append(message)


def _raise_timeout(_number: int, _frame: object) -> None:
    raise TimeoutError


def process_of(tid: int) -> int:
    """Return the process that a thread belongs to."""
    with open(f"/proc/{tid}/status", encoding="utf-8", errors="replace") as stream:
        return next(int(line.split()[1]) for line in stream if line.startswith("Tgid:"))


def state_of(pid: int) -> dict[str, Any]:
    """Return what of a process the kernel keeps, and shows in /proc (proc(5))."""
    files = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        with suppress(OSError):
            files[name] = os.readlink(f"/proc/{pid}/fd/{name}")
    state: dict[str, Any] = {"files": files, "threads": len(os.listdir(f"/proc/{pid}/task"))}
    wanted = ("Umask", "SigBlk", "SigIgn", "SigCgt", "NoNewPrivs", "Seccomp", "CapBnd", "Cpus_allowed_list", "VmLck")
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as stream:
        for line in stream:
            name, _, value = line.partition(":")
            if name in wanted:
                state[name] = value.strip()
    for name in ("limits", "comm", "timers", "oom_score_adj", "coredump_filter", "timerslack_ns", "personality"):
        with suppress(OSError), open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as stream:
            state[name] = stream.read()
    with suppress(OSError):
        state["cwd"], state["root"] = os.readlink(f"/proc/{pid}/cwd"), os.readlink(f"/proc/{pid}/root")
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
        state["nice"] = stream.read().rpartition(")")[2].split()[16]
    shared = [item for item in maps_of(pid) if "s" in item.rights]
    state["shared"] = [f"{item.rights} {item.path}" for item in shared]
    state["mapped"] = sorted({item.path for item in maps_of(pid) if "x" in item.rights and item.path.startswith("/")})
    return state
