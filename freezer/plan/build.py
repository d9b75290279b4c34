"""What will be built: absolute, validated, frozen values, which ``freezer.resolve`` makes of all input."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from freezer.plan.choices import EntryKind, ImageLayout, Linker, Own, Packing, Sources, Verification
from freezer.plan.learned import Learned
from freezer.plan.signing import Signing
from freezer.plan.snapshot import SnapshotPlan

if TYPE_CHECKING:
    from freezer.plan.image import ImagePlan


@dataclass(frozen=True)
class Entry:
    """What to freeze. ``path`` is the script, zip application, spec file or project, or the directory that a module or
    package is found in; ``function`` is MODULE:FUNCTION, ``package`` the name of a package with a ``__main__``."""

    kind: EntryKind
    path: Optional[Path]
    function: Optional[str] = None
    console_script: Optional[str] = None
    package: Optional[str] = None


@dataclass(frozen=True)
class Request:
    """What a server is asked for: ``path``, with the status that is expected, None for 200 to 399."""

    path: str
    status: Optional[int] = None

    def accepts(self, status: int) -> bool:
        """Return whether an answer with this status is the expected one."""
        return status == self.status if self.status is not None else 200 <= status < 400


@dataclass(frozen=True)
class Smoke:
    """One run of the application in the proof. ``arguments`` None means a run without arguments, ``status`` None that
    any exit status is accepted; ``timeout`` is in seconds, and ``endless`` says that the run need not end within it.
    ``stdin`` is what it reads, None for nothing; all texts of ``expected`` must be printed. With ``requests`` the run
    is a server, which is asked them and then ended; then the texts must be in its answers."""

    arguments: Optional[tuple[str, ...]]
    status: Optional[int]
    timeout: int
    endless: bool = False
    stdin: Optional[bytes] = None
    expected: tuple[str, ...] = ()
    requests: tuple[Request, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A build, fully decided but for what only the build environment can tell."""

    entry: Entry
    name: Optional[str]
    output: Optional[Path]
    folder: Path
    requirements: tuple[Path, ...]
    packages: tuple[str, ...]
    constraints: tuple[Path, ...]
    require_hashes: bool
    python: Optional[str]
    chroot: Optional[str]
    chroot_packages: tuple[str, ...]
    refresh: bool
    add_data: tuple[tuple[Path, str], ...]
    add_binary: tuple[tuple[Path, str], ...]
    libraries: tuple[Path, ...]
    hidden_imports: tuple[str, ...]
    collect_all: tuple[str, ...]
    copy_metadata: tuple[str, ...]
    exclude: tuple[str, ...]
    sources: Sources
    requires_python: Optional[str]
    python_options: tuple[str, ...]
    pyinstaller_args: tuple[str, ...]
    provisions: Mapping[str, Optional[bool]]
    linker: Linker
    compress: Packing
    strip: bool
    init: bool
    verify: Verification
    smokes: tuple[Smoke, ...]
    jobs: int
    epoch: int
    image: Optional[ImagePlan] = None
    own: Optional[Own] = None
    exclude_data: tuple[str, ...] = ()
    charsets: tuple[str, ...] = ()
    learned: Optional[Learned] = None
    sbom: Optional[Path] = None
    notices: bool = False
    signing: Signing = field(default_factory=Signing)
    snapshot: Optional[SnapshotPlan] = None

    @property
    def unpacked(self) -> bool:
        """True if the plan has an image of the application's files."""
        return self.image is not None and self.image.layout is ImageLayout.UNPACKED

    def target(self, name: str) -> Path:
        """Return the path of the executable of the application ``name``."""
        return self.output if self.output is not None else self.folder / "dist" / name

    def added_paths(self) -> list[Path]:
        """Return the user's files and directories that the bundle takes unchanged."""
        return sorted({path for path, _ in (*self.add_data, *self.add_binary)} | set(self.libraries))

    def digest_parts(self) -> dict[str, Any]:
        """Return all values that decide the executable, for comparison with an earlier build. Images are not among
        them, nor what is said of it: every build makes these again."""
        parts = dataclasses.asdict(self)
        for irrelevant in ("refresh", "jobs", "image", "sbom", "signing"):
            del parts[irrelevant]
        return parts
