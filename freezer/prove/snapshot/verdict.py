"""From what the imports did to the findings: each event is harmless, part of the key, or a reason against."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from freezer.prove.snapshot.events import DONE, IMPORTS, PREPARE, START
from freezer.prove.snapshot.findings import Reason, SnapshotFindings
from freezer.prove.snapshot.known import (
    ANY_VALUE,
    FROM_ANYWHERE,
    SECRET,
    STARTS_OWN,
    WHOLE_ENVIRONMENT,
    asked_instead,
    is_repaired,
    place_of,
)
from freezer.prove.snapshot.left import LATER, judge_left, judge_state
from freezer.prove.snapshot.paths import Objection, judge_path
from freezer.prove.snapshot.stack_frames import Frame

ABOVE_TREE = re.compile(
    r"/tmp/probe/.*|/tmp|/tmp/lib/.*|/lib/python[^/]*|(\./|/tmp/probe/cwd/)pybuilddir\.txt|/app/Modules/Setup(\.\w+)?"
)
"""Where the interpreter looks for its library, from its own place upwards, and whether it is in the sources of Python;
a tree's is told by its start."""
PROBE = "<probe>"
HOOKS = Frame("run-time hooks", 0, "<module>")
"""What runs before the imports can only be one of these, if it is not the interpreter or freezer."""
Event = Mapping[str, Any]


@dataclass
class Findings:
    """The findings while they are collected. ``ignore`` has the author's patterns of variables; ``executable`` and
    ``tree`` are the application's places, which are in every key. ``event`` is what is judged; ``stops`` are the
    modules that had been looked for last when there was a reason."""

    ignore: Sequence[str] = ()
    executable: str = ""
    tree: str = ""
    reasons: list[Reason] = field(default_factory=list)
    variables: set[str] = field(default_factory=set)
    unset: set[str] = field(default_factory=lambda: {"TZDIR"})  # for what TZ names, which may have any value
    prefixes: set[str] = field(default_factory=set)
    files: set[tuple[str, str]] = field(default_factory=set)
    asks: set[str] = field(default_factory=lambda: {"user"})
    ignored: set[str] = field(default_factory=set)
    event: Event = field(default_factory=dict)
    stops: set[str] = field(default_factory=set)

    def object_to(self, frames: Sequence[Frame], what: str, hint: str = LATER, *, after: str = "") -> None:
        """Add a reason, once, against a snapshot behind the module ``after``, or that which the event came after."""
        self.stops.update(filter(None, [after or self.event.get("after")]))
        place = place_of(frames)
        reason = Reason(place.module, place.line, what, hint)
        if reason not in self.reasons:
            self.reasons.append(reason)


def judge_run(replies: Sequence[Mapping[str, Any]], ignore: Sequence[str] = ()) -> tuple[SnapshotFindings, set[str]]:
    """Return the findings of some runs of the same imports together; and the modules that had been looked for last when
    there was a reason: had the imports ended before these, most reasons would not be there."""
    found = Findings(ignore)
    boundary = ("", 0)
    for reply in replies:
        for fault in reply.get("faults", ()):
            found.object_to((), fault, "see what the application does when it starts")
        found.executable, found.tree = reply.get("executable", ""), reply.get("tree", "")
        for event in reply.get("events", ()):
            judge_event(event, found)
        found.event = {}
        if DONE in reply.get("state", {}):
            _judge_unseen(reply, found)
            judge_state(reply, found)
        file, line = reply.get("boundary", ("", 0))
        boundary = (_in_tree(file, found.tree), int(line))
    findings = SnapshotFindings(
        tuple(found.reasons),
        tuple(sorted(found.variables)),
        tuple(sorted(found.unset - found.variables)),
        tuple(sorted(found.prefixes)),
        tuple(sorted(_single(found.files))),
        tuple(sorted(found.asks)),
        tuple(sorted(found.ignored)),
        boundary,
    )
    return findings, found.stops


def _in_tree(file: str, tree: str) -> str:
    """Return where in the application a file is."""
    contents = f"{tree}/_internal/"
    file = os.path.normpath(file) if file else file
    return file[len(contents) :] if file.startswith(contents) else os.path.basename(file)


