"""Roots made of packages: what is asked of which tool, and what is said where that cannot be."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import CHECKOUT, held_free, need_root, processes_with, wait_until

from freezer.base.errors import EnvironmentFailure, InputError
from freezer.base.job import Job
from freezer.base.log import Log
from freezer.store.workspace import workspace
from freezer.system.chroot import bootstrap as module
from freezer.system.chroot.bootstrap import Distribution, Maker, bootstrap, find_maker, keyring, parse_distribution

DEBIAN = "http://ftp.debian.org/debian"
SECURITY = "http://security.debian.org/debian-security"

TRIXIE = Distribution("debian", "trixie", ())


JAMMY = Distribution("ubuntu", "jammy", ("gcc", "g++"))


USER = 1000


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory on PATH, for the tests' programs."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with a keyring and with no configuration of apt's."""
    for name in ("APT", "KEYRINGS"):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.setattr(module, name, folder)
    (tmp_path / "KEYRINGS" / "debian-archive-keyring.gpg").touch()
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def script(path: Path, text: str = "") -> Path:
    """A program. The build's PATH is not the tests', so it finds the usual tools."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def as_user(monkeypatch: pytest.MonkeyPatch, *, ranges: bool) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: USER)
    monkeypatch.setattr(module, "subordinate_maps", lambda _uid, _gid: {"newuidmap": ["0"]} if ranges else {})


# What the user writes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("debian:trixie", TRIXIE),
        ("debian:trixie/python3-dev,gcc", Distribution("debian", "trixie", ("python3-dev", "gcc"))),
        ("ubuntu:jammy/gcc,g++", JAMMY),
        ("debian:bookworm-backports", Distribution("debian", "bookworm-backports", ())),
    ],
)
def test_distribution(text: str, expected: Distribution) -> None:
    assert parse_distribution(text) == expected


@pytest.mark.parametrize("text", ["", "debian", "./debian:trixie", "/srv/root", "fedora:40", "image.tar", "Debian:sid"])
def test_no_distribution(text: str) -> None:
    assert parse_distribution(text) is None


@pytest.mark.parametrize("suite", ["", "-o", "Trixie", "a b", "trixie\n", "../x", "$(id)", "trixie,sid", "é", "12"])
def test_name_that_no_suite_has(suite: str) -> None:
    with pytest.raises(InputError, match="is not a suite name"):
        parse_distribution(f"debian:{suite}")


@pytest.mark.parametrize(
    "package", ["", "-y", "?all", "~n", "gcc-", "gcc,", ",gcc", "./x.deb", "gcc g++", "gcc/sid", "gcc\n", "Gcc", "a*"]
)
def test_name_that_no_package_has(package: str) -> None:
    with pytest.raises(InputError, match="is not a package name"):
        parse_distribution(f"debian:trixie/{package}")


def test_keyring(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="signatures of ubuntu's packages") as caught:
        keyring("ubuntu", tmp_path)
    assert (caught.value.hint or "").startswith("apt-get install ubuntu-keyring ")
    (tmp_path / "debian-archive-keyring.pgp").touch()
    assert keyring("debian", tmp_path) == tmp_path / "debian-archive-keyring.pgp"


# Which program


def test_nothing_for_root(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(EnvironmentFailure, match="cannot make a root of debian:trixie") as caught:
        find_maker(TRIXIE)
    assert "neither mmdebstrap nor debootstrap" in (caught.value.why or "")
    assert (caught.value.hint or "").startswith("apt-get install mmdebstrap\nor give --chroot a directory")


def test_nothing_for_others(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, ranges=True)
    script(programs / "debootstrap")
    with pytest.raises(EnvironmentFailure) as caught:
        find_maker(TRIXIE)
    assert "apt-get install mmdebstrap uidmap" in (caught.value.hint or "")


def test_program_of_root(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    second = script(programs / "debootstrap")
    assert find_maker(TRIXIE) == Maker(second, None)
    first = script(programs / "mmdebstrap")
    assert find_maker(TRIXIE) == Maker(first, "root")


def test_program_of_others(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = script(programs / "mmdebstrap")
    as_user(monkeypatch, ranges=True)
    assert find_maker(TRIXIE) == Maker(program, "unshare")
    as_user(monkeypatch, ranges=False)
    with pytest.raises(EnvironmentFailure) as caught:
        find_maker(TRIXIE)
    assert "apt-get install uidmap" in (caught.value.hint or "")
    script(programs / "newuidmap")
    with pytest.raises(EnvironmentFailure) as caught:
        find_maker(TRIXIE)
    assert "/etc/subuid" in (caught.value.why or "")
    assert "usermod --add-subuids" in (caught.value.hint or "")
    script(programs / "fakechroot")
    script(programs / "fakeroot")
    assert find_maker(TRIXIE) == Maker(program, "fakechroot")


# What it is asked


def test_mmdebstrap(tmp_path: Path) -> None:
    argv = module.mmdebstrap(Path("/m"), "root", JAMMY, Path("/w/root.tar"), "http://a/ubuntu", Path("/k.gpg"))
    assert argv[:5] == ["/m", "--mode=unshare", "--variant=apt", "--format=tar", "--skip=output/dev"]
    assert "--include=python3,python3-venv,ca-certificates,gcc,g++" in argv
    assert f"--include={module.LIBPYTHON}" in argv
    sources = [
        f"deb [signed-by=/k.gpg] http://a/ubuntu {suite} main universe"
        for suite in ("jammy", "jammy-updates", "jammy-security")
    ]
    assert argv[-5:] == ["jammy", "/w/root.tar", *sources]


def test_merged_usr_is_for_bookworm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MERGED_USR", tmp_path)
    for suite in ("bullseye", "bookworm", "trixie"):
        of = Distribution("debian", suite, ())
        argv = module.mmdebstrap(Path("/m"), "root", of, Path("/w/root.tar"), DEBIAN, Path("/k.gpg"))
        assert (f"--hook-dir={tmp_path}" in argv) == (suite == "bookworm")


def test_debootstrap(tmp_path: Path) -> None:
    argv = module.debootstrap(Path("/d"), TRIXIE, Path("/w/root"), DEBIAN, Path("/k.gpg"))
    assert argv[:3] == ["/d", "--variant=minbase", "--include=python3,python3-venv,ca-certificates"]
    assert argv[3:6] == ["--keyring=/k.gpg", "--force-check-gpg", "--components=main"]
    assert argv[6:] == ["trixie", "/w/root", DEBIAN]


# Running it

TARS = """
printf '%s\\n' "$@" > "$HOME/argv"
env > "$HOME/env"
mkdir -p "$TMPDIR/made/usr/bin" "$TMPDIR/made/etc"
echo text > "$TMPDIR/made/etc/file"
for word; do case $word in *.tar) tar -c -f "$word" -C "$TMPDIR/made" .;; esac; done
"""


def test_root_is_made_by_mmdebstrap(host: Path, programs: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    need_root()
    script(programs / "mmdebstrap", TARS)
    script(programs / "apt-config", """echo 'Acquire::http::Proxy "http://proxy.example:3142";'""")
    monkeypatch.setenv("SECRET", "token")
    (host / "APT" / "sources.list").write_text("deb http://a.example/debian sid main\n")
    target = job.cache / "roots" / "new"
    bootstrap(TRIXIE, target, job)
    assert (target / "etc" / "file").read_text() == "text\n"
    assert not list(job.folder("bootstrap").iterdir())
    home = job.folder("home")
    key = host / "KEYRINGS" / "debian-archive-keyring.gpg"
    argv = (home / "argv").read_text().splitlines()
    assert argv[-2] == f"deb [signed-by={key}] http://a.example/debian trixie main"
    assert argv[-1] == f"deb [signed-by={key}] {SECURITY} trixie-security main"
    env = dict(line.split("=", 1) for line in (home / "env").read_text().splitlines())
    assert env["http_proxy"] == env["https_proxy"] == "http://proxy.example:3142"
    assert env["SOURCE_DATE_EPOCH"].isdigit()
    assert "SECRET" not in env
    assert f"\n$ {programs}/mmdebstrap --mode=" in job.build_log.path.read_text()


def test_root_is_made_without_namespaces(host: Path, programs: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, ranges=False)
    for name in ("fakechroot", "fakeroot"):
        script(programs / name)
    script(programs / "mmdebstrap", TARS)
    bootstrap(TRIXIE, job.cache / "new", job)
    assert (job.cache / "new" / "etc" / "file").is_file()
    assert "--mode=fakechroot" in (job.folder("home") / "argv").read_text()


def test_failure_is_the_tools_own(host: Path, programs: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    need_root()
    script(programs / "mmdebstrap", "echo 'E: The repository does not have a Release file.' >&2; exit 25")
    target = job.cache / "new"
    with pytest.raises(EnvironmentFailure) as caught:
        bootstrap(TRIXIE, target, job)
    assert caught.value.what == "cannot make a root of debian:trixie: mmdebstrap exited with status 25"
    assert "E: The repository does not have a Release file." in (caught.value.why or "")
    assert f"check that {DEBIAN} can be reached and has trixie" in (caught.value.hint or "")
    assert not target.exists()


def test_signal_that_kills_the_tool(host: Path, programs: Path, job: Job) -> None:
    need_root()
    # Within its namespace the first process is safe from its own signals; what it starts is not.
    script(programs / "mmdebstrap", "sh -c 'kill -SEGV $$'")
    with pytest.raises(EnvironmentFailure, match="status 139"):
        bootstrap(TRIXIE, job.cache / "new", job)


CALL = """
import sys
from pathlib import Path
from freezer.base.log import Log
from freezer.store.workspace import workspace
from freezer.system.chroot import bootstrap as module
module.APT, module.KEYRINGS = map(Path, sys.argv[2:])
with workspace(Path(sys.argv[1]), "roots", keep=False, log=Log()) as job:
    module.bootstrap(module.Distribution("debian", "sid", ()), job.cache / "new", job)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_freezer(host: Path, programs: Path, number: signal.Signals) -> None:
    need_root()
    script(
        programs / "mmdebstrap",
        'mkdir "$TMPDIR/point"; mount -t tmpfs tmpfs "$TMPDIR/point"; : > "$HOME/ready"; setsid sleep 1000',
    )
    cache = host / "cache"
    command = [sys.executable, "-c", CALL, str(cache), str(host / "APT"), str(host / "KEYRINGS")]
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(command, env=env)
    try:
        wait_until(lambda: list(cache.glob("work/*/home/ready")), "the tool")
        assert str(cache) not in Path("/proc/self/mountinfo").read_text()
        assert processes_with(str(cache))
        process.send_signal(number)
        assert process.wait() == -number
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: not processes_with(str(cache)), "the end of its processes")
    assert not (cache / "new").exists()
    # A process that is ending has no arguments any more, and its descriptors still.
    wait_until(lambda: held_free(cache / "work"), "the end of the last of them")
    with workspace(cache, "next", keep=False, log=Log(stream=io.StringIO())) as job:
        assert list((cache / "work").iterdir()) == [job.work]


def test_what_is_isolated_finds_freezer() -> None:
    """Also where no package of it is on the search path."""
    done = subprocess.run(module.isolated(["sh", "-c", "echo $$"]), capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout == "1\n"
