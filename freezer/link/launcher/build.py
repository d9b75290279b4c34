"""Compiles the library in every tree, the filter for code as freezer itself uses it, the launcher, and the init.

setup.py calls this module, so it imports only the standard library. Every linker needs the libraries. They and the
init, which has calls of its own for x86_64 and aarch64, need only a compiler; if there is no compiler, the build asks
the index for one (packaging/backend.py). The launcher needs a C library to link statically, and libzstd. It and the
init are built by the first compiler whose program, started without an application, reports that; this shows missing
headers, missing static libraries and code for other machines at once. musl comes before glibc, because its launcher has
a third of the size and reads no variable of the environment.

The programs have the same bytes wherever they are built: the compiler runs in the sources' directory with relative
names, and no debugging information or build ID is kept.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import struct
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

SOURCE = Path(__file__).resolve().parent
SOURCES = (
    *("main.c", "environment.c", "place.c", "entry.c", "fill.c", "reader.c", "extract.c", "restore.c"),
    *("filter.c", "rows.c", "unwinding.c", "hashes.c", "objects.c"),
    *("remove.c", "says.c", "blake2b.c", "legacy.c", "memory.c", "split.c", "init.c"),
    *("instant.c", "key.c", "snapshot.c", "mapping.c", "resume.c", "make.c", "machine.c"),
)
INIT_SOURCES = ("freezer-init.c", "init.c", "split.c", "loader.c", "bare.c")
LIBRARIES = {
    "start.so": ("start.c", "split.c", "arenas.c", "randomness.c"),
    "filter.so": ("filter.c", "rows.c", "unwinding.c", "hashes.c", "objects.c", "widths.c", "blake2b.c"),
    "save.so": ("save.c", "machine.c"),
}
LAUNCHER, INIT = "launcher", "freezer-init"
HEADERS = ("zstd.h", "zstd_errors.h")
ZSTD = "libzstd.a"

DIALECT = ("-std=gnu11", "-D_GNU_SOURCE")
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion")
COMPILE = (
    *("-O2", "-fPIE", "-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"),
    *("-ffunction-sections", "-fno-asynchronous-unwind-tables"),
)
LINK = ("-Wl,-z,relro,-z,now,-z,noexecstack", "-Wl,--gc-sections", "-Wl,--build-id=none", "-s")
BARE = (
    # Without a C library: they run with any that the application or freezer has, start.so even before it is ready, and
    # the init before it is loaded.
    *("-O2", "-nostdlib", "-nostartfiles", "-ffreestanding", "-fno-stack-protector", "-fno-asynchronous-unwind-tables"),
)
SHARED = ("-fPIC", "-shared")
# A program that is made as a library, as musl's wrapper of gcc makes a dynamic program of -static-pie.
LOADED_FIRST = (*SHARED, "-fvisibility=hidden", "-Wl,-e,_start")

PATIENCE = 120
"""Seconds that a compiler may run."""
PT_INTERP = 3


class Unbuildable(Exception):
    """No compiler works; the text lists those that were tried, and why each failed."""


@dataclass(frozen=True)
class Compiler:
    """A compiler to try: the words of its command, and its arguments before and after the sources."""

    words: tuple[str, ...]
    before: tuple[str, ...] = ("-static-pie",)
    after: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the compiler's name for messages."""
        return shlex.join(self.words)


def compilers(environ: Mapping[str, str]) -> Iterator[Compiler]:
    """Yield the compilers to try, in order, without checking that they exist: the trial does that."""
    for words in (shlex.split(environ.get("CC", "")), ["musl-gcc"], ["cc"], ["gcc"], ["clang"]):
        if words:
            yield _musl(words) if words[-1].endswith("musl-gcc") else Compiler(tuple(words))
    target = f"{platform.machine()}-linux-musl"
    yield Compiler((sys.executable, "-m", "ziglang", "cc", "-target", target), ("-static",))


