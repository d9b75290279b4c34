"""The findings of a probe, as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence

from freezer.base.errors import VerificationError
from freezer.prove.snapshot.findings import Reason, SnapshotFindings

SHOWN, WARNED = 30, 5
"""How many reasons are told by an error, and by a warning."""


def summary(findings: SnapshotFindings) -> str:
    """Return what the log says of the result."""
    if not findings.verdict:
        return f"{_counted(len(findings.reasons), 'reason')} against"
    variables = len(findings.variables) + len(findings.unset) + len(findings.prefixes)
    file, line = findings.boundary
    parts = f"{_counted(variables, 'variable')} and {_counted(len(findings.files), 'file')}"
    limits = f"; {_counted(len(findings.limits), 'reason')} against a later place" if findings.limits else ""
    return f"starts could begin at {file}:{line}; in the key: {parts}{limits}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def warning_of(name: str, findings: SnapshotFindings) -> str:
    """Return the warning about an application that starts plainly, as it may not be saved."""
    return _warning(f"{name} starts plainly, since its imports do what each start must do anew", findings.reasons)


def warning_of_limits(name: str, findings: SnapshotFindings) -> str:
    """Return the warning about an application whose snapshot has only a part of its imports."""
    file, line = findings.boundary
    what = f"the snapshot of {name} ends at {file}:{line}, since later imports do what each start must do anew"
    return _warning(what, findings.limits)


def _warning(what: str, reasons: Sequence[Reason]) -> str:
    lines = [str(reason) for reason in reasons[:WARNED]]
    if len(reasons) > WARNED:
        lines.append(f"and {len(reasons) - WARNED} more: freezer check --snapshot -v shows them")
    return "\n       ".join((f"{what}:", *lines, *_hints(reasons, 1)))


def refusal(name: str, findings: SnapshotFindings) -> VerificationError:
    """Return the error about an application that may not be saved."""
    lines = [str(reason) for reason in findings.reasons]
    if len(lines) > SHOWN:
        lines[SHOWN:] = [f"... and {len(lines) - SHOWN} more; -v shows them"]
    return VerificationError(
        f"starts of {name} cannot begin from a snapshot: its imports do what each start must do anew",
        why="\n".join(lines),
        hint="\n".join(_hints(findings.reasons, 5)),
    )


def _hints(reasons: Sequence[Reason], most: int) -> list[str]:
    """Return what may be tried, as so many lines of the reasons' own at most."""
    return list(dict.fromkeys(reason.hint for reason in reasons))[:most]
