"""What is to be said of a result, and who signs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

SUFFIX = ".intoto.jsonl"
"""What is added to an executable's name for the file with its signed provenance."""


@dataclass(frozen=True)
class Signing:
    """``provenance`` is the file for the statement, if one is named; ``key`` the private key that signs, and
    ``passphrase`` the file with its passphrase."""

    provenance: Optional[Path] = None
    key: Optional[Path] = None
    passphrase: Optional[Path] = None

    @property
    def is_wanted(self) -> bool:
        """Return whether anything is to be said at all."""
        return self.provenance is not None or self.key is not None

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Return the files that are read."""
        return tuple(path for path in (self.key, self.passphrase) if path is not None)

    def file_for(self, executable: Path) -> Optional[Path]:
        """Return the file for the provenance of an executable: what is signed is beside it if no file is named."""
        if self.provenance is None and self.key is not None:
            return beside(executable)
        return self.provenance


def beside(executable: Path) -> Path:
    """Return the file that a signed executable has its provenance in."""
    return executable.with_name(executable.name + SUFFIX)
