"""What was found out about a content, such as the imports of a source file, kept by that content: a later build of
anything that has the same file need not find it out again.

A value is a function of its key alone, so that a build with a cold memory, a warm one, a damaged one, or one that was
copied from another machine makes the same bytes. The directory is written by this user's builds in one system, which
run the code of what they build anyway; builds in another system have one of their own.

Layout of a file, whose name is the key's SHA-256: the SHA-256 of the rest (32 bytes); the value, marshalled.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import secrets
import sys
import time
from _imp import _fix_co_filename  # type: ignore[attr-defined]
from collections.abc import Iterator
from types import CodeType
from typing import Any, Optional, Union

LAYOUT = 2
"""Part of every key; raised when what is kept, or how it is found, changes."""

DAY = 24 * 3600
KEPT = 30 * DAY
"""Seconds after its last use for which a value is kept."""

SWEPT = "swept"
"""The file whose time of modification says when values were last removed."""
_renamed: list[CodeType] = []
"""The code that was renamed last."""


class ContentMemory:
    """Values by keys, in a directory, which may be missing: then nothing is kept.

    ``context`` are what all values depend on besides their keys, such as the versions of the programs that made them.
    """

    def __init__(self, folder: str, *context: str) -> None:
        self._folder = folder
        # The optimization level and the version decide the code that a source becomes.
        common = (str(LAYOUT), sys.version, str(sys.implementation.cache_tag), str(sys.flags.optimize), *context)
        self._common = repr(common).encode()

    def key(self, kind: str, source: Union[str, bytes]) -> str:
        """The key of what a ``kind`` of work finds in a source, or another content, wherever that is."""
        content = source if isinstance(source, bytes) else source.encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(self._common)
        digest.update(repr((kind, type(source).__name__)).encode())
        digest.update(content)
        return digest.hexdigest()

    def get(self, key: str) -> Optional[Any]:
        """The value, or None. A file that is damaged is none."""
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                head, data = file.read(32), file.read()
                used = os.fstat(file.fileno()).st_mtime
        except OSError:
            return None
        if hashlib.sha256(data).digest() != head:
            return None
        if time.time() - used > DAY:
            with contextlib.suppress(OSError):
                os.utime(path)
        return marshal.loads(data)

    def put(self, key: str, value: Any) -> None:
        """Keep a value, which is what ``marshal`` takes."""
        data = marshal.dumps(value)
        path = self._path(key)
        aside = "%s.%s" % (path, secrets.token_hex(4))
        # Without it the next build does the work again, and says whether the file system is full.
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with open(aside, "xb") as file:
                file.write(hashlib.sha256(data).digest() + data)
            os.replace(aside, path)

    def sweep(self, now: float) -> None:
        """Remove the values that were not used for long, at most once a day; ``now`` is in seconds since 1970."""
        mark = os.path.join(self._folder, SWEPT)
        with contextlib.suppress(OSError):
            if os.path.exists(mark) and now - os.stat(mark).st_mtime < DAY:
                return
            with open(mark, "wb"):
                pass
            for path in self._files():
                if now - os.stat(path).st_mtime > KEPT:
                    os.unlink(path)

    def _path(self, key: str) -> str:
        return os.path.join(self._folder, key[:2], key[2:])

    def _files(self) -> Iterator[str]:
        for name in sorted(os.listdir(self._folder)):
            folder = os.path.join(self._folder, name)
            if os.path.isdir(folder):
                yield from (os.path.join(folder, item) for item in sorted(os.listdir(folder)))


def same_code(code: CodeType) -> CodeType:
    """The code as it is once it was kept: what comes out of a build must not depend on where its code came from.

    A code object that was unmarshalled shares its constants in another way than one just compiled. And from Python 3.12
    on, the qualified name of a class is a constant of the class and the name of its code: one object, unless Python
    knew an equal text when it compiled, from whatever it had imported."""
    again = _kept(code)
    if sys.version_info < (3, 12):
        return again
    named = _with_names(again, dict(_names(again)))
    # Once more, as what both have in common counts as shared.
    return again if named is again else _kept(_kept(named))


def renamed(code: CodeType, filename: str) -> CodeType:
    """Return a copy of the code that says it is from the file ``filename``; the code itself if it does so.

    Unlike one that its method ``replace`` makes, the copy shares what the code shares, such as the names of variables
    that functions have in common: what is one object is marshalled once, and made once at each start."""
    if code.co_filename == filename:
        return code
    # What two refer to is marshalled in another way than what one does: each name has two, whoever else uses it.
    _renamed[:] = [code]
    copy = _kept(code)
    _fix_co_filename(copy, filename)
    return copy


def _kept(code: CodeType) -> CodeType:
    again: CodeType = marshal.loads(marshal.dumps(code))
    return again


def _names(code: CodeType) -> Iterator[tuple[str, str]]:
    name: str = code.co_qualname  # type: ignore[attr-defined]
    yield name, name
    for item in code.co_consts:
        if isinstance(item, CodeType):
            yield from _names(item)


def _with_names(code: CodeType, names: dict[str, str]) -> CodeType:
    """The code, in which constants that are equal to a name are that object; the given one if none is.

    Also if they are that object already: what is replaced shares less with the rest."""
    constants = tuple(
        _with_names(item, names) if isinstance(item, CodeType) else names.get(item, item) if type(item) is str else item
        for item in code.co_consts
    )
    is_changed = any(new is not old for new, old in zip(constants, code.co_consts))
    if is_changed or any(type(item) is str and item in names for item in constants):
        return code.replace(co_consts=constants)
    return code
