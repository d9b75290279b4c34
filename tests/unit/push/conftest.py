"""Fixtures of the tests of pushes: a registry of the tests' own, and pushing to it."""

from __future__ import annotations

import io
import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Optional

import pytest
from images import Made, archive, file
from judging import GOOD
from registries import FakeRegistry, fake_registry, login_file
from support import PATIENCE

from freezer.base.log import Log, Verbosity
from freezer.push import send
from freezer.push.send import Pushed, push_image
from freezer.push.target import resolve_target
from freezer.push.trouble import Policy

ONE = ssl.DER_cert_to_PEM_cert(ssl.create_default_context().get_ca_certs(binary_form=True)[0])
"""A certificate, whichever it is."""
QUICK = Policy(attempts=4, first_wait=0.01, longest_wait=1.0, connect=PATIENCE, answer=PATIENCE)

Push = Callable[..., Pushed]


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with fake_registry() as made:
        yield made


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image with two layers, the second of some size."""
    return Made(GOOD, archive(file("data", bytes(range(256)) * 4000))).write(tmp_path / "image.tar")


@pytest.fixture
def said() -> io.StringIO:
    """What the log says."""
    return io.StringIO()


@pytest.fixture
def push(tmp_path: Path, said: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> Push:
    """Push a file to a name, without TLS."""
    monkeypatch.setenv("HOME", str(tmp_path))
    # Reading all of the system's certificates takes longer than a push.
    monkeypatch.setattr(send, "make_context", lambda *_arguments: ssl.create_default_context(cadata=ONE))

    def act(
        path: Path, name: str, *, logged_in: bool = False, plain: Optional[str] = "", jobs: int = 4,
        environ: Optional[Mapping[str, str]] = None, policy: Policy = QUICK, **options: Any,
    ) -> Pushed:  # fmt: skip
        environ = {"XDG_RUNTIME_DIR": str(tmp_path), **(environ or {})}
        if logged_in:
            environ["REGISTRY_AUTH_FILE"] = str(login_file(tmp_path, name.partition("/")[0]))
        return push_image(
            path, resolve_target(name, plain), mounts=options.pop("mounts", ()),
            certificates=options.pop("certificates", ()), jobs=jobs, environ=environ,
            log=Log(Verbosity.VERBOSE, said), policy=policy, **options,
        )  # fmt: skip

    return act
