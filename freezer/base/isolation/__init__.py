"""Namespaces, mounts, users and privileges: what it takes to run something apart from the host.

Standard library only: the programs that stand on this (``prove.sandbox``, ``system.entering``, and the one here) are
started as ``python -I -S PROGRAM``, because unsharing, pivoting and dropping privileges belong in a process that does
nothing else afterwards. See namespaces(7), user_namespaces(7), pivot_root(2) and capabilities(7).

The program of this package removes the directory that it is given, as root of the user namespace whose users own parts
of it.
"""

from pathlib import Path

REMOVER = Path(__file__).with_name("__main__.py")
"""That program, to be started in a process of its own."""
