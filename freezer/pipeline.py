"""The stages of a build, in order; the table of contents of freezer.

Plan -> BuildRoot -> Interpreter -> Environment -> Application -> FrozenApp -> ClosedApp -> StaticApp -> Proof ->
ImageFile -> Built; an image of the application's files is made of an UnpackedApp, which is made of the ClosedApp, too.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

from freezer import environment, link, record, tools
from freezer.application import build_wheel, choose_script, resolve_application
from freezer.bundle import ClosedApp, check_architecture, close_bundle
from freezer.chroot.roots import open_root
from freezer.errors import EnvironmentFailure, InputError, OutputError, ToolError, VerificationError
from freezer.freeze import Added, FrozenApp, freeze
from freezer.image import make
from freezer.image.make import Origin
from freezer.image.plan import ImageLayout, ImagePlan
from freezer.image.prove import ImageProof, prove_image
from freezer.image.write import ImageFile
from freezer.inspect.image import inspect
from freezer.inspect.report import Report
from freezer.interpreter import probe_interpreter
from freezer.link import StaticApp
from freezer.log import Log, human_size
from freezer.native.layers import UnpackedApp, make_layers
from freezer.plan import Plan, Smoke
from freezer.provisions import Provided
from freezer.verify import Proof, verify
from freezer.workspace import Workspace, check_target, digest_file, full_disk, publish, workspace

CERTIFICATES_WITHIN = "no CA certificates but those in the executable, which it carries if it was built to use TLS"


@dataclass(frozen=True)
class Built:
    """A finished build. ``size`` is in bytes; ``proof`` is None if verification was switched off; ``unchanged`` says
    that an earlier build's output is still the right one; ``added`` and ``provided`` are what came along unasked."""

    path: Path
    size: int
    sha256: str
    python: str
    proof: Optional[Proof]
    unchanged: bool
    added: tuple[Added, ...] = ()
    provided: tuple[Provided, ...] = ()
    image: Optional[ImageFile] = None


def build(plan: Plan, *, cache: Path, keep_work: bool, log: Log) -> Built:
    """Run all stages. Raises FreezerError; then the previous output is as it was, and nothing else is left."""
    if plan.output is not None or plan.name is not None:
        check_target(target(plan, plan.name or ""))
    if plan.image is not None:
        check_target(plan.image.output)
    tools.require(link.TOOLS)
    unpacked = plan.image is not None and plan.image.layout is ImageLayout.UNPACKED
    # Nothing is kept of a build that an image of its files could be made of.
    kept = None if plan.refresh or unpacked else record.still_valid(plan, cache)
    if kept is not None:
        log.line(f"{kept.path} is up to date")
        image = make_image(plan.image, kept.path, kept.path.name, kept.origin, log) if plan.image else None
        return Built(kept.path, kept.size, kept.sha256, kept.python, kept.proof, unchanged=True, image=image)
    with workspace(cache, plan.name or "build", keep=keep_work) as space:
        try:
            return _build(plan, space, log)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise full_disk(error, space.work) from error
            raise
        except (EnvironmentFailure, ToolError, VerificationError) as error:
            if "No space left on device" in (error.why or ""):
                raise full_disk(OSError(error.why), space.work) from error
            raise
        finally:
            if keep_work:
                log.line(f"the work directory is kept: {space.work}")


def _build(plan: Plan, space: Workspace, log: Log) -> Built:
    root = open_root(plan, log=log, space=space)
    with log.step("python") as step:
        interpreter = probe_interpreter(root.locate(plan.python), root, log=log, space=space)
        step.result = f"{interpreter.version_text} at {interpreter.executable}"
    with log.step("environment") as step:
        project = build_wheel(plan, root, interpreter, log=log, space=space)
        choose_script(plan, project)
        dependencies = project.dependencies if project is not None else ()
        built_in = environment.make_environment(interpreter, root, plan, dependencies, log=log, space=space)
        check_architecture(plan, built_in)
        application = resolve_application(plan, built_in, project, log=log, space=space)
        destination = target(plan, application.name)
        check_target(destination)
        step.result = "reused" if built_in.reused else "made"
    with log.step("freeze") as step:
        frozen = freeze(plan, built_in, application, log=log, space=space)
        step.result = describe_frozen(frozen)
    for item in frozen.added:
        log.detail(f"    {item.distribution}: {item.files} files, {human_size(item.size)}; {item.modules} modules")
    with log.step("close") as step:
        closed = close_bundle(plan, built_in, frozen, log=log, space=space)
        step.result = describe_closed(closed)
    with log.step("link") as step:
        linked = link.LINKERS[plan.linker](plan, closed, log=log, space=space)
        step.result = human_size(linked.size)
    proof = prove(plan, linked, space, log)
    origin = record.origin_of(plan, application)
    image = image_beside(plan.image, linked, destination.name, origin, log, space) if plan.image is not None else None
    with log.step("publish") as step:
        publish(linked.path, destination, mode=0o755)
        step.result = str(destination)
    built = Built(
        path=destination,
        size=linked.size,
        sha256=digest_file(linked.path),
        python=interpreter.version_text,
        proof=proof,
        unchanged=False,
        added=frozen.added,
        provided=closed.provided,
        image=image,
    )
    record.write(plan, built_in, application, frozen, built, origin, cache=space.cache)
    return built


