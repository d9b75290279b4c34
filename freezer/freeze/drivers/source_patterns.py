"""What freezer looks for in the text of sources, all of it in one place.

``own_shapes`` tells by these patterns whether a changed source still asks for the same things; a pattern that is not
here would make that answer wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

READS_OWN_FILES = re.compile(
    rb"__file__|importlib[._]resources|\bresources\b|\bget_data\b|pkg_resources|PackageLoader|package_data"
    rb"|\blocate(?:_file)?\("
)
IMPORTS_BY_NAME = re.compile(
    rb"import_module|__import__\s*\(|iter_modules|walk_packages|find_spec|spec_from|load_module|find_loader"
    rb"|lazy_import|LazyModule|LazyLoader|lazy_loader|import_string|locate\("
)
IMPORTS_LITERALLY = re.compile(rb"\b(?:__import__|import_module)\(\s*['\"]([A-Za-z_][\w.]*)['\"]\s*[,)]")
RUNS_MODULE = re.compile(rb"['\"]-m['\"]\s*,\s*['\"]([A-Za-z_][\w.]*)['\"]")
ASKS_METADATA = re.compile(
    rb"(?:version|distribution|metadata|requires|get_distribution|require|files)\(\s*['\"]([A-Za-z0-9._-]+)['\"]"
)
READS_OWN_SOURCE = re.compile(rb"getsource\(|['\"/][\w*]+\.py['\"]")
OPENS_LIBRARY = re.compile(rb"find_library\(\s*['\"]([A-Za-z0-9_+.-]+)['\"]")
NAMES_CHARSET = re.compile(rb"['\"][a-z]{2,3}_[A-Z]{2}\.([A-Za-z][\w-]*)(?:@\w+)?['\"]")
"""The charset of a locale, such as that of "de_DE.ISO-8859-1"."""
NAMED_FILE = re.compile(rb"['\"/]([\w-]+\.\w+)['\"]")
IMPORT_LINE = re.compile(
    rb"^\s*(?:from\s+(\.*[\w.]*)\s+c?import\s+([\w*, \t(]+)|c?import\s+([\w., \t]+))", re.MULTILINE
)
GETS_SOURCE = re.compile(rb"\bgetsource(?:lines|file)?\(\s*(?:\w+\.)*(\w+)\s*[,)]")
GETS_SOURCE_OF_CALLER = re.compile(rb"\bgetsource(?:lines)?\(\s*(?:\w+\.)*(?:module|mod|modules\[[^\]\n]*\])\s*[,)]")
"""A module that is handed in, or looked up by its name."""
COMPILED_FROM_SOURCE = re.compile(
    rb"^[ \t]*@(?:\w+\.)*(?:typechecked|njit|guvectorize|jit\.script|triton\.jit|numba\.\w+|nb\.\w+)\b", re.MULTILINE
)
"""Decorators of typeguard, numba, torch and triton."""

PATTERNS = (
    READS_OWN_FILES,
    IMPORTS_BY_NAME,
    IMPORTS_LITERALLY,
    RUNS_MODULE,
    ASKS_METADATA,
    READS_OWN_SOURCE,
    OPENS_LIBRARY,
    NAMES_CHARSET,
    NAMED_FILE,
    IMPORT_LINE,
    GETS_SOURCE,
    GETS_SOURCE_OF_CALLER,
    COMPILED_FROM_SOURCE,
)


def named_in(text: bytes, name: str) -> bool:
    """Whether a text has a name in quotes, such as that of a group of entry points."""
    word = name.encode()
    return b'"' + word + b'"' in text or b"'" + word + b"'" in text


def any_word(words: Iterable[str]) -> re.Pattern[bytes]:
    """Return what finds one of the words in a text."""
    return re.compile(rb"\b(?:%s)\b" % "|".join(map(re.escape, sorted(words))).encode())
