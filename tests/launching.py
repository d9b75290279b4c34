"""Executables of the launcher, for its tests: payloads by a writer of the tests' own, and starting them.

What is unpacked is a program that says how it was started.
"""

from __future__ import annotations

import hashlib
import importlib.util
import marshal
import os
import re
import shutil
import stat
import struct
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Union

import pytest
import zstandard
from support import CHECKOUT, PATIENCE, compile_c, need_program, need_root

from freezer.link.launcher import build
from freezer.link.modules import Archive, Package, write_archive
from freezer.link.payload.choose import filters_of
from freezer.link.payload.filter import OBJECTS_HEAD, Filter, Kind, filtered
from freezer.link.payload.tables import ChangedFile, changed_tables

DONE, CANNOT_RUN = 7, 126


def compile_launcher(folder: Path, *options: str) -> Path:
    """The launcher as it is installed, compiled from the sources as they are, with more options of the compiler's."""
    need_program("cc")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "COMPILE", (*build.COMPILE, *options))
        return build.build_launcher(folder, os.environ)


WAITING = (f"-DPATIENCE={PATIENCE}", f"-DSILENCE={PATIENCE}")
"""Has a launcher wait for another that unpacks as long as it takes on a machine that has much else to do."""
MAKING = tuple(f"-D{name}_SECONDS={PATIENCE}" for name in ("MAKING", "AFTER", "TEST"))
"""Has it give as much time to the making of a snapshot, which has only what nobody else wants of the processors."""


def compile_program(folder: Path) -> bytes:
    """The application."""
    source = (CHECKOUT / "tests" / "launcher" / "report.c").read_text()
    return compile_c(source, folder / "program", "-static", "-O2", "-s").read_bytes()


def compile_small_program(folder: Path) -> bytes:
    """The application with musl, which is a twentieth of its size."""
    source, path = CHECKOUT / "tests" / "launcher" / "report.c", folder / "small-program"
    subprocess.run([need_program("musl-gcc"), "-static", "-O2", "-s", source, "-o", path], check=True)
    return path.read_bytes()


# The writer


def record(
    kind: str,
    name: str,
    data: bytes = b"",
    fixups: Sequence[tuple[int, int]] = (),
    filters: Sequence[tuple[int, int, int, int]] = (),
    size: Optional[int] = None,
) -> bytes:
    """A record; ``filters`` are the kind, the entries, the offset and the size of each. ``size`` is the file's, if that
    is not the data's."""
    path = os.fsencode(name)
    size = len(data) if size is None else size
    head = struct.pack("<BBHIQQ", ord(kind), 0, len(path), len(fixups), size, len(filters))
    parts = [struct.pack("<IIQQ", *item) for item in filters] + [struct.pack("<QQ", *pair) for pair in fixups]
    return head + path + b"".join(parts) + data


def filtered_record(kind: str, name: str, data: bytes, filters: Sequence[Filter], **options: Any) -> bytes:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        changed = ChangedFile(file, changed_tables(file, filters))
        content = b"".join(filtered(changed.read, filters, len(data), undo=False))
    more = sum(OBJECTS_HEAD for item in filters if item.kind is Kind.OBJECTS)
    assert content != data and len(content) == len(data) + more
    numbers = [(int(item.kind), item.entries, item.offset, item.size) for item in filters]
    return record(kind, name, content, filters=numbers, size=len(data), **options)


