"""Where the kernel refuses namespaces, whoever asks for a proof gets a failure, and nobody else is misled."""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from consumers import Docker, docker
from refusing import REASONS, REFUSALS
from support import CHECKOUT, ORDINARY, Freezer, Outcome, as_user, need_root, open_to_all, processes_with

VERIFICATION = 6


@pytest.fixture(params=REFUSALS)
def refusal(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def refused(freezer: Freezer, refusal: str) -> Freezer:
    """freezer where there are no namespaces, with the cache of all tests."""
    return Freezer(freezer.cache_home, REFUSALS[refusal]())


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "app.py").write_text(
        "import os, sys\nprint('here', os.getcwd(), sys.argv[1:])\nsys.exit(int((sys.argv[1:] or '0')[0]))\n"
    )
    return folder


def has_reason(message: str, refusal: str) -> bool:
    return all(words in message for words in REASONS[refusal])


def test_a_wanted_proof_or_a_failure(refused: Freezer, refusal: str, site: Path) -> None:
    """The application would end with another status than the expected one, which nobody could tell."""
    message = refused.fails("build", "app.py", "--smoke-status", "77", cwd=site, status=VERIFICATION)
    assert has_reason(message, refusal) and "--verify=auto" in message
    message = refused.fails("build", "app.py", "--verify", cwd=site, status=VERIFICATION)
    assert has_reason(message, refusal)
    (site / "setup.cfg").write_text("[freezer]\nverify = require\n")
    assert has_reason(refused.fails("build", "app.py", cwd=site, status=VERIFICATION), refusal)


def strength(done: Outcome) -> str:
    answer: str = json.loads(done.stdout)["verified"]["strength"]
    return answer


def test_a_weaker_proof(refused: Freezer, refusal: str, site: Path) -> None:
    done = refused("build", "app.py", cwd=site)
    assert "warning: app is not proven: " in done.stderr and has_reason(done.stderr, refusal)
    assert "not proven: not run" in done.stderr
    # The second time, too, although nothing is built.
    again = refused("build", "app.py", "--json", cwd=site)
    assert "is up to date" in again.stderr and has_reason(again.stderr, refusal)
    assert strength(again) == "not run"


def test_a_wanted_run_on_the_host(refused: Freezer, refusal: str, site: Path) -> None:
    done = refused("build", "app.py", "--smoke", "5", "--smoke-status", "5", "--verify=auto", "--json", cwd=site)
    assert "ran on the host: exited with status 5" in done.stderr
    assert has_reason(done.stderr, refusal)
    assert strength(done) == "run on the host"
    refused.assert_tidy()
    options = ("--smoke", "5", "--smoke-status", "77", "--verify=auto", "-o", "other")
    message = refused.fails("build", "app.py", *options, cwd=site, status=VERIFICATION)
    assert "app exited with status 5 on the host; the expected status was 77" in message
    assert processes_with(str(site)) == []


def test_check(refused: Freezer, refusal: str, hello: Path, tmp_path: Path) -> None:
    own = Path(shutil.copy(hello, tmp_path / "hello"))
    refused("image", own, "-o", "image.tar", cwd=tmp_path)
    for path in (own, tmp_path / "image.tar"):
        message = refused.fails("check", path, cwd=tmp_path, status=VERIFICATION)
        assert f"{path.name} cannot be proven here" in message and has_reason(message, refusal)
        done = refused("check", path, "--verify=auto", "--json", cwd=tmp_path)
        assert has_reason(done.stderr, refusal)
        assert json.loads(done.stdout)["strength"] == "not run"
        done = refused("check", path, "--verify=no", "--json", cwd=tmp_path)
        assert json.loads(done.stdout)["outcome"] == "not run: --verify=no"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """docker, with an image "bare" that has nothing but places for the host's directories."""
    need_root()
    bare = tmp_path_factory.mktemp("bare") / "bare.tar"
    with tarfile.open(bare, "w") as archive:
        entry = tarfile.TarInfo("tmp")
        entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(entry)
    with docker() as found:
        found.place.output(*found.command, "import", str(bare), "bare:1")
        yield found


@pytest.mark.parametrize(
    ("options", "failure"),
    [
        ((), "create namespaces: EPERM: a seccomp filter forbids it, as docker's default one does"),
        (
            ("--cap-add=SYS_ADMIN", "--security-opt=apparmor=unconfined"),
            "pivot_root: EPERM: a seccomp filter forbids it",
        ),
        (("--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"), ""),
    ],
)
def test_docker(engine: Docker, hello: Path, options: tuple[str, ...], failure: str) -> None:
    """The reason is the true one, and what the message says to try is enough."""
    shown = [path for path in map(Path, ("/usr", "/bin", "/lib", "/lib64", "/etc")) if path.exists()]
    shown += [Path(sys.base_prefix).resolve(), Path(sys.prefix), CHECKOUT, hello.parent]
    volumes = [f"--volume={path}:{path}:ro" for path in dict.fromkeys(shown)]
    run = [*engine.command, "run", "--rm", "--network=none", *volumes, *options, "--env=XDG_CACHE_HOME=/tmp/cache"]
    done = engine.place.run(*run, "bare:1", *Freezer.command("check", hello))
    assert done.returncode == (VERIFICATION if failure else 0), done.stderr
    assert failure in done.stderr
    if failure:
        assert "--security-opt seccomp=unconfined --security-opt apparmor=unconfined" in done.stderr
    else:
        assert "proven: empty root, own namespaces" in done.stderr


def test_an_ordinary_user(refusal: str, hello: Path, tmp_path: Path) -> None:
    """Who is no root of anything, and has a file of somebody else's."""
    (tmp_path / "staging").mkdir()
    (tmp_path / "cache").mkdir(mode=0o777)
    (tmp_path / "cache").chmod(0o777)
    open_to_all(tmp_path)
    own = Path(shutil.copy(hello, tmp_path / "hello"))
    user = Freezer(tmp_path / "cache", [*as_user(ORDINARY, tmp_path / "staging"), *REFUSALS[refusal]()])
    message = user("check", own, cwd=tmp_path, check=False)
    assert message.status == VERIFICATION
    assert has_reason(message.error, refusal)
    done = user("check", own, "--smoke", "there", "--verify=auto", cwd=tmp_path)
    assert "ran on the host: exited with status 0" in done.stderr
