"""The runs of the application itself among the processes of a learning run: ``freezer check --learned`` repeats them.

A run is known by the command line of its Python. Kept is what an empty root can repeat: runs in the directory that the
command was started in, with arguments that name no file of this machine.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Optional

from freezer.application.entry import Application
from freezer.application.learnt_parts import installed
from freezer.base.places import is_text
from freezer.environment.venv import Environment
from freezer.learn.facts import Fact
from freezer.plan.build import Plan
from freezer.plan.learned import ANY_STATUS, STATUS

RUN = "run"
"""The kind of the fact that a process of Python has begun: its words, and its directory."""
MOST_RUNS = 20
WITH_VALUE = "WXQ"
"""Letters of Python's options that have a value."""
MAIN = "__main__"


class Started(NamedTuple):
    """What a Python was started with: the path of a ``script`` or the name of a ``module``, and its arguments."""

    script: str
    module: str
    arguments: tuple[str, ...]


def started_by(words: Sequence[str]) -> Optional[Started]:
    """Return what a command line starts; None if it is neither a script nor a module."""
    at = 1
    while at < len(words):
        word, at = words[at], at + 1
        if word == "-" or not word.startswith("-"):
            return Started(word, "", tuple(words[at:])) if word != "-" else None
        if word.startswith("--"):
            at += word == "--check-hash-based-pycs"
            continue
        for place, letter in enumerate(word[1:], 2):
            if letter in "cm" or letter in WITH_VALUE:
                value = word[place:]
                if not value:
                    value, at = (words[at] if at < len(words) else ""), at + 1
                if letter in "cm":
                    return Started("", value, tuple(words[at:])) if letter == "m" and value else None
                break
    return None


class Starts:
    """The ways to start the application in its environment: paths of scripts, names of scripts of distributions, and
    names of modules."""

    def __init__(self, plan: Plan, application: Application, environment: Environment) -> None:
        self.script = os.path.realpath(plan.entry.path) if plan.entry.path is not None else ""
        module, _, _ = (application.function or "").partition(":")
        top = module.partition(".")[0]
        self.modules = {plan.entry.package, module, module.removesuffix(f".{MAIN}"), top} - {None, ""}
        self.names = {
            entry.name
            for item in installed(application, environment)
            for entry in item.entry_points
            if application.function and entry.group == "console_scripts" and entry.value == application.function
        }
        self._folders = {str(folder / "bin") for folder in application.search} | {str(environment.python.parent)}

    def has(self, started: Started, folder: str) -> bool:
        """Tell whether this starts the application, in that directory."""
        if started.module:
            file = os.path.join(folder, *started.module.split(".")) + ".py"
            return started.module in self.modules or os.path.realpath(file) == self.script
        path = os.path.join(folder, started.script)
        where, name = os.path.split(path)
        return os.path.realpath(path) == self.script or (name in self.names and where in self._folders)


def runs_of(facts: Iterable[Fact], starts: Starts, folder: Path, status: Optional[int]) -> dict[str, str]:
    """Return the runs of the application in ``folder``: their arguments as one text, and how they ended. ``status`` is
    the command's, None if it was stopped: if it was the application, that is how its run has ended."""
    found: dict[str, str] = {}
    noted = [fact for fact in facts if fact.kind == RUN]
    first = [fact for fact in noted if not fact.child]
    for fact in noted:
        started = started_by(fact.name.split("\0"))
        if started is None or fact.more != os.path.realpath(folder) or not starts.has(started, fact.more):
            continue
        text = shlex.join(started.arguments)
        if not is_text(text) or any(_is_of_machine(word, fact.more) for word in started.arguments):
            continue
        known = len(first) == 1 and not fact.child and status is not None
        if known or text not in found:
            found[text] = STATUS.format(status) if known else ANY_STATUS
    return {text: found[text] for text in sorted(found)[:MOST_RUNS]}


def _is_of_machine(word: str, folder: str) -> bool:
    """Tell whether an argument names a file, which an empty root does not have."""
    value = word.partition("=")[2] or word
    return os.path.isabs(value) or (value != "" and os.path.lexists(os.path.join(folder, value)))