def modules_record(name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "modules"
        cuts = write_modules(path)
        return filtered_record("F", name, path.read_bytes(), filters_of(path, cuts))


def digest(data: bytes, person: bytes = b"") -> bytes:
    return hashlib.blake2b(data, digest_size=32, person=person).digest()


def executable(
    launcher: bytes, records: Sequence[bytes], compress: bool = True, need: Optional[int] = None, init: bool = False
) -> bytes:
    stream = b"".join(records) + record("E", "")
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
    # Two frames, the second one begins within a record.
    cut = len(stream) * 2 // 3
    payload = compressor.compress(stream[:cut]) + compressor.compress(stream[cut:]) if compress else stream
    head = launcher + bytes(-len(launcher) % 4096)
    disk = sum(-(-len(each) // 4096) * 4096 for each in records) if need is None else need
    numbers = (3, int(compress), len(head), len(payload), len(stream), disk, len(records), int(init))
    body = head + payload + struct.pack("<8sIIQQQQII", b"FRZR\0\0\0\1", *numbers) + digest(stream, b"freezer app 1")
    return body + digest(body) + b"FREEZER\n"


def frames_of(payload: bytes) -> Iterator[bytes]:
    """The content of each frame of a compressed payload."""
    while payload:
        frame = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        yield frame.decompress(payload)
        payload = frame.unused_data


# What they are started with


@dataclass
class Outcome:
    status: int
    stderr: str
    said: dict[str, list[str]] = field(default_factory=dict)

    @property
    def place(self) -> Path:
        """The directory of entries that it was started from."""
        return Path(self.one("exe")).parents[2]

    def one(self, key: str) -> str:
        (value,) = self.said[key]
        return value

    @property
    def started(self) -> tuple[str, str]:
        """What the launcher says to the program: the lock's descriptor, and the path of the executable."""
        (value,) = (line for line in self.said["env"] if line.startswith("_FREEZER_START="))
        number, _, path = value.partition("=")[2].partition(":")
        return number, path

    @property
    def refusal(self) -> str:
        """The one message of a start that failed."""
        assert self.status == CANNOT_RUN, (self.status, self.stderr)
        assert not self.said
        assert self.stderr.count(": error: ") == 1 and self.stderr.endswith("\n"), self.stderr
        assert "\n  why: " in self.stderr and "\n  try: " in self.stderr, self.stderr
        return self.stderr


def parse(report: str) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for line in report.splitlines():
        key, _, value = line.partition(" ")
        said.setdefault(key, []).append(os.fsdecode(bytes.fromhex(value)))
    return said


@dataclass
class App:
    """An executable, and two candidates of its own; the second is there for when the first is refused."""

    path: Path
    first: Path
    second: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"FREEZER_CACHE": str(self.first), "XDG_CACHE_HOME": str(self.second)}

    @property
    def identity(self) -> str:
        return self.path.read_bytes()[-72:-40].hex()

    @property
    def entry(self) -> Path:
        return self.first / self.identity

    @property
    def fallback(self) -> Path:
        return self.second / "freezer" / "apps"

    def run(
        self,
        *arguments: Union[str, bytes],
        env: Optional[Mapping[str, str]] = None,
        words: Sequence[str] = (),
        timeout: float = PATIENCE,
        **options: Any,
    ) -> Outcome:
        """Start it; ``words`` come before its path."""
        report = self.path.with_name(f"report-{os.getpid()}")
        report.write_text("")  # so that its mode is not of the application's making
        done = subprocess.run(
            [*words, str(self.path), *arguments],
            env={**self.environment, **(env or {}), "REPORT": str(report)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
            **options,
        )
        return Outcome(done.returncode, done.stderr.decode("utf-8"), parse(report.read_text()))

    def works(self, **options: Any) -> Outcome:
        """Start it; it must run, from the first candidate, and leave nothing but a whole entry."""
        done = self.run(**options)
        assert done.status == DONE, (done.status, done.stderr)
        assert done.place == self.first
        assert set(os.listdir(self.entry)) - {"seen"} == {"lock", "used", "tree", "manifest"}
        return done


def a_library() -> Path:
    """A library with all tables that are filtered: the C library that this Python has loaded."""
    with open("/proc/self/maps") as maps:
        places = (line.split(maxsplit=5)[-1].strip() for line in maps)
        return Path(next(place for place in places if re.search(r"/(libc\.so|libc-|ld-musl)[^/]*$", place)))


def compile_small_library(folder: Path) -> Path:
    """A library with all tables that are filtered, a tenth of the C library's size."""
    calls = (f"f{number - 1}(a) + " if number else "" for number in range(800))
    functions = [f"int f{number}(int a) {{ return {call}{number}; }}" for number, call in enumerate(calls)]
    source = "\n".join([*functions, f"void *all[] = {{{', '.join(f'f{number}' for number in range(800))}}};"])
    path = compile_c(source, folder / "small-library.so", "-shared", "-fPIC", "-O1", "-s")
    assert {item.kind for item in filters_of(path)} >= {item.kind for item in filters_of(a_library())}
    return path


def write_modules(path: Path) -> tuple[int, ...]:
    """Write an archive of modules of the standard library, and return the places of its cuts."""
    names = ["argparse", "ast", "enum", "functools", "this_is_the_application"]
    sources = [importlib.util.find_spec(name) for name in names[:-1]]
    codes = [
        *(marshal.dumps(compile(Path(str(item.origin)).read_text(), "file", "exec")) for item in sources if item),
        marshal.dumps(compile("print('application')", "file", "exec")),
    ]
    code = path.with_name("code")
    code.write_bytes(b"".join(codes))
    modules = {}
    at = 0
    for name, data in zip(names, codes):
        modules[name] = (at, len(data), 0)
        at += len(data)
    package = Package(code, [], modules, (), b"", (3, 11), "")
    archive = Archive(tuple(names), (), {}, (), own=frozenset(names[-1:]))
    return write_archive(path, package, archive)


def tree_of(program: bytes, library: Optional[Path] = None) -> list[bytes]:
    """Records of every kind; ``library`` is the C library's, if no other is given."""
    text = b"see /program\0" + bytes(5000)
    calls = b"/at".ljust(5000, b"\0") + b"\xe8\x01\0\0\0\x90" * 30000
    table = b"".join(struct.pack("<HI", number, number * number) for number in range(30000))
    mixed = [Filter(Kind.ROWS, 0, 999, 4), Filter(Kind.CODE, 1000, 40000), Filter(Kind.ROWS, 41003, 70001, 6)]
    library = library or a_library()
    return [
        # Not only its code: the bounds are whatever the record says.
        filtered_record("X", "program", program, [Filter(Kind.CODE, 65, len(program) - 70)]),
        record("D", "lib"),
        record("D", "lib/deep"),
        record("F", "lib/data", bytes(range(256)) * 2000),
        record("F", "lib/empty"),
        record("F", "lib/deep/text", text, [(4, len(text) - 4)]),
        filtered_record("F", "lib/deep/calls", calls, [Filter(Kind.CODE, 66, len(calls) - 70)], fixups=[(0, 4900)]),
        filtered_record("F", "lib/table", table, [Filter(Kind.ROWS, 0, len(table), 6)]),
        filtered_record("F", "lib/mixed", table, mixed),
        filtered_record("F", "lib/library", library.read_bytes(), filters_of(library)),
        modules_record("lib/modules"),
        *(record("F", f"lib/deep/{number}", os.urandom(3000)) for number in range(6)),
        record("L", "lib/deep/up", b"../data"),
        record("L", "here", b"lib/deep"),
    ]


def write_executable(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o755)
    # As an executable is, that was not made in the instant it is started: else it is checked twice.
    time.sleep(0.03)
    return path


def root_of(app: App) -> Path:
    """A root with nothing but the executable, and directories like everywhere."""
    need_root()
    root = app.path.parent.parent / "root"
    for name, mode in (("tmp", 0o1777), ("var/tmp", 0o1777), ("dev/shm", 0o1777), ("home", 0o755)):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(mode)
    shutil.copy(app.path, root / "app")
    return root


CANDIDATES = {"FREEZER_CACHE": "/first", "XDG_CACHE_HOME": "/second", "HOME": "/home", "TMPDIR": "/own"}
SHARED = ("var/tmp", "own", "tmp", "dev/shm")
ENTER = """
#include <unistd.h>
int main(int count, char **words)
{
    return count < 3 || chroot(words[1]) || chdir("/") || execv(words[2], words + 2);
}
"""
TOUCHED = ("lock", "seen")
"""Files of an entry that say nothing of whether it is whole."""


@dataclass
class Root:
    """A root with an executable, all directories that it tries, and nothing else; ``enter`` is like chroot."""

    path: Path
    enter: Path

    def start(self, *words: Union[str, Path]) -> Outcome:
        """Start the executable in it; ``words`` come before."""
        done = subprocess.run(
            [*words, self.enter, self.path, "/app"],
            env=CANDIDATES,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        said = parse(done.stdout.decode()) if done.returncode == DONE else {}
        return Outcome(done.returncode, done.stderr.decode(), said)

    def faulty(self, call: str, fault: str, when: str) -> Outcome:
        """Start it with a fault in one of its system calls, as strace numbers them."""
        inject = f"inject={call}:{fault}:when={when}"
        words = ("-f", "--seccomp-bpf", "-o", os.devnull, "-e", f"trace={call}", "-e", inject)
        return self.start(need_program("strace"), *words)

    def calls(self) -> list[tuple[str, int]]:
        """What a start does until it becomes the application: the system call, and which one of its kind it is."""
        log = self.path.with_name("log")
        kinds = "trace=%file,%desc,%memory,%process"
        assert self.start(need_program("strace"), "-f", "-o", log, "-e", kinds).status == DONE
        made: Counter[str] = Counter()
        calls = []
        # What is before the launcher reads itself is the C library's.
        ours = False
        for line in log.read_text().splitlines():
            match = re.match(r"\d+ +(\w+)\(", line)
            if match:
                call = match[1]
                made[call] += 1
                ours = ours or (call.startswith("open") and "/proc/self/exe" in line)
                if ours:
                    calls.append((call, made[call]))
                if call == "execve" and "/tree/program" in line:
                    return calls
        raise AssertionError(log.read_text())

    def content(self) -> dict[str, tuple[int, int]]:
        """Everything in it: the inode, and the time of change of what is no directory."""
        found = {}
        for path in sorted(self.path.rglob("*")):
            status = path.lstat()
            changed = 0 if stat.S_ISDIR(status.st_mode) else status.st_ctime_ns
            told = (0, 0) if path.name in TOUCHED else (status.st_ino, changed)
            found[str(path.relative_to(self.path))] = told
        return found

    def entries(self) -> list[Path]:
        """All directories of entries, and whatever else is beside them."""
        homes = ("first", "second/freezer/apps", "home/.cache/freezer/apps", *(f"{name}/freezer-0" for name in SHARED))
        return [path for home in homes if (self.path / home).is_dir() for path in (self.path / home).iterdir()]

    def clean(self) -> None:
        """Empty it but for the executable."""
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        for name in SHARED:
            (self.path / name).mkdir(parents=True)
            (self.path / name).chmod(0o1777)
        (self.path / "home").mkdir()


def make_root(folder: Path, data: bytes) -> Root:
    """A root with this executable."""
    need_root()
    root = Root(folder / "root", compile_c(ENTER, folder / "enter", "-static"))
    write_executable(root.path / "app", data)
    root.clean()
    return root
