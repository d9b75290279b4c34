"""Fixtures of the tests of signatures."""

from __future__ import annotations

from pathlib import Path

import pytest
from signing import signer_in
from support import compile_c

from freezer.sign.crypto import PublicKey, Signer


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static executable."""
    return compile_c("int main(void) { return 0; }", tmp_path_factory.mktemp("program") / "app", "-static", "-s")


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return signer_in(tmp_path)


@pytest.fixture
def stranger(tmp_path: Path) -> PublicKey:
    """The key of somebody else."""
    return signer_in(tmp_path, "stranger").public
