"""Run a command as PID 1 of a new PID namespace, with its own mounts, as root: the host's or, for other users, that of
a user namespace. When this program ends, all processes of the namespace end.

Start it as ``python -I -S alone.py COMMAND...``. The exit status is the command's, or 128 and the number of its signal.
"""

import os
import sys
from pathlib import Path


def main(command: list[str]) -> int:
    """Run the command."""
    from freezer.base.isolation.mounts import MS_NODEV, MS_NOEXEC, MS_NOSUID, keep_mounts_private, mount
    from freezer.base.isolation.namespaces import enter_namespaces
    from freezer.base.isolation.refusals import explain
    from freezer.base.isolation.system import IsolationError, forked, reset_signals

    def become() -> None:
        try:
            keep_mounts_private()
            mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        except IsolationError as error:
            refuse(error)
        reset_signals()
        os.execvp(command[0], command)

    def refuse(error: IsolationError) -> None:
        print(*explain(error), sep="; ", file=sys.stderr, flush=True)
        os._exit(1)

    try:
        enter_namespaces()
    except IsolationError as error:
        refuse(error)
    status = os.waitstatus_to_exitcode(os.waitpid(forked(become), 0)[1])
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    # The directory of freezer is added last: it may be a site-packages, whose modules would hide others.
    sys.path.append(str(Path(__file__).resolve().parents[3]))
    sys.exit(main(sys.argv[1:]))
