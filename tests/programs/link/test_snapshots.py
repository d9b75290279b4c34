"""Memory snapshots, without Python: how the launcher has them made, and starts by them."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional, Union

import pytest
from launching import MAKING, compile_launcher
from sanitizers import ADDRESSES, SANITIZE
from snapshots import KEY, Saved, compile_saved, key_of, saved_app
from support import CHECKOUT, PATIENCE, attended, need_program, need_root, wait_until

from freezer.link.launcher import build


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compile_launcher(tmp_path_factory.mktemp("launcher"), *MAKING).read_bytes()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compile_saved(tmp_path_factory.mktemp("saved"))


@pytest.fixture
def make(tmp_path: Path, launcher: bytes, program: bytes) -> Callable[..., Saved]:
    def make_app(*lines: tuple[str, str], key: Optional[bytes] = None) -> Saved:
        return saved_app(tmp_path, launcher, program, key_of(*KEY, *lines) if key is None else key)

    return make_app


@pytest.fixture
def app(make: Callable[..., Saved]) -> Saved:
    return make()


def test_made_at_the_second_start_and_used_at_the_third(app: Saved) -> None:
    app.how("plain")
    assert not app.snapshots.exists(), "a start that unpacks makes none"
    app.how("plain")
    app.wait_until_made()
    (name,) = app.names("seal")
    assert sorted(os.listdir(app.snapshots)) == [f"{name}.memory", f"{name}.seal", f"{name}.trial", "lock"]
    assert (app.snapshots / f"{name}.memory").stat().st_mode & 0o777 == 0o600
    assert app.how("restored").one("trial") == "yes"
    assert sorted(os.listdir(app.snapshots)) == [f"{name}.memory", f"{name}.seal", f"{name}.written", "lock"]
    assert app.how("restored").one("trial") == "no"


def test_a_restored_process_is_the_one_that_was_started(app: Saved) -> None:
    app.make()
    options: dict[str, Any] = {
        "env": {"OTHER": "value", "EMPTY": "", "LD_LIBRARY_PATH": "/nowhere"},
        "words": ["env", "--default-signal", "--ignore-signal=HUP", "--ignore-signal=TERM", "--block-signal=USR2"],
    }
    arguments: list[Union[str, bytes]] = ["one", "", "a b", b"\xff"]
    restored = app.run(*arguments, **options)
    options["env"] = {**options["env"], "FREEZER_START": "plain"}
    plain = app.run(*arguments, **options)
    assert (restored.one("how"), plain.one("how")) == ("restored", "plain")
    # The variable that chose the plain start is the caller's, too; start.so gives others their names back.
    plain.said["env"].remove("FREEZER_START=plain")
    plain.said["env"] = [variable.replace("\1D_", "LD_") for variable in plain.said["env"]]
    for key in ("argv", "env", "umask", "fds", "blocked", "ignored", "check"):
        assert restored.said[key] == plain.said[key], key
    assert restored.one("name") == app.path.name  # start.so takes it otherwise
    assert int(restored.one("told"), 16) == 1 << signal.SIGHUP - 1 | 1 << signal.SIGTERM - 1


def test_closed_streams_stay_closed(app: Saved) -> None:
    app.make()
    done = app.run(words=["sh", "-c", 'exec "$0" <&- >&-'])
    assert done.one("how") == "restored"
    assert done.one("fds").split() == ["2"]


def test_a_plain_start_is_the_users_choice(app: Saved) -> None:
    app.make()
    app.how("plain", env={"FREEZER_START": "plain"})
    done = app.how("plain", env={"FREEZER_START": "plain", "FREEZER_DEBUG": "start"})
    assert done.stderr.endswith("started plainly: FREEZER_START=plain\n")
    assert app.how("restored", env={"FREEZER_DEBUG": "start"}).stderr.endswith(": started by a snapshot\n")


@pytest.mark.parametrize(
    "key",
    [
        key_of(*KEY, verdict="no"),
        key_of(*KEY, end=False),
        key_of(*KEY, ("unheard", "of")),
        key_of(*KEY, ("ask", "weather")),
        key_of(*KEY, ("file", "relative")),
        key_of(*KEY, ("absent", "/etc")),
        key_of(*KEY, ("unset", "PATH")),
        key_of().replace(b"1", b"2"),
        key_of(*KEY).replace(b"ask\tuser", b"ask user"),
        b"",
        b"\n\n\n",
    ],
)
def test_no_snapshot_by_a_key_that_does_not_permit_it(make: Callable[..., Saved], key: bytes) -> None:
    app = make(key=key)
    for _ in range(3):
        app.how("plain", env={"PATH": os.environ["PATH"]})
    assert not app.snapshots.exists()


def test_what_the_key_names_decides(make: Callable[..., Saved], tmp_path: Path) -> None:
    file, folder, content = tmp_path / "file", tmp_path / "folder", tmp_path / "content"
    folder.mkdir()
    content.write_text("one")
    app = make(
        *(("file", str(file)), ("listing", str(folder)), ("content", str(content)), ("file", "~/.rc")),
        *(("ask", "cwd"), ("ask", "umask"), ("unset", "FORBIDDEN"), ("ask", "limit 7"), ("reason", "passed over")),
        *((kind, "passed over") for kind in ("limit", "before", "import")),
    )
    home = tmp_path / "home"
    home.mkdir()
    env = {"HOME": str(home), "KEYED": "one"}
    app.make(env=env)
    forbidden = {**env, "FREEZER_START": "plain"}
    assert app.how("plain", env=forbidden)
    changes: list[tuple[Callable[[], object], Callable[[], object]]] = [
        (lambda: file.write_text("now"), file.unlink),
        (lambda: (home / ".rc").write_text("now"), (home / ".rc").unlink),
        (lambda: content.write_text("two"), lambda: content.write_text("one")),
    ]
    for change, undo in changes:
        change()
        app.how("plain", env=env)
        undo()
        app.how("restored", env=env)
        app.wait_until_made()
    (folder / "new").touch()
    app.how("plain", env=env)


def test_the_year_is_part_of_the_key_but_on_its_first_and_last_day(make: Callable[..., Saved]) -> None:
    app = make(("ask", "year"))
    app.how("plain")
    today = time.gmtime()
    if (today.tm_mon, today.tm_mday) in ((1, 1), (12, 31)):
        app.how("plain", env={"FREEZER_START": "snapshot"})
        assert not app.snapshots.exists()
    else:
        app.how("restored", env={"FREEZER_START": "snapshot"})


def test_no_variable_may_begin_as_the_key_forbids(make: Callable[..., Saved]) -> None:
    app = make(("prefix", "TOOL_"))
    app.make()
    app.how("restored", env={"TOO": "1", "MY_TOOL_X": "1"})
    done = app.how("plain", env={"TOOL_COLOUR": "", "FREEZER_DEBUG": "start"})
    assert done.stderr.endswith(": started plainly: TOOL_ is set, which its imports ask for\n")


def test_no_directory_may_be_where_none_was(make: Callable[..., Saved], tmp_path: Path) -> None:
    """The imports looked for a file of the kernel's; with a directory there, they would go on to what is in it."""
    folder = tmp_path / "folder"
    app = make(("content", str(folder)))
    app.make()
    app.how("restored")
    folder.mkdir()
    done = app.how("plain", env={"FREEZER_DEBUG": "start"})
    assert done.stderr.endswith(f": started plainly: {folder} is a directory here, into which its imports look\n")


