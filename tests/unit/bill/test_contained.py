"""What a container adds to a bundle belongs to somebody, and what is left out of it to nobody."""

from __future__ import annotations

from pathlib import Path

from support import lacking

from freezer.base.bill import Bill, Component
from freezer.bill.contained import contained, linked_parts, of_staticx

FREEZER = Component("library", "static-freezer", "1", files=("modules",))
PYTHON = Component("platform", "CPython", "3.11.2", files=("modules",))
ONE = Component("library", "one", "1", files=("_internal/one", "modules"))
LOADER = Component("library", "pyinstaller", "6", files=("app", "modules"))
GONE = Component("library", "libpython3.11", "3", files=("_internal/libpython3.11.so.1.0",))
SYSTEM = Component("operating-system", "debian", "12")
PACKAGE = Component("library", "python3.11-minimal", "3")
BILL = Bill(
    Component("application", "app", files=("_internal/app.py", "modules")),
    (FREEZER, PYTHON, ONE, LOADER, GONE, SYSTEM, PACKAGE),
    6,
)
OWN = {"start.so": "freezer", "program": "program"}
FILES = ["_internal/one", "_internal/app.py", "modules", "start.so", "program"]


def files(bill: Bill) -> dict[str, tuple[str, ...]]:
    return {item.name: item.files for item in (bill.subject, *bill.components)}


def test_one_archive_of_modules() -> None:
    assert files(contained(BILL, FILES, OWN, [])) == {
        "app": ("_internal/app.py", "modules"),
        "static-freezer": ("modules", "start.so"),
        "CPython": ("modules",),
        "one": ("_internal/one", "modules"),
        "pyinstaller": ("modules",),
        "debian": (),
        "python3.11-minimal": ("program",),
    }


def test_archives_in_layers() -> None:
    found = files(contained(BILL, [*FILES, "modules.dependencies", "modules.application"], OWN, []))
    assert found["app"] == ("_internal/app.py", "modules.application")
    assert found["one"] == ("_internal/one", "modules.dependencies")
    assert found["CPython"] == found["pyinstaller"] == ("modules",)


def test_what_is_linked_into_freezer_s_programs(tmp_path: Path) -> None:
    program = tmp_path / "launcher"
    program.write_bytes(b"\x7fELF...@freezer:parts zstd=1.5.4 musl=\0...")
    found = {item.name: item for item in linked_parts(program)}
    assert (found["zstd"].version, found["zstd"].expression) == ("1.5.4", "BSD-3-Clause")
    assert found["musl"].purl == "pkg:generic/musl" and "Rich Felker" in found["musl"].notice
    assert "Redistribution" in found["zstd"].notice
    program.write_bytes(b"\x7fELF another")
    assert linked_parts(program) == []


def test_the_launcher_says_what_is_linked_into_it() -> None:
    from freezer.base.errors import EnvironmentFailure
    from freezer.link.launcher import launcher_path

    try:
        launcher = launcher_path()
    except EnvironmentFailure as error:
        lacking(str(error))
    assert {item.name for item in linked_parts(launcher)} - {"musl", "glibc"} == {"zstd"}
    assert len(linked_parts(launcher)) == 2


def test_staticx_s_own() -> None:
    part = of_staticx(["libnssfix.so"])
    assert (part.name, part.files) == ("staticx", ("libnssfix.so",))
    assert "GPL" in (part.expression or "".join(part.licenses))
