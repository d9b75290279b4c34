"""The rooms of the house: imports between them go downward only, modules import in no circle, and all stay small."""

from __future__ import annotations

import ast
import dataclasses
import functools
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Union

from support import CHECKOUT

KINDS = ("unit", "programs")
"""The directories of tests that mirror the rooms; in ``programs`` is what starts a program, and tests that."""
PACKAGE = CHECKOUT / "freezer"
TESTS = CHECKOUT / "tests"
ORDER = (
    *(
        "base",
        "plan",
        "store",
        "system",
        "environment",
        "application",
        "freeze",
        "closure",
        "bill",
        "learn",
        "link",
        "sign",
        "image",
        "prove",
    ),
    *("inspect", "push", "run", "scaffold", "results", "stages", "pipeline", "cli", "__main__"),
)
"""From the bottom to the top: a module may import from its own room, and from those before it."""
PROGRAMS = ("drivers", "runtime")
"""Folders of code that runs in other processes, and imports nothing of freezer."""
STANDARD = set(getattr(sys, "stdlib_module_names", ()))
ELSEWHERE = {
    "freezer.inspect.page": ("unit/inspect/test_treemap.py", "it is the text of the page that the treemap fills in"),
    "freezer.link.launcher.build": ("programs/link/test_launcher.py", "what it compiles is tested: the launcher"),
    "freezer.link.native": ("unit/link/test_linkers.py", "it joins the tree and the payload, as every linker does"),
    "freezer.link.payload.records": ("unit/link/test_pack.py", "records are written and read there, byte by byte"),
    "freezer.link.tree": ("unit/link/test_layers.py", "it is split into layers there"),
    "freezer.system.chroot.alone": ("unit/system/test_bootstrap.py", "a program: it runs the tools that make roots"),
    "freezer.system.entering.program": ("integration/test_chroot.py", "a program: it needs a root to enter"),
    "freezer.link.alterable": ("unit/link/test_kept_bundles.py", "what may change is tested by changing it there"),
    "freezer.link.bundle_state": ("unit/link/test_kept_bundles.py", "so is what must not"),
    "freezer.link.other_size": ("unit/link/test_other.py", "a value of what is tested there"),
    "freezer.prove.proof": ("unit/prove/test_verify.py", "a value of what is tested there"),
    "freezer.sign.made_of": ("unit/sign/test_materials.py", "a value of what is tested there"),
    "freezer.stages": ("unit/test_pipeline.py", "a build is tested there, with all its stages"),
    "freezer.link.whole_bundle": ("unit/test_pipeline.py", "a part of it that not every build has"),
    **dict.fromkeys(
        (
            f"freezer.prove.sandbox.{name}"
            for name in ("application", "cells", "hosted", "loads", "program", "protocol", "root")
        ),
        ("programs/prove/test_sandbox.py", "the parts of one program, which is started as verification does"),
    ),
    **dict.fromkeys(
        (
            f"freezer.prove.snapshot.{name}"
            for name in (
                *("breakpoints", "callers", "calls", "events", "memory", "program", "ptrace", "rules"),
                *("stack_frames", "tracer", "probing"),
            )
        ),
        ("programs/prove/test_snapshot_probe.py", "the parts of one program, and what starts it"),
    ),
    **dict.fromkeys(
        (f"freezer.prove.snapshot.{name}" for name in ("known", "left", "paths", "tell")),
        ("unit/prove/test_verdict.py", "the parts of one judgement"),
    ),
    "freezer.freeze.drivers.run_time_hooks": (
        "programs/freeze/test_pyinstaller_internals.py",
        "names of PyInstaller's",
    ),
    **dict.fromkeys(
        (f"freezer.run.cell.{name}" for name in ("first_process", "furnish", "keeper")),
        ("programs/run/test_cell.py", "the parts of one program, which is started as freezer run does"),
    ),
}
"""Modules without a file of tests that is called as they are: the file that has their tests, and the reason."""
OF_SEVERAL = {
    "cli/test_bad_input.py",
    "cli/test_errors.py",
    "freeze/test_runtime.py",
    "freeze/test_runtime_boundary.py",
    "freeze/test_runtime_caches.py",
    "freeze/test_runtime_processes.py",
    "freeze/test_runtime_runner.py",
    "freeze/test_runtime_savable.py",
    "freeze/test_runtime_site.py",
    "learn/test_notes.py",
    "link/test_arenas.py",
    "link/test_init.py",
    "link/test_launcher.py",
    "link/test_variables.py",
    "link/test_memory.py",
    "link/test_randomness.py",
    "link/test_snapshots.py",
    "prove/test_sandbox.py",
    "prove/test_snapshot_probe.py",
    "run/test_cell.py",
}
"""Files of tests that are not called after a module."""
LONGEST_MODULE, LONGEST_FUNCTION = 300, 60
"""In lines: what is longer has a second responsibility, as a rule."""


