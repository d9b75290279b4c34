"""The classes that a spec file calls, with freezer's part in them.

A generated spec and one of the user's go the same way: Analysis gets freezer's additions, and its result is finished
by freezer; an EXE that was meant to be one file becomes one directory, of which the tree is made.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Optional

import pyinstaller_internals as internals
from additions import Additions


class Spec:
    """What the spec file of one run makes. ``strip`` says that symbols are not wanted."""

    def __init__(
        self, additions: Additions, finish: Callable[[internals.Analysis], None], strip: bool, python_options: list[str]
    ) -> None:
        self.additions = additions
        self.finish = finish
        self.strip = strip
        self.python_options = [(option, None, internals.OPTION) for option in python_options]
        self.analyses: list[internals.Analysis] = []
        self.executables: list[internals.Target] = []
        self.collections: list[internals.Target] = []

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
                spec.analyses.append(self)

            def _write_graph_debug(self) -> None:
                """Leave out the list of who imports what, which nobody reads."""

        class EXE(base_exe):  # type: ignore[misc,valid-type]
            def __init__(self, *parts: object, **options: Any) -> None:
                alone = not options.get("exclude_binaries", False)
                # Not left to exclude_binaries, which leaves links in the program: they make one file of it.
                program, beside = _split(parts) if alone else (list(parts), [])
                spec.strip = spec.strip or bool(options.get("strip"))
                options.update(exclude_binaries=True, upx=False, append_pkg=True, strip=False)
                options["contents_directory"] = internals.CONTENTS
                name = options.get("name") or "app"
                options["name"] = name + internals.PROGRAM
                super().__init__(*program, spec.python_options, **options)
                spec.executables.append(self)
                if alone:
                    COLLECT(self, beside, name=os.path.basename(name))

        class COLLECT(base_collect):  # type: ignore[misc,valid-type]
            def __init__(self, *parts: object, **options: Any) -> None:
                spec.strip = spec.strip or bool(options.get("strip"))
                options.update(upx=False, strip=False)
                super().__init__(*parts, **options)
                spec.collections.append(self)

        internals.replace_spec_classes(Analysis, EXE, COLLECT)


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
