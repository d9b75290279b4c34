"""What the driver of this room is asked, and what it answers, as JSON. The driver itself imports this for type checkers
only. Tuples arrive as lists; all paths are those of the system that the driver runs in."""

from __future__ import annotations

from typing import Literal, Optional, TypedDict, Union


class GroundRequest(TypedDict):
    """The application's own ground, of which files come along without being imported: those below the directory
    ``top``, None if there is none, in the directory ``project``.

    ``own`` is what of it: "all", its "code" or "none"; ``code`` are Python's files, ``data`` all others as (path, size
    in bytes, the reason if they come along only when they are named); ``refused`` are (path, reason) of those that
    never do. With ``limited`` data comes along only if it is named.
    """

    own: str
    top: Optional[str]
    project: Optional[str]
    limited: bool
    code: list[str]
    data: list[tuple[str, int, str]]
    refused: list[tuple[str, str]]


class EntryRequest(TypedDict):
    """The entry to resolve: a ``script``, a ``function`` as module:attribute, a ``package`` that has a ``__main__``, or
    the name of a ``console_script``.

    ``search`` are directories in front of the environment's, ``own`` those with the application's own sources, and
    ``ground`` is where these are; ``distribution`` is the project's, whose console scripts are preferred.
    """

    search: list[str]
    own: list[str]
    ground: GroundRequest
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

    ``modules`` are its modules that are named or belong to a package, with the reason; ``foreign`` are modules of
    others that it names, ``whole`` packages of which it names everything; ``searched`` are directories that it adds to
    ``sys.path``; ``data`` are files that come along, as (file, folder in the bundle, the reason), ``left_out`` those
    that do not; ``asks`` says how the code asks for the place of its files, "" if it does not.
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
    modules: dict[str, str]
    foreign: list[str]
    whole: list[str]
    searched: list[str]
    data: list[tuple[str, str, str]]
    left_out: dict[str, str]
    asks: str


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
