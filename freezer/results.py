"""What comes of a build, and remembering it, so that a build in which nothing changed ends at once."""

from __future__ import annotations

import dataclasses
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from freezer.application.inputs import NamedInputs, change, changed_since, found_inputs, revision_of
from freezer.application.metadata import Metadata
from freezer.application.origin import Origin
from freezer.base.publish import digest_file
from freezer.link.other_size import Other
from freezer.plan.build import Plan
from freezer.plan.choices import Linker
from freezer.prove.proof import Proof
from freezer.prove.strength import PROVEN, Strength
from freezer.sign.made_of import Materials
from freezer.store import record

if TYPE_CHECKING:
    from freezer.application.entry import Application
    from freezer.base.job import Job
    from freezer.base.log import Log
    from freezer.closure.provisions import Provided
    from freezer.environment.interpreter import Interpreter
    from freezer.environment.venv import Environment
    from freezer.freeze.pyinstaller import Added, FrozenApp
    from freezer.image.write import ImageFile
    from freezer.link.linkers import StaticApp


SETTLED = 20_000_000
"""In ns: a file that was last changed so long ago has another time if it is changed again, however coarse the clock of
its file system is."""


@dataclass(frozen=True)
class Built:
    """A finished build. ``size`` is in bytes; ``proof`` is None if verification was switched off; ``unchanged`` says
    that an earlier build's output is still the right one; ``added`` and ``provided`` are what came along unasked;
    ``state`` identifies the file that ``sha256`` is of, or is empty;
    ``other`` is what the other linker would give, and ``untried`` what the proof has not tried, as far as these are
    known; ``sbom`` is the file with the bill of materials, ``provenance`` that with the provenance, and ``materials``
    are what it was built from."""

    path: Path
    size: int
    sha256: str
    python: str
    proof: Optional[Proof]
    origin: Origin
    unchanged: bool = False
    added: tuple[Added, ...] = ()
    provided: tuple[Provided, ...] = ()
    image: Optional[ImageFile] = None
    other: Optional[Other] = None
    untried: tuple[str, ...] = ()
    sbom: Optional[Path] = None
    provenance: Optional[Path] = None
    materials: Optional[Materials] = None
    state: tuple[int, ...] = ()


def built_of(
    path: Path,
    plan: Plan,
    application: Application,
    linked: StaticApp,
    interpreter: Interpreter,
    frozen: FrozenApp,
    proof: Optional[Proof],
    origin: Origin,
    image: Optional[ImageFile],
    materials: Optional[Materials],
) -> Built:
    """The result of a build whose executable is in place at ``path``."""
    state = state_of_output(path)
    return Built(
        path=path,
        size=path.stat().st_size,
        sha256=digest_file(path),
        python=interpreter.version_text,
        proof=proof,
        origin=origin,
        added=frozen.added,
        provided=linked.closed.provided,
        image=image,
        other=linked.other.result(),
        untried=_untried(plan, application, frozen, proof),
        sbom=plan.sbom,
        provenance=plan.signing.file_for(path),
        materials=materials,
        state=state,
    )


def _untried(plan: Plan, application: Application, frozen: FrozenApp, proof: Optional[Proof]) -> tuple[str, ...]:
    if proof is None or proof.strength not in PROVEN:
        return ()
    from freezer.prove.untried import untried

    imports = {item[0] for item in application.own_imports}
    return untried(plan.smokes, frozen.modules - frozen.own_modules, imports, proof)


def remember(
    plan: Plan,
    named: NamedInputs,
    environment: Environment,
    application: Application,
    frozen: FrozenApp,
    built: Built,
    job: Job,
) -> None:
    """Write the record of a finished build. Failing to write it is not an error; the next build just runs again."""
    found = found_inputs(environment, application, frozen.sources, job.cache)
    changed = changed_since(found, named.time)
    if changed is not None:
        job.log.detail(f"not remembered: {changed} has changed during the build")
        return
    content = {
        **named.state,
        **found,
        "output": str(built.path),
        "size": built.size,
        "sha256": built.sha256,
        "state": list(_settled(built)),
        "python": built.python,
        "proof": dataclasses.asdict(built.proof) if built.proof is not None else None,
        "origin": dataclasses.asdict(built.origin),
        "materials": None if built.materials is None else dataclasses.asdict(built.materials),
        "other": None if built.other is None else [built.other.linker.value, built.other.size],
    }
    record.write(job.cache, plan.digest_parts(), content)


def sources_of(plan: Plan, cache: Path) -> tuple[str, ...]:
    """Return the source files outside of the environment that the last successful build of a plan has found."""
    try:
        return tuple(record.read(cache, plan.digest_parts())["sources"])
    except (OSError, ValueError, LookupError, TypeError):
        return ()


def recall(plan: Plan, named: NamedInputs, cache: Path, log: Log) -> Optional[Built]:
    """Return the earlier output for this plan, if nothing that decided it has changed.

    None otherwise; then the log's details say why.
    """
    if plan.refresh:
        reason: Optional[str] = "--refresh asks for it"
    elif plan.unpacked:
        reason = "an image of the application's files needs them"
    else:
        try:
            content = record.read(cache, plan.digest_parts())
            reason = change(content, named.state) or _damage(content)
            if reason is None:
                return _recorded(content, plan)
        except FileNotFoundError:
            reason = "there is no earlier build with these settings"
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            reason = f"the record of the earlier build cannot be used ({type(error).__name__}: {error})"
    log.detail(f"building: {reason}")
    return None


def _recorded(content: dict[str, Any], plan: Plan) -> Built:
    return Built(
        path=Path(content["output"]),
        size=content["size"],
        sha256=content["sha256"],
        python=content["python"],
        proof=_proof(content["proof"]),
        origin=_origin(content["origin"], plan),
        unchanged=True,
        materials=_materials(content["materials"]),
        other=None if content["other"] is None else Other(Linker(content["other"][0]), content["other"][1]),
    )


def _damage(content: dict[str, Any]) -> Optional[str]:
    """Say why the output is not the one that was proven; None if it is."""
    path = Path(content["output"])
    if path.is_symlink() or not path.is_file():
        return f"{path} is no longer there"
    # Reading all of it would take longer than all else that is looked at.
    if list(state_of_output(path)) == content["state"]:
        return None
    if path.stat().st_size != content["size"] or digest_file(path) != content["sha256"]:
        return f"{path} has changed"
    return None


def state_of_output(path: Path) -> tuple[int, ...]:
    """Return what identifies a file and its content: the kernel notes when it was changed, and nobody can set that."""
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _settled(built: Built) -> tuple[int, ...]:
    """Return the state of the output; none if it may have changed after its digest was taken."""
    now = state_of_output(built.path)
    return now if now == built.state and now[-1] + SETTLED < time.time_ns() else ()


def _proof(values: Optional[dict[str, Any]]) -> Optional[Proof]:
    if values is None:
        return None
    lists = {name: tuple(values[name]) for name in ("notes", "warnings", "unused") if values[name] is not None}
    return Proof(**{**values, **lists, "strength": Strength(values["strength"])})


def _materials(values: Optional[dict[str, Any]]) -> Optional[Materials]:
    if values is None:
        return None
    lists = {name: tuple(values[name]) for name in ("dependencies", "files")}
    return Materials(**{**values, **lists})


def _origin(values: dict[str, Any], plan: Plan) -> Origin:
    metadata = values["metadata"] and Metadata(**values["metadata"])
    return Origin(metadata, revision_of(plan), values["newest"])
