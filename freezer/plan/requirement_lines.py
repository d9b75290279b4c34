"""The lines of requirements files, as far as they name files: read by pip's rules, without pip.

The rules are those of pip's documentation, "Requirements File Format"; tests compare the result with what pip makes of
the same lines.
"""

from __future__ import annotations

import os
import re
import shlex
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Optional

from freezer.base.places import is_file

if TYPE_CHECKING:
    from optparse import OptionParser

COMMENT = re.compile(r"(^|\s+)#.*$")
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar.lzma", ".tlz")
NAMED_URL = re.compile(r"\s*[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?\s*@\s*(.+)")
"""NAME[EXTRAS] @ URL (PEP 508)."""
MARKER = re.compile(r"\s;|;\s")
REPOSITORY = re.compile(r"(?:git|hg|svn|bzr)\+(?=file:)")
VALUES = (
    *(("-i", "--index-url", "--pypi-url"), ("--extra-index-url",), ("--no-binary",), ("--only-binary",)),
    *(("--trusted-host",), ("--use-feature",), ("--global-option",), ("--hash",), ("--config-setting",)),
    ("-C", "--config-settings"),
)
FLAGS = ("--no-index", "--prefer-binary", "--require-hashes", "--pre")


@dataclass(frozen=True)
class Line:
    """One logical line: its requirement, if it has one; the requirements file that it includes, or with ``constrains``
    the constraints file; the places that it has pip find distributions in."""

    requirement: Optional[str] = None
    editable: bool = False
    includes: tuple[str, ...] = ()
    constrains: bool = False
    links: tuple[str, ...] = ()


class _Malformed(Exception):
    """The options of a line are not pip's; pip itself will say so."""


def _parser() -> OptionParser:
    """Return a parser of a line's options, with the abbreviations that pip's own parser allows."""
    # Imported only where requirements come in files.
    import optparse

    class Options(optparse.OptionParser):
        def error(self, msg: str) -> NoReturn:
            raise _Malformed(msg)

    parser = Options(add_help_option=False)
    parser.add_option("-r", "--requirement", dest="requirements", action="append", default=[])
    parser.add_option("-c", "--constraint", dest="constraints", action="append", default=[])
    parser.add_option("-e", "--editable", dest="editables", action="append", default=[])
    parser.add_option("-f", "--find-links", dest="links", action="append", default=[])
    for names in VALUES:
        parser.add_option(*names, dest="other")
    for name in FLAGS:
        parser.add_option(name, dest="flag", action="store_true")
    return parser


def parse_lines(text: str, environ: Mapping[str, str]) -> Iterator[Line]:
    """Yield the logical lines of a requirements file; those with options that pip does not know are left to pip."""
    for whole in joined(text):
        line = COMMENT.sub("", whole).strip()
        if not line:
            continue
        requirement, options = _split(VARIABLE.sub(lambda match: environ.get(match[1]) or match[0], line))
        try:
            found, _ = _parser().parse_args(shlex.split(options))
        except (_Malformed, ValueError):
            continue
        editable = not requirement and bool(found.editables)
        yield Line(
            requirement=found.editables[0] if editable else requirement or None,
            editable=editable,
            includes=() if requirement or editable else tuple((found.requirements or found.constraints)[:1]),
            constrains=bool(found.constraints and not found.requirements),
            links=tuple(found.links),
        )


def joined(text: str) -> Iterator[str]:
    """Yield the lines of a text, with those joined that end in a backslash; a comment ends such a line."""
    begun = ""
    for line in text.splitlines():
        comment = COMMENT.match(line)
        if line.endswith("\\") and not comment:
            begun += line.strip("\\")
            continue
        yield begun + (" " + line if comment else line)
        begun = ""
    if begun:
        yield begun


def _split(line: str) -> tuple[str, str]:
    """Return a line's requirement and its options; a marker's quotes are not the shell's."""
    words = line.split(" ")
    cut = next((number for number, word in enumerate(words) if word.startswith("-")), len(words))
    return " ".join(words[:cut]).strip(), " ".join(words[cut:])


def is_url(text: str) -> bool:
    """Tell whether a text is a URL, and no path."""
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text))


def path_of(text: str, folder: Path) -> Optional[Path]:
    """Return the file or directory that a requirement, include or place of distributions names; None if it is not
    local. It need not exist; ``folder`` is what a relative path is relative to."""
    named = NAMED_URL.fullmatch(text)
    text = MARKER.split(named[1] if named else text, maxsplit=1)[0].strip()
    text = REPOSITORY.sub("", text)
    if text.startswith("file:"):
        parts = urllib.parse.urlsplit(text)
        path = urllib.parse.unquote(parts.path)
        # A repository's URL names a revision behind the path.
        return Path(os.path.normpath(folder / (path if os.path.exists(path) else path.rpartition("@")[0] or path)))
    if is_url(text) or named:
        return None
    place = Path(os.path.normpath(folder / text))
    if not os.path.lexists(place):
        text = re.sub(r"\s*\[[^\]]*\]$", "", text)
        place = Path(os.path.normpath(folder / text))
    looks_like_path = os.sep in text or text.startswith(".")
    return place if looks_like_path or (text.endswith(ARCHIVES) and is_file(place)) else None
