"""What the driver of this room is asked, and what it answers, as JSON. The driver itself imports this for type checkers
only. Tuples arrive as lists; all paths are those of the system that the driver runs in."""

from __future__ import annotations

from typing import Literal, Optional, TypedDict, Union


class EntryRequest(TypedDict):
    """The entry to resolve: a ``script``, a ``function`` as module:attribute, a ``package`` that has a ``__main__``, or
    the name of a ``console_script``.

    ``search`` are directories in front of the environment's, ``own`` those with the application's own sources;
    ``distribution`` is the project's, whose console scripts are preferred.
    """

    search: list[str]
    own: list[str]
    script: Optional[str]
    function: Optional[str]
    package: Optional[str]
    console_script: Optional[str]
    distribution: Optional[str]


class EntryFacts(TypedDict):
    """An entry that was found.

    ``module`` and ``attribute`` are None for a script; ``distribution`` is the one that has the entry, ``metadata`` its
    METADATA. ``files`` are the application's own sources; ``imports`` what these import for certain, as (module, file,
    line), of which ``missing`` are the top-level names that cannot be found; ``packages`` are its packages with their
    directories.
    """

    error: None
    module: Optional[str]
    attribute: Optional[str]
    distribution: Optional[str]
    metadata: Optional[str]
    files: list[str]
    imports: list[tuple[str, str, int]]
    packages: dict[str, str]
    missing: list[str]


class SyntaxFailure(TypedDict):
    """One of the application's own sources cannot be parsed."""

    error: Literal["syntax"]
    file: str
    line: int
    message: str


class NoModule(TypedDict):
    """There is no such module."""

    error: Literal["no module"]
    module: str


class NoConsoleScript(TypedDict):
    """There is no such console script; ``known`` are all that there are."""

    error: Literal["no console script"]
    known: list[str]


EntryFailure = Union[SyntaxFailure, NoModule, NoConsoleScript]
EntryAnswer = Union[EntryFacts, EntryFailure]
