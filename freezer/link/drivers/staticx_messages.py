"""What the driver of this room is asked, as JSON. The driver itself imports this for type checkers only."""

from __future__ import annotations

from typing import TypedDict


class Named(TypedDict):
    """What every member has: its path in the tree."""

    name: str


class Member(Named, total=False):
    """A member of the tree: a link that leads to ``link``, a file whose content is in ``source``, or, with neither, a
    directory."""

    link: str
    source: str
    executable: bool


class LinkRequest(TypedDict):
    """The executable to write, and the tree in it; ``program`` is the name of the member that is started, ``epoch`` the
    time of all members, in seconds since 1970."""

    program: str
    members: list[Member]
    output: str
    compress: bool
    epoch: int
