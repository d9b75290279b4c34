"""What is missing of the application's own imports, once PyInstaller has told what it has not found.

PyInstaller looks for files. A module without one may be there all the same, as packages name modules of theirs as they
like: ``collections.abc`` since Python 3.13, ``six.moves.urllib``, ``py.path``. So Python is asked about those few; the
proof then shows that they are in the bundle, too.
"""

from __future__ import annotations

import json

from freezer.application.entry import Application
from freezer.application.missing import prefixes_of, refuse_missing
from freezer.base.job import Job
from freezer.environment.venv import Environment
from freezer.freeze.drivers import DRIVERS
from freezer.freeze.drivers.freeze_messages import ImportRequest
from freezer.plan.build import Plan


def refuse_absent(
    absent: frozenset[str], application: Application, plan: Plan, environment: Environment, job: Job
) -> None:
    """Raise an InputError if one of the modules that PyInstaller has not found cannot be imported, and the
    application's own code imports it whenever it starts."""
    asked = sorted({module for module, _, _ in application.own_imports if prefixes_of(module) & absent})
    if asked:
        found = _importable(asked, application, plan, environment, job)
        absent -= {prefix for module in found for prefix in prefixes_of(module)}
    refuse_missing(application.own_imports, absent, plan)


def _importable(
    names: list[str], application: Application, plan: Plan, environment: Environment, job: Job
) -> frozenset[str]:
    root = environment.root
    search = (*application.search, *application.imported_from)
    request: ImportRequest = {"names": names, "search": [root.inside(item) for item in search]}
    done = root.run(
        [environment.python, "-I", DRIVERS / "try_imports.py"],
        job,
        what="import what PyInstaller has not found",
        env=root.clean_environment(job, epoch=plan.epoch),
        cwd=job.work,
        stdin=json.dumps(request),
        capture=True,
    )
    return frozenset(json.loads(done.stdout))
