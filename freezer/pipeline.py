"""The stages of a build, in order; the table of contents of freezer.

Plan -> BuildRoot -> Interpreter -> Environment -> Application -> FrozenApp -> ClosedApp -> StaticApp -> Proof ->
ImageFile -> Built; an image of the application's files is made of an UnpackedApp, which is made of the ClosedApp, too.
Each stage is in the room of its name, says in the log what it does, and raises FreezerError.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from freezer.application.entry import Application
from freezer.application.inputs import NamedInputs, named_inputs
from freezer.application.origin import origin_of, with_files
from freezer.application.prepare import prepare
from freezer.base import tools
from freezer.base.job import Job
from freezer.base.log import Log
from freezer.base.publish import publish_executable, writing
from freezer.base.removal import remove_tree
from freezer.bill.owners import with_bill
from freezer.closure.close import close_bundle
from freezer.environment.interpreter import probe_interpreter
from freezer.environment.venv import Environment
from freezer.freeze.pyinstaller import FrozenApp, freeze
from freezer.image.make import image_of_executable, image_of_linked
from freezer.inspect.read_papers import as_asked, papers_in_program, sbom_of
from freezer.link.linkers import TOOLS, StaticApp, link
from freezer.plan.build import Plan
from freezer.plan.outputs import check_outputs
from freezer.prove.judge import FailedRun
from freezer.prove.repair import Repair, find_repair, repaired, with_repairs
from freezer.prove.verify import Proof, prove
from freezer.results import Built, built_of, recall, remember
from freezer.store.workspace import workspace
from freezer.system.chroot.roots import open_root


def build(plan: Plan, *, cache: Path, keep_work: bool, log: Log) -> Built:
    """Run all stages. Raises FreezerError; then the previous output is as it was, and nothing else is left."""
    check_outputs(plan)
    tools.require(TOOLS)
    named = named_inputs(plan, cache)
    kept = recall(plan, named, cache, log)
    if kept is not None:
        log.line(f"{kept.path} is up to date")
        for warning in kept.proof.warnings if kept.proof is not None else ():
            log.warning(warning)
        return _results_of_kept(plan, kept, cache, log)
    with workspace(cache, plan.name or "build", keep=keep_work, log=log) as job:
        return _build(plan, named, job)


def _results_of_kept(plan: Plan, kept: Built, cache: Path, log: Log) -> Built:
    """Make what else is wanted of an executable that an earlier build has made."""
    if plan.image is None and plan.sbom is None:
        return kept
    with workspace(cache, "image", keep=False, log=log) as job:
        papers = papers_in_program(kept.path, job)
        image = None
        if plan.image is not None:
            origin = with_files(kept.origin, plan.image, job)
            image = image_of_executable(plan.image, kept.path, origin, log, None, papers)
        _write_sbom(plan, papers, kept.path)
        return dataclasses.replace(kept, image=image, sbom=plan.sbom)


def _write_sbom(plan: Plan, papers: Mapping[str, bytes], source: Path) -> None:
    if plan.sbom is not None:
        data = as_asked(sbom_of(papers, source), source, plan.sbom, plan.epoch)
        with writing(plan.sbom, mode=0o644) as out:
            out.write(data)


def survey(plan: Plan, *, cache: Path, log: Log) -> Application:
    """Run the stages up to the application, which says what comes along. Raises FreezerError."""
    tools.require(TOOLS)
    with workspace(cache, plan.name or "plan", keep=False, log=log) as job:
        root = open_root(plan, job)
        return prepare(plan, root, probe_interpreter(plan, root, job), job)[1]


def _build(plan: Plan, named: NamedInputs, job: Job) -> Built:
    root = open_root(plan, job)
    interpreter = probe_interpreter(plan, root, job)
    environment, application = prepare(plan, root, interpreter, job)
    frozen, linked, proof, job = _proven(plan, environment, application, job)
    origin = origin_of(plan, application, job)
    path = plan.target(application.name)
    image = None
    if plan.image is not None:
        image = image_of_linked(plan.image, linked, path.name, with_files(origin, plan.image, job), job)
    publish_executable(linked.path, path, job.log)
    if plan.sbom is not None:
        _write_sbom(plan, linked.papers, linked.path)
    built = built_of(path, plan, application, linked, interpreter, frozen, proof, origin, image)
    remember(plan, named, environment, application, frozen, built, job)
    return built


def _proven(
    plan: Plan, environment: Environment, application: Application, job: Job
) -> tuple[FrozenApp, StaticApp, Optional[Proof], Job]:
    """Freeze, link and prove. What a run lacks, and is the application's or a requirement's, is added, and all of this
    done again; the job returned has the result."""
    repairs: list[Repair] = []
    while True:
        whole = repaired(plan, repairs)
        frozen = freeze(whole, environment, application, job)
        # The stages up to here run programs of the system, which may have put links wherever later ones write.
        apart = job.apart()
        closed = with_bill(whole, environment, application, close_bundle(whole, environment, frozen, apart))
        linked = link(whole, closed, apart)
        try:
            proof = prove(whole, linked, apart)
        except FailedRun as failure:
            repairs.append(find_repair(whole, environment, application, failure, repairs, job))
            linked.other.result()  # it reads what is removed or written anew
            remove_tree(apart.work)
        else:
            return frozen, linked, with_repairs(proof, repairs), apart
