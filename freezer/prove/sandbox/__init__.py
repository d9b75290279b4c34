"""Run commands in an empty root, to prove that they need nothing of the machine that built them.

Runs on the build host hide real breakage: a library, a locale or a CA bundle that happens to be there. So
this program builds a root with nothing but ``/app/NAME``, ``/dev``, ``/proc`` and ``/tmp``, in private
namespaces with the network off, and reports what a command did there.

It is standalone (standard library only, started as ``python -I -S SANDBOX``, see ``protocol`` for what it reads
and writes) because unsharing, pivoting and dropping privileges belong in a process that does nothing else
afterwards. Every run gets a *cell* of its own::

    caller -> this program -> keeper (unshares the namespaces) -> init (PID 1: mounts, watches) -> application

The end of a cell's PID 1 is the whole clean-up: the kernel kills what is left and drops the mounts; and since
each process dies with its parent (PR_SET_PDEATHSIG), killing the caller does the same. To the kernel, the
parent is the *thread* that started a process: the caller's must live as long as this program does.
See namespaces(7), pivot_root(2) and ld.so(8).

``program`` answers a request: ``cells`` isolates, ``root`` mounts, and in there ``application`` runs a command or
``loads`` asks the dynamic loader about files; ``privileges``, ``users`` and ``system`` are what these stand on.

With the argument ``enter`` the program does something else on the same ground: it runs one command of a build in the
root of another system, see ``enter``.
"""

from pathlib import Path

SANDBOX = Path(__file__).with_name("__main__.py")
"""The program, to be started in a process of its own; importing this package runs nothing of it."""
