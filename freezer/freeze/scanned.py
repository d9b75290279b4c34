"""The scans of Python's own modules, which are made once, when a toolchain has just been made.

An analysis keeps what it finds in each source (``drivers/content_memory``), but one of an application alone scans no
more than that imports: the next one, of another application, would be slow again. So all that is likely to be wanted is
scanned before the first analysis, which then need not.
"""

from __future__ import annotations

import contextlib
import os

from freezer.base.errors import ToolError
from freezer.base.job import Job
from freezer.environment.venv import Environment
from freezer.freeze.drivers import DRIVERS
from freezer.plan.choices import DEFAULT_EPOCH

MARK = "library"
"""What the name of the file begins with that says that a Python's modules have been scanned."""


def scan_library(environment: Environment, job: Job) -> None:
    """Scan the standard library, unless that was done before. That it fails is no error: an analysis scans what it
    needs, and says what is wrong."""
    home, root = environment.analysis, environment.root
    mark = home / f"{MARK}-{environment.interpreter.version_text}"
    if os.path.lexists(mark):
        return
    drivers = [DRIVERS / "start_with_toolchain.py", environment.toolchain, DRIVERS / "scan_library.py"]
    with contextlib.suppress(ToolError):
        root.run(
            [environment.python, "-I", "-S", *drivers, home],
            job,
            what="scan the standard library",
            env=root.clean_environment(job, epoch=DEFAULT_EPOCH),
            cwd=job.work,
        )
    # Renamed, as another system may have put a link there.
    with contextlib.suppress(OSError):
        os.rename(job.write("scanned", ""), mark)
