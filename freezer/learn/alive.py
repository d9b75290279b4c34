"""Which facts count: those that code of the application has asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from freezer.learn.brought import path_without_links
from freezer.learn.facts import Fact
from freezer.learn.grounds import Grounds, Owner


def counted(facts: Iterable[Fact], sources: frozenset[str], grounds: Grounds) -> list[Fact]:
    """Return the facts that code of the application has asked for: the code in ``sources``, or in a module that such
    code has asked for."""
    alive = set(sources)
    waiting = list(facts)
    found: list[Fact] = []
    while True:
        taken = [fact for fact in waiting if _counts(fact, alive, grounds)]
        if not taken:
            return found
        found += taken
        alive |= {path_without_links(fact.more) for fact in taken if fact.kind == "module" and _brings(fact, grounds)}
        alive |= {path_without_links(fact.name) for fact in taken if fact.kind == "loaded"}
        waiting = [fact for fact in waiting if fact not in set(taken)]


def _brings(fact: Fact, grounds: Grounds) -> bool:
    """Tell whether a module will be part of the application once it is asked for."""
    located = grounds.located(fact.more)
    return located.owner is not Owner.OTHER and not grounds.is_test(located)


def _counts(fact: Fact, alive: set[str], grounds: Grounds) -> bool:
    if not fact.asker:
        return fact.child or fact.kind == "swept"
    return is_alive(fact.asker, alive, grounds)


def is_alive(asker: str, alive: Collection[str], grounds: Grounds) -> bool:
    """Tell whether a source is among those of the application."""
    if path_without_links(asker) in alive:
        return True
    located = grounds.located(asker)
    # The sources of a project, of which the bundle has the wheel's copies.
    return located.owner is Owner.OWN and grounds.wheel_copy(located) in alive
