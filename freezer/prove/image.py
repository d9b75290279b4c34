"""Proving an image: check it against the rules, then run it in its own root, as a careful cluster would run it.

The root is read-only except for a /tmp, there are no capabilities and no network, and the user is the image's own. If
freezer made the program, in one file or unpacked, all its libraries are loaded, too (see ``freezer.prove.verify``).
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from freezer.base import tools
from freezer.base.elf import Elf, read_elf
from freezer.base.elf_file import NotElf
from freezer.base.errors import VerificationError
from freezer.base.job import Job
from freezer.base.log import Step
from freezer.base.oci.archive import open_image
from freezer.base.oci.documents import Image
from freezer.base.oci.rootfs import unpack_root
from freezer.image.accounts import account_of
from freezer.image.check import validate
from freezer.image.merged import SEARCH_PATH, MergedRoot, command_of, find_program
from freezer.image.platforms import PLATFORMS, dynamic_problem
from freezer.link.start import INIT
from freezer.plan.build import Smoke
from freezer.plan.choices import MANIFEST, Linker, Verification
from freezer.plan.learned import Learned
from freezer.prove.bundle import Bundle, bundle_of, open_bundle
from freezer.prove.judge import IMAGE_ROOT, judge_loads
from freezer.prove.learnt import judge_learned
from freezer.prove.proof import Proof
from freezer.prove.runs import judge_runs, run_request
from freezer.prove.strength import Strength, weaken
from freezer.prove.unpack import Unpacked
from freezer.prove.verify import not_run, run_sandbox, seconds_of

SHOWN = 20


@dataclass(frozen=True)
class ImageProof:
    """The result of proving an image. ``isolation`` is how the run was isolated, None if there was no run; ``seconds``
    is the time until the first output, or the end; ``libraries`` counts those loaded from the program's bundle;
    ``size`` is the file's, in bytes."""

    strength: Strength
    isolation: Optional[str]
    outcome: str
    seconds: Optional[float]
    libraries: int
    image_id: str
    manifest_digest: Optional[str]
    names: tuple[str, ...]
    size: int
    layers: int
    user: str
    command: tuple[str, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def prove_image(
    path: Path,
    smokes: Sequence[Smoke],
    verification: Verification,
    job: Job,
    *,
    jobs: int,
    step: Optional[Step] = None,
    learned: Optional[Learned] = None,
) -> ImageProof:
    """Prove the images in a file, as far as ``verification`` wants; of several, only the one for this machine is run.
    What is ``learned`` must be in it.

    Raises InputError if the file is not an image, and VerificationError, with every problem, if an image breaks a rule
    or does not run; or if this host permits no run, and one is required.
    """
    with open_image(path) as archive:
        verdict = validate(archive)
        if verdict.problems:
            more = [f"and {len(verdict.problems) - SHOWN} more"] if len(verdict.problems) > SHOWN else []
            why = "\n".join([*verdict.problems[:SHOWN], *more])
            raise VerificationError(f"{path} breaks the rules for images", why=why)
        own = _own_architecture()
        found = list(zip(archive.images, verdict.roots))
        image, root = next((item for item in found if item[0].config.get("architecture") == own), found[0])
        settings = image.config.get("config") or {}
        command = _command(settings, smokes[0])
        architecture = image.config.get("architecture")
        if verification is Verification.NO:
            ran = not_run("--verify=no")
        elif architecture != own:
            cause = f"it is made for {architecture}"
            ran = not_run(cause, weaken(path.name, cause, "run freezer check on such a machine", verification))
        else:
            folder = job.work / "rootfs"
            unpack_root(archive, image, folder)
            bundle, binary = _bundle(folder, command, settings, root, job)
            if learned is not None:
                judge_learned(learned, bundle.folder, path.name)
            request = {
                **_request(settings, folder, smokes, root),
                "binary": str(binary) if binary is not None else None,
                "jobs": jobs,
            }
            reply = run_sandbox(request, bundle, job, step=step)
            ran = _judged(reply, bundle, smokes, verification, path.name)
        return _proof(path, image, command, ran)


def _judged(
    reply: dict[str, Any], bundle: Bundle, smokes: Sequence[Smoke], verification: Verification, name: str
) -> Proof:
    """Return what the sandbox's answer proves of the program. Raises VerificationError."""
    if "cause" in reply:
        return not_run(reply["cause"], weaken(name, reply["cause"], reply["remedy"], verification))
    judge_loads(reply["loads"], bundle.known_missing, name)
    # A run sees no files but the image's, so it may map any of them.
    ended = judge_runs(reply["runs"], smokes, name, places=("/",), where=IMAGE_ROOT)
    return Proof(
        Strength.IMAGE_ROOT,
        reply["isolation"],
        ended.outcome,
        seconds_of(reply["runs"][0]),
        len(bundle.loads),
        tuple(reply["notes"]),
        ended.warnings,
    )


def _proof(path: Path, image: Image, command: tuple[str, ...], ran: Proof) -> ImageProof:
    return ImageProof(
        strength=ran.strength,
        isolation=ran.isolation,
        outcome=ran.outcome,
        seconds=ran.seconds,
        libraries=ran.libraries,
        image_id=image.config_digest,
        manifest_digest=image.manifest_digest,
        names=image.names,
        size=path.stat().st_size,
        layers=len(image.layers),
        user=str((image.config.get("config") or {}).get("User", "")),
        command=command,
        notes=ran.notes,
        warnings=ran.warnings,
    )


def _command(settings: dict[str, Any], smoke: Smoke) -> tuple[str, ...]:
    """Return the command to run. Given arguments replace the command if there is an entrypoint, as for ``docker run``;
    without an entrypoint they are added to the command."""
    if smoke.arguments is None:
        return command_of(settings)
    if settings.get("Entrypoint"):
        return command_of({**settings, "Cmd": list(smoke.arguments)})
    return (*command_of(settings), *smoke.arguments)


def _own_architecture() -> str:
    elf = read_elf(Path(tools.own_python()).resolve())
    platform = PLATFORMS.get((elf.machine, elf.bits))
    return platform.architecture if platform is not None else ""


def _request(settings: dict[str, Any], folder: Path, smokes: Sequence[Smoke], root: MergedRoot) -> dict[str, Any]:
    account = account_of(folder, str(settings["User"]))
    environment = {"PATH": SEARCH_PATH, "HOME": account.home}
    environment.update(item.partition("=")[::2] for item in map(str, settings.get("Env") or ()))
    runs = []
    for smoke in smokes:
        program, *arguments = _command(settings, smoke)
        if "/" not in program:
            places = [posixpath.join(place, program) for place in environment["PATH"].split(":") if place]
            program = next(place for place in places if find_program(place, {}, root) is not None)
        run = run_request(smoke, [program, *arguments], environment, trace_maps=False)
        runs.append({**run, "cwd": str(settings.get("WorkingDir") or "/")})
    return {
        "name": posixpath.basename(runs[0]["argv"][0]),
        "rootfs": str(folder),
        "uid": account.user,
        "gid": account.group,
        "runs": runs,
    }


def _bundle(
    folder: Path, command: tuple[str, ...], settings: dict[str, Any], root: MergedRoot, job: Job
) -> tuple[Bundle, Optional[Path]]:
    """Return the bundle of the image's program, and the program's path if it is a static executable; or the native
    linker's tree, if the program belongs to one."""
    program = find_program(command[0], settings, root)
    binary = folder / program.name if program is not None else folder
    try:
        if not any(item.is_symlink() for item in (binary, *binary.parents) if folder in item.parents):
            elf = read_elf(binary)
            if not dynamic_problem(elf):
                return open_bundle(binary, job), binary
            tree = _tree(folder, elf)
            if tree is not None:
                return bundle_of(tree), None
    except (NotElf, OSError):
        pass  # a script has no bundle
    return Bundle(None, (), frozenset()), None


def _tree(folder: Path, program: Elf) -> Optional[Unpacked]:
    """Return the native linker's tree in the root ``folder`` to which a program belongs: its loader and the linker's
    manifest are beside it. Return None if it belongs to no such tree."""
    place = program.path.parent
    directory, loader = posixpath.split(program.interpreter or "")
    if loader == INIT and program.next_loader is not None:
        loader = program.next_loader
    if directory != f"/{place.relative_to(folder)}":
        return None
    if any(item.is_symlink() or not item.is_file() for item in (place / loader, place / MANIFEST)):
        return None
    return Unpacked(place, Linker.NATIVE, program.path.name, loader)
