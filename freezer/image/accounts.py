"""The users of an image's root: whom its documents, or the caller, mean by a name or a number (passwd(5), group(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.base.beneath import open_file, opened_top
from freezer.base.errors import InputError
from freezer.base.places import passing_over

MAX_ID = (1 << 31) - 1
"""The largest number of a user, as container engines have it."""
MAX_FILE = 1 << 20
"""Bytes of these files that are read."""


@dataclass(frozen=True)
class Account:
    """A user, its group, and its home directory."""

    user: int
    group: int
    home: str


def account_of(root: Path, text: str) -> Account:
    """Return whom ``USER[:GROUP]`` means in a root, each a name or a number; nobody is root.

    Without a group it is that of the user's entry. A number without an entry is in group 0, and at home in ``/``, as
    container engines have it. Raises InputError for a name that the root does not have, and for too large a number.
    """
    user, _, group = text.partition(":")
    entry = _entry(root, "etc/passwd", user or "0", 7)
    number = int(entry[2]) if entry is not None else _number(user or "0", "user", "/etc/passwd")
    own_group = int(entry[3]) if entry is not None and _is_number(entry[3]) else 0
    if group:
        found = _entry(root, "etc/group", group, 4)
        own_group = int(found[2]) if found is not None else _number(group, "group", "/etc/group")
    home = entry[5] if entry is not None and entry[5].startswith("/") else "/"
    return Account(number, own_group, home)


def _entry(root: Path, name: str, wanted: str, fields: int) -> Optional[list[str]]:
    """Return the first entry of that name or number; a number in it is not too large."""
    for line in _lines(root, name):
        parts = line.split(":")
        if len(parts) >= fields and wanted in (parts[0], parts[2]) and _is_number(parts[2]):
            return parts
    return None


def _lines(root: Path, name: str) -> Iterator[str]:
    with passing_over(), opened_top(root) as top, open_file(top, name) as file:
        yield from file.read(MAX_FILE).decode("utf-8", "replace").splitlines()


def _is_number(text: str) -> bool:
    return re.fullmatch("[0-9]{1,10}", text) is not None and int(text) <= MAX_ID


def _number(text: str, what: str, file: str) -> int:
    if _is_number(text):
        return int(text)
    if re.fullmatch("[0-9]+", text):
        raise InputError(f"the {what} {text} is too large a number", hint=f"the largest is {MAX_ID}")
    raise InputError(f"the image has no {what} {text!r}", why=f"its {file} has no such entry", hint="give a number")
