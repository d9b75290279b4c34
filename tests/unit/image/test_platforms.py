"""Platforms: machines of executables, and their variants."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import compile_c

from freezer.base.errors import InputError
from freezer.base.oci.model import Platform
from freezer.image.platforms import PLATFORMS, VARIANTS, chosen, platform_of, variant_problem


def test_the_platform_of_an_executable(program: Path, tmp_path: Path) -> None:
    assert platform_of(program) == Platform("amd64")
    with pytest.raises(InputError, match="not a static executable"):
        platform_of(compile_c("int main(void) { return 0; }", tmp_path / "dynamic"))


def test_the_tables_agree() -> None:
    assert set(VARIANTS) <= {platform.architecture for platform in PLATFORMS.values()}
    for platform in PLATFORMS.values():
        assert platform.variant is None or variant_problem(platform.architecture, platform.variant) is None


@pytest.mark.parametrize(
    ("architecture", "variant"),
    [
        ("amd64", "v3"),
        ("arm", "v6"),
        ("arm64", "v8.2"),
        ("arm64", "v9"),
        ("ppc64le", "power9"),
        ("riscv64", "rva22u64"),
    ],
)
def test_variants(architecture: str, variant: str) -> None:
    assert chosen(Platform(architecture), variant) == Platform(architecture, variant)
    assert chosen(Platform(architecture, "v8"), None) == Platform(architecture, "v8")


@pytest.mark.parametrize(
    ("architecture", "variant"), [("amd64", "v5"), ("amd64", "v3x"), ("s390x", "z13"), ("amd64", ""), ("arm", "v3")]
)
def test_other_machines_variants(architecture: str, variant: str) -> None:
    with pytest.raises(InputError, match=f"{architecture} has no variant"):
        chosen(Platform(architecture), variant)
