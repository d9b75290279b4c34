"""The findings of a probe, as a person reads them."""

from __future__ import annotations

from freezer.base.errors import VerificationError
from freezer.prove.snapshot.findings import SnapshotFindings
from freezer.prove.snapshot.left import LATER

BEHIND = 'or keep what imports it behind the snapshot: before = ["MODULE"] in [tool.freezer.snapshot]'
SHOWN, WARNED = 30, 5
"""How many reasons are told by an error, and by a warning."""


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


def warning_of(name: str, findings: SnapshotFindings) -> str:
    """Return the warning about an application that starts plainly, as it may not be saved."""
    lines = [f"\n       {reason}" for reason in findings.reasons[:WARNED]]
    if len(findings.reasons) > WARNED:
        lines.append(f"\n       and {len(findings.reasons) - WARNED} more: freezer check --snapshot shows them")
    hint = "\n       ".join(_hints(findings, 1))
    return f"{name} starts plainly, since its imports do what each start must do anew:{''.join(lines)}\n       {hint}"


def refusal(name: str, findings: SnapshotFindings) -> VerificationError:
    """Return the error about an application that may not be saved."""
    lines = [str(reason) for reason in findings.reasons]
    if len(lines) > SHOWN:
        lines[SHOWN:] = [f"... and {len(lines) - SHOWN} more; -v shows them"]
    return VerificationError(
        f"starts of {name} cannot begin from a snapshot: its imports do what each start must do anew",
        why="\n".join(lines),
        hint="\n".join(_hints(findings, 5)),
    )


def _hints(findings: SnapshotFindings, most: int) -> list[str]:
    """Return what may be tried, as so many lines of the reasons' own at most."""
    hints = list(dict.fromkeys(reason.hint for reason in findings.reasons))[:most]
    return [*hints, BEHIND] if LATER in hints else hints
