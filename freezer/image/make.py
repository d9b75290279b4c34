"""Make the image of an application: its configuration, annotations and platform."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from freezer import __version__
from freezer.application.metadata import Metadata
from freezer.application.origin import Origin, newest_of, with_files
from freezer.base.bill import SBOM
from freezer.base.elf import find_elves
from freezer.base.errors import InputError
from freezer.base.job import Job
from freezer.base.log import Log, human_size
from freezer.base.oci.model import PREDEFINED, Platform, timestamp
from freezer.base.oci.reference import default_reference
from freezer.image import contents
from freezer.image.layer import Layer
from freezer.image.merged import SEARCH_PATH
from freezer.image.platforms import chosen, platform_of, platform_of_elf, unsaid
from freezer.image.variants import Needs, needs_of
from freezer.image.write import Attach, ImageFile, Recipe, write_image
from freezer.link.layers import Part, UnpackedApp, make_layers
from freezer.link.linkers import StaticApp
from freezer.link.papers import papers_in
from freezer.plan.choices import DEFAULT_EPOCH, ImageFormat, ImageLayout
from freezer.plan.image import Healthcheck, ImagePlan
from freezer.plan.outputs import check_image_output
from freezer.plan.resolve_image import check_program_name
from freezer.plan.signing import Signing
from freezer.sign.provenance import Provenance, image_of_existing_made
from freezer.store.workspace import reading

if TYPE_CHECKING:
    from freezer.sign.crypto import Signer

CERTIFICATES_WITHIN = "CA certificates only in the executable, if it was built with them"

Papers = Callable[[Path, Job], Mapping[str, bytes]]


def image_of_executable(
    plan: ImagePlan,
    executable: Path,
    origin: Origin,
    log: Log,
    name: Optional[str] = None,
    papers: Optional[Mapping[str, bytes]] = None,
    needs: Optional[Needs] = None,
    attach: Optional[Attach] = None,
) -> ImageFile:
    """Make the image of a static executable, which becomes ``/app/NAME``, and log its names; ``papers`` are what is in
    it, ``needs`` says what of its machine the code in it needs, if that is known, and ``attach`` gives what is said of
    it.

    Raises InputError for an executable that no scratch image can run, and as ``write_image`` does.
    """
    name = name or executable.name
    check_program_name(name)
    with _image_step(plan, log) as made:
        platform = _platform(plan, platform_of(executable), needs or needs_of([executable]), log)
        layers = contents.layers(plan, executable, name, papers)
        made.append(_write(plan, platform, layers, name, origin, (papers or {}).get(SBOM), attach))
    return made[0]


def image_of_files(
    plan: ImagePlan,
    application: UnpackedApp,
    name: str,
    origin: Origin,
    log: Log,
    needs: Needs,
    attach: Optional[Attach] = None,
) -> ImageFile:
    """Make the image of an application's files, with ``/app/NAME`` as the program that starts it. Raises likewise."""
    with _image_step(plan, log) as made:
        platform = _platform(plan, platform_of_elf(application.python, application.python.path), needs, log)
        sbom = papers_in(application.parts[Part.APPLICATION]).get(SBOM)
        layers = contents.unpacked_layers(plan, application, name)
        made.append(_write(plan, platform, layers, name, origin, sbom, attach))
    return made[0]


def image_of_linked(
    plan: ImagePlan, linked: StaticApp, name: str, origin: Origin, job: Job, attach: Optional[Attach] = None
) -> ImageFile:
    """Make the planned image of a linked application. Raises likewise, and ToolError."""
    needs = needs_of(elf.path for elf in find_elves(linked.closed.frozen.tree))
    if plan.layout is ImageLayout.BINARY:
        return image_of_executable(plan, linked.path, origin, job.log, name, linked.papers, needs, attach)
    with job.step("layers") as step:
        application = make_layers(linked.closed, linked.package, job, init=linked.init)
        step.result = ", ".join(f"{part.name.lower()} {human_size(size)}" for part, size in application.sizes().items())
    return image_of_files(plan, application, name, origin, job.log, needs, attach)


