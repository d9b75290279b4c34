"""The platform of an image: the machine of its executable in the words of the specification, and variants of it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Optional

from freezer.base.elf import Elf, read_elf
from freezer.base.elf_file import NotElf
from freezer.base.errors import InputError
from freezer.base.oci.model import Platform
from freezer.image.variants import Needs, rank_of

PLATFORMS = {
    ("EM_X86_64", 64): Platform("amd64"),
    ("EM_AARCH64", 64): Platform("arm64", "v8"),
    ("EM_ARM", 32): Platform("arm", "v7"),
    ("EM_386", 32): Platform("386"),
    ("EM_PPC64", 64): Platform("ppc64le"),
    ("EM_S390", 64): Platform("s390x"),
    ("EM_RISCV", 64): Platform("riscv64"),
    ("EM_LOONGARCH", 64): Platform("loong64"),
}
"""ELF's machines (gABI, e_machine) in Go's words, with the variants that the specification lists."""

NOTHING = Needs()
LEAST = 1
"""The rank of the variant that every machine has."""
VARIANTS = {
    "amd64": "v[1-4]",
    "arm": "v[5-8]",
    "arm64": r"v8(\.[1-9])?|v9(\.[0-5])?",
    "ppc64le": "power(8|9|10)",
    "riscv64": "rva(20|22|23)u64",
}
"""The variants of each machine (image-index.md, and Go's GOAMD64, GOARM, GOARM64, GOPPC64 and GORISCV64)."""


def chosen(platform: Platform, variant: Optional[str], needs: Needs = NOTHING) -> Platform:
    """Return the platform with the variant that the user has named, else with the one that the code needs, where the
    machine's has one anyway.

    Raises InputError for a variant that the machine does not have, and for one that is less than the code ``needs``.
    """
    if variant is None:
        known = platform.variant is not None and needs.variant is not None
        return dataclasses.replace(platform, variant=needs.variant) if known else platform
    problem = variant_problem(platform.architecture, variant)
    if problem is not None:
        raise InputError(
            f"--platform-variant {variant}: {problem}", hint="for example v3 for amd64, v7 for arm, or leave it out"
        )
    if needs.rank > rank_of(variant):
        raise InputError(
            f"--platform-variant {variant}: the code needs {platform.architecture} {needs.variant}",
            why=f"{needs.file} says so",
            hint=f"--platform-variant {needs.variant}, or build in a system for older processors (--chroot)",
        )
    return dataclasses.replace(platform, variant=variant)


def unsaid(platform: Platform, needs: Needs) -> Optional[str]:
    """Return a warning about an image whose platform says less than the code needs; None if it says enough."""
    if needs.rank <= max(rank_of(platform.variant), LEAST):
        return None
    return (
        f"the image says {platform.architecture}, but {needs.file} needs {needs.variant} of it; to say so: "
        f"--platform-variant {needs.variant}"
    )


def variant_problem(architecture: str, variant: str) -> Optional[str]:
    """Return why a machine does not have a variant; None if it has."""
    if re.fullmatch(VARIANTS.get(architecture, ""), variant):
        return None
    return f"{architecture} has no variant {variant!r}"


def platform_of(path: Path) -> Platform:
    """Return the platform of a static executable, from its ELF header.

    Raises InputError if it is none, needs a loader or libraries, or is made for a machine that images do not support.
    """
    try:
        elf = read_elf(path)
    except NotElf as error:
        raise InputError(f"{path} is not an executable", why=str(error)) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    problem = dynamic_problem(elf)
    if problem is not None:
        raise InputError(
            f"{path} is not a static executable, and an image of it alone would not run",
            why=problem,
            hint="make one of the application: freezer build",
        )
    return platform_of_elf(elf, path)


def platform_of_elf(elf: Elf, path: Path) -> Platform:
    """Return the platform of an ELF file. Raises InputError for a machine that images do not support."""
    platform = PLATFORMS.get((elf.machine, elf.bits))
    if platform is None:
        raise InputError(
            f"{path} is made for a machine that images do not support", why=f"{elf.machine}, {elf.bits} bit"
        )
    return platform


def dynamic_problem(elf: Elf) -> Optional[str]:
    """Return the reason why an ELF file is not a static executable; None if it is one."""
    if elf.kind not in ("ET_EXEC", "ET_DYN"):
        return f"it is of type {elf.kind}"
    if elf.interpreter is not None:
        return f"it asks for the interpreter {elf.interpreter}"
    if elf.needed:
        return f"it needs {', '.join(elf.needed)}"
    return None
