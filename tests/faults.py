"""System calls of this process that fail, one after the other."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

CALLS = (
    *((os, name) for name in ("open", "fchmod", "fsync", "replace", "mkdir", "lstat", "unlink", "scandir")),
    (fcntl, "flock"),
)
"""What publishing a result asks of the system through Python's own functions."""
CODES = (errno.ENOSPC, errno.EIO, errno.EMFILE, errno.ENOMEM, errno.EACCES, errno.EROFS, errno.EDQUOT)


def failing_calls(act: Callable[[], object]) -> Iterator[tuple[str, OSError | None, BaseException | None]]:
    """Act again and again, with another call failing each time, until none fails any more.

    Yields the call's name, the error that it failed with, and what the act raised.
    """
    for code in CODES:
        for module, name in CALLS:
            for turn in range(1000):
                failure = _with_failure(act, module, name, turn, code)
                if failure is None:
                    break
                yield (name, *failure)


def _with_failure(
    act: Callable[[], object], module: Any, name: str, turn: int, code: int
) -> tuple[OSError, BaseException | None] | None:
    real, calls, failed = getattr(module, name), 0, []

    def fails(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == turn + 1:
            failed.append(OSError(code, os.strerror(code)))
            raise failed[0]
        return real(*arguments, **options)

    raised = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, fails)
        try:
            act()
        except Exception as error:
            raised = error
    return (failed[0], raised) if failed else None
