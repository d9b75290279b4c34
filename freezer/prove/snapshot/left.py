"""What the imports have left in the process that a snapshot would not have, or would have in every start."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from freezer.prove.snapshot.events import DONE, IMPORTS
from freezer.prove.snapshot.stack_frames import Frame

LATER = "do it in a function, not at import"
LISTED = {
    "SigBlk": "the signals that it blocks",
    "SigIgn": "the signals that it ignores",
    "SigCgt": "the signals that it handles",
    "NoNewPrivs": "whether it may get new privileges",
    "Seccomp": "the filter of its system calls",
    "CapBnd": "its capabilities",
    "Cpus_allowed_list": "the processors that it may use",
    "VmLck": "the memory that is locked",
    "limits": "its limits",
    "comm": "its name",
    "timers": "its timers",
    "oom_score_adj": "its place in the order of processes to end",
    "coredump_filter": "what a core dump has",
    "timerslack_ns": "its slack of timers",
    "personality": "its personality",
    "cwd": "the current directory",
    "root": "its root directory",
    "nice": "its niceness",
}
"""What the kernel has of a process, and a restore does not set."""


C_LIBRARYS_OWN = 3 << 31
"""Signals 32 and 33, which the C library has for its threads."""


class Objecting(Protocol):
    """What takes the reasons, and what a key has."""

    asks: set[str]

    def object_to(self, frames: Sequence[Frame], what: str, hint: str = LATER, *, after: str = "") -> None:
        """Add a reason against a snapshot behind a module."""


def judge_left(event: Mapping[str, Any], _frames: Sequence[Frame], found: Objecting) -> None:
    """Judge what was found among the objects."""
    kind, _, detail = event["value"].partition(" ")
    module, _, name = detail.rpartition(".")
    place = [Frame(module or detail, 0, "<module>")]
    if kind == "drawn":
        found.object_to(
            [Frame(detail, 0, "<module>")],
            "its generator of random numbers has been seeded or used: all starts would go on from there",
            "seed it, and draw from it, in a function",
        )
    elif kind == "stream":
        found.object_to((), f"the imports change how sys.{detail} works, or put another in its place")
    elif kind == "generator":
        found.object_to(
            place,
            f"{name} is a generator of random numbers: all starts would draw the same ones",
            "make it in a function, or register a function that seeds it with os.register_at_fork(after_in_child=...)",
            after=module,
        )


def judge_state(reply: Mapping[str, Any], found: Objecting) -> None:
    """Judge how the process differs behind the imports from before them."""
    before, after = reply["state"][IMPORTS], reply["state"][DONE]
    for name, meaning in LISTED.items():
        if _compared(name, before) != _compared(name, after):
            found.object_to((), f"the imports change {meaning}: {before.get(name)!r} becomes {after.get(name)!r}"[:300])
    _judge_umask(reply, before, after, found)
    _judge_threads(reply, after, found)
    _judge_files(reply, before, after, found)
    for item in after["shared"]:
        rights, _, path = item.partition(" ")
        if item not in before["shared"] and ("w" in rights or not path.startswith("/")):
            found.object_to((), f"memory is shared with others: {path or 'without a name'}")
    tree = os.path.dirname(reply["tree"])
    for path in after["mapped"]:
        if not path.startswith(tree + "/"):
            found.object_to((), f"a library of the system is loaded: {path}")


def _compared(name: str, state: Mapping[str, Any]) -> Any:
    value = state.get(name)
    return int(value, 16) & ~C_LIBRARYS_OWN if name == "SigCgt" and value is not None else value


def _judge_umask(
    reply: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any], found: Objecting
) -> None:
    for event in reply["events"]:
        if event["kind"] == "umask" and event["phase"] == IMPORTS:
            if before["Umask"] != after["Umask"]:
                frames = [Frame(*frame) for frame in event["frames"]]
                found.object_to(frames, "changes the umask", after=event["after"])
            else:
                found.asks.add("umask")


def _judge_threads(reply: Mapping[str, Any], after: Mapping[str, Any], found: Objecting) -> None:
    if after["threads"] > 1 and reply.get("after_fork", after["threads"]) > 1:
        started = [event for event in reply["events"] if event["kind"] == "thread" and event["phase"] == IMPORTS]
        for event in started or [{"frames": [], "after": ""}]:
            frames = [Frame(*frame) for frame in event["frames"]]
            found.object_to(frames, "starts a thread, which a snapshot does not have", after=event["after"])


def _judge_files(
    reply: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any], found: Objecting
) -> None:
    tree = reply["tree"]
    for number in sorted({"0", "1", "2"} & set(before["files"]) - set(after["files"])):
        found.object_to((), f"closes the standard stream {number}")
    for number, path in after["files"].items():
        if before["files"].get(number) == path or path == f"{tree}/modules" or path.startswith(f"{tree}/modules."):
            continue
        made = [
            event
            for event in reply["events"]
            if event["phase"] == IMPORTS
            and event["kind"] in ("open", "own", "object", "socket", "change")
            and (event["result"] == int(number) or int(number) in event["made"])
        ]
        last: Mapping[str, Any] = made[-1] if made else {"frames": [], "after": ""}
        frames = [Frame(*frame) for frame in last["frames"]]
        found.object_to(frames, f"leaves a file open: {path}", after=last["after"])
