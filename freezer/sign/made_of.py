"""What a build was made from: a value that a record keeps, apart from the modules that find it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from freezer.base.job import Job
    from freezer.sign.statement import Made, Resource


@dataclass(frozen=True)
class Materials:
    """What a build was made from, as JSON can state it: ``dependencies`` but for the source, whose commit may be
    another one with the same files; ``top`` is the directory of the source, and ``files`` are its files."""

    parameters: Mapping[str, Any]
    internal: Mapping[str, Any]
    dependencies: tuple[Resource, ...]
    top: Optional[str]
    files: tuple[str, ...]

    def made(self, job: Job, byproducts: Iterable[Resource] = ()) -> Made:
        """Return how the result was made, with the present commit of the source."""
        from freezer.sign.source import source_resource
        from freezer.sign.statement import BUILD, Made

        source = []
        if self.top is not None:
            source = [source_resource(Path(self.top), map(Path, self.files), job)]
        return Made(BUILD, self.parameters, self.internal, (*source, *self.dependencies), tuple(byproducts))
