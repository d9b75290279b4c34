"""What a build may write to: nothing that it reads, and nothing that is not a regular file or, for images, a stream.

All of it is found out before anything slow. A result is renamed into its place, so what was there is gone afterwards;
a file that the build reads, under whatever name, would be lost without a word.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from freezer.base.errors import UsageError
from freezer.base.places import is_folder, passing_over
from freezer.base.publish import check_target, is_result
from freezer.base.streams import is_stream
from freezer.plan.build import Plan
from freezer.plan.requirements import named_files
from freezer.plan.signing import Signing

if TYPE_CHECKING:
    from freezer.plan.image import ImagePlan


def check_outputs(plan: Plan, name: Optional[str] = None) -> None:
    """Check the files that a build writes, the executable's if its name is known.

    Raises UsageError for one that is also read, or that another one would replace; OutputError as ``check_target``.
    """
    name = name or plan.name
    executable = None if name is None and plan.output is None else plan.target(name or "")
    image = plan.image.output if plan.image is not None else None
    provenance = plan.signing.file_for(executable) if executable is not None else plan.signing.provenance
    results = {
        "the executable": executable,
        "the image": image,
        "the bill of materials": plan.sbom,
        "the provenance": provenance,
    }
    for (one, path), (other, second) in itertools.combinations(results.items(), 2):
        if path is not None and second is not None and _same(path, second):
            raise UsageError(
                f"{one} and {other} cannot both be {second}",
                hint="give each a name of its own: -o FILE --image TAR --sbom FILE --provenance FILE",
            )
    sources = inputs(plan)
    if executable is not None:
        check_target(executable)
        refuse_inputs(executable, sources)
    for output in (image, plan.sbom, provenance):
        if output is not None:
            check_target(output, stream=True)
            refuse_inputs(output, sources)


def check_image_output(plan: ImagePlan, executable: Path, signing: Optional[Signing] = None) -> None:
    """Check the files that an image of an existing executable, and its provenance, are written to. Raises as
    ``check_outputs`` does."""
    signing = signing or Signing()
    for output in filter(None, (plan.output, signing.provenance)):
        check_target(output, stream=True)
        refuse_inputs(output, [executable, *(item.source for item in plan.files), *signing.inputs])
    if signing.provenance is not None and _same(plan.output, signing.provenance):
        raise UsageError(
            f"the image and the provenance cannot both be {plan.output}",
            hint="give each a name of its own: -o TAR --provenance FILE",
        )


def inputs(plan: Plan) -> set[Path]:
    """Return the files and directories that the plan names to be read."""
    required = named_files(plan)
    named = {*plan.added_paths(), *required.files, *required.sources, *required.links, *plan.signing.inputs}
    if plan.entry.path is not None:
        # The modules beside a script are found when it is analysed.
        named |= {plan.entry.path, plan.entry.path if is_folder(plan.entry.path) else plan.entry.path.parent}
    if plan.learned is not None:
        named.add(plan.learned.path)
    if plan.image is not None:
        named |= {item.source for item in plan.image.files}
    return named | {Path(text) for text in (plan.python, plan.chroot) if text is not None and os.sep in text}


def refuse_inputs(target: Path, sources: Iterable[Path]) -> None:
    """Raise UsageError if writing ``target`` would replace one of the sources, or a file in one of them.

    Earlier results are often inside a directory that is read, such as a project's ``dist``: executables and images may
    be replaced there.
    """
    if not os.path.lexists(target) or is_stream(target):
        return
    for source in sources:
        within = is_folder(source) and _resolved(source) in _resolved(target).parents
        if _same(target, source) or (within and not _may_be_replaced(target)):
            raise UsageError(
                f"{target} would be replaced by the result",
                why="the build reads it" if not within else f"it is a file in {source}, which the build reads",
                hint="name another file for the result, or remove this one if it is not needed",
            )


def _same(one: Path, other: Path) -> bool:
    """Tell whether two paths are one file, under whatever names, or would be one once they are written."""
    if _resolved(one) == _resolved(other):
        return True
    with passing_over():
        return os.path.samefile(one, other)
    return False


def _resolved(path: Path) -> Path:
    """Return the path without links in its directories; a link at its end is itself what would be replaced."""
    return Path(os.path.realpath(path.parent)) / path.name


def _may_be_replaced(path: Path) -> bool:
    """Tell whether a file in a directory that is read may be an earlier result, and none of the sources."""
    return not path.name.endswith(tuple(all_suffixes())) and is_result(path)
