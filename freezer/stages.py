"""The stages of a build, in order; the table of contents of freezer.

Plan -> BuildRoot -> Interpreter -> Environment -> Application -> FrozenApp -> ClosedApp -> StaticApp -> Proof ->
ImageFile -> Built; an image of the application's files is made of an UnpackedApp, which is made of the ClosedApp, too.
Each stage is in the room of its name, says in the log what it does, and raises FreezerError.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from freezer.application.entry import Application
from freezer.application.inputs import NamedInputs
from freezer.application.origin import origin_of, with_files
from freezer.application.prepare import prepare
from freezer.base.bill import SBOM
from freezer.base.job import Job
from freezer.base.log import Log
from freezer.base.publish import publish_executable, writing
from freezer.base.removal import remove_tree
from freezer.environment.interpreter import probe_interpreter
from freezer.environment.venv import Environment
from freezer.link.kept_bundles import Bundle, keep_bundle, recall_bundle
from freezer.link.linkers import StaticApp, link
from freezer.plan.build import Plan
from freezer.prove.judge import FailedRun
from freezer.prove.proof import Proof
from freezer.prove.verify import prove
from freezer.results import Built, built_of, remember
from freezer.sign.made_of import Materials
from freezer.sign.materials import materials_of
from freezer.store.workspace import workspace
from freezer.system.buildroot import BuildRoot
from freezer.system.host import Host

# What only some builds need is imported where it is used: all of it would take as long as a whole build may in which a
# line has changed.
if TYPE_CHECKING:
    from freezer.image.write import ImageFile
    from freezer.prove.repair import Repair
    from freezer.sign.crypto import Signer
    from freezer.sign.provenance import Provenance


def results_of_kept(plan: Plan, kept: Built, signer: Optional[Signer], cache: Path, log: Log) -> Built:
    """Make what else is wanted of an executable that an earlier build has made."""
    from freezer.inspect.read_papers import papers_in_program

    with workspace(cache, "image", keep=False, log=log) as job:
        papers = papers_in_program(kept.path, job)
        said = _provenance(plan, kept.materials, kept.path, kept.path.name, papers.get(SBOM), signer, job)
        image = None
        if plan.image is not None:
            from freezer.image.make import image_of_executable

            origin = with_files(kept.origin, plan.image, job)
            attach = said.attached if said is not None else None
            image = image_of_executable(plan.image, kept.path, origin, log, papers=papers, attach=attach)
        _write_sbom(plan, papers, kept.path)
        provenance = _write_provenance(plan, said, kept.path, image)
        return dataclasses.replace(kept, image=image, sbom=plan.sbom, provenance=provenance)


def _provenance(
    plan: Plan,
    materials: Optional[Materials],
    path: Path,
    name: str,
    sbom: Optional[bytes],
    signer: Optional[Signer],
    job: Job,
) -> Optional[Provenance]:
    """Return what is said of the executable at ``path``; None if nothing is to be said."""
    if not plan.signing.is_wanted:
        return None
    from freezer.sign.provenance import Provenance, byproducts

    assert materials is not None  # every record has them
    return Provenance(materials.made(job, byproducts(sbom)), signer).of_file(path, name)


def _write_provenance(
    plan: Plan, said: Optional[Provenance], executable: Path, image: Optional[ImageFile]
) -> Optional[Path]:
    target = plan.signing.file_for(executable)
    if said is None or target is None:
        return None
    whole = said if image is None else said.of_image(image.names[0], image.manifest_digest)
    whole.write(target)
    return target


def _write_sbom(plan: Plan, papers: Mapping[str, bytes], source: Path) -> None:
    if plan.sbom is not None:
        from freezer.inspect.read_papers import as_asked, sbom_of

        data = as_asked(sbom_of(papers, source), source, plan.sbom, plan.epoch)
        with writing(plan.sbom, mode=0o644) as out:
            out.write(data)


def application_of(plan: Plan, job: Job) -> Application:
    """Run the stages up to the application. Raises FreezerError."""
    root = system_of(plan, job)
    return prepare(plan, root, probe_interpreter(plan, root, job), job)[1]


def system_of(plan: Plan, job: Job) -> BuildRoot:
    """Return the system to build in, and hold it. Raises as ``open_root`` does."""
    if plan.chroot is None:
        return Host()
    from freezer.system.chroot.roots import open_root

    return open_root(plan, job)


def run_stages(plan: Plan, named: NamedInputs, signer: Optional[Signer], job: Job) -> Built:
    """Run all stages of a build; ``signer`` signs what is said of the result. Raises FreezerError."""
    root = system_of(plan, job)
    interpreter = probe_interpreter(plan, root, job)
    environment, application = prepare(plan, root, interpreter, job)
    made = _proven(plan, named, environment, application, job)
    bundle, linked, proof, whole, job = made.bundle, made.linked, made.proof, job, made.job
    frozen = bundle.closed.frozen
    origin = origin_of(plan, application, job)
    materials = materials_of(plan, environment, application, linked, job)
    path = plan.target(application.name)
    said = _provenance(plan, materials, linked.path, path.name, linked.papers.get(SBOM), signer, job)
    image = None
    if plan.image is not None:
        from freezer.image.make import image_of_linked

        moment = with_files(origin, plan.image, job)
        attach = said.attached if said is not None else None
        image = image_of_linked(plan.image, linked, path.name, moment, job, attach)
    publish_executable(linked.path, path, job.log)
    if plan.sbom is not None:
        _write_sbom(plan, linked.papers, linked.path)
    _write_provenance(plan, said, path, image)
    built = built_of(path, plan, application, linked, interpreter, frozen, proof, origin, image, materials)
    remember(plan, named, environment, application, frozen, built, job)
    keep_bundle(made.plan, named, environment, application, dataclasses.replace(bundle, other=built.other), whole)
    return built


@dataclass(frozen=True)
class _Proven:
    """What was proven: ``plan`` is the one that it was made by, and ``job`` has the files."""

    plan: Plan
    bundle: Bundle
    linked: StaticApp
    proof: Optional[Proof]
    job: Job


def _proven(plan: Plan, named: NamedInputs, environment: Environment, application: Application, job: Job) -> _Proven:
    """Freeze, link and prove. What a run lacks, and is the application's or a requirement's, is added, and all of this
    done again; so it is, too, if a bundle of the build before does not run."""
    repairs: list[Repair] = []
    whole = plan
    recalled = recall_bundle(plan, named, environment, application, job)
    while True:
        if recalled is None:
            from freezer.link.whole_bundle import make_bundle

            bundle, apart = make_bundle(whole, environment, application, job)
        else:
            bundle, apart = recalled, job.apart()
        linked = link(whole, bundle.closed, bundle.package, apart, other=bundle.other)
        try:
            proof = prove(whole, linked, apart, loaded=bundle.loaded)
        except FailedRun as failure:
            if recalled is None:
                from freezer.prove.repair import find_repair, repaired

                repairs.append(find_repair(whole, environment, application, failure, repairs, job))
                whole = repaired(plan, repairs)
            linked.other.result()  # it reads what is removed or written anew
            remove_tree(apart.work)
            bundle.release()
            recalled = None
        else:
            if proof is not None and proof.isolation is not None:
                bundle = dataclasses.replace(bundle, loaded=proof.libraries)
            if repairs:
                from freezer.prove.repair import with_repairs

                proof = with_repairs(proof, repairs)
            if whole.snapshot is not None and proof is not None:
                from freezer.prove.snapshot.saved import prove_snapshots

                linked, proof = prove_snapshots(whole, whole.snapshot, linked, proof, apart)
            return _Proven(whole, bundle, linked, proof, apart)
