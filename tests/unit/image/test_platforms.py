"""Platforms: machines of executables, and their variants."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import compile_c

from freezer.base.errors import InputError
from freezer.base.oci.model import Platform
from freezer.image.platforms import PLATFORMS, VARIANTS, chosen, platform_of, unsaid, variant_problem
from freezer.image.variants import Needs


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


@pytest.mark.parametrize("variant", ["v3", "v4"])
def test_a_variant_that_is_enough(variant: str) -> None:
    platform = chosen(Platform("amd64"), variant, Needs("v3", "libx.so"))
    assert platform.variant == variant
    assert unsaid(platform, Needs("v3", "libx.so")) is None


def test_a_variant_that_is_less_than_the_code_needs() -> None:
    with pytest.raises(InputError, match="--platform-variant v2: the code needs amd64 v3") as caught:
        chosen(Platform("amd64"), "v2", Needs("v3", "libx.so"))
    assert caught.value.why == "libx.so says so"


@pytest.mark.parametrize(
    ("platform", "needs", "variant", "warned"),
    [
        (Platform("amd64"), Needs(), None, False),
        (Platform("amd64"), Needs("v1", "libc.so.6"), None, False),
        # Consumers choose by the variant, so none is stated unasked where most images have none.
        (Platform("amd64"), Needs("v3", "libx.so"), None, True),
        (Platform("arm", "v7"), Needs("v6", "app"), "v6", False),
        (Platform("arm", "v7"), Needs("v8", "libx.so"), "v8", False),
        (Platform("arm", "v7"), Needs(), "v7", False),
        (Platform("arm64", "v8"), Needs(), "v8", False),
    ],
)
def test_no_variant_is_named(platform: Platform, needs: Needs, variant: str | None, warned: bool) -> None:
    stated = chosen(platform, None, needs)
    assert stated == Platform(platform.architecture, variant)
    warning = unsaid(stated, needs)
    assert (warning is not None) is warned
    assert warning is None or "libx.so needs v3 of it; to say so: --platform-variant v3" in warning
