"""Where in the Python code a thread is: what the interpreter's faulthandler writes of its stack.

The handler works whatever the thread does, even in the middle of a call into a library. It writes the frames, the
innermost first::

    Stack (most recent call first):
      File "/tree/_internal/package/module.py", line 12 in function
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+|\?\?\?) in (?P<function>.*)')
SIGNAL = 62
"""The signal that asks for the stack; the application has no reason to know it."""
MOST = 60


class Frame(NamedTuple):
    """A place in the code; ``module`` is the module's name, or what Python calls the file."""

    module: str
    line: int
    function: str


def parse(text: str, contents: str) -> list[Frame]:
    """Return the frames, the innermost first; ``contents`` is the directory that the modules say they are in."""
    frames = []
    for line in text.splitlines():
        match = FRAME.fullmatch(line)
        if match is not None:
            number = int(match["line"]) if match["line"].isdigit() else 0
            frames.append(Frame(module_of(match["file"], contents), number, match["function"]))
    return frames[:MOST]


def module_of(file: str, contents: str) -> str:
    """Return the name of the module whose code says that it is in a file."""
    if file.startswith("<frozen ") and file.endswith(">"):
        return file[len("<frozen ") : -1]
    # Python before 3.11 has names that go by the way from the interpreter's own directory.
    file = os.path.normpath(file) if "/../" in file else file
    if file.startswith(contents + "/"):
        return os.path.splitext(file[len(contents) + 1 :])[0].replace("/", ".").removesuffix(".__init__")
    return file
