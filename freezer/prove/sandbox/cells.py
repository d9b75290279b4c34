"""Isolate work from the host, whatever the work does, and leave nothing behind.

Each piece of work is PID 1 of new namespaces, so that the kernel cleans up when it ends. A process that unshares the
PID namespace stays outside of it, so each cell has two processes: the keeper and init. A pipe passes the outcome from
init to the program.
"""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from typing import Any

from freezer.base.isolation.namespaces import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUTS,
    leave_host,
)
from freezer.base.isolation.system import IsolationError, forked
from freezer.prove.sandbox.asking import open_tables
from freezer.prove.sandbox.protocol import Cell, Message
from freezer.prove.sandbox.root import build_root

NAMESPACES = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
Work = Callable[[dict[int, int]], Any]
"""What is done in a cell; it is given the cell's tables of sockets (see ``asking``)."""


def in_cell(cell: Cell, work: Work, notes: list[str]) -> Any:
    """Run ``work`` as PID 1 of a new cell, and return its result; add notes about what the cell lacks to ``notes``.

    Raises IsolationError if the cell cannot be built.
    """
    reply = answer_of(lambda writing: keep_cell(cell, work, writing))
    if "refused" in reply:
        raise IsolationError(*reply["refused"])
    notes.extend(reply["notes"])
    return reply["result"]


def in_process(work: Callable[[], Any]) -> Any:
    """Run ``work`` in a process of its own, without a cell, and return its result."""
    return answer_of(lambda writing: send(writing, {"result": work()}))["result"]


def answer_of(body: Callable[[int], None]) -> Message:
    """Return the message that ``body`` sends through a pipe, from another process."""
    reading, writing = os.pipe()
    child = forked(lambda: body(writing))
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        text = stream.read()
    os.waitpid(child, 0)
    if not text:
        raise RuntimeError("a process ended without an answer")
    reply: Message = json.loads(text)
    return reply


def keep_cell(cell: Cell, work: Work, writing: int) -> None:
    """Unshare the namespaces, and wait for init: the process that unshares is not in its new PID namespace."""
    try:
        leave_host(NAMESPACES, cell.uid, cell.gid, real_root=cell.real_root)
    except IsolationError as error:
        send(writing, {"refused": [error.step, error.code]})
        return
    os.waitpid(forked(lambda: be_init(cell, work, writing)), 0)


def be_init(cell: Cell, work: Work, writing: int) -> None:
    """Build the root, do the work in it, and send the outcome to the program outside."""
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        tables = open_tables()
        notes = build_root(cell)
        outcome = {"notes": notes, "result": work(tables)}
    except IsolationError as error:
        outcome = {"refused": [error.step, error.code]}
    send(writing, outcome)


def send(writing: int, message: Message) -> None:
    """Write ``message`` to the pipe ``writing``."""
    with os.fdopen(writing, "wb") as stream:
        stream.write(json.dumps(message).encode())