def image_of_existing(
    plan: ImagePlan,
    executable: Path,
    papers: Papers,
    *,
    cache: Path,
    log: Log,
    signing: Optional[Signing] = None,
    signer: Optional[Signer] = None,
) -> ImageFile:
    """Make the image of an existing executable, of which ``papers`` reads the documents in it, and its provenance if
    that is wanted. Raises likewise, and OutputError."""
    signing = signing or Signing()
    if plan.layout is not ImageLayout.BINARY:
        raise InputError(
            "an existing executable cannot be put into an unpacked image",
            why="it no longer shows which of its files are the application's own",
            hint="make the image while building: freezer build ... --image TAR --image-layout unpacked",
        )
    check_image_output(plan, executable, signing)
    with reading(executable, "image", cache, log) as job:
        origin = with_files(Origin(None, None, newest_of([executable], job)), plan, job)
        found = papers(executable, job)
        if not signing.is_wanted:
            return image_of_executable(plan, executable, origin, log, papers=found)
        provenance = Provenance(image_of_existing_made(plan, executable, found.get(SBOM)), signer)
        made = image_of_executable(plan, executable, origin, log, papers=found, attach=provenance.attached)
        if signing.provenance is not None:
            provenance.of_image(made.names[0], made.manifest_digest).write(signing.provenance)
        return made


def _platform(plan: ImagePlan, platform: Platform, needs: Needs, log: Log) -> Platform:
    """Return the platform to state, and warn if it is less than the code needs. Raises InputError as ``chosen``."""
    stated = chosen(platform, plan.variant, needs)
    warning = unsaid(stated, needs)
    if warning is not None:
        log.warning(warning)
    return stated


@contextlib.contextmanager
def _image_step(plan: ImagePlan, log: Log) -> Iterator[list[ImageFile]]:
    """Run one stage that makes an image, which the block puts into the list, and log the image."""
    made: list[ImageFile] = []
    with log.step("image") as step:
        yield made
        step.result = f"{', '.join(made[0].names)}, {human_size(made[0].size)}"
    log.line(f"    image ID {made[0].image_id}")
    log.line(f"    manifest {made[0].manifest_digest}")
    log.line("    " + ("CA certificates in /etc/ssl/certs" if plan.ca_certs else CERTIFICATES_WITHIN))


def _write(
    plan: ImagePlan,
    platform: Platform,
    layers: tuple[Layer, ...],
    name: str,
    origin: Origin,
    sbom: Optional[bytes],
    attach: Optional[Attach],
) -> ImageFile:
    created = timestamp(plan.created if plan.created is not None else origin.newest or DEFAULT_EPOCH)
    labels = {**_described(name, origin, created), **plan.labels}
    recipe = Recipe(
        platform=platform,
        layers=layers,
        settings=_settings(plan, name, labels),
        annotations={**labels, **plan.annotations} if plan.format is ImageFormat.OCI else {},
        names=plan.names or (default_reference(name),),
        created=created,
        created_by=f"freezer {__version__}",
        format=plan.format,
        sbom=sbom,
    )
    return write_image(recipe, plan.output, attach)


def _described(name: str, origin: Origin, created: str) -> dict[str, str]:
    """Return the predefined annotations (annotations.md) that the project has values for."""
    about = origin.metadata or Metadata(name)
    found = {
        "title": about.name,
        "version": about.version,
        "description": about.summary,
        "licenses": about.licenses,
        "source": about.source,
        "url": about.home,
        "documentation": about.documentation,
        "revision": origin.revision,
        "created": created,
    }
    return {PREDEFINED + key: value for key, value in found.items() if value is not None}


def _settings(plan: ImagePlan, name: str, labels: dict[str, str]) -> dict[str, Any]:
    """Return the ``config`` object of the configuration (config.md), with docker's Healthcheck in it.

    The command is a command, and no entrypoint, unless asked for: so ``docker run IMAGE COMMAND`` can start something
    else, as in the recipe.
    """
    program = f"/app/{name}"
    environment = {"PATH": SEARCH_PATH, **({"LANG": "C.UTF-8"} if plan.locale else {}), **plan.environment}
    settings: dict[str, Any] = {
        "User": f"{plan.uid}:{plan.gid}",
        "Env": [f"{key}={value}" for key, value in environment.items()],
        "WorkingDir": plan.workdir,
        "Labels": labels,
    }
    if plan.entrypoint:
        settings["Entrypoint"] = [program]
        if plan.arguments:
            settings["Cmd"] = list(plan.arguments)
    else:
        settings["Cmd"] = [program, *plan.arguments]
    if plan.ports:
        settings["ExposedPorts"] = {port: {} for port in plan.ports}
    if plan.volumes:
        settings["Volumes"] = {volume: {} for volume in plan.volumes}
    if plan.stop_signal is not None:
        settings["StopSignal"] = plan.stop_signal
    if plan.healthcheck is not None:
        settings["Healthcheck"] = _healthcheck(plan.healthcheck)
    return settings


def _healthcheck(check: Healthcheck) -> dict[str, Any]:
    """Return docker's object for a health check; what it does not have is the engine's default."""
    times = {
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "Retries": check.retries,
    }
    return {"Test": ["CMD", *check.command], **{key: value for key, value in times.items() if value is not None}}
