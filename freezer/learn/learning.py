"""``freezer learn``: what a build brings by its rules, what a command asks for, and the file of the difference."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.application.entry import Application
from freezer.application.learnt_parts import with_learned
from freezer.application.prepare import prepare
from freezer.base.errors import FreezerError, InputError, ToolError, VerificationError
from freezer.base.job import Job
from freezer.base.log import Log
from freezer.base.processes import describe_status
from freezer.base.publish import check_target, replacing
from freezer.closure.close import close_bundle
from freezer.environment.interpreter import probe_interpreter
from freezer.environment.venv import Environment
from freezer.freeze.pyinstaller import freeze
from freezer.learn.brought import Brought, brought_by
from freezer.learn.command import CommandRun, install_tools, run_command
from freezer.learn.grounds import Grounds, Located, Owner
from freezer.learn.needs import NO_ASKER, Needs
from freezer.learn.opens import NATIVE, How, Opens
from freezer.learn.started import Starts, runs_of
from freezer.plan.build import Plan
from freezer.plan.learned import Learned
from freezer.store.workspace import workspace
from freezer.system.chroot.roots import open_root

MOST_NAMED = 10
MOST_ROUNDS = 4
"""How often it is looked what a build brings with the modules that are known to be needed."""


@dataclass(frozen=True)
class Lesson:
    """What a run has taught: the ``learned`` lines as they are in the file now, those that are ``new``, and those that
    it no longer has because a build brings these things by itself. ``left_out`` are files that never come along, with
    the reason; ``programs``, ``variables`` and ``unseen`` Pythons are told of with the place in the application's own
    code that asked. ``status`` is the command's, and ``error`` what this command ends with, if it does. ``kernel`` is
    how the kernel has told of files that code in C has opened."""

    learned: Learned
    new: Learned
    brought: Learned
    processes: int
    status: int
    left_out: Mapping[str, str]
    programs: Mapping[str, str]
    variables: Mapping[str, str]
    unseen: Mapping[str, str]
    error: Optional[FreezerError] = None
    kernel: How = How.NOT


def learn(
    plan: Plan,
    command: tuple[str, ...],
    *,
    tools: tuple[str, ...],
    check: bool,
    environ: Mapping[str, str],
    cache: Path,
    log: Log,
) -> Lesson:
    """Run a command in the build environment of a plan, and add to the file what it needs besides; with ``check``
    nothing is written.

    Raises FreezerError. A command that has failed, or a check, does not raise, so that its lesson is not lost: see
    ``Lesson.error``.
    """
    known = plan.learned
    assert known is not None
    if plan.chroot is not None:
        raise InputError(
            "freezer learn runs the command on this host, not in the system that --chroot names",
            hint="learn without --chroot; a build with --chroot takes the same file",
        )
    if not check:
        check_target(known.path)
    plain = dataclasses.replace(plan, learned=None)
    with workspace(cache, plan.name or "learn", keep=False, log=log) as job:
        root = open_root(plain, job)
        environment, application = prepare(plain, root, probe_interpreter(plain, root, job), job)
        build = _Build(plain, environment, application, job)
        brought = build.brought(job)
        folder = install_tools(tools, plain, environment, job)
        grounds = Grounds(plain, environment, application, known.base, folder, cache)
        run = run_command(command, grounds.watched, application, environment, plan.folder, job, environ=environ)
        lesson = _taught(known, run, grounds, brought, build)
        lesson = _with_runs(lesson, run, Starts(plain, application, environment), plan.folder)
    _tell(lesson, known, log)
    _tell_of_kernel(run.opens, lesson, log)
    if not check and lesson.learned.text() != known.text():
        with replacing(known.path, mode=0o644) as out:
            out.write(lesson.learned.text().encode())
    return dataclasses.replace(lesson, error=_error(lesson, command, known.path, check))


class _Build:
    """What a build does as far as the bundle is concerned, which is what learned things are compared with."""

    def __init__(self, plan: Plan, environment: Environment, application: Application, job: Job) -> None:
        self.plan = plan
        self._environment, self._application, self._job = environment, application, job

    def brought(self, job: Job) -> Brought:
        """Return what a build brings by its rules."""
        return self._brought(self.plan, self._application, job)

    def brought_with(self, learned: Learned) -> Brought:
        """Return what a build brings that takes these lines."""
        plan = dataclasses.replace(self.plan, learned=learned)
        application = with_learned(self._application, plan, self._environment)
        return self._brought(plan, application, self._job.inside("again"))

    def _brought(self, plan: Plan, application: Application, job: Job) -> Brought:
        frozen = freeze(plan, self._environment, application, job)
        return brought_by(close_bundle(plan, self._environment, frozen, job), application)


def _taught(known: Learned, run: CommandRun, grounds: Grounds, brought: Brought, build: _Build) -> Lesson:
    """Return what a run teaches. A module that is new brings what it imports, and its package what that needs, so that
    only a build with it tells what else is needed."""
    superfluous = _brought_lines(known, grounds, brought)
    needs = _needs(run, grounds, brought, build.plan)
    taken: dict[str, str] = {}
    for _ in range(MOST_ROUNDS):
        modules = needs.tables["modules"]
        if not set(modules) - set(taken):
            break
        taken.update({name: place for name, place in modules.items() if name in needs.first or not needs.first})
        lines = dataclasses.replace(Learned(known.path, known.base), modules=dict(taken))
        needs = _needs(run, grounds, build.brought_with(lines), build.plan)
    taken.update(needs.tables["modules"])
    found = dataclasses.replace(needs.learned(known.path), modules=taken)
    return Lesson(
        learned=found.added_to(known.without(superfluous)),
        new=found.without(known),
        brought=superfluous,
        processes=run.facts.processes,
        status=0 if run.stopped else run.status,
        left_out=needs.left_out,
        programs=needs.programs,
        variables=needs.variables,
        unseen=needs.unseen,
        kernel=run.opens.how,
    )


def _with_runs(lesson: Lesson, run: CommandRun, starts: Starts, folder: Path) -> Lesson:
    """Return the lesson with the runs of the application, if the command has succeeded."""
    if lesson.status != 0:
        return lesson
    runs = runs_of(run.facts.facts, starts, folder, None if run.stopped else run.status)
    learned = lesson.learned
    return dataclasses.replace(lesson, learned=Learned(learned.path, learned.base, runs=runs).added_to(learned))


def _needs(run: CommandRun, grounds: Grounds, brought: Brought, plan: Plan) -> Needs:
    needs = Needs(grounds, brought, run.began, plan.exclude)
    needs.take(run.facts.facts)
    return needs


def _brought_lines(known: Learned, grounds: Grounds, brought: Brought) -> Learned:
    """Return the lines of a file that a build does without."""
    return dataclasses.replace(
        known,
        modules={name: place for name, place in known.modules.items() if name in brought.modules},
        files={
            name: place
            for name, place in known.files.items()
            if os.path.isfile(known.base / name) and brought.has(grounds.place(Located(Owner.OWN, name)))
        },
        package_files={
            name: place for name, place in known.package_files.items() if not name.endswith("/") and brought.has(name)
        },
        metadata={},
        entry_points={},
        libraries={name: place for name, place in known.libraries.items() if name in brought.libraries},
    )


def _tell(lesson: Lesson, known: Learned, log: Log) -> None:
    """Log what was learnt."""
    noted = "1 process" if lesson.processes == 1 else f"{lesson.processes} processes"
    new = list(lesson.new.lines())
    log.line(f"noted by {noted}; {len(new)} new for {known.path.name}")
    if not any(lesson.learned.lines()):
        log.line("  a build brings all that the command has asked for")
    for title, name, place in new:
        log.line(f"  [{title}] {name}: {place}")
    for text in sorted(set(lesson.learned.runs) - set(known.runs)):
        log.line(f"  [runs] {text or 'without arguments'}: freezer check --learned runs it like this")
    for title, name, _ in lesson.brought.lines():
        log.line(f"  [{title}] {name}: a build brings it by itself; the line goes")
    for name, reason in sorted(lesson.left_out.items()):
        log.warning(f"{name} does not come along: {reason}")
    for name, place in sorted(lesson.unseen.items()):
        log.warning(f"{name}, started at {place}, took no notes: its variables or options keep it from that")
    for title, told in (("programs of the host", lesson.programs), ("variables", lesson.variables)):
        names = sorted(told)
        if names:
            more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            log.line(f"  it also asks for {title}: {', '.join(names[:MOST_NAMED])}{more}")
        for name in names:
            log.detail(f"    {name}: {told[name]}")


def _tell_of_kernel(opens: Opens, lesson: Lesson, log: Log) -> None:
    """Log how files were seen that code in C has opened, or that they were not."""
    found = [name for _, name, place in lesson.new.lines() if place == NO_ASKER[NATIVE]]
    if opens.how is How.NOT:
        log.warning(
            "files that code in C opens were not seen: the kernel watches no more directories for this user "
            "(/proc/sys/fs/inotify/max_user_watches); root needs no watches"
        )
    elif not opens.complete:
        log.warning("not all files that code in C opens were seen: the kernel has dropped events")
    elif opens.how is How.FILES and found:
        log.warning(
            f"{', '.join(found[:MOST_NAMED])}: another program may have opened it meanwhile; only root sees who did"
        )
    log.detail(f"    files that code in C opens were seen {opens.how.value}")


def _error(lesson: Lesson, command: tuple[str, ...], path: Path, check: bool) -> Optional[FreezerError]:
    """Return what the command ends with: a failed check, a failed command, or nothing."""
    new = list(lesson.new.lines())
    if check and new:
        lines = [f"[{title}] {name}: {place}" for title, name, place in new[:MOST_NAMED]]
        more = [f"and {len(new) - MOST_NAMED} more"] if len(new) > MOST_NAMED else []
        return VerificationError(
            f"the application needs what is neither brought by a build nor in {path}",
            why="\n".join([*lines, *more]),
            hint="run the same command without --check-learned, and commit the file",
        )
    if lesson.status != 0:
        return ToolError(
            f"{command[0]} {describe_status(lesson.status)}",
            why="the command must succeed, or what comes after its failure is not seen",
            hint="mend the command; what it has asked for until then is noted",
        )
    return None
