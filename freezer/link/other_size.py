"""The size of the other linker's result: a value that a record keeps, apart from the modules that measure it."""

from __future__ import annotations

from dataclasses import dataclass

from freezer.base.log import human_size
from freezer.plan.choices import Linker


@dataclass(frozen=True)
class Other:
    """The other linker, and the size in bytes of the executable that it would make."""

    linker: Linker
    size: int

    def sentence(self, size: int) -> str:
        """Return one line for the user, after a build that made an executable of ``size`` bytes."""
        if self.linker is Linker.NATIVE:
            return (
                f"--linker native would give {human_size(self.size)}, unpacked once; "
                f"this is {human_size(size)}, unpacked at every start"
            )
        return (
            f"--linker staticx would give {human_size(self.size)}, unpacked at every start; "
            f"this is {human_size(size)}, unpacked once"
        )