def name_of(path: Path) -> str:
    parts = path.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


Import = Union[ast.Import, ast.ImportFrom]


@dataclasses.dataclass(frozen=True)
class Looked:
    """What the code of a module is looked through for, once: to walk all of it takes long."""

    lines: int
    imports: tuple[Import, ...]
    functions: dict[str, int]
    """How many lines each has."""


@functools.cache
def looked_at(module: str) -> Looked:
    text = MODULES[module].read_text(encoding="utf-8")
    functions, found = {}, []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.append(node)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            functions[f"{node.name} in line {node.lineno}"] = (node.end_lineno or 0) - node.lineno + 1
    return Looked(len(text.splitlines()), tuple(found), functions)


def imports(nodes: Iterable[Import], known: frozenset[str]) -> set[str]:
    """The modules of freezer that are imported, wherever in a module."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in known else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.partition(".")[0] == "freezer" and name != "freezer"}


def graph() -> dict[str, set[str]]:
    known = frozenset(MODULES)
    return {name: imports(looked_at(name).imports, known) for name in MODULES}


def room(module: str) -> str:
    return module.split(".")[1]


def upward(imported: dict[str, set[str]]) -> Iterator[str]:
    """The imports that go up."""
    for module, names in imported.items():
        if module != "freezer":
            yield from (
                f"{module} imports {name}"
                for name in sorted(names)
                if ORDER.index(room(name)) > ORDER.index(room(module))
            )


def circle(imported: dict[str, set[str]]) -> list[str]:
    """The modules of one circle; none if there is none."""
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return path[path.index(module) :]
        if module in done:
            return []
        for name in sorted(imported.get(module, ())):
            found = visit(name, [*path, module])
            if found:
                return found
        done.add(module)
        return []

    return next((found for module in sorted(imported) if (found := visit(module, []))), [])


def test_every_room_is_known() -> None:
    assert {room(module) for module in MODULES if module != "freezer"} == set(ORDER)


def test_imports_go_downward() -> None:
    assert list(upward(graph())) == []


def test_an_import_that_goes_up_is_found() -> None:
    imported = graph()
    assert "freezer.image.make" in MODULES
    up = ast.ImportFrom("freezer.image", [ast.alias("make")], 0)
    imported["freezer.plan.build"] |= imports([up], frozenset(MODULES))
    assert list(upward(imported)) == ["freezer.plan.build imports freezer.image.make"]


def test_there_is_no_circle() -> None:
    imported = graph()
    assert circle(imported) == []
    imported["freezer.base.log"].add("freezer.base.job")
    assert set(circle(imported)) == {"freezer.base.log", "freezer.base.job"}


def test_the_plan_needs_little() -> None:
    """Only itself, base and the standard library: nothing that reads ELF files, packs or talks to a terminal."""
    plans = [name for name in MODULES if room(f"{name}.") == "plan"]
    assert len(plans) > 5
    code = f"import sys; known = set(sys.modules); import {', '.join(plans)}; print(*(set(sys.modules) - known))"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    loaded = set(done.stdout.split())
    own = {name for name in loaded if name.partition(".")[0] == "freezer" and name != "freezer"}
    assert {room(name) for name in own} == {"plan", "base"}
    others = {name.partition(".")[0] for name in loaded} - STANDARD - {"freezer"}
    assert not STANDARD or others == set()


def test_programs_import_nothing_of_freezer() -> None:
    imported = {name: names for name, names in graph().items() if set(name.split(".")) & set(PROGRAMS)}
    assert len(imported) > 50
    assert {name: names for name, names in imported.items() if names} == {}


def test_modules_and_functions_are_short() -> None:
    modules = {name: looked_at(name) for name in MODULES}
    functions = [(name, *item) for name, looked in modules.items() for item in looked.functions.items()]
    assert len(functions) > 1000
    assert [item for item in functions if item[2] > LONGEST_FUNCTION] == []
    assert {name: looked.lines for name, looked in modules.items() if looked.lines > LONGEST_MODULE} == {}


NETWORK = {"http", "socket", "ssl", "urllib.request", "ftplib", "smtplib", "xmlrpc", "requests", "urllib3"}
LOCAL = {
    **dict.fromkeys(
        (f"freezer.prove.sandbox.{name}" for name in ("application", "asking", "reads")),
        "the sandbox has a network of its own, and sockets between its processes",
    ),
    "freezer.base.isolation.loopback": "it starts the device of a network that leads nowhere",
    "freezer.run.cell.furnish": "it sets the name of the host",
    "freezer.system.chroot.network": "it asks ssl where the host keeps its certificates",
}
"""Modules that use these modules for something that is not the network."""


def foreign(module: str) -> set[str]:
    """The modules that a module imports, with those above them."""
    found = set()
    for node in looked_at(module).imports:
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            parts = name.split(".")
            found |= {".".join(parts[: end + 1]) for end in range(len(parts))}
    return found


def test_only_a_push_talks_to_the_network() -> None:
    """But for the tools that others have made, such as pip; and nothing needs the room but the command."""
    talking = {name for name in MODULES if not set(name.split(".")) & set(PROGRAMS) and foreign(name) & NETWORK}
    assert {name for name in talking if not name.startswith("freezer.push.")} == set(LOCAL)
    assert "freezer.push.connections" in talking
    assert {
        name
        for name, imported in graph().items()
        if any(item.startswith("freezer.push.") for item in imported) and not name.startswith("freezer.push.")
    } == {"freezer.cli.push"}


def test_no_other_command_loads_what_talks_to_the_network() -> None:
    code = "import sys; from freezer.cli.main import build_parser; build_parser(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    loaded = set(done.stdout.split())
    assert "freezer.cli.push" in loaded
    assert not {name for name in loaded if name.startswith("freezer.push")} | (loaded & NETWORK)


def test_every_module_has_a_name_of_its_own() -> None:
    """But for the commands, which are called as what they call, and the plan and the proof of an image."""
    names = [path.stem for path in MODULES.values() if path.parent.name != "cli" and not path.stem.startswith("__")]
    assert {name for name in names if names.count(name) > 1} == {"build", "image", "program"}


BEGINNING = re.compile(r"^def test_", re.MULTILINE)


def files_of(module: str) -> list[Path]:
    """The files of tests that are called as a module is."""
    folders = [name for name in (module.split(".")[1],) if name != module.rpartition(".")[2]]
    own = (TESTS.joinpath(kind, *folders, f"test_{MODULES[module].stem}.py") for kind in KINDS)
    return [path for path in own if path.is_file()]


def test_every_module_has_a_file_of_tests() -> None:
    own = {
        name: [BEGINNING.search(path.read_text(encoding="utf-8")) is not None for path in files_of(name)]
        for name, path in MODULES.items()
        if not path.stem.startswith("__") and not set(name.split(".")) & set(PROGRAMS) and name not in ELSEWHERE
    }
    assert {name: tests for name, tests in own.items() if tests != [True]} == {}


def test_modules_that_are_tested_elsewhere() -> None:
    """The table has no module that is gone, or that has a file of its own by now."""
    for module, (place, _) in ELSEWHERE.items():
        assert module in MODULES
        assert (TESTS / place).is_file()
        assert files_of(module) == [], module


def test_every_file_of_tests_has_a_module() -> None:
    """But for what is about a program of another process, or about several modules at once."""
    stems = {(room(name), path.stem) for name, path in MODULES.items() if name != "freezer"}
    others = {
        f"{path.parent.name}/{path.name}"
        for kind in KINDS
        for path in (TESTS / kind).glob("*/test_*.py")
        if (path.parent.name, path.stem[len("test_") :]) not in stems
    }
    assert others == OF_SEVERAL
