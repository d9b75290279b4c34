"""What to try when the application's output reports something missing from its bundle.

What is missing often is in the application's sources: a module that is imported by a computed name, a file that is read
from beside the script. Then the advice names it, and the option that brings it along, to be copied as it stands.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.base.places import passing_over
from freezer.plan.build import Entry
from freezer.plan.choices import EntryKind
from freezer.prove.faults import last_exception
from freezer.prove.lacking import NO_LIBRARY, Kind, is_inside, lack_in

PACKAGE = "__init__.py"


@dataclass(frozen=True)
class Sources:
    """Where the application's own files are: ``folders`` are those that its modules are found in, ``here`` is the
    directory that freezer was called in, which paths of options are relative to."""

    folders: tuple[Path, ...] = ()
    here: Path = Path("/")

    def find(self, name: str) -> Optional[Path]:
        """Return the file or directory called ``name``, relative to one of the folders; None if there is none."""
        for folder in self.folders:
            path = folder / name
            with passing_over():
                os.stat(path)
                return path
        return None

    def named(self, path: Path) -> str:
        """Return a path as it can be given to an option."""
        inside = self.here in path.parents
        return shlex.quote(str(path.relative_to(self.here) if inside else path))

    def pair(self, source: Path, destination: str) -> str:
        """Return SOURCE:DESTINATION as it can be given to an option."""
        return f"{self.named(source)}:{shlex.quote(destination)}"


def sources_of(entry: Entry, here: Path) -> Sources:
    """Return the sources of an entry: beside a script or a spec file, at the top of a project or in its ``src``."""
    if entry.path is None:
        return Sources((here,), here)
    if entry.kind in (EntryKind.SCRIPT, EntryKind.SPEC):
        return Sources((entry.path.parent,), here)
    return Sources((entry.path, entry.path / "src"), here)


def find_advice(said: str, sources: Sources) -> Optional[str]:
    """Return what to try, by the last exception in the output; None if the output says nothing of the bundle."""
    kind, text = last_exception(said)
    if "getpwuid" in text:
        return "an empty root has no /etc/passwd; the application needs one, or USER and LOGNAME, where it will run"
    library = NO_LIBRARY.search(text)
    if library:
        return _of_library(library["name"], sources)
    lack = lack_in(kind, text)
    if lack is None:
        return None
    if lack.kind is Kind.METADATA:
        return f"--copy-metadata {lack.name or 'NAME'}"
    return _of_module(lack.name, sources) if lack.kind is Kind.MODULE else _of_file(lack.name, sources)


def _of_module(name: str, sources: Sources) -> str:
    """Return what brings a module; that of a package that exists may be one of many which are imported by name."""
    place = name.replace(".", "/")
    found = sources.find(f"{place}.py") or sources.find(f"{place}/{PACKAGE}") or sources.find(place)
    # A directory is a package without an __init__.py only if there are modules in it.
    if found is None or (found.is_dir() and not any(found.glob("*.py"))):
        return (
            f"--hidden-import {name}  if it is imported by name at run time\n"
            f"--with NAME  if its distribution is not among the requirements"
        )
    advice = [f"--hidden-import {name}  it is {sources.named(found)}"]
    package = name if found.is_dir() or found.name == PACKAGE else name.rpartition(".")[0]
    if package:
        advice.append(f"--collect-all {package}  if others of its modules are imported by name, too")
    return "\n".join(advice)


def _of_file(inside: str, sources: Sources) -> str:
    """Return what brings a file or directory; ``inside`` is its path in the bundle."""
    found = sources.find(inside) if is_inside(inside) else None
    if found is None:
        return f"--add-data SOURCE:{os.path.dirname(inside) or '.'}"
    if found.is_dir():
        return _option("--add-data", found, inside, sources)
    folder = os.path.dirname(inside)
    advice = [_option("--add-data", found, folder or ".", sources)]
    if folder:
        advice.append(f"{_option('--add-data', found.parent, folder, sources)}  for all files beside it, too")
    return "\n".join(advice)


def _of_library(name: str, sources: Sources) -> Optional[str]:
    for folder, below in _places(sources):
        found = sources.find(os.path.normpath(f"{below}/{name}"))
        if found is not None and found.parent == folder:
            return _option("--add-binary", found, below, sources)
    return None


def _places(sources: Sources) -> Iterator[tuple[Path, str]]:
    """Yield the folders and the directories in them, each with its path in the bundle."""
    for top in sources.folders:
        yield top, "."
        with passing_over():
            for entry in sorted(os.scandir(top), key=lambda entry: entry.name):
                if entry.is_dir():
                    yield Path(entry.path), entry.name


def _option(option: str, source: Path, destination: str, sources: Sources) -> str:
    return f"{option} {sources.pair(source, destination)}"