def prove(plan: Plan, linked: StaticApp, space: Workspace, log: Log) -> Optional[Proof]:
    """Verify the linked executable, unless the user opted out; both are said aloud."""
    if not plan.verify:
        log.warning("not verified: the executable may not run where it is needed")
        return None
    with log.step("verify") as step:
        proof = verify(linked.path, plan.smoke, jobs=plan.jobs, log=log, space=space, step=step)
        step.result = f"{proof.outcome}; {proof.libraries} libraries loaded"
    if proof.isolation is None:
        log.warning(f"not proven in an empty root: {proof.outcome}")
    for note in proof.notes:
        log.detail(f"    {note}")
    return proof


def image_beside(
    plan: ImagePlan, linked: StaticApp, name: str, origin: Origin, log: Log, space: Workspace
) -> ImageFile:
    """Make the image that was asked for with the executable. Raises as ``make_image`` does, and ToolError."""
    if plan.layout is ImageLayout.BINARY:
        return make_image(plan, linked.path, name, origin, log)
    with log.step("layers") as step:
        application = make_layers(linked.closed, log=log, space=space)
        step.result = ", ".join(f"{part.name.lower()} {human_size(size)}" for part, size in application.sizes().items())
    return make_image(plan, application, name, origin, log)


def make_image(
    plan: ImagePlan, application: Union[Path, UnpackedApp], name: str, origin: Origin, log: Log
) -> ImageFile:
    """Make the image of an executable or of an application's files, and say what it is called.

    Raises InputError, OutputError.
    """
    with log.step("image") as step:
        if isinstance(application, UnpackedApp):
            image = make.make_unpacked_image(plan, application, name, origin)
        else:
            image = make.make_image(plan, application, name, origin)
        step.result = f"{', '.join(image.names)}, {human_size(image.size)}"
    log.line(f"    image ID {image.image_id}")
    log.line(f"    manifest {image.manifest_digest}")
    log.line("    " + ("CA certificates in /etc/ssl/certs" if plan.ca_certs else CERTIFICATES_WITHIN))
    return image


def image_of(plan: ImagePlan, executable: Path, log: Log) -> ImageFile:
    """Make the image of an executable that exists already. Raises as ``make_image`` does."""
    if plan.layout is not ImageLayout.BINARY:
        raise InputError(
            "an executable that exists cannot be put into an unpacked image",
            why="it does not tell any more what of it is the application's own",
            hint="have the image made while building: freezer build ... --image TAR --image-layout unpacked",
        )
    check_target(plan.output)
    newest = int(executable.stat().st_mtime)
    return make_image(plan, executable, executable.name, Origin(None, None, newest), log)


def target(plan: Plan, name: str) -> Path:
    """Where the result goes."""
    return plan.output if plan.output is not None else plan.folder / "dist" / name


def describe_frozen(frozen: FrozenApp) -> str:
    """What went into the bundle unasked, in one line."""
    size = sum(item.size for item in frozen.added)
    biggest = sorted(frozen.added, key=lambda item: item.size, reverse=True)[:3]
    named = ", ".join(f"{item.distribution} {human_size(item.size)}" for item in biggest if item.size)
    text = f"{len(frozen.modules)} modules"
    return f"{text}; added {human_size(size)} of data and metadata ({named})" if named else text


def describe_closed(closed: ClosedApp) -> str:
    """Which parts of the system came along, in one line."""
    parts = [f"{item.name} {human_size(item.size)}" for item in closed.provided]
    return f"{len(closed.libraries)} system libraries" + (", " + ", ".join(parts) if parts else "")


def check(path: Path, smoke: Smoke, *, jobs: int, cache: Path, log: Log) -> Proof:
    """Prove an executable that exists already, made by freezer or not. Raises as ``verify`` does."""
    with reading(path, "check", cache) as space, log.step("verify") as step:
        proof = verify(path, smoke, jobs=jobs, log=log, space=space, step=step)
        step.result = proof.outcome
    return proof


def check_image(path: Path, smoke: Smoke, *, jobs: int, cache: Path, log: Log) -> ImageProof:
    """Prove an image, made by freezer or not. Raises as ``prove_image`` does."""
    with reading(path, "check", cache) as space, log.step("verify") as step:
        proof = prove_image(path, smoke, jobs=jobs, log=log, space=space, step=step)
        step.result = f"{', '.join(proof.names) or 'no name'}; {proof.outcome}"
    return proof


def inspect_file(path: Path, *, cache: Path, log: Log) -> Report:
    """Look into an executable or an image. Raises as ``inspect`` does."""
    with reading(path, "inspect", cache) as space:
        return inspect(path, log=log, space=space)


@contextlib.contextmanager
def reading(path: Path, what: str, cache: Path) -> Iterator[Workspace]:
    """A place to work in while looking at ``path``. Raises OutputError if that is too small."""
    with workspace(cache, what, keep=False) as space:
        try:
            yield space
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise full_disk(error, space.work) from error
            raise OutputError(f"cannot {what} {path}: {error.strerror}", why=str(error)) from error
