"""Builds that are interrupted, killed or run out of disk lose nothing and leave nothing, and the next one works."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest
from interruption import INTERRUPTED, OUTPUT, PREVIOUS, Site, assert_nothing_runs, interrupt, make_site
from support import PATIENCE, Freezer, attended, kill_group, small_disk, wait_until


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


@pytest.mark.parametrize(
    ("during", "number"),
    [
        ("python", signal.SIGINT),
        ("freeze", signal.SIGINT),
        ("close", signal.SIGTERM),
        ("link", signal.SIGINT),
        ("verify", signal.SIGTERM),
        ("verify", signal.SIGHUP),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_interrupted(freezer: Freezer, site: Site, during: str, number: signal.Signals) -> None:
    status, said = interrupt(freezer, site, during, number)
    assert status == INTERRUPTED, said
    assert f"interrupted by {number.name}" in said
    assert "Traceback" not in said
    site.assert_intact()
    assert site.works(freezer) == []
    assert_nothing_runs(site.name)


def test_impatient_user(freezer: Freezer, site: Site) -> None:
    """Ctrl-C three times must not cut the clean-up short."""
    status, said = interrupt(freezer, site, "freeze", signal.SIGINT, times=3)
    assert status == INTERRUPTED, said
    assert "Traceback" not in said
    site.assert_intact()
    assert site.works(freezer) == []
    assert_nothing_runs(site.name)


def test_interrupted_while_making_the_environment(fresh_freezer: Freezer, site: Site) -> None:
    status, said = interrupt(fresh_freezer, site, "environment", signal.SIGINT)
    assert status == INTERRUPTED, said
    site.assert_intact()
    fresh_freezer.assert_tidy()
    assert not [path for path in (fresh_freezer.cache / "env").iterdir() if path.is_dir()]
    assert_nothing_runs(str(fresh_freezer.cache_home), site.name)


def test_nothing_is_left_in_the_temporary_directory(fresh_freezer: Freezer, site: Site, tmp_path: Path) -> None:
    """Whatever is running when the signal comes: freezer itself, pip, a build backend."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    ended = set()
    for point in range(12):
        begins = point % 2 == 0
        process = fresh_freezer.start(
            "build", f"{site.name}.py", "--no-verify", cwd=site.folder, env={"TMPDIR": str(temporary)}
        )
        try:
            # Not a bound on anything: points of time, spread over what a build does first. Half of them are counted
            # from its start, however long Python takes for that, and half from its work directory.
            if not begins:
                wait_until(lambda: site.works(fresh_freezer), "the work directory")
            time.sleep(0.2 * (point + 1) if begins else 0.2 * point)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE)
        finally:
            kill_group(process)
            process.communicate()
        ended.add(process.returncode)
        assert os.listdir(temporary) == []
        assert site.works(fresh_freezer) == []
    assert ended <= {INTERRUPTED, -signal.SIGTERM, 0} and INTERRUPTED in ended


def quick_build(freezer: Freezer, folder: Path) -> None:
    """A build that ends soon: it finds a syntax error. It sweeps as every build does."""
    (folder / "broken.py").write_text("def\n")
    freezer("build", "broken.py", cwd=folder, check=False)
    (folder / "broken.py").unlink()


@pytest.mark.parametrize("during", ["freeze", "link", "verify"])
def test_killed(freezer: Freezer, site: Site, during: str) -> None:
    status, _ = interrupt(freezer, site, during, signal.SIGKILL)
    assert status == -signal.SIGKILL
    site.assert_intact()
    assert_nothing_runs(site.name)
    assert site.works(freezer)
    quick_build(freezer, site.folder)
    assert site.works(freezer) == []


def test_killed_while_making_the_environment(fresh_freezer: Freezer, site: Site) -> None:
    interrupt(fresh_freezer, site, "environment", signal.SIGKILL)
    site.assert_intact()
    assert_nothing_runs(str(fresh_freezer.cache_home), site.name)
    # The next build wants another environment, and sweeps nevertheless.
    (site.folder / f"{site.name}.py").write_text("print('fine')\n")
    built = fresh_freezer("build", f"{site.name}.py", "--with", "altgraph", cwd=site.folder)
    fresh_freezer.assert_tidy()
    assert site.works(fresh_freezer) == []
    assert built.output == site.output
    assert os.listdir(site.output.parent) == [site.name]


def test_killed_while_publishing(freezer: Freezer, site: Site) -> None:
    """What a build killed while it wrote the output left beside it, is swept by the next."""
    litter = site.output.parent / f".{site.name}.freezer-0123abcd.tmp"
    litter.write_bytes(b"half of it")
    other = site.output.parent / f".{site.name}.freezer-mine.tmp"
    other.write_text("not ours")
    (site.folder / f"{site.name}.py").write_text("def\n")
    freezer("build", f"{site.name}.py", cwd=site.folder, check=False)
    assert not litter.exists()
    assert other.read_text() == "not ours"


