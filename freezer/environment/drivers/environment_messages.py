"""What the drivers of this room are asked, and answer, as JSON. They import this for type checkers only."""

from __future__ import annotations

from typing import Optional, TypedDict


class AvailableRequest(TypedDict):
    """A module, a file below a directory that modules are found in, or a distribution, to be looked for; ``search`` are
    directories before those of the environment."""

    search: list[str]
    module: Optional[str]
    file: Optional[str]
    distribution: Optional[str]


class AvailableAnswer(TypedDict):
    """Where it is: the path of the module (or "built-in") and of the file, and the distribution's own name; None for
    what there is not."""

    module: Optional[str]
    file: Optional[str]
    distribution: Optional[str]


class Description(TypedDict):
    """An interpreter, as it describes itself; its paths are those of the system that it runs in.

    ``executable`` is the one behind a virtual environment's; ``libc`` is "glibc" or anything else; ``library`` is the
    file name of its shared libpython, which may be in one of the ``directories``.
    """

    version: list[int]
    implementation: str
    executable: str
    prefix: str
    libc: str
    library: str
    directories: list[str]
