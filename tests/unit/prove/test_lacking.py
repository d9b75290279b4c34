"""What is missing, by the last words of a run."""

from __future__ import annotations

from typing import Optional

import pytest

from freezer.prove.lacking import Kind, Lack, find_lack, is_inside

HEADER = 'Traceback (most recent call last):\n  File "app.py", line 1, in <module>\n'
CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
BUNDLE = "/tmp/staticx-abcdef/_internal"
MODULE = f"{HEADER}ModuleNotFoundError: No module named 'a.b'\n"
FILE = f"{HEADER}FileNotFoundError: [Errno 2] No such file or directory: '{BUNDLE}/x/../data.json'\n"


@pytest.mark.parametrize(
    ("said", "lack"),
    [
        (MODULE, Lack(Kind.MODULE, "a.b")),
        (FILE, Lack(Kind.FILE, "data.json")),
        ("app: error: No module named 'a'\n", Lack(Kind.MODULE, "a")),
        (f"{MODULE}{CAUSE}{HEADER}RuntimeError: no backend\n", Lack(Kind.MODULE, "a.b")),
        (f"{MODULE}{CAUSE}{FILE}", Lack(Kind.FILE, "data.json")),
        (f'{MODULE}127.0.0.1 - - "GET / HTTP/1.1" 500 -\n', Lack(Kind.MODULE, "a.b")),
        (
            f"{HEADER}importlib.metadata.PackageNotFoundError: No package metadata was found for six\n",
            Lack(Kind.METADATA, "six"),
        ),
        (f"{HEADER}FileNotFoundError: [Errno 2] No such file or directory: 'data.json'\n", None),
        (f"{HEADER}OSError: {BUNDLE}/libx.so: cannot open shared object file: No such file\n", None),
        (f"{MODULE}\n{HEADER}ValueError: bad\n", None),
        ("fine\n", None),
        ("", None),
    ],
)
def test_find_lack(said: str, lack: Optional[Lack]) -> None:
    assert find_lack(said) == lack


def test_inside() -> None:
    assert [path for path in ("x", "x/y", ".", "..", "../x", "/x") if is_inside(path)] == ["x", "x/y"]
