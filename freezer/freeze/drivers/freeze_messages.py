"""What the drivers of this room are asked, and what they answer, as JSON. The drivers themselves import this for type
checkers only. Tuples arrive as lists; all paths are those of the system that the driver runs in."""

from __future__ import annotations

from typing import Optional, TypedDict

WAYS = ("analysed", "compiled")
"""The ways in which a module's code comes about: with its syntax tree, as the analysis has it, or from its source when
the archive of modules is written."""


class FreezeRequest(TypedDict):
    """One run of PyInstaller, by ``run_pyinstaller``.

    ``script`` is a spec file if ``spec`` is set; ``search`` are directories in front of the environment's;
    ``beside`` are more of them, in which only the application's own modules are. ``own_files``, ``local_packages`` and
    ``distribution`` say what is the application's own; ``own_data`` are files of its own, ``named`` modules that its
    code names, ``whole`` packages of which it names everything, and ``exclude_data`` patterns of files that stay out;
    ``entry_points`` are groups of which all that is offered comes along;
    ``own_data``, ``add_data`` and ``add_binary`` are (file, folder in the bundle); ``sources`` is a value of
    ``freezer.plan.choices.Sources``; ``python_options`` are those of the application's Python, and ``optimize`` is the
    level that its code is compiled with; ``toolchain`` is the directory with PyInstaller, ``analysis`` that with what
    ``content_memory`` keeps, ``runtime`` that with the ``runtime_modules``, which become part of the application;
    ``marked`` says that the main script's code is wanted with a mark where its imports end, too;
    ``hooks``, ``dist``, ``work`` and ``specpath`` are directories to write to, and ``report`` is the file to write a
    ``FreezeReport`` to.
    """

    script: str
    spec: bool
    name: str
    search: list[str]
    beside: list[str]
    own_files: list[str]
    own_data: list[tuple[str, str]]
    named: list[str]
    whole: list[str]
    exclude_data: list[str]
    local_packages: dict[str, str]
    distribution: Optional[str]
    add_data: list[tuple[str, str]]
    add_binary: list[tuple[str, str]]
    hidden_imports: list[str]
    collect_all: list[str]
    copy_metadata: list[str]
    entry_points: list[str]
    exclude: list[str]
    sources: str
    strip: bool
    python_options: list[str]
    optimize: int
    pyinstaller_args: list[str]
    toolchain: str
    analysis: str
    runtime: str
    runtime_modules: list[str]
    marked: bool
    hooks: str
    dist: str
    work: str
    specpath: str
    report: str


class OwnParts(TypedDict):
    """What of the application is made of its own sources: names of modules, and files by their places in the bundle.

    ``code`` are the source files of the modules, ``places`` those that files of the bundle are copies of; ``run`` says
    that the analysis has run code of them.
    """

    modules: list[str]
    files: list[str]
    code: dict[str, str]
    places: dict[str, str]
    run: bool


class OwnCodeRequest(TypedDict):
    """Sources to look at, by ``own_code``: for each file the modules that it is the source of, with the ways to make
    their code. ``groups`` are the groups of entry points in the environment, ``optimize`` is the level that code is
    compiled with, and ``out`` the file to write the code to."""

    files: dict[str, dict[str, list[str]]]
    groups: list[str]
    optimize: int
    out: str


class OwnSource(TypedDict):
    """The shape of a source, and where the code of its modules is in the file, by the way in which it was made: as
    (offset, size) in bytes."""

    shape: str
    code: dict[str, dict[str, tuple[int, int]]]


class OwnCode(TypedDict):
    """What was found of each source; None of one that cannot be read or compiled."""

    files: dict[str, Optional[OwnSource]]


class AddedParts(TypedDict):
    """What was added for one distribution without being asked: how many files, their bytes, how many modules."""

    distribution: str
    files: int
    bytes: int
    modules: int


class FreezeReport(TypedDict):
    """What PyInstaller has made of the application ``name``: the directory ``tree`` and its code, ``package``.

    ``origins`` maps places in the bundle to the directories that binaries are from; ``sources`` are all files that went
    in; ``warnings`` is PyInstaller's file of modules that it did not find; ``opened`` are libraries that code looks up
    by name, ``charsets`` those of locales that it names. ``groups`` are the groups of entry points that the environment
    has, and ``hooks`` says that hooks took part that are neither PyInstaller's nor freezer's.
    """

    name: str
    tree: str
    package: str
    modules: list[str]
    origins: dict[str, str]
    sources: list[str]
    warnings: str
    opened: list[str]
    charsets: list[str]
    strip: bool
    own: OwnParts
    added: list[AddedParts]
    groups: list[str]
    hooks: bool


class ImportRequest(TypedDict):
    """The modules to import, by ``try_imports``, with directories in front of the environment's."""

    names: list[str]
    search: list[str]


class PackageRequest(TypedDict):
    """The code to take out, by ``read_package``: of the archive ``package`` and of ``base_library``, into the file
    ``code``."""

    package: str
    code: str
    base_library: str


class PackageContents(TypedDict):
    """Where all code is in that file, in bytes: ``scripts`` as (name, offset, size), ``modules`` by their names as
    (offset, size, kind).

    ``options`` are those of the program's Python, whose shared library is called ``library``; ``magic`` is the magic
    number of its bytecode in hexadecimal digits.
    """

    scripts: list[tuple[str, int, int]]
    modules: dict[str, tuple[int, int, int]]
    options: list[str]
    magic: str
    version: tuple[int, int]
    library: str


class ListRequest(TypedDict):
    """The program whose archive to list, by ``list_archive``, which answers null if there is none."""

    program: str


class ArchiveListing(TypedDict):
    """What is in a program's archive, which is from ``start`` to ``end`` of its file, in bytes.

    ``entries`` are (name, type code, packed length), ``modules`` those of each archive of modules in it as (name,
    packed length).
    """

    start: int
    end: int
    entries: list[tuple[str, str, int]]
    modules: dict[str, list[tuple[str, int]]]


class UnpackRequest(TypedDict):
    """The one-file program whose binaries to unpack, by ``unpack_onefile``, and the directory to make for them."""

    program: str
    folder: str
