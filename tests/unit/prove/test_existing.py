"""Proving what exists already: one step in the log, and nothing left behind."""

from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import Any

import pytest
from images import Made, archive, file
from support import compile_c

from freezer.base.errors import EnvironmentFailure, InputError, OutputError, VerificationError
from freezer.base.log import Log
from freezer.plan.build import Smoke
from freezer.plan.choices import Verification
from freezer.prove import existing
from freezer.prove.existing import check_executable, check_image
from freezer.prove.proof import Proof
from freezer.prove.strength import Strength

ANY = (Smoke(None, None, 10),)


def log() -> Log:
    return Log(stream=io.StringIO())


def shown(log: Log) -> str:
    assert isinstance(log.stream, io.StringIO)
    return log.stream.getvalue()


def test_an_executable_that_is_not_static(tmp_path: Path) -> None:
    path = compile_c("int main(void) { return 0; }", tmp_path / "dynamic")
    with pytest.raises(VerificationError, match="dynamic"):
        check_executable(path, ANY, Verification.REQUIRE, jobs=1, cache=tmp_path / "cache", log=log())
    assert list((tmp_path / "cache" / "work").iterdir()) == []


def test_the_step_tells_the_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def verify(path: Path, smokes: tuple[Smoke, ...], verification: Verification, job: Any, **options: Any) -> Proof:
        seen.append((path, smokes, verification, options["jobs"], job.cache))
        return Proof(Strength.EMPTY_ROOT, "root", "ran in an empty root", 0.1, 3, (), ("mind the gap",))

    monkeypatch.setattr(existing, "verify", verify)
    stream = log()
    proof = check_executable(tmp_path / "app", ANY, Verification.REQUIRE, jobs=3, cache=tmp_path / "cache", log=stream)
    assert proof.outcome == "ran in an empty root"
    assert seen == [(tmp_path / "app", ANY, Verification.REQUIRE, 3, tmp_path / "cache")]
    assert "ran in an empty root" in shown(stream)
    assert shown(stream).endswith("warning: mind the gap\nproven: empty root, own namespaces\n")


def test_an_image_that_breaks_rules(tmp_path: Path) -> None:
    path = Made(archive(file("run", b"x", mode=0o755)), settings={"User": "0", "Cmd": ["/run"]}).write(
        tmp_path / "image.tar"
    )
    with pytest.raises(VerificationError) as caught:
        check_image(path, ANY, Verification.REQUIRE, jobs=1, cache=tmp_path / "cache", log=log())
    assert "runs as root" in caught.value.render()


def test_no_image(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(InputError, match="is not an image"):
        check_image(tmp_path / "text", ANY, Verification.REQUIRE, jobs=1, cache=tmp_path / "cache", log=log())


@pytest.mark.parametrize(("code", "kind"), [(errno.EIO, OutputError), (errno.ENOSPC, EnvironmentFailure)])
def test_failures_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type) -> None:
    def fail(*_: object, **__: object) -> Proof:
        raise OSError(code, "it failed")

    monkeypatch.setattr(existing, "verify", fail)
    with pytest.raises((OutputError, EnvironmentFailure)) as caught:
        check_executable(tmp_path / "app", ANY, Verification.REQUIRE, jobs=1, cache=tmp_path / "cache", log=log())
    assert caught.type in (kind, OutputError)
