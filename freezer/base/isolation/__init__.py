"""Namespaces, mounts, users and privileges, for programs that run in isolation from the host.

The programs that use this package (``prove.sandbox``, ``prove.snapshot``, ``system.entering``, ``run.cell`` and
``remover``) need nothing but the standard library, and run in processes of their own, because unsharing, pivoting and
dropping privileges belong in a process that does nothing else afterwards. See namespaces(7), user_namespaces(7),
pivot_root(2) and capabilities(7).
"""

import sys
from pathlib import Path

START = Path(__file__).with_name("__main__.py")
"""What such a process runs first."""
REMOVER = "freezer.base.isolation.remover"
"""The program of this package, for ``command_of``, with the path of a directory."""


def command_of(program: str, *arguments: object) -> list[str]:
    """Return the command that calls ``main(*arguments)`` of the module ``program``, with its result as exit status. The
    arguments become strings."""
    return [sys.executable, "-I", "-S", str(START), program, *map(str, arguments)]