def test_a_start_that_waits_for_the_snapshot(app: Saved) -> None:
    app.how("plain")
    assert app.how("restored", env={"FREEZER_START": "snapshot"}).one("trial") == "yes"
    assert not app.is_making()


def test_a_start_that_waits_tells_why_there_is_none(make: Callable[..., Saved]) -> None:
    app = make(key=key_of(*KEY))
    app.how("plain")
    app.how("restored", env={"FREEZER_START": "snapshot"})
    (name,) = app.names("seal")
    app.wait_until_made()
    for path in app.snapshots.glob(f"{name}.*"):
        path.unlink()
    (app.snapshots / f"{name}.bad").write_text("the imports started a thread\nmore\n")
    done = app.how("plain", env={"FREEZER_START": "snapshot", "FREEZER_DEBUG": "start"})
    assert done.stderr.endswith(": started plainly: the imports started a thread\n")


def test_forbidden_by_the_user(app: Saved) -> None:
    app.make()
    (app.first / "no-snapshots").touch()
    done = app.how("plain", env={"FREEZER_START": "snapshot", "FREEZER_DEBUG": "start"})
    assert "freezer cache snapshots --allow" in done.stderr
    (app.first / "no-snapshots").unlink()
    app.how("restored")


def test_other_values_are_other_snapshots(make: Callable[..., Saved]) -> None:
    app = make(("ask", "cwd"), ("ask", "umask"), ("ask", "limit 7"), ("unset", "FORBIDDEN"))
    env = {"KEYED": "one"}
    app.make(env=env)
    for other in (
        {"KEYED": "two"},
        {"KEYED": ""},
        {"KEYED": None},
        {"LANG": "C.UTF-8"},
        {"FORBIDDEN": ""},
        {"PYTHONX": "1"},
    ):
        changed = {name: value for name, value in {**env, **other}.items() if value is not None}
        app.how("plain", env=changed)
        app.wait_until_made()
        app.how("restored", env=env)
    shutil.rmtree(app.snapshots)
    app.make(env=env)
    options: list[dict[str, Any]] = [
        {"cwd": "/"},
        {"words": ["sh", "-c", 'umask 27; exec "$0"']},
        {"words": ["prlimit", "--nofile=100:100"]},
        {"words": ["prlimit", "--stack=6000000"]},
    ]
    for option in options:
        app.how("plain", env=env, **option)
        app.wait_until_made()
        app.how("restored", env=env)


