"""Files are put into a project: all or none, and none that is there is replaced unasked."""

from __future__ import annotations

import contextlib
import difflib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.base.errors import InputError, OutputError
from freezer.base.places import exists, is_file
from freezer.base.publish import check_target, replacing

MODE = 0o644


@dataclass(frozen=True)
class Draft:
    """A file to be: its path, and its text. ``edits`` says that the text was made of the one that is there."""

    path: Path
    text: str
    edits: bool = False


@dataclass(frozen=True)
class Placed:
    """What has come of drafts: the files that were, or would be, written, those that were so already, and the
    differences."""

    written: tuple[Path, ...]
    unchanged: tuple[Path, ...]
    difference: str


def read_text(path: Path) -> Optional[str]:
    """Return the text of a file with the ends of its lines as they are; None if there is no file. Raises InputError if
    it cannot be read."""
    if not exists(path):
        return None
    try:
        if not is_file(path):
            raise OSError("it is not a regular file")
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}", why=str(error)) from error


def place(drafts: Sequence[Draft], folder: Path, *, force: bool, dry_run: bool) -> Placed:
    """Write the drafts that differ from the files that are there; with ``dry_run`` none.

    Raises OutputError if one would be replaced without ``force``, or cannot be written; then nothing is.
    """
    before = {draft.path: read_text(draft.path) for draft in drafts}
    changed = [draft for draft in drafts if before[draft.path] != draft.text]
    taken = [draft.path for draft in changed if before[draft.path] is not None and not draft.edits]
    if taken and not force:
        names = ", ".join(str(path) for path in taken)
        raise OutputError(
            f"{names} {'exists' if len(taken) == 1 else 'exist'} already, with another content",
            hint="to see what would change: --dry-run --force; to replace it: --force",
        )
    try:
        for draft in changed:
            check_target(_target(draft.path))
        for draft in changed if not dry_run else ():
            _write(draft)
    except OutputError as error:
        hint = "run freezer init where you can write, or with --dry-run to see the text"
        raise OutputError(error.what, why=error.why, hint=hint) from error
    return Placed(
        written=tuple(draft.path for draft in changed),
        unchanged=tuple(draft.path for draft in drafts if draft not in changed),
        difference="".join(line for draft in changed for line in _difference(draft, before[draft.path], folder)),
    )


def _target(path: Path) -> Path:
    """Return the file that a path leads to: a link stays, as it is the user's own."""
    return Path(os.path.realpath(path))


def _write(draft: Draft) -> None:
    target = _target(draft.path)
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    with replacing(target, mode=MODE if mode is None else mode) as out:
        out.write(draft.text.encode("utf-8"))
        if mode is not None:
            # Whoever owns the file keeps it, also if root writes; the umask has no say in the rights that it has.
            with contextlib.suppress(OSError):
                os.fchown(out.fileno(), target.stat().st_uid, target.stat().st_gid)
    if mode is not None:
        os.chmod(target, mode)


def _difference(draft: Draft, before: Optional[str], folder: Path) -> Iterator[str]:
    name = os.path.relpath(draft.path, folder)
    old = (before or "").splitlines(keepends=True)
    source = f"a/{name}" if before is not None else os.devnull
    for line in difflib.unified_diff(old, draft.text.splitlines(keepends=True), source, f"b/{name}"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
