"""A closed bundle with its code, made from the beginning: frozen, closed, and with its bill.

Apart from ``kept_bundles``, as most builds need none of this, nor the modules that do it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from freezer.application.entry import Application
from freezer.base.job import Job
from freezer.bill.owners import with_bill
from freezer.closure.close import close_bundle
from freezer.environment.venv import Environment
from freezer.freeze.pyinstaller import freeze
from freezer.link.bundle_files import with_list
from freezer.link.kept_bundles import Bundle
from freezer.link.modules import read_package
from freezer.plan.build import Plan


def make_bundle(plan: Plan, environment: Environment, application: Application, job: Job) -> tuple[Bundle, Job]:
    """Freeze, and close the bundle; the job returned has the result. Raises as the stages do."""
    warned = len(job.log.warnings)
    frozen = freeze(plan, environment, application, job)
    # The stages up to here run programs of the system, which may have put links wherever later ones write.
    apart = job.apart()
    # Closing changes nothing of the code, which a program of its own takes out of PyInstaller's archive.
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(read_package, frozen, apart) if plan.jobs > 1 else None
        closed = with_bill(plan, environment, application, close_bundle(plan, environment, frozen, apart))
        package = read_package(frozen, apart) if reading is None else reading.result()
    return Bundle(with_list(closed), package, warnings=tuple(job.log.warnings[warned:])), apart
