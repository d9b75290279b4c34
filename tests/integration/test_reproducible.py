"""The same sources give the same bytes, whoever builds them, wherever, and with whatever in the environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import pytest
from support import NOBODY, Freezer, as_user, need_root, sha256

SCRIPT = ("hello/hello.py",)
PROJECT = ("cli", "-c", "greeter")


@dataclass(frozen=True)
class Place:
    """A builder's circumstances. ``user`` is the uid to build as, None for the one that runs the tests."""

    folder: Path
    umask: int
    env: dict[str, str]
    user: Optional[int] = None

    @property
    def provenance(self) -> Path:
        """What a build says of what it was made from."""
        return self.folder / "provenance.json"


def build(place: Place, samples: Path, arguments: tuple[str, ...]) -> Path:
    """Build there, with a cache, and so an environment, of its own."""
    sources = place.folder / "sources"
    if not sources.exists():
        shutil.copytree(samples, sources, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    home = place.folder / "home"
    home.mkdir(exist_ok=True)
    prefix: list[str] = []
    if place.user is not None:
        staging = place.folder / "staging"
        staging.mkdir()
        prefix = as_user(place.user, staging)
        for path in (place.folder, *place.folder.rglob("*")):
            os.chown(path, place.user, place.user, follow_symlinks=False)
    freezer = Freezer(place.folder / "cache", prefix)
    env = {"HOME": str(home), **pip_configuration(), **place.env}
    words = ("build", *arguments, "--provenance", str(place.provenance))
    done = freezer(*words, cwd=sources, env=env, umask=place.umask)
    return Path(done.stdout.splitlines()[0])


def pip_configuration() -> dict[str, str]:
    """pip's configuration of this user as variables: HOME, where its file is, differs from place to place."""
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    found = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.partition(".")
        if section in ("global", "install", "download"):
            # Values are printed as Python strings; a list is one, with newlines in it.
            found["PIP_" + name.upper().replace("-", "_")] = " ".join(value.strip("'\"").replace("\\n", " ").split())
    return found


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Place]:
    """Two places that differ in all that must not matter."""
    top = tmp_path_factory.mktemp("places")
    first = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"}
    second = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "4711"}
    second.update(USER="somebody", LOGNAME="somebody", TERM="dumb", COLUMNS="40", PYTHONOPTIMIZE="2", CFLAGS="-g0")
    other = top / "quite another place, with a long name"
    for folder in (top / "a", other):
        folder.mkdir()
    return Place(top / "a", 0o022, first), Place(other, 0o077, second)


@pytest.mark.parametrize("arguments", [SCRIPT, PROJECT], ids=["script", "project"])
def test_same_bytes(places: tuple[Place, Place], samples: Path, index: None, arguments: tuple[str, ...]) -> None:
    one, other = (build(place, samples, arguments) for place in places)
    assert sha256(one) == sha256(other)
    assert places[0].provenance.read_bytes() == places[1].provenance.read_bytes()
    assert one.stat().st_mode & 0o777 == 0o755
    assert other.stat().st_mode & 0o777 == 0o700


def test_same_bytes_as_another_user(places: tuple[Place, Place], samples: Path, index: None) -> None:
    need_root()
    first = build(places[0], samples, SCRIPT)
    base = Path("/var/tmp") / f"freezer-test-{os.getpid()}"
    base.mkdir(mode=0o755)
    try:
        other = build(Place(base, 0o022, {"TZ": "Asia/Tokyo"}, user=NOBODY), samples, SCRIPT)
        assert other.stat().st_uid == NOBODY
        assert sha256(first) == sha256(other)
    finally:
        shutil.rmtree(base)


KEPT = ("analysis", "packed", "bundles", "facts")
"""The directories of the cache with what earlier builds have found and made."""
OWN = {
    "app.py": "import json\nimport own.part\nprint(own.part.text(), json.dumps(0) if 0 else 'data.json')\n",
    "own/__init__.py": "",
    "own/part.py": "def text():\n    return 'first'\n",
    "data.json": '{"first": 1}',
}


def test_same_bytes_whatever_is_remembered(freezer: Freezer, shared_cache: Path, tmp_path: Path) -> None:
    """What earlier builds found in each source, compressed and made is missing, complete, damaged, or from elsewhere;
    and with a change of the sources, too, on one processor or many."""
    own = Freezer(tmp_path / "cache")
    own.cache.mkdir(parents=True)
    (own.cache / "toolchain").symlink_to(shared_cache / "toolchain")
    memory, sources = tmp_path / "memory", tmp_path / "sources"
    for name in KEPT:
        (memory / name).mkdir(parents=True, mode=0o700)
        (own.cache / name).symlink_to(memory / name)
    for name, text in OWN.items():
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        (sources / name).write_text(text)

    def built(name: str, *options: str) -> tuple[str, bool]:
        words: tuple[str | Path, ...] = ("-o", tmp_path / name / "app", "--no-verify", "--linker", "native", *options)
        done = own("build", "app.py", *words, cwd=sources)
        return sha256(done.output), "modules as in the build before" in done.stderr

    digests, recalled = [], {}
    for state in ("missing", "complete", "damaged", "copied"):
        kept = [path for path in sorted(memory.rglob("*")) if path.is_file() and not path.is_symlink()]
        if state == "damaged":
            for path in kept[::2]:
                os.truncate(path, path.stat().st_size // 2)
        elif state == "copied":
            shutil.copytree(memory, tmp_path / "elsewhere", symlinks=True)
            shutil.rmtree(memory)
            shutil.copytree(tmp_path / "elsewhere", memory, symlinks=True)
            shutil.rmtree(tmp_path / "elsewhere")
        assert bool(kept) == (state != "missing")
        digest, recalled[state] = built(state, "-j1" if state == "missing" else "-j3")
        digests.append(digest)
    assert len(set(digests)) == 1
    assert recalled == {"missing": False, "complete": True, "damaged": False, "copied": True}
    (sources / "own/part.py").write_text(OWN["own/part.py"].replace("first", "second"))
    (sources / "app.py").write_text(OWN["app.py"].replace("if 0", "if 1 - 1"))
    (sources / "data.json").write_text('{"second": 2}')
    changed, whole = built("changed"), built("whole", "--refresh")
    assert (changed[1], whole[1]) == (True, False)
    assert changed[0] == whole[0] != digests[0]


def test_source_date_epoch_is_honoured(freezer: Freezer, tmp_path: Path) -> None:
    """It is part of the input: other bytes are right, the same epoch must give the same ones."""
    (tmp_path / "app.py").write_text("print(1)\n")
    digests = [
        sha256(freezer("build", "app.py", "-o", name, cwd=tmp_path, env={"SOURCE_DATE_EPOCH": epoch}).output)
        for name, epoch in (("a", "1600000000"), ("b", "1600000000"), ("c", "1700000000"))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_file_times_and_order_do_not_matter(freezer: Freezer, tmp_path: Path) -> None:
    outputs = []
    for name, order, time in (("a", 1, 1_000_000_000), ("b", -1, 1_234_567_890)):
        folder = tmp_path / name
        folder.mkdir()
        files = {"app.py": "import part\nprint(part.X)\n", "part.py": "X = 1\n", "data/x": "x", "data/y": "y"}
        for file, text in sorted(files.items())[::order]:
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(text)
            os.utime(folder / file, (time, time))
        outputs.append(freezer("build", "app.py", "--add-data", "data:data", cwd=folder).output)
    assert sha256(outputs[0]) == sha256(outputs[1])
