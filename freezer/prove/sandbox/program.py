"""Answer one request: do its runs and loads in cells, or report that the host permits no cells."""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import partial

from freezer.base.isolation.privileges import can_isolate_as_root
from freezer.base.isolation.refusals import explain
from freezer.base.isolation.system import IsolationError, die_with_parent, seal_descriptors
from freezer.prove.sandbox.application import run_application
from freezer.prove.sandbox.cells import in_cell, in_process
from freezer.prove.sandbox.hosted import run_on_host
from freezer.prove.sandbox.loads import trace_loads
from freezer.prove.sandbox.protocol import Cell, Message


def main() -> int:
    """Answer the request on stdin; return 0 even if isolation is impossible, since the reply reports that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    die_with_parent()
    request = json.loads(sys.stdin.buffer.read())
    for path in filter(None, [request["root"], request["binary"], request["bundle"], request.get("rootfs")]):
        os.stat(path)  # a wrong path is the caller's mistake, and must not look like a refused mount below
    seal_descriptors()
    try:
        reply = answer(request)
    except IsolationError as error:
        reply = {**explain(error)._asdict(), "runs": run_without_cells(request)}
    print(json.dumps(reply), flush=True)
    return 0


def run_without_cells(request: Message) -> list[Message]:
    """Do the runs that the request wants if there are no cells, each in a process of its own."""
    uid = int(request["uid"])
    cell = Cell(request["root"], request["binary"], request["name"], None, uid, uid, False)
    return [in_process(partial(run_on_host, run, cell)) for run in request.get("host_runs", ())]


def run_in_turn(run: Message, cell: Cell, tables: dict[int, int]) -> Message:
    """Do a run, and behind it those that are to follow in the same cell."""
    reply = run_application(run, cell, tables)
    return {**reply, "then": [run_application(item, cell, tables) for item in run.get("then", ())]}


def answer(request: Message) -> Message:
    """Do the runs, each in a new cell, then all the loads in one cell that has the bundle, too."""
    uid = int(request["uid"])
    real_root = can_isolate_as_root(uid)
    gid = int(request.get("gid", uid))
    rootfs = request.get("rootfs")
    cell = Cell(request["root"], request["binary"], request["name"], None, uid, gid, real_root, rootfs)
    notes: list[str] = []
    runs = [in_cell(cell, partial(run_in_turn, run, cell), notes) for run in request["runs"]]
    loads: list[Message] = []
    if request["loads"]:
        jobs = max(1, int(request.get("jobs") or os.cpu_count() or 1))
        stocked = cell._replace(bundle=request["bundle"], rootfs=None)
        tracing = partial(trace_loads, request["loads"], stocked, jobs, request["progress_fd"])
        loads = in_cell(stocked, lambda _tables: tracing(), notes)
    isolation = "root" if real_root else "user namespace"
    return {"isolation": isolation, "notes": list(dict.fromkeys(notes)), "runs": runs, "loads": loads}