def test_the_maker_gets_no_more_of_the_environment_than_the_key_has(make: Callable[..., Saved]) -> None:
    app = make()
    app.make(env={"KEYED": "known-value", "OTHER": "secret-value"})
    (name,) = app.names("memory")
    data = (app.snapshots / f"{name}.memory").read_bytes()
    assert b"KEYED=known-value" in data
    assert b"secret-value" not in data


def test_a_mapped_file_that_has_changed(app: Saved, tmp_path: Path) -> None:
    file = tmp_path / "mapped"
    file.write_bytes(bytes(5000))
    env = {"BEFORE": "map", "KEYED": str(file)}
    app.make(env=env)
    file.write_bytes(bytes(5001))
    done = app.how("plain", env={**env, "FREEZER_DEBUG": "start"})
    assert done.stderr.endswith("started plainly: a file that it needs has changed\n")
    app.wait_until_made()
    app.how("restored", env=env)
    file.unlink()
    app.how("plain", env=env)


# Damage


def rewritten(path: Path, data: bytes) -> None:
    """Change a file's content, but not which file it is."""
    with open(path, "r+b") as file:
        file.write(data)
        file.truncate(len(data))


@pytest.mark.parametrize("kind", ["memory", "seal"])
def test_any_change_of_a_snapshot_leads_to_a_plain_start(app: Saved, kind: str) -> None:
    app.make()
    (name,) = app.names("seal")
    path = app.snapshots / f"{name}.{kind}"
    whole = path.read_bytes()
    places = [0, 8, 16, 24, len(whole) // 2, len(whole) - 1]
    damaged = [whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :] for place in places]
    damaged += [whole[: len(whole) // 2], whole + b"\0", b"", whole]
    copy = shutil.copytree(app.snapshots, app.snapshots.with_name("copy"))
    for data in damaged:
        shutil.rmtree(app.snapshots)
        shutil.copytree(copy, app.snapshots)
        rewritten(app.snapshots / f"{name}.{kind}", data)
        app.how("plain")
        app.wait_until_made()


def test_snapshots_that_others_can_write_to_are_not_used(app: Saved) -> None:
    app.make()
    app.snapshots.chmod(0o770)
    app.how("plain")
    app.snapshots.chmod(0o700)
    (name,) = app.names("memory")
    app.how("restored")
    (app.snapshots / f"{name}.memory").chmod(0o620)
    app.how("plain")


# What is written to


def write_runs(app: Saved, runs: list[tuple[int, int]]) -> None:
    """Have the launcher know that these are written to: addresses and sizes."""
    (name,) = app.names("memory")
    (app.snapshots / f"{name}.written").write_bytes(b"".join(struct.pack("<2Q", *run) for run in runs))


def has_huge_pages() -> bool:
    enabled = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return enabled.exists() and "[never]" not in enabled.read_text()


@pytest.mark.parametrize("share", [2, 4])
def test_memory_that_is_mostly_written_to_is_in_huge_pages(app: Saved, share: int) -> None:
    app.make()
    start = int(app.how("restored").one("heap"), 16) & -4096
    runs = [(at, 4096) for at in range(start, start + (5 << 20), share * 4096)]
    write_runs(app, runs)
    expected = share == 2 and has_huge_pages()
    assert (int(app.how("restored").one("huge")) >= 2048) == expected


def test_a_process_that_gets_no_huge_pages(app: Saved) -> None:
    app.make()
    start = int(app.how("restored").one("heap"), 16) & -4096
    write_runs(app, [(start, 5 << 20)])
    code = (
        "import ctypes, os, sys\n"
        "ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE\n"
        "os.environ.pop('LC_CTYPE', None)  # which Python has set\n"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    assert app.how("restored", words=[sys.executable, "-c", code]).one("huge") == "0"


def test_whatever_the_list_says_is_harmless(app: Saved) -> None:
    app.make()
    start = int(app.how("restored").one("heap"), 16) & -4096
    generator = random.Random(3)
    for _ in range(40):
        places = [0, 1, start, start + 1, start + (2 << 20), start - 4096, (1 << 64) - 4096, generator.getrandbits(64)]
        sizes = [0, 1, 4096, 2 << 20, 5 << 20, 1 << 40, (1 << 64) - 1, generator.getrandbits(64)]
        write_runs(app, [(generator.choice(places), generator.choice(sizes)) for _ in range(generator.randrange(20))])
        app.how("restored")


# Crashes


def test_a_snapshot_whose_first_process_crashes_is_not_used_again(app: Saved) -> None:
    app.how("plain")
    app.how("plain")
    app.wait_until_made()
    done = app.run(env={"BEHAVE": "crash", "FREEZER_DEBUG": "start"})
    assert done.status == -signal.SIGABRT, done.stderr
    for _ in range(2):
        app.how("plain")
    (name,) = app.names("bad")
    assert "crashed" in (app.snapshots / f"{name}.bad").read_text()
    assert not app.names("memory")


def test_a_crash_of_a_snapshot_that_is_known_to_be_good_means_nothing(app: Saved) -> None:
    app.make()
    assert app.run(env={"BEHAVE": "crash"}).status == -signal.SIGABRT
    app.how("restored")


def test_few_descriptors_do_not_remove_a_snapshot(app: Saved) -> None:
    app.make()
    for files in range(5, 14):
        done = app.run(words=["sh", "-c", f'ulimit -n {files}; exec "$0"'])
        assert done.status in (7, 126), done.stderr
        app.how("restored")


def test_others_start_plainly_while_the_first_process_begins(app: Saved) -> None:
    app.how("plain")
    app.how("plain")
    app.wait_until_made()
    with attended([app.path], env={**app.environment, "BEHAVE": "linger"}):
        (name,) = app.names("trial")
        trial = app.snapshots / f"{name}.trial"
        wait_until(trial.read_bytes, "the trial")
        hour = time.time() + 3600
        os.utime(trial, (hour, hour))  # as if it ran from now on, however long the other start takes
        app.how("plain")
        os.utime(trial, (0, 0))  # as if it had run for long
        app.how("restored")
        assert not trial.exists()
    app.how("restored")


@pytest.mark.parametrize(
    ("before", "why"), [("crash", "ended the process"), ("fail", "ended the process"), ("share", "shared with other")]
)
def test_what_cannot_be_saved_is_not_tried_again(app: Saved, before: str, why: str) -> None:
    env = {"BEFORE": before}
    app.how("plain", env=env)
    app.how("plain", env=env)
    app.wait_until_made()
    (name,) = app.names("bad")
    note = app.snapshots / f"{name}.bad"
    assert why in note.read_text()
    # What ends without a word may lack something that it has another time: that is noted for an hour.
    days = 7 * 24 * 3600 - 3600 if "ended" in why else 0
    assert abs(time.time() - days - note.stat().st_mtime) < 600
    app.how("plain", env=env)
    assert sorted(os.listdir(app.snapshots)) == [f"{name}.bad", "lock"]


# Making


def makers(app: Saved) -> list[int]:
    """The processes that make snapshots of an application."""
    found = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path("/proc", process, "environ").read_bytes()
            name = Path("/proc", process, "comm").read_bytes()  # any other process may have any
        except OSError:
            continue
        mine = str(app.first).encode() in environment
        if mine and (name == b"freezer-snapshot"[:15] + b"\n" or b"_FREEZER_SNAPSHOT=" in environment):
            found.append(int(process))
    return found


def test_making_ends_when_the_application_was_interrupted(app: Saved) -> None:
    env = {**app.environment, "BEFORE": "wait", "BEHAVE": "linger"}
    app.how("plain", env={"BEFORE": "wait", "FREEZER_START": "plain"})
    with attended([app.path], env=env, start_new_session=True) as process:
        wait_until(lambda: len(makers(app)) == 2, "the makers")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE) == -signal.SIGINT
        wait_until(lambda: not makers(app), "the end of the makers")


def test_what_was_interrupted_leaves_nothing_and_is_made_later(app: Saved) -> None:
    app.how("plain")
    generator = random.Random(1)
    for _ in range(12):
        for path in app.snapshots.glob("*.*"):
            path.unlink()
        app.run()
        time.sleep(generator.random() * 0.06)
        for process in makers(app):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        wait_until(lambda: not app.is_making(), "the end of the makers")
        app.how("restored" if app.names("seal") else "plain")
        app.wait_until_made()
        (name,) = app.names("seal")
        assert set(os.listdir(app.snapshots)) - {f"{name}.trial", f"{name}.written"} == {
            f"{name}.memory",
            f"{name}.seal",
            "lock",
        }
        app.how("restored")


def test_no_more_snapshots_are_kept_than_some(app: Saved) -> None:
    for number in range(11):
        app.how("plain", env={"KEYED": str(number)})
        if number:
            app.wait_until_made(count=min(number, 8))
    assert len(app.names("memory")) == len(app.names("seal")) == 8
    app.how("restored", env={"KEYED": "10"})
    app.how("plain", env={"KEYED": "1"})


def test_process_1_makes_none_but_is_restored(app: Saved) -> None:
    need_root()
    words = [need_program("unshare"), "--pid", "--fork", "--mount-proc"]
    app.how("plain")
    assert app.how("plain", words=words).one("pid") == "1"
    assert not app.snapshots.exists()
    app.make()
    assert app.how("restored", words=words).one("pid") == "1"


def test_without_randomized_addresses(app: Saved) -> None:
    words = [need_program("setarch"), "-R"]
    for _ in range(4):
        done = app.run(words=words)
        assert (done.status, done.one("check")) == (7, "good"), done.stderr
        time.sleep(0.2)


def test_many_at_once(app: Saved) -> None:
    app.make()
    reports = [app.path.with_name(f"many-{number}") for number in range(64)]
    with contextlib.ExitStack() as stack:
        starts = [
            stack.enter_context(attended([app.path], env={**app.environment, "REPORT": str(path)})) for path in reports
        ]
        assert [process.wait() for process in starts] == [7] * len(starts)
    texts = [path.read_text() for path in reports]
    restored, good = b"restored".hex(), b"good".hex()
    assert all(f"check {good}" in text for text in texts)
    # One or two may be plain by chance.
    assert sum(f"how {restored}" in text for text in texts) >= len(texts) - 2


# Heads


def test_no_head_leads_outside(app: Saved, tmp_path: Path) -> None:
    app.make()
    (name,) = app.names("memory")
    fuzz = tmp_path / "fuzz"
    sources = [build.SOURCE / item for item in ("snapshot.c", "blake2b.c", "place.c", "machine.c")]
    own = CHECKOUT / "tests" / "launcher" / "fuzz_snapshot.c"
    command = [need_program("gcc"), *SANITIZE, ADDRESSES, "-I", build.SOURCE, own, *sources, "-o", fuzz]
    subprocess.run(list(map(str, command)), check=True)
    done = subprocess.run(
        [fuzz, app.snapshots / f"{name}.memory", "200000"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert 0 < int(done.stdout.split()[0]) < 150000


def test_any_changed_bit_of_a_head_shows(app: Saved) -> None:
    """The seal has the digest of the head, so also if the file's times were the same."""
    app.make()
    (name,) = app.names("memory")
    memory, seal = app.snapshots / f"{name}.memory", app.snapshots / f"{name}.seal"
    data = bytearray(memory.read_bytes())
    generator = random.Random(2)
    for _ in range(20):
        place = generator.randrange(int.from_bytes(data[8:16], "little"))
        changed = bytearray(data)
        changed[place] ^= 1 << generator.randrange(8)
        rewritten(memory, bytes(changed))
        sealed = bytearray(seal.read_bytes())
        status = memory.stat()
        times = [status.st_mtime_ns, status.st_ctime_ns]
        parts = [part for time in times for part in divmod(time, 10**9)]
        sealed[24:56] = struct.pack("<4q", *parts)
        rewritten(seal, bytes(sealed))
        app.how("plain")
        app.wait_until_made()
        (app.snapshots / f"{name}.trial").unlink(missing_ok=True)
