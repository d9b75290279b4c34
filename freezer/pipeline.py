"""Building: the result of an earlier build if nothing has changed, else that of the stages.

What does the work is imported when it is known that there is work: most of the time of a build in which nothing has
changed would be spent on imports.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Optional

from freezer.application.inputs import named_inputs
from freezer.base import tools
from freezer.base.log import Log
from freezer.plan.build import Plan
from freezer.plan.outputs import check_outputs
from freezer.results import Built, recall

if TYPE_CHECKING:
    from freezer.application.entry import Application
    from freezer.sign.crypto import Signer


def build(plan: Plan, *, cache: Path, keep_work: bool, log: Log, signer: Optional[Signer] = None) -> Built:
    """Build what the plan says; ``signer`` signs what is said of the result. Raises FreezerError; then the previous
    output is as it was, and nothing else is left."""
    check_outputs(plan)
    tools.require(tools.PACKAGES)
    named = named_inputs(plan, cache)
    kept = recall(plan, named, cache, log)
    if kept is not None:
        log.line(f"{kept.path} is up to date")
        for warning in kept.proof.warnings if kept.proof is not None else ():
            log.warning(warning)
        if plan.image is None and plan.sbom is None and not plan.signing.is_wanted:
            return kept
    from freezer import stages

    if kept is not None:
        return stages.results_of_kept(plan, kept, signer, cache, log)
    from freezer.store.workspace import workspace

    with workspace(cache, plan.name or "build", keep=keep_work, log=log) as job:
        return stages.run_stages(plan, named, signer, job)


def survey(plan: Plan, *, cache: Path, log: Log) -> Application:
    """Run the stages up to the application, which says what comes along. Raises FreezerError."""
    from freezer import stages
    from freezer.store.workspace import workspace

    tools.require(tools.PACKAGES)
    with workspace(cache, plan.name or "plan", keep=False, log=log) as job:
        return stages.application_of(plan, job)
