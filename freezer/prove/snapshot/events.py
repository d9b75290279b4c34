"""What the tracer notices, as it is told to the program's caller.

An event is a JSON object: ``kind`` and ``value``, see below; ``phase``, "start" while the interpreter starts, then
"imports"; ``library``, the file whose code made the call; ``frames``, where the Python code was, the innermost first,
as [module, line, function]; ``result`` of the call, a number; ``made``, the descriptors that a pair has; ``after``, the
module that had been looked for last, "" if none had, or if the author wants it imported.

=============  ========================================================================================
open           a path that was opened for reading
own            a file of the tree, other than a library, that was opened
stat           a path that was looked at, or followed as a link
list           a directory whose entries were read
change         "CALL PATH": files that were to be changed
variable       the name of a variable of the environment that was asked for, in C
set            the name of a variable that was set or removed, in C
asked          the name of a variable that was asked for, in Python; "*" for all of them
argv           an attribute of the module ``sys`` that has the arguments
clock          the clock that was read: a call, or "rdtsc"
random         how many bytes of the kernel's random numbers were asked for
rolled         the function of the module ``random`` that was called, for the generator that all use
drawn          the function of OpenSSL that was asked for random numbers
environment    the place of the whole environment was read, in C
identity       "process", "thread", "parent", "group" or "session": an id was asked for
ask            what became part of the key: cwd, terminal, hostname, cpus, "limit N"
umask          the umask was set; that is how it is asked for, too
thread         a thread was started
process        a process was started
object         something of the process's own was made, such as a pipe; ``result`` may be its descriptor
output         a descriptor that was written to
stream         "CALL N": a standard stream was looked at or read
socket         the family of a socket
signal         the number of a signal whose handler was set or asked for
call           a call that has no rule
left           what the imports have left behind: "KIND DETAIL"
=============  ========================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from freezer.prove.snapshot.stack_frames import Frame

START, PREPARE, IMPORTS, DONE = "start", "prepare", "imports", "done"
"""The phases of a run: the interpreter starts; freezer's modules prepare the application, and run the hooks that it
has; the imports. Behind them nothing counts."""


@dataclass
class Event:
    """One event; ``made`` has the descriptors of what was made, ``pair`` is where the process gets two of them."""

    kind: str
    value: str
    phase: str = START
    library: str = ""
    result: Optional[int] = None
    frames: list[Frame] = field(default_factory=list)
    made: list[int] = field(default_factory=list)
    pair: int = 0
    after: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the event as it is told."""
        return {
            "kind": self.kind,
            "value": self.value,
            "phase": self.phase,
            "library": self.library,
            "result": self.result,
            "made": self.made,
            "after": self.after,
            "frames": [list(frame) for frame in self.frames],
        }
