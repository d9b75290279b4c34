"""The request to the program and its reply; the program may run as another user, so both are plain JSON.

The request, on stdin; all paths are absolute::

    root         an empty directory of the host to mount on
    binary       the file that becomes /app/NAME; null if there is a rootfs
    rootfs       a directory that is the root of the runs, read-only, instead of an empty one (optional)
    name         the NAME in /app/NAME
    bundle       a directory that becomes /bundle for the loads, or null
    uid          the user that everything runs as
    gid          its group (optional: as the user)
    runs         [{argv, env, timeout: seconds, trace_maps: whether to look for mapped files, cwd (optional: "/"),
                 stdin: what it reads, in base64 (optional: nothing),
                 http: [{path, low, high}], what the run, a server, is asked, and the statuses expected (optional),
                 reads: [[offset, size]], places of a file of which it is told whether they were read (optional),
                 then: runs that follow in the same root, with what this one leaves there (optional)}]
    loads        [{loader, library_path: [], preload: [], file}], as paths in the root
    host_runs    runs to do on the host, if it permits no isolation, as its paths (optional)
    jobs         how many loads to do at once (optional: one for each CPU)
    progress_fd  a descriptor that gets lines "DONE TOTAL" about the loads, or null

The reply, on stdout, has one entry in ``runs`` and ``loads`` for each of the request, in the same order::

    isolation    "root" or "user namespace"
    notes        what the empty root lacks, as this host does not permit it
    runs         [{status, signal, exec_error, timed_out, seconds, first_output: seconds or null, stdout, stderr,
                 mapped: [], leftovers: [], read: the numbers of the ``reads`` that were done, null if unknown,
                 asked: {answers: [{path, port, status, reason, body}], listened: whether it did, complaint: why a port
                 gave no answer, or null, ended: whether it did, unasked}; only for a server,
                 then: as the request's}]
    loads        [{file, status, libraries: {soname: path or null}, problems: []}]

or ``cause`` and ``remedy`` if this host permits no isolation, with the entries of ``host_runs`` in ``runs``,
which have no ``leftovers``. A mistake of the caller leads to a traceback on
stderr, without a reply.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Message = dict[str, Any]
"""A JSON object: the request, the reply, or a part of either."""


class Cell(NamedTuple):
    """The parts of an empty root; all paths are the host's."""

    root: str
    binary: str | None
    name: str
    bundle: str | None
    uid: int
    gid: int
    real_root: bool
    rootfs: str | None = None