def _single(files: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """Give each path one kind: a directory that was listed was looked at, too."""
    order = {"content": 0, "listing": 1, "file": 2, "absent": 3}
    best: dict[str, str] = {}
    for path, kind in files:
        if path not in best or order[kind] < order[best[path]]:
            best[path] = kind
    return list(best.items())


def judge_event(event: Event, found: Findings) -> None:
    """Judge one event."""
    frames = [Frame(*frame) for frame in event["frames"]]
    kind, value = event["kind"], event["value"]
    found.event = event
    if event["phase"] == DONE and kind != "left":
        return
    if event["phase"] == START and kind not in ("open", "stat", "list", "variable", "ask"):
        return  # the interpreter's own start, which is set right after a restore
    if event["phase"] == PREPARE and kind in ("signal", "stream", "set"):
        return  # still the interpreter's: its signals, its streams
    if event["phase"] in (START, PREPARE) and value in ("cwd", "terminal"):
        return  # the streams, and where Python looks for modules
    if event["phase"] == PREPARE:
        frames = [HOOKS]
    if kind == "ask" and frames and frames[0].module == PROBE:
        return  # Python looks whether a module of the probe's hides one of its own
    if is_repaired(kind, value, event["library"], frames):
        return
    instead = asked_instead(kind, frames)
    if instead:
        found.asks.add(instead)
        return
    judge = JUDGES.get(kind)
    if judge is not None:
        judge(event, frames, found)
    elif kind == "ask":
        found.asks.add(value)
    elif kind not in JUDGED_LATER:
        found.object_to(frames, SAYINGS.get(kind, "does what is not known: {value}").format(value=value))


def _judge_file(event: Event, frames: Sequence[Frame], found: Findings) -> None:
    if event["value"] == found.executable or (
        event["phase"] in (START, PREPARE) and ABOVE_TREE.fullmatch(event["value"])
    ):
        return
    if event["kind"] == "stat" and found.tree.startswith(event["value"].rstrip("/") + "/"):
        return  # the way to the tree, which the launcher has gone before
    if event["value"] == "/proc/stat" and not event["library"]:
        # The C library counts the processors so where there is no /sys; nobody else opens it without a trace.
        event = {**event, "kind": "list", "value": "/sys/devices/system/cpu"}
    verdict = judge_path(event["kind"], event["value"], (event["result"] or 0) >= 0)
    if isinstance(verdict, Objection):
        found.object_to(frames, verdict.what, verdict.hint)
    else:
        found.files.update(verdict)


def _judge_variable(event: Event, frames: Sequence[Frame], found: Findings) -> None:
    name = event["value"]
    if "=" in name or not name or (event["phase"] == START and name in STARTS_OWN):
        return
    if name == "*":
        _judge_whole(frames, found)
    elif any(fnmatch.fnmatchcase(name, pattern) for pattern in found.ignore):
        found.ignored.add(name)
    elif (name in FROM_ANYWHERE or ANY_VALUE.fullmatch(name)) and not SECRET.fullmatch(name):
        found.variables.add(name)
    else:
        found.unset.add(name)


def _judge_whole(frames: Sequence[Frame], found: Findings) -> None:
    known = next((WHOLE_ENVIRONMENT[item.module] for item in frames if item.module in WHOLE_ENVIRONMENT), None)
    if known is not None:
        found.prefixes.add(known)
    elif found.ignore:
        found.ignored.add(f"all, by {place_of(frames).module}")
    else:
        found.object_to(
            frames,
            "looks through the whole environment",
            "if it means only names that change nothing for the imports, say which: --ignore-env 'PREFIX_*'",
        )


def _judge_set(event: Event, frames: Sequence[Frame], found: Findings) -> None:
    if event["library"] and not _is_interpreter(event["library"]):
        name = os.path.basename(event["library"])
        found.object_to(frames, f"{name} changes the variable {event['value']} behind Python's back")


def _judge_unseen(reply: Mapping[str, Any], found: Findings) -> None:
    """Judge what the interpreter has set, and left so, without a change of os.environ: such changes are made again
    after a restore, others are not (os.putenv)."""
    sets = [event for event in reply["events"] if event["kind"] == "set" and event["phase"] == IMPORTS]
    seen = {event["value"] for event in sets if not event["library"]}
    before, after = (reply["state"][phase]["variables"] for phase in (IMPORTS, DONE))
    for event in sets:
        name = event["value"]
        if _is_interpreter(event["library"]) and name not in seen and before.get(name) != after.get(name):
            frames = [Frame(*frame) for frame in event["frames"]]
            what = f"changes the variable {name}, but not in os.environ"
            found.object_to(frames, what, "use os.environ", after=event["after"])


def _is_interpreter(library: str) -> bool:
    name = os.path.basename(library)
    return name.startswith(("libpython", "program", "python3"))


def _judge_argv(event: Event, frames: Sequence[Frame], found: Findings) -> None:
    if frames and not frames[0].module.startswith("_freezer_"):
        found.object_to(frames, f"reads the arguments: sys.{event['value']}")


def _judge_output(event: Event, frames: Sequence[Frame], found: Findings) -> None:
    stream = {"0": "standard input", "1": "standard output", "2": "standard error"}[event["value"]]
    found.object_to(frames, f"writes to {stream}")


def _judge_stream(event: Event, frames: Sequence[Frame], found: Findings) -> None:
    call, _, number = event["value"].partition(" ")
    found.object_to(frames, f"looks at the standard stream {number}, or reads it ({call})")


SAYINGS = {
    "change": "changes files: {value}",
    "clock": "reads the clock ({value})",
    "random": "draws random numbers ({value} bytes)",
    "rolled": "seeds or uses the generator of random numbers that all use (random.{value})",
    "drawn": "draws random numbers ({value} of OpenSSL)",
    "environment": "looks through the whole environment, in C",
    "identity": "asks for the id of its {value}",
    "process": "starts a process ({value})",
    "socket": "makes a socket (family {value})",
    "signal": "asks for or sets what a signal does ({value})",
    "call": "makes a system call that is not known to be harmless: {value}",
}
"""What the events say that are reasons whatever they are about."""
JUDGED_LATER = frozenset(("own", "object", "thread", "umask"))
"""Events that are judged by what is left of them."""
JUDGES: dict[str, Callable[[Event, Sequence[Frame], Findings], None]] = {
    **dict.fromkeys(("open", "stat", "list"), _judge_file),
    **dict.fromkeys(("variable", "asked"), _judge_variable),
    "set": _judge_set,
    "argv": _judge_argv,
    "output": _judge_output,
    "stream": _judge_stream,
    "left": judge_left,
}
