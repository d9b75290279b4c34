"""The environment and the application: what is frozen, and what it is frozen from."""

from __future__ import annotations

from freezer.application.entry import Application, resolve_application
from freezer.application.learnt_parts import with_learned
from freezer.application.project import build_wheel, choose_script
from freezer.base.job import Job
from freezer.base.log import human_size
from freezer.environment.interpreter import Interpreter, check_architecture, check_version
from freezer.environment.venv import Environment, make_environment
from freezer.plan.build import Plan
from freezer.plan.outputs import check_outputs
from freezer.system.buildroot import BuildRoot


def prepare(plan: Plan, root: BuildRoot, interpreter: Interpreter, job: Job) -> tuple[Environment, Application]:
    """Build the project if there is one, make the environment, and find the script that starts the application.

    Unusable input is refused here, before the slow work. Raises InputError, EnvironmentFailure, OutputError.
    """
    with job.step("environment") as step:
        check_version(plan, interpreter)
        check_architecture(plan, interpreter)
        project = build_wheel(plan, root, interpreter, job)
        choose_script(plan, project)
        dependencies = project.dependencies if project is not None else ()
        environment = make_environment(interpreter, root, plan, dependencies, job)
        application = with_learned(resolve_application(plan, environment, project, job), plan, environment)
        check_outputs(plan, application.name)
        step.result = "reused" if environment.reused else "made"
    own = application.own
    if own.sentence():
        job.log.line(f"  {'own files':<12} {'':8}  {own.sentence()}")
    for group in own.groups():
        job.log.detail(f"    {group.path}: {group.files} files, {human_size(group.size)}; {group.why}")
    for name, why in (*own.modules, *own.left_out):
        job.log.detail(f"    {name}: {why}")
    return environment, application