def _musl(words: Sequence[str]) -> Compiler:
    """Return musl's wrapper of gcc. It makes a dynamic program of -static-pie, so pass it what that stands for."""
    told = _run([*words, "-###", "-x", "c", "-"]).replace('"', " ").split()
    starts = [Path(word).parent for word in told if Path(word).name in ("Scrt1.o", "crt1.o")]
    if not starts or not (starts[0] / "rcrt1.o").exists():
        return Compiler(tuple(words), ("-static",))
    first, second, last = (str(starts[0] / name) for name in ("rcrt1.o", "crti.o", "crtn.o"))
    link = "-Wl,-pie,--no-dynamic-linker,-z,text"
    return Compiler(tuple(words), ("-static", "-nostartfiles", link, first, second), (last,))


def _run(command: Sequence[str]) -> str:
    """Return the output of a command, whether it succeeds or fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout


def find_zstd(environ: Mapping[str, str]) -> tuple[Path, Path]:
    """Return the directory of zstd's headers, and its static library. Raises Unbuildable."""

    def listed(variable: str) -> list[Path]:
        return [Path(part) for part in environ.get(variable, "").split(":") if part]

    multiarch = sysconfig.get_config_var("MULTIARCH") or f"{platform.machine()}-linux-gnu"
    prefixes = [Path("/usr/local"), Path("/usr")]
    headers = [*listed("CPATH"), *(prefix / "include" for prefix in prefixes)]
    libraries = listed("LIBRARY_PATH")
    libraries += [prefix / part for prefix in prefixes for part in (f"lib/{multiarch}", "lib64", "lib")]
    header = next((path for path in headers if all((path / name).is_file() for name in HEADERS)), None)
    library = next((path / ZSTD for path in libraries if (path / ZSTD).is_file()), None)
    if header is None or library is None:
        raise Unbuildable(f"not found: {' and '.join([HEADERS[0]] * (not header) + [ZSTD] * (not library))}")
    return header, library


def launcher_command(compiler: Compiler, headers: Path, library: Path, output: Path) -> list[str]:
    """Return the argv that makes the launcher; to be run in the directory of the sources."""
    flags = [*DIALECT, *WARNINGS, *COMPILE, *LINK, f"-ffile-prefix-map={SOURCE}=.", "-I", str(headers)]
    inputs = (*SOURCES, str(library))
    return [*compiler.words, *flags, *compiler.before, *inputs, *compiler.after, "-o", str(output)]


def init_command(compiler: Compiler, output: Path) -> list[str]:
    """Return the argv that makes the init; to be run in the directory of the sources."""
    return _bare_command(compiler, LOADED_FIRST, INIT_SOURCES, output)


def library_command(compiler: Compiler, sources: Sequence[str], output: Path) -> list[str]:
    """Return the argv that makes one of LIBRARIES; to be run in the directory of the sources."""
    return _bare_command(compiler, (*SHARED, f"-Wl,-soname,{output.name}"), sources, output)


def _bare_command(compiler: Compiler, options: Sequence[str], sources: Sequence[str], output: Path) -> list[str]:
    flags = [*DIALECT, *WARNINGS, *BARE, *options, *LINK, f"-ffile-prefix-map={SOURCE}=."]
    return [*compiler.words, *flags, *sources, "-o", str(output)]


def needs_loader(program: bytes) -> bool:
    """Return whether an ELF file names a dynamic loader, and so is not static."""
    offset = struct.unpack_from("<Q", program, 32)[0]
    size, count = struct.unpack_from("<HH", program, 54)
    return any(struct.unpack_from("<I", program, offset + index * size)[0] == PT_INTERP for index in range(count))


