"""Find out what an application's imports do, to decide whether a start may begin where they ended.

A snapshot of a process behind the imports is the same for all starts that use it. So nothing that the imports see or
make may depend on one start, unless it is part of the snapshot's key or is set right afterwards. This program runs the
imports once, in an empty root, as the proof runs the application, under a tracer that knows a list of system calls that
do no harm. Whatever is not in the list is a reason against a snapshot, with the module and line that did it::

    caller -> this program -> keeper -> init (PID 1: mounts, traces) -> the tree's interpreter

Three places notice what happens:

* The kernel stops the process at each call that is judged (seccomp(2), ptrace(2)): files outside the tree, time, random
  numbers, identities, threads, and everything unknown. ``rules`` and ``verdict`` decide. For the time, the process has
  no vdso, and may not read the processor's counter unnoticed.
* Breakpoints in the C library tell which variables of the environment are asked for, and which are set.
* ``drivers`` run in the interpreter: they notice what is asked of ``os.environ`` and ``sys.argv``, and look for what
  the imports have left among the objects.

Where a call comes from is asked of the interpreter itself: a signal has its faulthandler write the stack
(``stack_frames``).

Like ``freezer.prove.sandbox``, whose cells it uses, this is a program of its own; it reads a request and prints a
reply, see ``program``.
"""

PROBE = "freezer.prove.snapshot.program"
"""The program, for ``command_of``."""
