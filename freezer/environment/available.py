"""Whether the build environment has something that the application asks for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.base.job import Job
from freezer.environment.drivers import DRIVERS
from freezer.environment.drivers.environment_messages import AvailableAnswer, AvailableRequest
from freezer.environment.venv import Environment

BUILT_IN = "built-in"


@dataclass(frozen=True)
class Available:
    """Where something is: the paths, on the host, of the module and the file, and the distribution's own name; None for
    what there is not. A module may also be built into the interpreter."""

    is_built_in: bool
    module: Optional[Path]
    file: Optional[Path]
    distribution: Optional[str]


def find_available(
    environment: Environment,
    job: Job,
    *,
    search: Sequence[Path] = (),
    module: Optional[str] = None,
    file: Optional[str] = None,
    distribution: Optional[str] = None,
) -> Available:
    """Ask the environment's Python where it would find a module, a file beside modules, or a distribution; ``search``
    are directories before its own. Nothing of these is run."""
    root = environment.root
    request: AvailableRequest = {
        "search": [root.inside(place) for place in search],
        "module": module,
        "file": file,
        "distribution": distribution,
    }
    done = root.run(
        [environment.python, "-I", DRIVERS / "find_available.py"],
        job,
        what="look into the build environment",
        env=root.clean_environment(job, epoch=0),
        cwd=job.work,
        stdin=json.dumps(request),
        capture=True,
    )
    answer: AvailableAnswer = json.loads(done.stdout)
    at, beside = answer["module"], answer["file"]
    return Available(
        is_built_in=at == BUILT_IN,
        module=root.outside(at) if at is not None and at != BUILT_IN else None,
        file=root.outside(beside) if beside is not None else None,
        distribution=answer["distribution"],
    )
