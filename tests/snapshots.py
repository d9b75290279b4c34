"""An application that can start by memory snapshots, for the tests of these: a program in C, with the launcher."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

from launching import App, Outcome, executable, record, write_executable
from support import CHECKOUT, need_program, processes_with, wait_until

from freezer.link.launcher import build

KEY = (("variable", "BEFORE"), ("variable", "KEYED"), ("ask", "user"))

BY_CHANCE, ATTEMPTS = ("an address is in use", "has the number of the one that made it"), 3
"""The ends of the reasons for which one start in some thousands is plain (docs/starts.md), and how often one start is
tried that should not be."""


def key_of(*lines: tuple[str, str], verdict: str = "yes", end: bool = True) -> bytes:
    """Return the content of snapshot.key."""
    whole = [("snapshot", "1"), ("verdict", verdict), *lines, *([("end", "")] if end else [])]
    return "".join(f"{kind}\t{value}\n" for kind, value in whole).encode()


def compile_saved(folder: Path) -> bytes:
    """The program: linked as the interpreter and save.so are together."""
    compiler = need_program("gcc")
    objects = [folder / f"{name}.o" for name in ("save", "machine")]
    flags = [*build.DIALECT, *build.WARNINGS, "-O2", "-ffreestanding", "-fno-stack-protector", "-fPIE"]
    for path in objects:
        source = build.SOURCE / f"{path.stem}.c"
        subprocess.run([compiler, *flags, "-c", str(source), "-o", str(path)], check=True)
    program = folder / "saved"
    own = ["-O2", "-static-pie", "-pthread", str(CHECKOUT / "tests" / "launcher" / "saved.c")]
    subprocess.run([compiler, *own, *map(str, objects), "-o", str(program)], check=True)
    return program.read_bytes()


@dataclass
class Saved(App):
    """An executable whose application can be saved."""

    def run(self, *arguments: Union[str, bytes], env: Optional[Mapping[str, str]] = None, **options: Any) -> Outcome:
        """Start it, once more if it was plain by chance. How it was started is among the errors if that is wanted."""
        tells = {"FREEZER_DEBUG": "start"}
        for _ in range(ATTEMPTS):
            done = super().run(*arguments, env={**tells, **(env or {})}, **options)
            line, _, rest = done.stderr.partition("\n")
            if not line.endswith(BY_CHANCE):
                break
        if "FREEZER_DEBUG" in (env or {}) or ": started " not in line:
            return done
        return dataclasses.replace(done, stderr=rest)

    @property
    def snapshots(self) -> Path:
        return self.entry / "snapshots"

    def names(self, kind: str) -> list[str]:
        """The names of its snapshots of which there is a file of a kind."""
        return sorted(path.stem for path in self.snapshots.glob(f"*.{kind}"))

    def wait_until_made(self, kinds: Iterable[str] = ("seal", "bad"), count: int = 1) -> None:
        """Wait until the makers have ended, and there is a snapshot, or it is known that there cannot be one."""

        def is_made() -> bool:
            return not self.is_making() and sum(len(self.names(kind)) for kind in kinds) >= count

        wait_until(is_made, f"{count} of {', '.join(kinds)}")

    def is_making(self) -> bool:
        """Whether there is a maker, also one that has not begun: it is there when the start that wants it has ended.
        The application has ended, too. One that has just made another process may be passed over, as that is, in a
        list of processes: so there are two looks."""
        return any(processes_with(str(self.first)) for _ in range(2))

    def how(self, expected: str, **options: object) -> Outcome:
        """Start it; it must run, and in the way that is expected."""
        done = self.run(**options)  # type: ignore[arg-type]
        assert done.status == 7, (done.status, done.stderr)
        assert done.one("how") == expected, done.stderr
        assert done.one("check") == "good"
        return done

    def make(self, env: Optional[dict[str, str]] = None) -> None:
        """Have a snapshot made that is not on trial any more."""
        self.how("plain", env=env)
        self.run(env=env)
        self.wait_until_made()
        self.how("restored", env=env)
        assert not self.names("trial")


def saved_app(folder: Path, launcher: bytes, program: bytes, key: Optional[bytes] = None) -> Saved:
    """Write an executable with the program, and the key if there is one."""
    records = [record("X", "program", program), *([] if key is None else [record("F", "snapshot.key", key)])]
    data = executable(launcher, records)
    return Saved(write_executable(folder / "bin" / "app", data), folder / "first", folder / "second")
