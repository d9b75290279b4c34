"""Notes what the application in this process asks for: modules, files, directories, libraries, programs, groups of
entry points, variables.

``_freezer_watch`` sees that it asks. Each fact goes to a file of the process's own at once, in one write, so that
nothing is lost if the process is killed. Each has the place that asked: the nearest line of code that is not the
standard library's.

Runs in the application's process, on Python 3.9 to 3.14: it must be quick, must not fail, and imports next to nothing.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Optional

PARENT = "FREEZER_LEARNING"
"""The variable that children of a process that notes have."""
CREATES = os.O_CREAT | os.O_TRUNC | os.O_EXCL
STANDARD = os.path.dirname(os.__file__) + "/"
HERE = os.path.dirname(__file__) + "/"
PACKAGES = ("/site-packages/", "/dist-packages/")
IMPORT_SYSTEM, ZIP_IMPORT = ("<frozen importlib", "<frozen zipimport"), "<frozen zipimport"
DROPPED_BY = ("traceback.py", "linecache.py", "warnings.py", "site.py", "ctypes/util.py", "<frozen site>")
"""Ends of names of files of the standard library: what is asked by way of these is not asked by the application. They
print lines of source, start Python, and look for libraries by starting compilers."""
READS_SOURCE = "inspect.py"
METADATA = "importlib/metadata/__init__.py"
OLD_METADATA = "importlib/metadata.py"


class Notes:
    """The notes of one process, in the directory ``folder``."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        with open(os.path.join(folder, "roots"), encoding="utf-8", errors="surrogateescape") as file:
            self.roots = tuple(file.read().split("\0"))
        self.child = PARENT in os.environ
        self.seen: set[tuple[str, str, str]] = set()
        self.wrote: set[str] = set()
        self.modules: set[str] = set()
        self.origins: set[str] = set()
        self.descriptor = -1
        self.identity = (-1, -1)
        self.ended = False
        self._fork = 0
        self._start = os.getcwd()
        self._known: dict[str, int] = {}
        self.begin()

    def begin(self) -> None:
        """Begin a file of this process's own."""
        self._fork += 1
        name = "%d-%d-%s" % (os.getpid(), self._fork, os.urandom(4).hex())
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self.descriptor = os.open(os.path.join(self.folder, name), flags, 0o600)
        status = os.fstat(self.descriptor)
        self.identity = (status.st_dev, status.st_ino)
        self.write("process", sys.executable or "", "child" if self.child else "first", ("", 0))

    def write(self, kind: str, name: str, more: str, asker: "tuple[str, int]") -> None:
        """Write one line, whole or not at all."""
        line = "%s\t%s\t%s\t%s\t%d\n" % (kind, ascii(name), ascii(more), ascii(asker[0]), asker[1])
        try:
            status = os.fstat(self.descriptor)
            mine = (status.st_dev, status.st_ino) == self.identity
        except OSError:
            mine = False
        if not mine:
            # A daemon has closed all descriptors; by now this one may be the application's.
            self.begin()
        os.write(self.descriptor, line.encode("ascii"))

    def found(self, name: str, origin: str, frame: "Optional[FrameType]") -> None:
        """Note a module that is about to be loaded."""
        self.modules.add(name)
        self.origins.add(origin)
        self.note("module", name, origin, frame)

    def note(self, kind: str, name: str, more: str, frame: "Optional[FrameType]") -> None:
        """Note a fact once for each file that asks."""
        asker = self.asker(frame)
        if asker is None:
            if kind != "read":
                return
            # So that nobody takes it for something that Python has not announced.
            kind, asker = "passed", ("", 0)
        key = (kind, name, asker[0])
        if key not in self.seen:
            self.seen.add(key)
            self.write(kind, name, more, asker)

    def asker(self, frame: "Optional[FrameType]") -> "Optional[tuple[str, int]]":
        """The place that asks; without a name if it is none in a file, None if it does not count."""
        known = self._known
        while frame is not None:
            name = frame.f_code.co_filename
            kind = known.get(name)
            if kind is None:
                kind = known[name] = kind_of(name)
            if kind == 0:
                # The main script is called as it was given.
                return os.path.join(self._start, name), frame.f_lineno
            if kind == 2:
                return None
            if kind == 3:
                self.note_group(frame)
            frame = frame.f_back
        return "", 0

    def note_group(self, frame: "FrameType") -> None:
        """Note the group of entry points that is asked for, in a frame of importlib.metadata."""
        function, group = frame.f_code.co_name, None
        if function == "load":
            group = getattr(frame.f_locals.get("self"), "group", None)
        elif function == "entry_points":
            params = frame.f_locals.get("params")
            group = params.get("group") if isinstance(params, dict) else None
        if isinstance(group, str):
            self.note("group", group, "", frame.f_back)

    def path_of(self, given: "Any") -> str:
        """The absolute path that a name stands for; "" if it is not below one of the roots."""
        if given is None or isinstance(given, int):
            return ""
        name = os.fsdecode(given)
        if not name.startswith("/"):
            name = os.path.join(os.getcwd(), name)
        if "/." in name or "//" in name:
            name = os.path.normpath(name)
        if not (name.startswith(self.roots) or name + "/" in self.roots) or name.startswith(self.folder):
            return ""
        return name

    # The handlers of audit events: each is given the arguments of the event, and the frame in which it happened.

    def opened(self, arguments: "tuple[Any, ...]", frame: "Optional[FrameType]") -> None:
        name, _, flags = arguments
        if isinstance(name, int):
            return
        path = self.path_of(name)
        if not path:
            return
        if frame is not None and frame.f_code.co_filename.startswith(IMPORT_SYSTEM):
            # It opens modules, and data for pkgutil.get_data().
            code = source_of(path)
            if code and code not in self.origins and not frame.f_code.co_filename.startswith(ZIP_IMPORT):
                # No finder was asked: it is loaded by its path.
                self.note("loaded", code, "source", frame)
            if code or frame.f_code.co_filename.startswith(ZIP_IMPORT):
                return
        if path.endswith(".pyc"):
            return
        if flags & os.O_ACCMODE == os.O_WRONLY or flags & CREATES:
            if path not in self.wrote:
                self.wrote.add(path)
                self.write("write", path, "", ("", 0))
        elif path not in self.wrote:
            source = path.endswith(".py") and frame is not None
            more = "source" if source and self._passes(frame, READS_SOURCE) else ""
            self.note("read", path, more, self._past(frame) if more else frame)

    def _past(self, frame: "Optional[FrameType]") -> "Optional[FrameType]":
        """The frame that asked inspect for a source."""
        while frame is not None and not frame.f_code.co_filename.endswith(READS_SOURCE):
            frame = frame.f_back
        return frame

    def _passes(self, frame: "Optional[FrameType]", end: str) -> bool:
        while frame is not None and frame.f_code.co_filename.startswith(STANDARD):
            if frame.f_code.co_filename == STANDARD + end:
                return True
            frame = frame.f_back
        return False

    def listed(self, arguments: "tuple[Any, ...]", frame: "Optional[FrameType]") -> None:
        if frame is not None:
            name = frame.f_code.co_filename
            if name.startswith(IMPORT_SYSTEM) or name.endswith((METADATA, OLD_METADATA, "pkgutil.py")):
                return
        path = self.path_of("." if arguments[0] is None else arguments[0])
        if path:
            self.note("list", path, "", frame)

    def library(self, arguments: "tuple[Any, ...]", frame: "Optional[FrameType]") -> None:
        name = arguments[0]
        if isinstance(name, bytes):
            name = os.fsdecode(name)
        if isinstance(name, str) and name:
            self.note("library", os.path.abspath(name) if "/" in name else name, "", frame)

    def database(self, arguments: "tuple[Any, ...]", frame: "Optional[FrameType]") -> None:
        path = self.path_of(arguments[0])
        if path:
            self.note("read", path, "", frame)

    def started(self, arguments: "tuple[Any, ...]", frame: "Optional[FrameType]") -> None:
        program, words = os.fsdecode(arguments[0]), arguments[1]
        variables = arguments[-1]
        self.note("program", program, "", frame)
        if os.path.basename(program).startswith("python") and not self._inherited(words, variables):
            self.note("unseen", program, "", frame)

    def _inherited(self, words: "Any", variables: "Any") -> bool:
        """Whether a Python that is started will note what it asks for, too."""
        options = [os.fsdecode(word) for word in words[1:5]] if isinstance(words, (list, tuple)) else []
        for option in options:
            if not option.startswith("-") or option in ("-c", "-m", "-"):
                break
            if not option.startswith("--") and set("IES") & set(option):
                return False
        if variables is None:
            return True
        path = variables.get("PYTHONPATH") or variables.get(b"PYTHONPATH") or ""
        return os.path.dirname(self.folder) in os.fsdecode(path)

    def shell(self, arguments: "tuple[Any, ...]", frame: "Optional[FrameType]") -> None:
        self.note("program", os.fsdecode(arguments[0]).strip().partition(" ")[0], "", frame)

    def end(self) -> None:
        """Note what nothing has announced: modules of other finders, and files that are mapped or open."""
        if self.ended:
            return
        self.ended = True
        for name, module in list(sys.modules.items()):
            origin = getattr(getattr(module, "__spec__", None), "origin", None)
            if name not in self.modules and isinstance(origin, str) and origin.startswith(self.roots):
                self.note("swept", name, origin, None)
        with open("/proc/self/maps", "rb") as file:
            mapped = {line.split(None, 5)[5].rstrip(b"\n") for line in file if line.count(b"/")}
        # C code opens files without saying so; what it still has open is seen.
        for descriptor in os.listdir("/proc/self/fd"):
            try:
                target = os.readlink("/proc/self/fd/" + descriptor)
            except OSError:
                continue
            if target.startswith(self.roots) and not target.startswith(self.folder):
                mapped.add(os.fsencode(target))
        for path in sorted(mapped):
            if not path.startswith((b"/dev/", b"/memfd:", b"/SYSV")) and not path.endswith(b" (deleted)"):
                self.note("mapped", os.fsdecode(path), "", None)


def kind_of(name: str) -> int:
    """What a frame of this file is: 0 the asker, 1 to be passed over, 2 nobody that counts, 3 importlib.metadata."""
    standard = name.startswith(STANDARD) and not any(part in name for part in PACKAGES)
    if standard or name.startswith("<frozen"):
        if name.endswith((METADATA, OLD_METADATA)):
            return 3
        end = name[len(STANDARD) :] if standard else name
        return 2 if end in DROPPED_BY else 1
    # Generated code has no file: "<string>", "<attrs generated init ...>".
    return 1 if name.startswith(("<", HERE)) else 0


def source_of(path: str) -> str:
    """The source of a file that Python's import system opens, which may be its bytecode; "" if it is neither."""
    if path.endswith(".py"):
        return path
    folder, name = os.path.split(path)
    if not name.endswith(".pyc") or os.path.basename(folder) != "__pycache__":
        return ""
    return os.path.join(os.path.dirname(folder), name.partition(".")[0] + ".py")
