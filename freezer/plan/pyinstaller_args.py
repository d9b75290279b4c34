"""Arguments that are passed on to PyInstaller: what becomes of each of its options, and the paths in them.

Whoever comes from PyInstaller has a command line that works. An option of it does here what it does there, or it is
refused with the reason and with freezer's own way; ``pyinstaller_options`` has all of them. PyInstaller runs in another
directory than the command line was written in, so that relative paths are made absolute.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Optional

from freezer.base.errors import UsageError
from freezer.plan.choices import Linker
from freezer.plan.pyinstaller_options import OPTIONS, Option, Value
from freezer.plan.python_options import check_option_of_pyinstaller

SPEC_ARGUMENTS = "--"
NAMES = {name: option for option in OPTIONS for name in option.names}
WITH_SPEC_FILE = frozenset(("--log-level",))
"""The options that PyInstaller takes with a spec file, of those that are passed on."""
FORWARDED = "--bootloader-ignore-signals"


def passed_on(arguments: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Return the arguments as PyInstaller gets them; relative paths are relative to ``folder``. What follows another
    ``--`` are the spec file's own arguments, which stay as they are.

    Raises UsageError for what PyInstaller does not know, and for an option that makes no sense here.
    """
    ours, own = list(arguments), []
    if SPEC_ARGUMENTS in ours:
        place = ours.index(SPEC_ARGUMENTS)
        ours, own = ours[:place], ours[place:]
    found: list[str] = []
    for option, name, value in _options(iter(ours)):
        if option.refused:
            raise UsageError(f"{name} cannot be passed to PyInstaller", why=option.refused, hint=option.instead)
        if not option.done:
            found += [name] if value is None else _joined(name, _anchored(option, value, folder))
    return (*found, *own)


def _joined(name: str, value: str) -> list[str]:
    """Return an option with its value; in one word, if the value looks like an option."""
    return [f"{name}={value}"] if value.startswith("-") else [name, value]


def check_use(arguments: Sequence[str], linker: Linker, *, spec: bool) -> None:
    """Check the arguments that are passed on against what they are for: the linker, and whether it is a spec file.

    Raises UsageError if no signal is to be forwarded to an application of staticx's, and for options that PyInstaller
    writes into a spec file.
    """
    ours = arguments[: arguments.index(SPEC_ARGUMENTS)] if SPEC_ARGUMENTS in arguments else arguments
    for name in [argument.partition("=")[0] for argument in ours if argument.startswith("-")]:
        if spec and name not in WITH_SPEC_FILE:
            raise UsageError(
                f"{name} cannot be passed to PyInstaller with a spec file",
                why="it is what spec files are made with",
                hint="write it into the spec file; freezer's own options, in front of the --, add to that",
            )
    if linker is Linker.STATICX and FORWARDED in ours:
        raise UsageError(
            f"{FORWARDED} cannot be had with staticx",
            why="staticx's start-up program always forwards SIGINT and SIGTERM",
            hint="--linker native: there, signals go to the application itself",
        )


def _options(words: Iterator[str]) -> Iterator[tuple[Option, str, Optional[str]]]:
    """Take a command line apart as PyInstaller does: each option, its long name, and its value."""
    for word in words:
        if word.startswith("--"):
            text, equals, value = word.partition("=")
            option = _of_long_name(text)
            if option.value is Value.NONE and equals:
                raise UsageError(f"{word} cannot be passed to PyInstaller", why=f"{option.name} takes no value")
            yield option, option.name, value if equals else _value_of(option, word, words)
        elif word.startswith("-") and len(word) > 1:
            yield from _short_options(word, words)
        else:
            raise UsageError(
                f"{word!r} cannot be passed to PyInstaller",
                why="it is no option, and freezer freezes one script",
                hint="name the script in front of the --; a spec file may name several",
            )


def _short_options(word: str, words: Iterator[str]) -> Iterator[tuple[Option, str, Optional[str]]]:
    """Take apart one word with short options: several without a value, and the last perhaps with one."""
    rest = word[1:]
    while rest:
        option = NAMES.get(f"-{rest[0]}")
        if option is None:
            raise _unknown(word)
        value, rest = rest[1:], rest[1:]
        if option.value is Value.NONE:
            yield option, option.name, None
        else:
            yield option, option.name, value[value.startswith("=") :] if value else _value_of(option, word, words)
            return


def _of_long_name(text: str) -> Option:
    """Return the option of a name, which may be shortened as long as one option is meant."""
    if text in NAMES:
        return NAMES[text]
    meant = {name: option for name, option in NAMES.items() if name.startswith(text)}
    if not meant:
        raise _unknown(text)
    if len({option.name for option in meant.values()}) > 1:
        raise UsageError(f"{text} cannot be passed to PyInstaller", why=f"it could be {', '.join(sorted(meant))}")
    return next(iter(meant.values()))


def _unknown(text: str) -> UsageError:
    return UsageError(
        f"{text} cannot be passed to PyInstaller",
        why="PyInstaller has no such option, or has it no longer",
        hint="freezer's own options come in front of the --",
    )


def _value_of(option: Option, word: str, words: Iterator[str]) -> Optional[str]:
    if option.value is Value.NONE:
        return None
    value = next(words, None)
    if value is None or value.startswith("-"):
        raise UsageError(f"{word} cannot be passed to PyInstaller", why=f"{option.name} needs a value")
    return value


def _anchored(option: Option, value: str, folder: Path) -> str:
    if option.value is Value.PATHS:
        return os.pathsep.join(str(folder / item) for item in value.split(os.pathsep))
    if option.value is Value.PAIR:
        source, colon, destination = value.rpartition(":")
        return f"{folder / source}:{destination}" if colon else value
    if option.value is Value.PATH:
        return str(folder / value)
    if option.value is Value.PYTHON:
        check_option_of_pyinstaller(value)
    return value
