"""Trees of files made by hand."""

from __future__ import annotations

from pathlib import Path


def furnish(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root
