"""Namespaces, mounts, users and privileges, for programs that run in isolation from the host.

This package uses only the standard library: the programs that use it (``prove.sandbox``, ``system.entering``, and the
one here) are started as ``python -I -S PROGRAM``, because unsharing, pivoting and dropping privileges belong in a
process that does nothing else afterwards. See namespaces(7), user_namespaces(7), pivot_root(2) and capabilities(7).

The program of this package removes a directory, as root of the user namespace whose users own parts of it.
"""

from pathlib import Path

REMOVER = Path(__file__).with_name("__main__.py")
"""That program, to be started as a separate process."""
