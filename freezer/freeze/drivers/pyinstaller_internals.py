"""PyInstaller's internals that freezer relies on, all of them, under names of freezer's own.

None of them is part of PyInstaller's documented interface, and any release may change them. Each has a test of its own
in tests/programs/freeze/test_pyinstaller_internals.py, which says what would break. They are imported when they are
used: what is imported from PyInstaller first decides what it finds.
"""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any, ClassVar, Optional, Protocol

PYTHON_SOURCE, PYTHON_MODULE = "PYSOURCE", "PYMODULE"
"""Types of entries of an Analysis: scripts, and modules."""

EXTENSION, SYMLINK, DATA_FILE, OPTION = "EXTENSION", "SYMLINK", "DATA", "OPTION"
"""Types of entries that are extension modules, links, whose source is what they lead to, files of data, and options of
Python."""

BESIDE = frozenset(("BINARY", "EXTENSION", "DATA", "SYMLINK", "DEPENDENCY", "ZIPFILE"))
"""Types of entries that are beside the program of one directory."""

CONTENTS = "_internal"
"""The directory beside the program that they are in."""

PROGRAM = ".freezer-program"
"""What is appended to the name of the program. Of two entries with one name PyInstaller drops the file for the program,
though it puts them into different directories; no file of an application ends so."""

SCRIPT, MODULES, ARCHIVE_OF_MODULES = "s", "mM", "z"
"""Type codes of a package's entries that have code; the second of the modules' is a package's."""
BINARY, DATA, LINK, SPLASH = "b", "x", "n", "l"
"""Type codes of what a one-file program unpacks, and of the picture that it may show meanwhile."""


class Analysis(Protocol):
    """What PyInstaller has found: entries of (name, source, type).

    A module's source is None or "-" if that is a namespace package.
    """

    pure: list[tuple[str, Optional[str], str]]
    scripts: list[tuple[str, str, str]]
    binaries: list[tuple[str, str, str]]
    datas: list[tuple[str, str, str]]
    graph: Any


class Target(Protocol):
    """A program, or a directory: what has been made, at the path ``name``."""

    name: str


class NotAppended:
    """Stands for ``subprocess`` where PyInstaller has objcopy append its package to the program.

    Nothing starts that program: the code is read from the package. So the system of the build environment needs no
    binutils.
    """

    PIPE, STDOUT = subprocess.PIPE, subprocess.STDOUT
    package: ClassVar[str] = ""

    @classmethod
    def run(cls, command: Sequence[str], **_options: object) -> subprocess.CompletedProcess[str]:
        program, option, section, _ = command
        if (program, option) != ("objcopy", "--add-section"):
            raise SystemExit("ERROR: PyInstaller runs %s, which is not known to freezer" % program)
        cls.package = section.partition("=")[2]
        return subprocess.CompletedProcess(command, 0, "")


class NoGraph:
    """Stands for the copy of the graph that PyInstaller keeps for a further analysis, which there never is: copying
    takes a tenth of a small analysis. Being false, it is never used."""

    def __bool__(self) -> bool:
        return False


class NothingMissing:
    """Stands for ``shutil`` where PyInstaller looks for the programs that it needs."""

    @staticmethod
    def which(name: str) -> str:
        return name


def classify(path: str) -> Optional[str]:
    """Whether a file is a "BINARY" or "DATA", as PyInstaller asks objdump: whole ELF files are binaries."""
    try:
        with open(path, "rb") as file:
            header = file.read(64)
        size = os.path.getsize(path)
    except OSError:
        return None
    if header[:4] != b"\x7fELF" or len(header) < 52 or header[4] not in (1, 2) or header[5] not in (1, 2):
        return "DATA"
    order = "<" if header[5] == 1 else ">"
    wide = header[4] == 2
    place = struct.unpack_from(order + ("Q" if wide else "I"), header, 32 if wide else 28)[0]
    entry, count = struct.unpack_from(order + "HH", header, 54 if wide else 42)
    return "BINARY" if place + entry * count <= size else "DATA"


def need_no_binutils() -> None:
    """Have PyInstaller do without objcopy and objdump. To be called before anything else of it is imported."""
    from PyInstaller import compat

    # It wants objdump to be there before anything else, for what classify() does here.
    compat.shutil = NothingMissing
    from PyInstaller.building import api
    from PyInstaller.depend import bindepend

    api.subprocess = NotAppended
    bindepend._classify_binary_vs_data = classify


def analyse_once() -> None:
    """Have PyInstaller keep no copy of its graph for a further analysis."""
    from PyInstaller.depend import analysis

    analysis.deepcopy = lambda graph: NoGraph()


def share_imports(start: Sequence[str], load_source: Callable[[str, str], ModuleType]) -> None:
    """Have hooks, and the programs of PyInstaller's other processes, import what its own code does.

    ``start`` are the arguments of Python before such a program, and ``load_source`` makes a module of a hook, given by
    its name and its file.
    """
    from PyInstaller import compat
    from PyInstaller.depend import analysis, imphook
    from PyInstaller.isolated import _parent
    from PyInstaller.utils import hooks

    imphook.importlib_load_source = analysis.importlib_load_source = load_source
    wrap = compat.__wrap_python
    compat.__wrap_python = lambda arguments, options: wrap([*start, *arguments], options)
    # It is put on the search path of those processes, where the application would find the toolchain.
    hooks.HOMEPATH = os.devnull
    # They are told the search path once they run; in PYTHONPATH, the application's modules would come before Python's.
    _parent._subprocess_env = os.environ.copy


