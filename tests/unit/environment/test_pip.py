"""pip: how it is asked, and what its failures mean."""

from __future__ import annotations

import pytest

from freezer.environment.pip import NO_COMPILER


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("error: [Errno 2] No such file or directory: 'x86_64-linux-gnu-gcc'", True),
        ("error: command 'gcc' failed: No such file or directory", True),
        ("unable to find 'c++' failed: No such file or directory", True),
        ("error: [Errno 2] No such file or directory: 'README.md'", False),
        ("error: command 'gcc' failed with exit status 1", False),
    ],
)
def test_a_missing_compiler_is_known_by_what_backends_say(line: str, missing: bool) -> None:
    assert bool(NO_COMPILER.search(line)) == missing
