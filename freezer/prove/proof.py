"""What a verification has found out: a value that a record keeps, apart from the modules that find it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from freezer.prove.strength import Strength


@dataclass(frozen=True)
class Proof:
    """The result of verification. ``isolation`` is how the run was isolated, None if it was not; ``seconds`` is the
    time until the application's first output, or its end. ``own`` counts the application's own modules, and ``unused``
    has those that no run imported, None if that is unknown."""

    strength: Strength
    isolation: Optional[str]
    outcome: str
    seconds: Optional[float]
    libraries: int
    notes: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())
    own: int = 0
    unused: Optional[tuple[str, ...]] = None

    @property
    def sentence(self) -> str:
        """What the log says of the result at last."""
        first = "" if self.seconds is None else f"first output after {self.seconds * 1000:.0f} ms; "
        return f"{first}{self.strength.sentence}"
