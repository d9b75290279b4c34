"""Run an image: its root, what is started of it, the limits, and the run itself."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freezer.base.errors import FreezerError, Interrupted, NotFound, NotRun, UsageError
from freezer.base.log import Log
from freezer.base.oci.documents import object_at, strings
from freezer.image.merged import command_of
from freezer.run.cgroups import limited
from freezer.run.container import container_of
from freezer.run.image_roots import STREAM, root_of
from freezer.run.running import run_container
from freezer.run.terminal import kind_of_terminal
from freezer.run.wanted import Wanted, wanted_of
from freezer.store.workspace import workspace


def run_image(
    image: str, given: Mapping[str, Any], *, folder: Path, environ: Mapping[str, str], cache: Path, log: Log
) -> int:
    """Run the image in a file, a layout or standard input, and return the application's exit status; ``given`` is what
    the command line says of the run.

    Raises NotRun, with the status that docker has for that, if it was not started.
    """
    try:
        wanted = wanted_of(given, folder, environ)
        with contextlib.ExitStack() as kept:
            with contextlib.ExitStack() as preparing:
                job = preparing.enter_context(workspace(cache, "run", keep=False, log=log))
                root = root_of(image, folder, dataclasses.replace(job, holding=kept), writable=wanted.writable)
                container = container_of(root.config, wanted, root.path, kind_of_terminal(environ))
                # With a root from the cache, there is no work directory while the application runs.
                if wanted.writable:
                    kept.push(preparing.pop_all())
            with limited(wanted.limits) as group:
                try:
                    return run_container(container, root, group, no_input=image == STREAM, log=log)
                except NotFound as error:
                    raise with_advice(error, root.config, wanted) from error
    except (NotRun, Interrupted, UsageError):
        raise
    except FreezerError as error:
        raise NotRun(error.what, why=error.why, hint=error.hint) from error


def with_advice(error: NotFound, config: Mapping[str, Any], wanted: Wanted) -> NotFound:
    """Return the error for arguments that were meant for the image's command, and have replaced it."""
    settings = object_at(config, "config")
    command = command_of({**settings, "Entrypoint": None})
    if not wanted.arguments or wanted.entrypoint is not None or strings(settings.get("Entrypoint")) or not command:
        return error
    return NotFound(
        error.what,
        why="the image has no entrypoint, so ARGS replace its whole command",
        hint=f"freezer run IMAGE {shlex.join([*command, *wanted.arguments])}",
    )
