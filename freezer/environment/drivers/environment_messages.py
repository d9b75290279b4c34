"""What the driver of this room answers, as JSON. The driver itself imports this for type checkers only."""

from __future__ import annotations

from typing import TypedDict


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
