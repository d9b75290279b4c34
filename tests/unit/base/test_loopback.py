"""The loopback device of a new network."""

from __future__ import annotations

from pathlib import Path

from isolating import inside

CODE = """
import socket
from freezer.base.isolation.loopback import raise_loopback
from freezer.base.isolation.namespaces import CLONE_NEWNET
from freezer.base.isolation.system import libc

def reach():
    listener = socket.socket()
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        socket.create_connection(listener.getsockname(), timeout=5)
        return True
    except OSError:
        return False
libc("unshare", "create namespaces", CLONE_NEWNET)
before = reach()
notes = raise_loopback()
print(json.dumps([before, notes, reach()]))
"""


def test_it_is_down_and_then_up(tmp_path: Path) -> None:
    assert inside(tmp_path, CODE) == [False, [], True]