def compile_with(command: Sequence[str], output: Path) -> Optional[str]:
    """Run a compiler in the directory of the sources; return the reason if it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=SOURCE,
            env={**os.environ, "LC_ALL": "C", "SOURCE_DATE_EPOCH": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode != 0 or not output.is_file():
        told = done.stderr.splitlines() or [f"status {done.returncode}"]
        return next((line for line in told if re.search("error:|undefined|cannot find", line)), told[0]).strip()
    return None


def trial(program: Path, expected: bytes) -> Optional[str]:
    """Start a launcher or an init that has no application; return what is wrong if it does not report that."""
    try:
        if needs_loader(program.read_bytes()):
            return "its programs are not static"
        done = subprocess.run([str(program)], capture_output=True, timeout=PATIENCE, check=False)
    except (OSError, struct.error, subprocess.TimeoutExpired) as error:
        return f"its {program.name} does not run: {error}"
    if done.returncode != 126 or expected not in done.stderr:
        return f"its {program.name} does not work: status {done.returncode}"
    return None


def build(folder: Path, environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Compile all into a directory; return the files. Raises Unbuildable, but installs those that could be built."""
    built = build_libraries(folder, environ)
    return [*built, build_init(folder, environ), build_launcher(folder, environ)]


def build_libraries(folder: Path, environ: Mapping[str, str]) -> list[Path]:
    """Compile the libraries, which every linker needs, and which need only a compiler. Raises Unbuildable."""
    failures = []
    with tempfile.TemporaryDirectory(prefix="freezer-launcher-") as temporary:
        for compiler in compilers(environ):
            made = {name: Path(temporary, name) for name in LIBRARIES}
            commands = {path: library_command(compiler, LIBRARIES[name], path) for name, path in made.items()}
            reason = next(filter(None, (compile_with(command, path) for path, command in commands.items())), None)
            if reason is None:
                folder.mkdir(parents=True, exist_ok=True)
                return [_install(path, folder / name) for name, path in made.items()]
            failures.append(f"{compiler.name}: {reason}")
    raise Unbuildable("\n".join(failures))


def build_init(folder: Path, environ: Mapping[str, str]) -> Path:
    """Compile the init, for executables by staticx and unpacked images. Raises Unbuildable."""
    with tempfile.TemporaryDirectory(prefix="freezer-launcher-") as temporary:
        return _build_program(folder, Path(temporary, INIT), environ, init_command, b"started by an application")


def build_launcher(folder: Path, environ: Mapping[str, str]) -> Path:
    """Compile the launcher, which the native linker needs. Raises Unbuildable."""
    headers, zstd = find_zstd(environ)
    with tempfile.TemporaryDirectory(prefix="freezer-launcher-") as temporary:
        work = Path(temporary)
        for header in HEADERS:
            # Into a separate directory: beside them are the headers of another C library.
            shutil.copy(headers / header, work / header)

        def command(compiler: Compiler, output: Path) -> list[str]:
            return launcher_command(compiler, work, zstd, output)

        return _build_program(folder, work / LAUNCHER, environ, command, b"no application in it")


def _build_program(
    folder: Path,
    program: Path,
    environ: Mapping[str, str],
    command: Callable[[Compiler, Path], list[str]],
    expected: bytes,
) -> Path:
    """Compile a static program to ``program`` by the first compiler that makes a working one, and install it."""
    failures = []
    for compiler in compilers(environ):
        reason = compile_with(command(compiler, program), program) or trial(program, expected)
        if reason is None:
            folder.mkdir(parents=True, exist_ok=True)
            return _install(program, folder / program.name)
        failures.append(f"{compiler.name}: {reason}")
        program.unlink(missing_ok=True)
    raise Unbuildable("\n".join(failures))


def _install(path: Path, target: Path) -> Path:
    """Put a program into its place, where the old one may be running."""
    fresh = target.with_name(f".{target.name}.new")
    shutil.copy(path, fresh)
    fresh.chmod(0o755)
    fresh.replace(target)
    return target


if __name__ == "__main__":
    for made in build(Path(sys.argv[1])):
        print(made)