def keep_own_hooks(offered: bool) -> None:
    """Have PyInstaller take the contributed hooks that are installed with it, whichever the application requires.

    ``offered`` says that a distribution of the environment offers hooks; only then it is asked, in a process of its
    own, and once.
    """
    import _pyinstaller_hooks_contrib
    from PyInstaller.building import build_main
    from PyInstaller.depend.analysis import HOOK_PRIORITY_CONTRIBUTED_HOOKS

    found = build_main.discover_hook_directories() if offered else []
    kept = [item for item in found if item[1] != HOOK_PRIORITY_CONTRIBUTED_HOOKS]
    kept += [(place, HOOK_PRIORITY_CONTRIBUTED_HOOKS) for place in _pyinstaller_hooks_contrib.get_hook_dirs()]
    build_main.discover_hook_directories = lambda: list(kept)


def spec_classes() -> tuple[Any, Any, Any]:
    """The classes that a spec file calls: Analysis, EXE, COLLECT."""
    from PyInstaller.building import build_main

    return build_main.Analysis, build_main.EXE, build_main.COLLECT


def replace_spec_classes(analysis: type[Analysis], exe: type[Target], collect: type[Target]) -> None:
    """Have spec files call others, and share nothing between programs."""
    from PyInstaller.building import build_main

    build_main.Analysis, build_main.EXE, build_main.COLLECT = analysis, exe, collect
    build_main.MERGE = lambda *_parts: None


def rename_code(renamed: Callable[[CodeType, str], CodeType]) -> None:
    """Have code get its place in the application as its file name by a function (code, file name)."""
    from PyInstaller.archive import writers

    writers.replace_filename_in_code_object = renamed


def sort_base_library() -> None:
    """Have the archive of the standard library's first modules written in an order that is always the same.

    They come in the order of a set of objects, which differs with their addresses.
    """
    from PyInstaller.building import build_main

    write_zip = build_main.create_base_library_zip

    def create_base_library_zip(path: str, modules: Iterable[tuple[str, str, str]], *options: object) -> None:
        write_zip(path, sorted(modules), *options)

    build_main.create_base_library_zip = create_base_library_zip


def hook_directories() -> list[str]:
    """The directories with hooks, in the order of their precedence, the last one's first."""
    import PyInstaller
    from PyInstaller.building.build_main import discover_hook_directories

    standard = os.path.join(os.path.dirname(PyInstaller.__file__), "hooks")
    return [standard] + [place for place, _ in sorted(discover_hook_directories(), key=lambda item: item[1])]


def level_of(kind: str) -> int:
    """The level of optimization that a type of entries has, as PYSOURCE-2 has the second."""
    return int(kind.rpartition("-")[2]) if "-" in kind else 0


def provide_code(analysis: Analysis, code: Mapping[str, CodeType]) -> None:
    """Have the archive of modules take the code of some, by their names, instead of compiling their sources.

    PyInstaller finds the code of a list of modules by the list's identity. It has noted None for a list whose modules
    are all yet to be compiled, as they are if the application's level of optimization is not this process's.
    """
    from PyInstaller.config import CONF

    known = CONF["code_cache"].get(id(analysis.pure))
    CONF["code_cache"][id(analysis.pure)] = {**(known or {}), **code}


def version() -> str:
    """PyInstaller's version."""
    from PyInstaller import __version__

    return str(__version__)


def warnings_file() -> str:
    """The file that says which modules were not found."""
    from PyInstaller.config import CONF

    return str(CONF["warnfile"])


def run(arguments: Sequence[str]) -> None:
    """PyInstaller's command line."""
    from PyInstaller import __main__ as command

    command.run(arguments)


class Package:
    """PyInstaller's archive of a program's code, appended to the program or alone.

    Raises ValueError if there is none.
    """

    def __init__(self, path: str) -> None:
        from PyInstaller.archive.readers import ArchiveReadError, CArchiveReader

        try:
            self._reader = CArchiveReader(path)
        except ArchiveReadError as error:
            raise ValueError(str(error)) from error
        self.path = path
        self.options: list[str] = self._reader.options
        self.start: int = self._reader._start_offset
        self.end: int = self._reader._end_offset

    def entries(self) -> list[tuple[str, str, int]]:
        """(name, type code, packed length in bytes) of each entry."""
        return [(name, entry[-1], entry[1]) for name, entry in self._reader.toc.items()]

    def read(self, name: str) -> bytes:
        """The content of an entry; of a script or a module its code, marshalled."""
        content: bytes = self._reader.extract(name)
        return content

    def modules(self, name: str) -> tuple[dict[str, tuple[int, int]], Callable[[str], bytes]]:
        """An archive of modules in it: {module: (kind, packed length in bytes)}, and what gives their code."""
        embedded = self._reader.open_embedded_archive(name)
        toc = {str(module): (int(kind), int(length)) for module, (kind, _offset, length) in embedded.toc.items()}
        return toc, lambda module: embedded.extract(module, raw=True) or b""

    def python(self) -> tuple[tuple[int, int], str]:
        """The version of its Python as (major, minor), and the file name of the shared library."""
        with open(self.path, "rb") as file:
            file.seek(self.end - self._reader._COOKIE_LENGTH)
            cookie = file.read(self._reader._COOKIE_LENGTH)
        version, library = struct.unpack(self._reader._COOKIE_FORMAT, cookie)[-2:]
        return (version // 100, version % 100), os.path.basename(library.rstrip(b"\0").decode())
