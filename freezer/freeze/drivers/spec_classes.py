"""The classes that a spec file calls, with freezer's part in them.

A generated spec and one of the user's go the same way: Analysis gets freezer's additions, and its result is finished
by freezer; an EXE that was meant to be one file becomes one directory, of which the tree is made. MERGE does nothing:
programs that share files with another one of the same spec file would need that at run time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import pyinstaller_internals as internals
from additions import Additions

IGNORED = "IGNORED: "
"""The beginning of a line that names what a spec file asks for and freezer has not."""


@dataclass
class Program:
    """A program that the spec file makes: its name, the archive of its code, what was analysed for it, and the file
    with PyInstaller's warnings about that. ``collection`` is its directory, once that is made."""

    name: str
    executable: internals.Target
    package: str
    analysis: internals.Analysis
    warnings: str
    collection: Optional[internals.Target] = None

    @property
    def tree(self) -> str:
        """The directory."""
        assert self.collection is not None
        return self.collection.name


class Spec:
    """What the spec file of one run makes. ``strip`` says that symbols are not wanted."""

    def __init__(
        self, additions: Additions, finish: Callable[[internals.Analysis], None], strip: bool, python_options: list[str]
    ) -> None:
        self.additions = additions
        self.finish = finish
        self.strip = strip
        self.python_options = [(option, None, internals.OPTION) for option in python_options]
        self.analyses: list[tuple[internals.Analysis, str]] = []
        self.programs: list[Program] = []

    def chosen(self, name: str) -> Program:
        """Return the only program, or the one of several with this name. Ends PyInstaller's run if there is none."""
        names = sorted(program.name for program in self.programs)
        found = [program for program in self.programs if len(names) == 1 or program.name == name]
        if not names:
            raise SystemExit("ERROR: the spec file must make an executable")
        if not found:
            raise SystemExit("ERROR: the spec file makes %s: say by --name which to freeze" % ", ".join(names))
        if found[0].collection is None:
            raise SystemExit("ERROR: the spec file must COLLECT the files of %s" % found[0].name)
        return found[0]

    def _note(self, executable: internals.Target, name: str, parts: Sequence[object]) -> None:
        """Note a program. It is of the analysis whose scripts it has, if they are told apart."""
        made_of = [item for item in self.analyses if any(_has(part, item[0].scripts) for part in parts)]
        analysis, warnings = (made_of or self.analyses)[-1]
        self.programs.append(Program(name, executable, internals.NotAppended.package, analysis, warnings))

    def install(self) -> None:
        """Put classes that note here what they make where PyInstaller's build looks them up for spec files."""
        spec = self
        base_analysis, base_exe, base_collect = internals.spec_classes()

        # PyInstaller has no types, so that its classes cannot be checked as bases.
        class Analysis(base_analysis):  # type: ignore[misc,valid-type]
            def __init__(self, scripts: Sequence[str], pathex: Optional[Sequence[str]] = None, **options: Any) -> None:
                spec.additions.add_to(options)
                # The code is read from PyInstaller's archives; as files it would come along once more, or not at all.
                options["noarchive"] = False
                super().__init__(scripts, pathex=[*(pathex or ()), *spec.additions.search], **options)
                spec.finish(self)
                spec.analyses.append((self, _kept(internals.warnings_file(), len(spec.analyses))))

            def _write_graph_debug(self) -> None:
                """Leave out the list of who imports what, which nobody reads."""

        class EXE(base_exe):  # type: ignore[misc,valid-type]
            def __init__(self, *parts: object, **options: Any) -> None:
                alone = not options.get("exclude_binaries", False)
                # Not left to exclude_binaries, which leaves links in the program: they make one file of it.
                program, beside = _split(parts) if alone else (list(parts), [])
                spec.strip = spec.strip or bool(options.get("strip"))
                _say_what_is_ignored(parts, options)
                options.update(exclude_binaries=True, upx=False, append_pkg=True, strip=False)
                options["contents_directory"] = internals.CONTENTS
                name = options.get("name") or "app"
                options["name"] = name + internals.PROGRAM
                super().__init__(*map(_as_python, program), spec.python_options, **options)
                spec._note(self, os.path.basename(name), parts)
                if alone:
                    COLLECT(self, beside, name=os.path.basename(name))

        class COLLECT(base_collect):  # type: ignore[misc,valid-type]
            def __init__(self, *parts: object, **options: Any) -> None:
                spec.strip = spec.strip or bool(options.get("strip"))
                options.update(upx=False, strip=False)
                super().__init__(*parts, **options)
                for program in spec.programs:
                    if any(part is program.executable for part in parts):
                        program.collection = self

        internals.replace_spec_classes(Analysis, EXE, COLLECT)


def _say_what_is_ignored(parts: Sequence[object], options: dict[str, Any]) -> None:
    """Print what a program asks for that freezer has not; see freezer/freeze/pyinstaller_output.py."""
    asked = [name for name in ("runtime_tmpdir", "contents_directory") if options.get(name)]
    if any(type(part).__name__ == "Splash" for part in parts):
        asked.append("splash")
    for name in asked:
        print("%s%s" % (IGNORED, name))


def _has(part: object, scripts: list[tuple[str, str, str]]) -> bool:
    """Whether a part of a program are the scripts of an analysis, or a list with its main script."""
    return part is scripts or (isinstance(part, list) and bool(scripts) and scripts[-1] in part)


def _kept(warnings: str, number: int) -> str:
    """Return PyInstaller's file of warnings, which the next analysis writes anew, under a name of its own."""
    return shutil.copyfile(warnings, f"{warnings}.{number}")


def _as_python(part: object) -> object:
    """Return a part of a program with its options of Python as Python would be given them: "X dev=0" switches the
    development mode on in Python, and off in a spec file, where it is off already."""
    if not isinstance(part, list):
        return part
    return [entry for entry in part if entry[2] != internals.OPTION or "".join(entry[0].split()) != "Xdev=0"]


def _split(parts: Sequence[object]) -> tuple[list[object], list[object]]:
    """The parts of a program of one file: those of a program in a directory, and the entries beside it."""
    program: list[object] = []
    beside: list[object] = []
    for part in parts:
        if isinstance(part, list):
            beside += [entry for entry in part if entry[2] in internals.BESIDE]
            program.append([entry for entry in part if entry[2] not in internals.BESIDE])
        else:
            program.append(part)
    return program, beside