# Full disks


def on_small_disk(
    freezer: Freezer,
    site: Site,
    *arguments: str,
    place: Path,
    size: str,
    env: Optional[dict[str, Optional[str]]] = None,
) -> tuple[int, str, str]:
    """A build with a small file system at ``place``, which has a previous output in it: status, messages, and what
    is in ``place`` afterwards."""
    script = 'printf "%s" "$1" >"$2/app"; shift 2; "$@"; echo "status $?"; cd "$0"; ls -A; cat app'
    with small_disk(place, size) as words:
        command = [*words, "sh", "-c", script, str(place), PREVIOUS, str(place)]
        command += freezer.command("build", f"{site.name}.py", *arguments)
        done = subprocess.run(
            command, cwd=site.folder, env=freezer.environment(env), capture_output=True, text=True, check=False
        )
    match = re.search(r"^status (\d+)\n(.*)", done.stdout, re.MULTILINE | re.DOTALL)
    assert match, done
    return int(match.group(1)), done.stderr, match.group(2)


@pytest.fixture
def quick(site: Site) -> Site:
    """The site with an application that ends."""
    (site.folder / f"{site.name}.py").write_text("print('fine')\n")
    return site


def test_full_disk_of_the_output(freezer: Freezer, quick: Site, tmp_path: Path) -> None:
    place = tmp_path / "small"
    status, said, left = on_small_disk(freezer, quick, "-o", str(place / "app"), "--no-verify", place=place, size="1m")
    assert status == OUTPUT, said
    assert f"cannot write {place}/app: No space left on device" in said
    assert "Traceback" not in said
    assert left == f"app\n{PREVIOUS}"
    assert quick.works(freezer) == []


@pytest.mark.parametrize("size", ["2m", "24m", "50m"])
def test_full_disk_of_the_cache(freezer: Freezer, quick: Site, tmp_path: Path, size: str) -> None:
    place = tmp_path / "small"
    status, said, left = on_small_disk(Freezer(place), quick, place=place, size=size, env={"PIP_NO_CACHE_DIR": "1"})
    assert status == OUTPUT, said
    assert f"no space left on {place}" in said
    assert "Traceback (most recent call last)" not in said.partition("freezer: error")[0]
    assert said.count("freezer: error: ") == 1
    quick.assert_intact()
    assert left.startswith("app\nfreezer\n")
    assert_nothing_runs(str(place))


# Odd outputs


@pytest.fixture(scope="module")
def elsewhere(freezer: Freezer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "app.py").write_text("print('new')\n")
    return folder


def test_a_link_is_replaced_not_followed(freezer: Freezer, elsewhere: Path, tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text(PREVIOUS)
    link.symlink_to(target)
    freezer("build", "app.py", "-o", link, "--no-verify", cwd=elsewhere)
    assert target.read_text() == PREVIOUS
    assert not link.is_symlink()
    assert subprocess.check_output([link], text=True) == "new\n"


def test_a_link_to_a_directory_is_replaced(freezer: Freezer, elsewhere: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    (tmp_path / "directory").mkdir()
    link.symlink_to("directory")
    freezer("build", "app.py", "-o", link, "--no-verify", cwd=elsewhere)
    assert link.is_file() and not link.is_symlink()
    assert list((tmp_path / "directory").iterdir()) == []


def test_a_running_executable_is_replaced(freezer: Freezer, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import sys\nprint('old', flush=True)\nprint(sys.stdin.readline().strip())\n")
    output = freezer("build", "app.py", "--no-verify", cwd=tmp_path).output
    with attended([output], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "old\n"
        (tmp_path / "app.py").write_text("print('new')\n")
        freezer("build", "app.py", "--no-verify", cwd=tmp_path)
        assert subprocess.check_output([output], text=True) == "new\n"
        assert running.communicate("still here\n")[0] == "still here\n"
        assert running.returncode == 0


@pytest.fixture
def other_file_system() -> Iterator[Path]:
    place = Path("/dev/shm") / f"freezer-test-{os.getpid()}"
    place.mkdir()
    yield place
    for path in place.iterdir():
        path.unlink()
    place.rmdir()


def test_odd_paths_and_another_file_system(freezer: Freezer, tmp_path: Path, other_file_system: Path) -> None:
    folder = tmp_path / "a b: $HOME 'ünï-\N{SNOWMAN}"
    folder.mkdir()
    (folder / "-my app.py").write_text("from pathlib import Path\nprint(Path(__file__).with_name('d:x').read_text())\n")
    (folder / "d:x").write_text("odd")
    output = other_file_system / ("é" * 120)
    arguments = ("./-my app.py", "--name=my app", "--add-data", "d:x", f"--output={output}")
    done = freezer("build", *arguments, cwd=folder)
    assert done.stdout == f"{output}\n"
    assert os.listdir(other_file_system) == [output.name]
    assert subprocess.check_output([output], text=True) == "odd\n"
