"""Builds in another system that are interrupted, killed or run out of disk: no mount, no process, no half of a root."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest
import roots
from interruption import INTERRUPTED, OUTPUT, PREVIOUS, Site, interrupt, make_site
from support import Freezer, held_free, need_program, small_disk, wait_until


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


@pytest.fixture(scope="module")
def tar(trixie: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system that has to be unpacked."""
    return roots.tarball(trixie, tmp_path_factory.mktemp("tar") / "root.tar.gz", "gz")


def seen_by(mark: str) -> list[str]:
    """The processes, this one and all others, that have something mounted whose place has ``mark`` in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if mark in (entry / "mountinfo").read_text():
                    found.append(entry.name)
    return found


@pytest.mark.parametrize("during", ["root", "environment", "freeze"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_interrupted(fresh_freezer: Freezer, site: Site, tar: Path, during: str, number: signal.Signals) -> None:
    status, said = interrupt(fresh_freezer, site, during, number, "--chroot", str(tar))
    assert status == (INTERRUPTED if number == signal.SIGTERM else -number), said
    assert "Traceback" not in said
    site.assert_intact()
    wait_until(lambda: not seen_by(site.name), "the namespaces of the build to end")
    if number == signal.SIGTERM:
        fresh_freezer.assert_tidy()
        return
    # A process that is ending sees no mounts any more, and holds the directory still.
    wait_until(lambda: held_free(fresh_freezer.cache / "work"), "the end of the last of them")
    (site.folder / f"{site.name}.py").write_text("print('fine')\n")
    built = fresh_freezer("build", f"{site.name}.py", "--chroot", tar, cwd=site.folder)
    assert built.output == site.output
    fresh_freezer.assert_tidy()


@pytest.mark.parametrize("size", ["20m", "160m"])
def test_full_disk(fresh_freezer: Freezer, site: Site, tar: Path, tmp_path: Path, size: str) -> None:
    """While the root is unpacked, and while the environment is made."""
    place = tmp_path / "small"
    need_program("unshare")
    with small_disk(place, size) as words:
        env = fresh_freezer.environment({"XDG_CACHE_HOME": str(place)})
        script = '"$@"; echo "status $?"; ls -A "$0"/freezer/work "$0"/freezer/roots'
        command = [*words, "sh", "-c", script, str(place)]
        command += fresh_freezer.command("build", f"{site.name}.py", "--chroot", tar)
        done = subprocess.run(command, cwd=site.folder, env=env, capture_output=True, text=True, check=False)
    assert f"status {OUTPUT}\n" in done.stdout, done
    assert "no space left on" in done.stderr
    assert "Traceback" not in done.stderr
    left = [line for line in done.stdout.splitlines() if site.name in line and not line.endswith(".log")]
    assert left == [], done.stdout
    assert site.output.read_text() == PREVIOUS
    assert os.listdir(site.output.parent) == [site.name]
