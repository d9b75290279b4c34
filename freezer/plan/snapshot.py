"""Starts from snapshots of memory: what is asked for, and what that needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from freezer.base.errors import InputError
from freezer.plan.choices import Leave, Linker, Start, Verification, choice


@dataclass(frozen=True)
class SnapshotPlan:
    """Snapshots of an application: what is imported of ``before`` is imported behind them; ``imports`` are modules that
    are in them though the main script does not begin with their imports; variables that fit a pattern of ``ignored``
    are not in their key; ``early`` says that restored processes leave early."""

    before: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    early: bool = False


def resolve_snapshot(
    values: Mapping[str, Any], table: Mapping[str, Any], linker: Linker, verification: Verification
) -> Optional[SnapshotPlan]:
    """Return what is wanted of snapshots, None for plain starts; ``table`` are the settings of their own. Raises
    InputError for what cannot be."""
    start = choice(values.get("start", Start.PLAIN.value), Start, "--start")
    leave = choice(values.get("leave", Leave.PLAIN.value), Leave, "--leave")
    if start is Start.PLAIN:
        if leave is Leave.EARLY:
            raise InputError(
                "--leave early needs --start snapshot",
                why="only a process that was started from a snapshot can leave early",
                hint="add --start snapshot, or leave --leave out",
            )
        return None
    if linker is not Linker.NATIVE:
        raise InputError(
            f"--start snapshot does not work with --linker {linker.value}",
            why="only the launcher of --linker native can start an application from a snapshot",
            hint="add --linker native, or leave --start out",
        )
    if verification is Verification.NO:
        raise InputError(
            "--start snapshot does not work with --verify no",
            why="the proof finds out whether the imports can be saved, and what a snapshot depends on",
            hint="--verify auto, or leave --start out",
        )
    before, imports = (_modules(table, key) for key in ("before", "imports"))
    for name in imports:
        outer = next((item for item in before if f"{name}.".startswith(f"{item}.")), None)
        if outer is not None:
            raise InputError(
                f"imports = [{name!r}] does not go with before = [{outer!r}]",
                why="what is of `before` is imported behind the snapshot, and what is of `imports` is in it",
                hint="leave one of both out of [tool.freezer.snapshot]",
            )
    return SnapshotPlan(before, imports, tuple(table.get("ignore_env", ())), leave is Leave.EARLY)


def _modules(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    for name in table.get(key, ()):
        if not re.fullmatch(r"\w+(\.\w+)*", name):
            raise InputError(f"{key} = [{name!r}] is not a module name", hint=f'for example {key} = ["package.module"]')
    return tuple(table.get(key, ()))
