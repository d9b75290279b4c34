"""Saves the application as a memory snapshot where its imports end, and goes on in the processes that are restored.

The launcher has started this process for that only (freezer/link/launcher/make.c), with no more of the environment than
the snapshot may depend on. Each later start of the application goes on here, with the memory of this process.
"""

import _imp
import atexit
import gc
import os
import posix
import sys
from _frozen_importlib import ModuleSpec

import _freezer_archive
import _freezer_boundary
import _freezer_leaving
import _freezer_processes
import _freezer_restored
import _freezer_runner
import _freezer_savable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any, NoReturn

    from _freezer_restored import Told

first: "dict[bytes, bytes]" = {}
"""The environment that the application was started with."""


leavings: "list[_freezer_leaving.Leaving]" = []
"""What happens at the exit of the restored processes: one."""


def begin(early: bool) -> None:
    """Note what the environment is before anything of the application, or of its preparation, changes it. With
    ``early``, restored processes leave early."""
    first.update(_freezer_restored.environment())
    leavings.append(_freezer_leaving.Leaving(early))


def code_that_saves(file: str) -> "CodeType":
    """Return the main script's code to run. Where its imports end, this process is saved in a file, which ends it, and
    each restored process goes on."""
    keys = _key_lines()
    early = next(filter(sys.modules.__contains__, keys["before"]), None)

    def refuse(reason: str) -> "NoReturn":
        with open(file, "w", encoding="utf-8", errors="backslashreplace") as out:
            out.write(reason + "\n")
        os._exit(1)

    def reached() -> None:
        _save_and_resume(file, refuse)

    if early is not None:
        # Nobody would look for it, so the imports would not end there.
        refuse("%s, before which the snapshot is to end, is imported by what prepares the application" % early)
    _freezer_boundary.Boundary(keys["before"], keys["import"], reached, refuse).watch()
    path = _freezer_runner.main_code(_freezer_processes.main_script).co_filename
    archive = next(item for item in _freezer_archive.archives if _freezer_boundary.MARKED in item.toc)
    code = archive.code(_freezer_boundary.MARKED, path)
    assert code is not None
    return code


def _key_lines() -> "dict[str, list[str]]":
    """What the proof has found out about the place where the imports end: freezer/prove/snapshot/findings.py."""
    lines: dict[str, list[str]] = {"before": [], "import": []}
    with open(os.path.dirname(_freezer_archive.bundle) + "/snapshot.key", encoding="utf-8") as file:
        for line in file:
            kind, _, value = line.rstrip("\n").partition("\t")
            if kind in lines:
                lines[kind].append(value)
    return lines


def _save_and_resume(file: str, refuse: "Callable[[str], NoReturn]") -> None:
    """Save this process in a file, which ends it. Return in each restored process."""
    data = _freezer_restored.environment()
    changes = {name: data.get(name) for name in {*data, *first} if data.get(name) != first.get(name)}
    saver = _saver()
    leavings[0].begin(saver, _prepare(refuse))
    entry = os.path.dirname(os.path.dirname(_freezer_archive.bundle))
    told: Told = saver.save(os.fsencode(file) + b"\0" + os.fsencode(entry) + b"/used\0")
    _freezer_restored.set_right(told, changes)
    leavings[0].thaw_unfinished()
    _, _, _, _, tested, tried = told
    if tested:
        os._exit(0)
    if tried:
        atexit.register(saver.end)
        _freezer_processes.on_execute.append(saver.end)
        _tell_of_exit(saver.end)
    _freezer_processes.become_interpreter_if_asked()


def _tell_of_exit(end: "Any") -> None:
    """Have os._exit tell first that it is no crash."""
    leave = posix._exit

    def tell_and_leave(status: int) -> "NoReturn":
        end()
        leave(status)

    os._exit = posix._exit = tell_and_leave


def _saver() -> "Any":
    """The module in C that saves this process."""
    path = os.path.dirname(_freezer_archive.bundle) + "/save.so"
    spec = ModuleSpec("_freezer_save", None, origin=path)
    module = _imp.create_dynamic(spec)
    _imp.exec_dynamic(module)
    return module


def _prepare(refuse: "Callable[[str], NoReturn]") -> bool:
    """Make this process one that can be saved, or refuse it with a reason. Return whether its objects are frozen."""
    for archive in _freezer_archive.archives:
        archive.close()
    gc.collect()
    objects = gc.get_objects()
    reason = _freezer_savable.reason_against(objects)
    if reason:
        refuse(reason)
    frozen = not _freezer_savable.is_end_noticed(objects)
    if frozen:
        # The collector would write to all of them at the end, and so have their pages copied.
        gc.freeze()
    del objects
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    # In a plain start there are no such modules.
    for name in ("save", "savable", "leaving", "boundary", "restored", "snapshot"):
        sys.modules.pop("_freezer_" + name, None)
    return frozen
