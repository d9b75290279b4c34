"""Paths in other roots never lead out of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezer.system.rooted import within


@pytest.mark.parametrize(
    ("links", "asked", "found"),
    [
        ({"lib": "usr/lib"}, "lib/x.so", "usr/lib/x.so"),
        ({"lib": "/usr/lib"}, "lib/x.so", "usr/lib/x.so"),
        ({"usr/lib/x.so": "/etc/alternatives/x"}, "usr/lib/x.so", "etc/alternatives/x"),
        ({"up": "../../../../etc"}, "up/passwd", "etc/passwd"),
        ({"a": "b", "b": "/c"}, "a/d", "c/d"),
        ({}, "no/such/../file", "no/file"),
    ],
)
def test_within(tmp_path: Path, links: dict[str, str], asked: str, found: str) -> None:
    for name, target in links.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(target)
    assert within(tmp_path, tmp_path / asked) == tmp_path / found


def test_links_in_circles(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="too many levels"):
        within(tmp_path, tmp_path / "a")


@pytest.fixture(scope="module")
def tangled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with links that would lead out of it."""
    root = tmp_path_factory.mktemp("root")
    (root / "a").mkdir()
    (root / "link").symlink_to("a/../..")
    (root / "a" / "up").symlink_to("../../../../..")
    (root / "a" / "abs").symlink_to("/a/up/link")
    return root


@given(st.lists(st.sampled_from(["..", ".", "a", "b", "link", "up", "abs"]), min_size=1, max_size=8))
def test_never_outside(tangled: Path, parts: list[str]) -> None:
    found = within(tangled, tangled.joinpath(*parts))
    assert found == tangled or tangled in found.parents
