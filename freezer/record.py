"""Notes on finished builds, so that a build in which nothing changed ends at once.

A record names everything that decided a result: the plan, the tools' versions, the interpreter, the environment, and
every source file outside the environment with its size and time. It is used only if all of that is unchanged and the
output still has the digest that was proven.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.machinery
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from freezer import __version__
from freezer.application import Application, source_state
from freezer.chroot.roots import source_state_of
from freezer.environment import (
    Environment,
    toolchain_versions,
)
from freezer.errors import FreezerError
from freezer.freeze import FrozenApp
from freezer.image.make import Origin
from freezer.locate import locate_interpreter
from freezer.metadata import Metadata, revision
from freezer.plan import EntryKind, Plan
from freezer.requirements import requirements_state, tree_signature
from freezer.verify import Proof
from freezer.workspace import digest_file

if TYPE_CHECKING:
    from freezer.pipeline import Built


@dataclass(frozen=True)
class Kept:
    """An earlier build's output that is still the right one."""

    path: Path
    size: int
    sha256: str
    python: str
    proof: Optional[Proof]
    origin: Origin


def _file(plan: Plan, cache: Path) -> Path:
    parts = [__version__, plan.digest_parts()]
    text = json.dumps(parts, default=str, sort_keys=True)
    return cache / "record" / (hashlib.sha256(text.encode()).hexdigest()[:24] + ".json")


def _project_state(plan: Plan) -> Any:
    if plan.entry.kind is EntryKind.PROJECT and plan.entry.path is not None:
        return _plain(tree_signature(plan.entry.path))
    return None


def _plain(value: Any) -> Any:
    """The value as it comes back from a JSON file."""
    return json.loads(json.dumps(value))


def _root(plan: Plan, cache: Path) -> Any:
    """The system to build in, as far as it can be told without opening it; for the host, the Python that it has."""
    if plan.chroot is None:
        return str(locate_interpreter(plan.python))
    return _plain(source_state_of(plan, cache))


def write(
    plan: Plan,
    environment: Environment,
    application: Application,
    frozen: FrozenApp,
    built: Built,
    origin: Origin,
    *,
    cache: Path,
) -> None:
    """Remember a finished build. That it cannot be written is no failure: the next build then does its work again."""
    own = environment.python.parent.parent
    interpreter = environment.interpreter.executable
    work = (cache / "work", own)
    sources = {path for path in frozen.sources if not any(place in path.parents for place in work)}
    sources |= set(application.own_files)
    # A module that appears in the application's own directories may shadow one that was used.
    folders = {path.parent for path in application.own_files}
    content = {
        "key": environment.key,
        "toolchain": toolchain_versions(),
        "root": _root(plan, cache),
        "interpreter": source_state([interpreter, environment.interpreter.libpython]),
        "sources": source_state(sorted(path for path in sources if cache / "work" not in path.parents)),
        "folders": [(str(path), _importable(path)) for path in sorted(folders) if path.is_dir()],
        "added": [tree_signature(path) for path in _added(plan)],
        "project": _project_state(plan),
        "requirements": _plain(requirements_state(plan)),
        "environment": str(own),
        "output": str(built.path),
        "size": built.size,
        "sha256": built.sha256,
        "python": built.python,
        "proof": dataclasses.asdict(built.proof) if built.proof is not None else None,
        "origin": dataclasses.asdict(origin),
    }
    with contextlib.suppress(OSError):
        file = _file(plan, cache)
        aside = file.with_suffix(f".{os.getpid()}.new")
        aside.write_text(json.dumps(content), encoding="utf-8")
        os.replace(aside, file)


def still_valid(plan: Plan, cache: Path) -> Optional[Kept]:
    """The earlier output for this plan, if nothing that decided it has changed; None otherwise."""
    try:
        content = json.loads(_file(plan, cache).read_text(encoding="utf-8"))
        path = Path(content["output"])
        folders = [[name, _importable(Path(name))] for name, _ in content["folders"]]
        added = [_plain(tree_signature(item)) for item in _added(plan)]
        unchanged = (
            content["toolchain"] == toolchain_versions()
            and content["root"] == _root(plan, cache)
            and _same(content["interpreter"])
            and _same(content["sources"])
            and content["folders"] == folders
            and content["added"] == added
            and content["project"] == _project_state(plan)
            and content["requirements"] == _plain(requirements_state(plan))
            and (Path(content["environment"]) / "complete").is_file()
            and not path.is_symlink()
            and path.stat().st_size == content["size"]
            and digest_file(path) == content["sha256"]
        )
        if not unchanged:
            return None
        proof = content["proof"]
        if proof is not None:
            proof = Proof(**{**proof, "notes": tuple(proof["notes"])})
        origin = content["origin"]
        metadata = origin["metadata"] and Metadata(**origin["metadata"])
        kept = Origin(metadata, _revision(plan), origin["newest"])
        return Kept(path, content["size"], content["sha256"], content["python"], proof, kept)
    except (OSError, ValueError, KeyError, TypeError, FreezerError):
        return None


def _importable(folder: Path) -> list[str]:
    """The names in a directory that an import can find: modules and directories, but not an image written there."""
    suffixes = tuple(importlib.machinery.all_suffixes())
    return sorted(name for name in os.listdir(folder) if "." not in name or name.endswith(suffixes))


def origin_of(plan: Plan, application: Application) -> Origin:
    """What an image can say of where the executable comes from."""
    paths = [*plan.requirements, *plan.constraints, *_added(plan)]
    if plan.entry.kind is EntryKind.PROJECT and plan.entry.path is not None:
        paths.append(plan.entry.path)
    else:
        paths += [path for path in (plan.entry.path, *application.own_files) if path is not None and path.is_file()]
    times = [time for path in paths for _, _, time in tree_signature(path)]
    return Origin(application.metadata, _revision(plan), max(times) // 10**9 if times else None)


def _revision(plan: Plan) -> Optional[str]:
    if plan.entry.kind is EntryKind.PROJECT and plan.entry.path is not None:
        return revision(plan.entry.path)
    return None


def _added(plan: Plan) -> list[Path]:
    return sorted({path for path, _ in (*plan.add_data, *plan.add_binary)} | set(plan.libraries))


def _same(state: list[list[Any]]) -> bool:
    return [list(item) for item in source_state([Path(item[0]) for item in state])] == state
