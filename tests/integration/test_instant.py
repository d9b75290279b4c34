"""An application that starts by a memory snapshot is the same as one that starts plainly, and no two starts have the
same secrets. Freezing takes most of the time, so that all tests share one executable.

It is run as a user of its own that may have few processes: a fault here could start the application without end."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import pytest
from snapshots import ATTEMPTS, BY_CHANCE
from support import SAMPLES, Freezer, need_root, open_to_all, own_user, wait_until

USER, FEW = own_user(), 96
STARTED = "started by a snapshot"
CHANGING = ("finders", "files")
"""What is not the same in two plain starts either: addresses; and the archive of modules is open in these only."""


@dataclass
class Instant:
    """The executable, with a cache of its own."""

    path: Path
    cache: Path

    def run(
        self, *arguments: str, env: Optional[Mapping[str, str]] = None, words: Sequence[str] = (), **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Start it with no more variables than these; the first line of its errors says how it was started."""

        def prepare() -> None:
            resource.setrlimit(resource.RLIMIT_NPROC, (FEW, FEW))
            os.setgroups([])
            os.setgid(USER)
            os.setuid(USER)

        given = {"FREEZER_CACHE": str(self.cache), "PATH": os.environ["PATH"], "FREEZER_DEBUG": "start", **(env or {})}
        for _ in range(ATTEMPTS):
            done = subprocess.run(
                [*words, str(self.path), *arguments], env=given, capture_output=True, text=True, check=False,
                preexec_fn=prepare, cwd="/",
                **{"stdin": subprocess.DEVNULL, **options},
            )  # fmt: skip
            if not done.stderr.partition("\n")[0].endswith(BY_CHANCE):
                break
        return done

    def restored(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Start it until a snapshot was there for it. The first of these starts waits until one is made, as those that
        do not have it made when nobody else wants the processors."""
        waits = {**options, "env": {**options.get("env", {}), "FREEZER_START": "snapshot"}}
        self.run(*arguments, **waits)
        found: list[subprocess.CompletedProcess[str]] = []

        def start() -> bool:
            found.append(self.run(*arguments, **options))
            time.sleep(0.1)
            return STARTED in found[-1].stderr

        wait_until(start, "a snapshot")
        return found[-1]

    def both(self, *arguments: str, **options: Any) -> list[tuple[int, Any, str]]:
        """What a plain and a restored start give: status, output, errors."""
        env = options.pop("env", {})
        plain = self.run(*arguments, env={**env, "FREEZER_START": "plain"}, **options)
        restored = self.restored(*arguments, env={**env, "FREEZER_START": "instant"}, **options)
        found = []
        for done in (plain, restored):
            first, _, errors = done.stderr.partition("\n")
            assert first.endswith(("FREEZER_START=plain", STARTED)), done.stderr
            output = done.stdout.replace("FREEZER_START=plain", "FREEZER_START=instant")
            found.append((done.returncode, output, errors))
        return found


@pytest.fixture(scope="module", params=["plain", "early"])
def instant(request: pytest.FixtureRequest, freezer: Freezer, tmp_path_factory: pytest.TempPathFactory) -> Instant:
    script = SAMPLES / "instant" / "instant.py"
    options = ("--leave", request.param, "--smoke", "leave well", "--smoke-status", "3")
    return build(freezer, tmp_path_factory.mktemp("instant"), script, *options)


def build(freezer: Freezer, folder: Path, script: Path, *options: str) -> Instant:
    """Make an application that starts by snapshots, and unpack it."""
    need_root()
    wanted = ("--linker", "native", "--start", "snapshot", *options)
    done = freezer("build", script, "-o", folder / "app", *wanted, cwd=folder, check=False)
    assert "starts from it do what plain starts do" in done.stderr, done.stderr
    app = Instant(folder / "app", folder / "cache")
    open_to_all(folder)
    app.cache.mkdir()
    os.chown(app.cache, USER, USER)
    app.run("--help")
    return app


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({}, ()),
        ({"LANG": "C.UTF-8", "TZ": "Asia/Tokyo", "OTHER": "x", "EMPTY": "", "LD_PRELOAD": "/nowhere.so"}, ()),
        ({"LC_ALL": "POSIX", "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "latin-1:replace"}, ()),
        ({"PYTHONDEVMODE": "1"}, ("sh", "-c", 'exec "$0" "$@" <&-')),
        ({}, ("env", "--ignore-signal=INT", "--ignore-signal=HUP", "--block-signal=USR1")),
        ({}, ("sh", "-c", 'umask 77; ulimit -n 500; cd /usr; exec nice "$0" "$@"')),
    ],
)
def test_state(instant: Instant, env: dict[str, str], words: Sequence[str]) -> None:
    plain, restored = instant.both("state", env=env, words=words)
    assert plain[0] == restored[0] == 0, (plain, restored)
    assert plain[2] == restored[2]
    one, other = json.loads(plain[1]), json.loads(restored[1])
    one["environ"]["FREEZER_START"] = "instant"
    one["posix"] = [item.replace("b'plain'", "b'instant'") for item in one["posix"]]
    one["environb"] = [item.replace("b'plain'", "b'instant'") for item in one["environb"]]
    for name in sorted({*one, *other} - {*CHANGING}):
        assert one[name] == other[name], name


def test_work(instant: Instant) -> None:
    plain, restored = instant.both("work")
    assert plain[0] == 0
    assert plain == restored


@pytest.mark.parametrize(
    "how", ["well", "raise", "text", "interrupt", "at once", "stdio", "file", "library", "cycle", "reader"]
)
def test_leaving(instant: Instant, how: str) -> None:
    plain, restored = instant.both("leave", how, words=("sh", "-c", 'echo given | "$0" "$@"'))
    assert plain == restored
    assert plain[1].startswith("by C\nbegin\n" if how == "stdio" else "begin\n")


@pytest.mark.parametrize("how", ["at once", "execute"])
def test_the_first_restored_process_leaves_without_its_end(instant: Instant, tmp_path: Path, how: str) -> None:
    """That is no crash, which would have all later starts be plain."""
    open_to_all(tmp_path)
    fresh = Instant(instant.path, tmp_path / "cache")
    fresh.cache.mkdir()
    os.chown(fresh.cache, USER, USER)
    fresh.run("--help")
    assert STARTED in fresh.run("leave", how, env={"FREEZER_START": "snapshot"}).stderr
    assert STARTED in fresh.run("leave", "well").stderr


def test_output_that_cannot_be_written(instant: Instant) -> None:
    plain, restored = instant.both("leave", "well", words=("sh", "-c", '"$0" "$@" > /dev/full'))
    assert plain == restored
    assert plain[0] == 120


def test_no_value_comes_twice(instant: Instant) -> None:
    seen: set[str] = set()
    instant.restored("values")
    for _ in range(40):
        done = instant.run("values")
        assert STARTED in done.stderr
        values = done.stdout.splitlines()
        assert len(values) == 11
        # The number of a process is another until all have been used.
        assert seen.isdisjoint(values[:-1])
        seen.update(values)


def test_modules_that_are_kept_out_and_taken_in(freezer: Freezer, tmp_path: Path) -> None:
    files = {
        "pyproject.toml": '[tool.freezer.snapshot]\nbefore = ["clock"]\nimports = ["late"]\n',
        "app.py": "import sys\nimport clock\nif 'modules' in sys.argv:\n"
        "    print('late' in sys.modules, clock.BEGIN)\nimport late, gc\nprint(late.__name__, gc.isenabled())\n",
        "clock.py": "import time\nBEGIN = time.time()\n",
        # What the imports want of the collector holds behind the snapshot, too.
        "late.py": "import gc\ngc.disable()\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    app = build(freezer, tmp_path, tmp_path / "app.py")
    plain, restored = app.both("modules")
    (was, begin), (now, later) = (done[1].splitlines()[0].split() for done in (plain, restored))
    assert (was, now) == ("False", "True")
    assert float(begin) < float(later)
    again = app.run("modules")
    assert STARTED in again.stderr
    assert float(later) < float(again.stdout.split()[1])
    assert again.stdout.endswith("\nlate False\n")


DEEP = {
    "app.py": "import sys\nimport outer\nimport late\nprint(sys.argv[1:], outer.inner.BEGIN < late.BEGIN)\n",
    "outer.py": "import calm\nimport inner\nimport atexit\nimport sys\n"
    "LEFT = calm.Left('outer')\nFILE = open(sys.__stdout__.fileno(), 'w', closefd=False)\nFILE.write('to a file\\n')\n"
    "if 'fail' in sys.argv:\n    inner.fail()\n"
    "if 'values' in sys.argv:\n    print(id(calm.SAVED), inner.BEGIN, inner.NUMBER)\n",
    # It has no effect but to be there.
    "calm.py": "import decimal\nSAVED = object()\nclass Left:\n    def __init__(self, name):\n"
    "        self.name = name\n    def __del__(self):\n        print('end of', self.name)\n",
    "inner.py": "import random, sys, logging\nimport time\nBEGIN = time.time()\nNUMBER = random.random()\n"
    "def fail():\n    frame, names = sys._getframe(), []\n    while frame:\n"
    "        names.append(frame.f_code.co_name)\n        frame = frame.f_back\n    raise ValueError(' '.join(names))\n",
    "late.py": "import time\nBEGIN = time.time()\n",
}


@pytest.mark.parametrize("leave", ["plain", "early"])
def test_imports_that_end_inside_of_a_dependency(freezer: Freezer, tmp_path: Path, leave: str) -> None:
    """What each start must do anew, it does; what is imported before that is the snapshot's."""
    for name, text in DEEP.items():
        (tmp_path / name).write_text(text)
    app = build(freezer, tmp_path, tmp_path / "app.py", "--leave", leave)
    for words in ("well",), ("fail",):
        plain, restored = app.both(*words)
        assert plain == restored
        assert ("to a file" in plain[1], "end of outer" in plain[1]) == (True, True)
    assert "ValueError: fail <module> " in restored[2]
    seen = []
    for _ in range(3):
        done = app.run("values")
        assert STARTED in done.stderr
        seen.append(next(line for line in done.stdout.splitlines() if "." in line).split())
    places, begins, numbers = map(set, zip(*seen))
    assert (len(places), len(begins), len(numbers)) == (1, 3, 3)


def test_what_a_build_says_of_imports_that_end_early(freezer: Freezer, tmp_path: Path) -> None:
    for name, text in DEEP.items():
        (tmp_path / name).write_text(text)
    done = freezer("build", "app.py", "-o", "app", "--linker", "native", "--start", "snapshot", cwd=tmp_path)
    said = done.stderr[done.stderr.index("the snapshot of app ends at ") :].splitlines()
    assert [line.strip() for line in said[1:3]] == [
        "inner:3: reads the clock (clock_gettime)",
        "inner:4: seeds or uses the generator of random numbers that all use (random.random)",
    ]
    assert said[0].endswith(", since later imports do what each start must do anew:")
    checked = freezer("check", "app", "--snapshot", cwd=tmp_path)
    assert said[0] in checked.stderr


@pytest.mark.parametrize("imports", ["json", "json, late"])
def test_the_objects_of_a_snapshot_are_frozen(freezer: Freezer, tmp_path: Path, imports: str) -> None:
    """The collector does not look at them when the process ends, wherever the imports have ended: that would have their
    pages copied."""
    (tmp_path / "late.py").write_text("import decimal\nimport time\nBEGIN = time.time()\n")
    text = f"import gc, sys\nimport {imports}\nif sys.argv[1:]:\n    print(gc.get_freeze_count() > 1000)\n"
    (tmp_path / "app.py").write_text(text)
    app = build(freezer, tmp_path, tmp_path / "app.py")
    assert app.restored("count").stdout == "True\n"
