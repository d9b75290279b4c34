"""Run commands in an empty root, to prove that they need nothing of the machine that built them.

A run on the build host hides gaps in the bundle: the host may have the missing library, locale or CA bundle. So this
program builds a root with nothing but ``/app/NAME``, ``/dev``, ``/proc`` and ``/tmp``, in private namespaces without
network, and reports what a command did there.

It is standalone (see ``freezer.base.isolation``, and ``protocol`` for what it reads and writes). Each run has its own
*cell*::

    caller -> this program -> keeper (unshares the namespaces) -> init (PID 1: mounts, watches) -> application

When PID 1 of a cell ends, the kernel cleans up: it kills the remaining processes and drops the mounts. As each process
dies with its parent (PR_SET_PDEATHSIG), killing the caller has the same effect. To the kernel, the parent is the
*thread* that started a process: the caller's thread must live as long as this program does.
See namespaces(7), pivot_root(2) and ld.so(8).

``program`` answers a request: ``cells`` isolates, ``root`` mounts, and in the cell ``application`` runs a command or
``loads`` asks the dynamic loader about files. All of them use ``freezer.base.isolation``.
"""

SANDBOX = "freezer.prove.sandbox.program"
"""The program, for ``command_of``."""
