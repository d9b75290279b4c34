"""The findings of a probe, as a person reads them."""

from __future__ import annotations

from freezer.base.errors import VerificationError
from freezer.prove.snapshot.findings import SnapshotFindings

SHOWN = 30
"""How many reasons are told."""


def summary(findings: SnapshotFindings) -> str:
    """Return what the log says of the result."""
    if not findings.verdict:
        return f"{_counted(len(findings.reasons), 'reason')} against"
    variables = len(findings.variables) + len(findings.unset) + len(findings.prefixes)
    file, line = findings.boundary
    parts = f"{_counted(variables, 'variable')} and {_counted(len(findings.files), 'file')}"
    return f"starts could begin at {file}:{line}; in the key: {parts}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def refusal(name: str, findings: SnapshotFindings) -> VerificationError:
    """Return the error about an application that may not be saved."""
    lines = [str(reason) for reason in findings.reasons]
    if len(lines) > SHOWN:
        lines[SHOWN:] = [f"... and {len(lines) - SHOWN} more; -v shows them"]
    hints = list(dict.fromkeys(reason.hint for reason in findings.reasons))
    return VerificationError(
        f"starts of {name} cannot begin from a snapshot: its imports do what each start must do anew",
        why="\n".join(lines),
        hint="\n".join(hints[:5]),
    )
