"""The options of the application's Python: what follows ``python3`` in front of a script's name.

They are checked when planning, and taken apart: Python accepts several in one word, and values with or without a space.
An option is kept as PyInstaller's spec files write it: "u", "O", "W ignore", "X utf8".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Optional

from freezer.base.errors import InputError

PLAIN = frozenset("BObduv")
"""Options without a value."""
WITH_VALUE = frozenset("WX")
REFUSED = {
    **dict.fromkeys("cmxi", "it chooses what runs, and the application is that"),
    **dict.fromkeys("EIPSs", "it says where code comes from, and that is the application alone"),
    **dict.fromkeys("hV?", "it makes Python print something and end"),
}
UNKNOWN = "freezer knows no such option of Python"
REFUSED_X = {
    **dict.fromkeys(("frozen_modules", "pycache_prefix", "presite"), REFUSED["E"]),
    "help": REFUSED["h"],
}
OF_PYINSTALLER = {"unbuffered": "u", "verbose": "v", "optimize": "O"}
"""Other names that PyInstaller has for some."""
HASH_SEED = r"hash_seed=\d+"
"""An option that PyInstaller has beside those of Python."""
HINT = "for example: --python-option -u, --python-option '-X utf8'"

HINT_OF_PYINSTALLER = "for example: --python-option u, --python-option 'X utf8', each in an option of its own"


def python_options(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the options in a list of texts, such as "-u" and "-X utf8".

    Raises InputError for what is none, or makes no sense for an application.
    """
    return tuple(option for text in texts for option in _taken_apart(text))


def optimization(options: Iterable[str]) -> int:
    """Return the level by which Python compiles with these options: 0, 1 (-O) or 2 (-OO)."""
    return min(2, sum(option == "O" for option in options))


def _taken_apart(text: str, written: Optional[str] = None) -> Iterator[str]:
    """Return the options in a text, which messages show as it was ``written``."""
    word, text = text.strip(), written or text
    if not re.fullmatch(r"-[^\x00-\x1f\x7f]+", word):
        raise InputError(f"--python-option {text!r} is not an option of Python", hint=HINT)
    for place, letter in enumerate(word[1:], start=1):
        if letter in WITH_VALUE:
            value = word[place + 1 :].strip()
            if not value:
                raise InputError(f"--python-option {text!r}: -{letter} needs a value", hint=HINT)
            if letter == "X" and value.partition("=")[0] in REFUSED_X:
                _refuse(text, REFUSED_X[value.partition("=")[0]])
            yield f"{letter} {value}"
            return
        if letter not in PLAIN:
            _refuse(text, REFUSED.get(letter, UNKNOWN))
        yield letter


def _refuse(text: str, why: str) -> None:
    raise InputError(f"--python-option {text!r} cannot be an option of an application", why=why, hint=HINT)


def check_option_of_pyinstaller(text: str) -> None:
    """Raise InputError unless a text is an option of Python as PyInstaller's ``--python-option`` wants it: one, without
    a dash, and with a space before its value."""
    if re.fullmatch(HASH_SEED, text):
        return
    name, space, value = text.partition(" ")
    expected = OF_PYINSTALLER.get(name, name) + space + value.strip()
    try:
        options = tuple(_taken_apart(f"-{expected}", written=text))
    except InputError as error:
        raise InputError(error.what, why=error.why, hint=HINT_OF_PYINSTALLER) from error
    if options != (expected,):
        raise InputError(f"--python-option {text!r} is not written as PyInstaller wants it", hint=HINT_OF_PYINSTALLER)
