"""The launcher: payloads by a writer of the tests' own, started in every way that could go wrong.

What is unpacked is a program that says how it was started. Whatever could reach the host's own directories, for they
are candidates as well, runs in a root that has nothing but the executable, in mounts of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import pty
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import pytest
from hostile import make_host, state_of
from launching import (
    CANNOT_RUN,
    DONE,
    WAITING,
    App,
    Outcome,
    Root,
    compile_launcher,
    compile_program,
    executable,
    make_root,
    parse,
    record,
    root_of,
    tree_of,
    write_executable,
)
from sanitizers import ADDRESSES, SANITIZE
from support import ORDINARY, PATIENCE, attended, compile_c, need_program, need_root, wait_until

from freezer.base.errors import EnvironmentFailure
from freezer.link.launcher import build, launcher_path

SOURCES = [str(build.SOURCE / name) for name in build.SOURCES]


@pytest.fixture(scope="session")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The launcher as it is installed, compiled from the sources as they are."""
    return compile_launcher(tmp_path_factory.mktemp("launcher"))


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The application."""
    return compile_program(tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="session")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The launcher with the sanitizers of addresses and of undefined behaviour."""
    path = tmp_path_factory.mktemp("sanitized") / "launcher"
    subprocess.run([need_program("gcc"), *SANITIZE, ADDRESSES, *SOURCES, "-lzstd", "-o", str(path)], check=True)
    return path


@pytest.fixture
def make(tmp_path: Path, launcher: Path, program: bytes) -> Callable[..., App]:
    def make_app(records: Optional[Sequence[bytes]] = None, by: Optional[Path] = None, **options: Any) -> App:
        data = executable((by or launcher).read_bytes(), tree_of(program) if records is None else records, **options)
        return app_in(tmp_path, data)

    return make_app


def app_in(folder: Path, data: bytes) -> App:
    return App(write_executable(folder / "bin" / "app", data), folder / "first", folder / "second")


@pytest.fixture(scope="session")
def whole(launcher: Path, program: bytes) -> bytes:
    """The executable of most tests."""
    return executable(launcher.read_bytes(), tree_of(program))


@pytest.fixture
def app(tmp_path: Path, whole: bytes) -> App:
    return app_in(tmp_path, whole)


# Starting


@pytest.mark.parametrize("compress", [True, False])
def test_cold_and_warm(make: Callable[..., App], program: bytes, compress: bool) -> None:
    app = make(compress=compress)
    for _ in range(2):
        done = app.works()
        assert done.stderr == ""
        tree = app.entry / "tree"
        assert done.one("exe") == str(tree / "program")
        assert (tree / "lib/deep/up").read_bytes() == bytes(range(256)) * 2000
        assert os.readlink(tree / "here") == "lib/deep"
        text = f"see {tree}/program".encode()
        assert (tree / "lib/deep/text").read_bytes() == text + bytes(5013 - len(text))
        assert (tree / "program").read_bytes() == program
        calls = (tree / "lib/deep/calls").read_bytes()
        assert calls == f"{tree}/at".encode().ljust(5000, b"\0") + b"\xe8\x01\0\0\0\x90" * 30000
        modes = {path: path.lstat().st_mode & 0o7777 for path in (app.entry, tree, tree / "program", tree / "lib/data")}
        assert list(modes.values()) == [0o700, 0o755, 0o555, 0o444]


def test_a_warm_start_writes_nothing_and_stays_short(app: App) -> None:
    app.works()
    log = app.path.with_name("log")
    app.works(words=[need_program("strace"), "-f", "-o", str(log)])
    calls = [line.split(maxsplit=1)[1] for line in log.read_text().splitlines()]
    ours = calls[: next(index for index, call in enumerate(calls) if "/tree/program" in call) + 1]
    assert ours[-1].startswith("execve")
    assert not [call for call in ours if re.match("write|pwrite|mkdir|rename|unlink|fork|clone|vfork", call)]
    assert len(ours) < 110, "\n".join(ours)


def test_what_the_application_gets(app: App, tmp_path: Path) -> None:
    odd = b"\xff \n'"
    variables = {"LD_PRELOAD": "/x.so", "LD_AUDIT": "", "GLIBC_TUNABLES": "a=b", "LDX": "1", "_FREEZER_START": "9:/x"}
    variables["ODD"] = os.fsdecode(odd)
    for _ in range(2):
        done = app.works(env=variables)
        given = {**app.environment, **variables, "REPORT": str(app.path.with_name(f"report-{os.getpid()}"))}
        del given["_FREEZER_START"]
        expected = [f"{name}={value}" for name, value in given.items()]
        changed = [re.sub("^(?=LD_|GLIBC_T).", "\1", line) for line in expected]
        assert done.said["env"][:-2] == changed
        number, path = done.started
        assert path == str(app.path)
        assert done.said["env"][-1] == f"LD_ORIGIN_PATH={app.entry}/tree"
        assert done.one("fds").split() == ["0", "1", "2", number]
    done = app.run(b"", odd, "--x")
    assert done.said["argv"] == [str(app.path), "", os.fsdecode(odd), "--x"]


@pytest.mark.parametrize("called", ["app", "./app", "../bin/app", "link"])
def test_the_path_that_the_user_called(app: App, called: str) -> None:
    folder = app.path.parent
    (folder / "link").symlink_to("app")
    report = folder / "report"
    env = {**app.environment, "REPORT": str(report), "PATH": str(folder)}
    file = called if "/" in called else str(folder / called)
    done = subprocess.run(["x"], executable=file, cwd=folder, env=env, check=False)
    assert done.returncode == DONE
    said = Outcome(DONE, "", parse(report.read_text()))
    assert said.started[1] == os.path.join(folder, re.sub(r"^\./", "", called))
    assert said.one("argv") == "x"


def test_signals_umask_and_descriptors_are_the_callers(app: App) -> None:
    def prepare() -> None:
        os.umask(0o777)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1, 40])

    def reset() -> None:
        for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)

    for _ in range(2):
        done = app.works(preexec_fn=prepare, restore_signals=False)
        assert done.one("umask") == "777"
        blocked = {number for number in range(1, 65) if done.one("blocked")[number - 1] == "1"}
        assert blocked == {signal.SIGTERM, signal.SIGUSR1, 40}
        assert done.one("ignored")[signal.SIGCHLD - 1] == done.one("ignored")[signal.SIGXFSZ - 1] == "1"
    assert (app.entry / "tree/program").stat().st_mode & 0o7777 == 0o555
    shutil.rmtree(app.first)
    for _ in range(2):
        done = app.works(preexec_fn=reset)
        assert "1" not in done.one("blocked") + done.one("ignored")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_stay_closed(app: App, closed: str) -> None:
    for _ in range(2):
        done = app.run(words=["/bin/sh", "-c", f'exec "$@" {closed}', "sh"])
        assert done.status == DONE
        numbers = [int(number) for number in done.one("fds").split()]
        gone = {"<": 0, ">": 1, "2": 2}
        assert numbers[:-1] == [number for number in range(3) if number not in {gone[w[0]] for w in closed.split()}]
        assert numbers[-1] >= 3
    damaged = bytearray(app.path.read_bytes())
    damaged[-200] ^= 1
    write_executable(app.path, bytes(damaged))
    assert app.run(words=["/bin/sh", "-c", f'exec "$@" {closed}', "sh"]).status == CANNOT_RUN


def test_no_arguments_at_all(app: App, tmp_path: Path) -> None:
    source = "#include <unistd.h>\nint main(int c, char **v) { char *n[] = {0}; execve(v[1], n, v + 2); return 1; }"
    starter = compile_c(source, tmp_path / "starter")
    env = [f"{name}={value}" for name, value in app.environment.items()]
    report = tmp_path / "report"
    done = subprocess.run([str(starter), str(app.path), *env, f"REPORT={report}"], check=False)
    assert done.returncode == DONE
    assert parse(report.read_text())["argv"] in ([""], [str(app.path)])  # since Linux 5.18 there always is one


LIMITS = [(resource.RLIMIT_NOFILE, limit) for limit in (3, 4, 5, 8, 16)]
LIMITS += [(resource.RLIMIT_AS, limit << 20) for limit in (1, 8, 16, 64)]
LIMITS += [(resource.RLIMIT_FSIZE, 4096), (resource.RLIMIT_STACK, 1 << 16)]
ENOUGH = ((resource.RLIMIT_NOFILE, 16), (resource.RLIMIT_AS, 64 << 20))


@pytest.mark.parametrize("limit", LIMITS, ids=str)
def test_limits(app: App, limit: tuple[int, int]) -> None:
    root = root_of(app)

    def prepare() -> None:
        os.chroot(root)
        os.chdir("/")
        resource.setrlimit(limit[0], (limit[1], limit[1]))

    for _ in range(2):
        done = subprocess.run(["/app"], env={}, preexec_fn=prepare, capture_output=True, text=True, check=False)
        if limit in ENOUGH or done.returncode == DONE:
            assert (done.returncode, done.stderr) == (DONE, "")
        elif done.returncode != -signal.SIGKILL:  # by the kernel, which cannot even start it
            assert Outcome(done.returncode, done.stderr).refusal


@pytest.fixture(scope="session")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The launcher that waits for another start as long as it takes."""
    return compile_launcher(tmp_path_factory.mktemp("patient"), *WAITING)


def test_a_thousand_at_once_unpack_once(make: Callable[..., App], patient: Path) -> None:
    app = make(by=patient)
    app.entry.mkdir(parents=True, mode=0o700)
    app.first.chmod(0o700)
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(app.entry), 0x100) >= 0  # IN_CREATE
    actions = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    processes = [os.posix_spawn(app.path, ["app"], app.environment, file_actions=actions) for _ in range(1000)]
    statuses = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
    assert statuses == [DONE] * 1000
    events, names = os.read(watch, 1 << 20), []
    os.close(watch)
    while events:
        size = struct.unpack_from("iIII", events)[3]
        names.append(events[16 : 16 + size].rstrip(b"\0"))
        events = events[16 + size :]
    assert names.count(b"new") == 1
    assert sorted(os.listdir(app.entry)) == ["lock", "manifest", "seen", "tree", "used"]
    assert os.listdir(app.first) == [app.identity] and not app.second.exists()


def test_the_lock_is_held_as_long_as_the_application_runs(app: App) -> None:
    env = {**app.environment, "LINGER": "1", "REPORT": str(app.path.with_name("report"))}
    with attended([app.path], env=env) as process:
        wait_until(app.path.with_name("report").exists, "the application's report")
        assert os.readlink(f"/proc/{process.pid}/exe") == str(app.entry / "tree/program")  # one process, by exec
        assert not takes_lock(app.entry / "used")
        assert takes_lock(app.entry / "lock")
    assert takes_lock(app.entry / "used")


def takes_lock(path: Path) -> bool:
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@pytest.fixture(scope="session")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The launcher, which says at once that it waits, and waits for a second."""
    path = tmp_path_factory.mktemp("impatient") / "launcher"
    flags = ["-D_GNU_SOURCE", "-std=gnu11", "-O0", "-DPATIENCE=1", "-DSILENCE=0", *SOURCES, "-lzstd"]
    subprocess.run([need_program("gcc"), *flags, "-o", str(path)], check=True)
    return path


def test_a_holder_that_gets_nowhere_is_left(make: Callable[..., App], impatient: Path) -> None:
    app = make(by=impatient)
    app.entry.mkdir(parents=True, mode=0o700)
    app.first.chmod(0o700)
    with open(app.entry / "lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = app.run()
        assert done.place == app.fallback
        assert done.stderr == f"app: waiting for process {os.getpid()}, which is unpacking to {app.first}\n"
        assert app.run().stderr == ""
    app.entry.joinpath("used").touch()
    with open(app.entry / "used", "rb") as used:
        # As a cleaner holds it.
        fcntl.flock(used, fcntl.LOCK_EX)
        assert app.run().place == app.fallback
    shutil.rmtree(app.fallback)
    app.works()


def test_a_slow_first_start_says_so_on_a_terminal(app: App) -> None:
    app.entry.mkdir(parents=True, mode=0o700)
    app.first.chmod(0o700)
    terminal, pipe = pty.openpty(), os.pipe()
    with contextlib.ExitStack() as stack:
        for descriptor in (*terminal, pipe[0]):
            stack.callback(os.close, descriptor)
        with open(app.entry / "lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            starts = [
                stack.enter_context(attended([app.path], env=app.environment, stdout=subprocess.DEVNULL, stderr=theirs))
                for theirs in (pipe[1], terminal[1])
            ]
            os.close(pipe[1])
            # The one that says nothing came first, so it has waited as long as the other, or nearly so.
            assert select.select([terminal[0]], [], [], PATIENCE)[0]
            time.sleep(0.5)
        assert [process.wait(PATIENCE) for process in starts] == [DONE] * 2
        first, second = (os.read(ours, 10000).decode() for ours in (terminal[0], pipe[0]))
    # How much it is depends on the C library that is part of the application.
    assert re.fullmatch(rf"app: unpacking for the first start, \d+ MB to {app.first}\r\n", first)
    assert second == ""


# Trust


def refuse_other_owner(app: App) -> str:
    need_root()
    app.first.mkdir()
    os.chown(app.first, ORDINARY, ORDINARY)
    return "belongs to"


def with_mode(mode: int) -> Callable[[App], None]:
    def change(app: App) -> None:
        app.first.mkdir()
        app.first.chmod(mode)

    return change


def parent_with_mode(mode: int) -> Callable[[App], None]:
    def change(app: App) -> None:
        parent = app.first.parent / "parent"
        parent.mkdir()
        parent.chmod(mode)
        (parent / "cache").mkdir(mode=0o700)
        app.first = parent / "cache"

    return change


def parent_of_other(app: App) -> None:
    need_root()
    parent_with_mode(0o755)(app)
    os.chown(app.first.parent, ORDINARY, ORDINARY)


def linked_to_untrusted(app: App) -> None:
    with_mode(0o777)(app)
    link = app.first.with_name("link")
    link.symlink_to(app.first)
    app.first = link


def entry_is_link(app: App) -> None:
    app.first.mkdir(mode=0o700)
    (app.first.parent / "elsewhere").mkdir(mode=0o700)
    app.entry.symlink_to(app.first.parent / "elsewhere")


def entry_with_mode(app: App) -> None:
    app.first.mkdir(mode=0o700)
    app.entry.mkdir()
    app.entry.chmod(0o777)


def entry_of_other(app: App) -> None:
    need_root()
    app.works()
    os.chown(app.entry, ORDINARY, ORDINARY)


def file_in_the_way(app: App) -> None:
    app.first.write_text("")


UNTRUSTED = [
    *(refuse_other_owner, with_mode(0o770), with_mode(0o707), with_mode(0o1777), parent_with_mode(0o777)),
    *(parent_with_mode(0o775), parent_of_other, linked_to_untrusted, entry_is_link, entry_with_mode, entry_of_other),
    file_in_the_way,
]


@pytest.mark.parametrize("spoil", UNTRUSTED)
def test_what_others_could_change_is_not_used(app: App, spoil: Callable[[App], None]) -> None:
    spoil(app)
    done = app.run()
    assert done.place == app.fallback
    assert not (app.first.parent / "elsewhere").exists() or not os.listdir(app.first.parent / "elsewhere")


@pytest.mark.parametrize("mode", [0o1777, 0o755, 0o711])
def test_parents_that_are_safe(app: App, mode: int) -> None:
    parent_with_mode(mode)(app)
    app.works()


def test_links_of_the_users_own_are_resolved(app: App) -> None:
    real = app.first
    real.mkdir(mode=0o700)
    link = real.with_name("link")
    link.symlink_to(real)
    for _ in range(2):
        done = app.run(env={"FREEZER_CACHE": f"{link}/../link//more"})
        assert done.place == real / "more"


def test_root_does_not_use_the_cache_of_another_home(app: App) -> None:
    need_root()
    home = app.path.parent / "home"
    home.mkdir()
    os.chown(home, ORDINARY, ORDINARY)
    done = app.run(
        env={"FREEZER_CACHE": "", "XDG_CACHE_HOME": str(home), "HOME": str(home), "TMPDIR": ""}, words=ROOTED
    )
    assert done.place == Path("/var/tmp/freezer-0") and not os.listdir(home)


ROOTED = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o mode=1777 tmpfs /var/tmp && exec "$@"', "sh"]
"""In front of a command that may use /var/tmp: one of its own, gone with it."""


@pytest.mark.parametrize("value", ["", "relative", "/", "/" + "x" * 300, "/" + "x/" * 2100, "/proc/self/nothing"])
def test_odd_places(app: App, value: str) -> None:
    assert app.run(env={"FREEZER_CACHE": value}).place == app.fallback


def test_long_and_odd_names(app: App) -> None:
    odd = "a:b $c\n\x1b[1m\udcff'\""
    deep = app.first.joinpath(odd, *["d" * 200] * 13)
    for _ in range(2):
        done = app.run(env={"FREEZER_CACHE": str(deep)})
        assert done.place == deep


# Tampering


def change_size(app: App) -> None:
    path = app.entry / "tree/lib/data"
    path.chmod(0o644)
    with open(path, "ab") as file:
        file.write(b"x")


def change_content(app: App) -> None:
    """With size and modification time as before; the time of change cannot be set."""
    path = app.entry / "tree/lib/data"
    before = path.stat()
    with open(path, "r+b") as file:
        file.write(b"\xff")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def change_time(app: App) -> None:
    os.utime(app.entry / "tree/lib/data", (1, 1))


def change_inode(app: App) -> None:
    path = app.entry / "tree/lib/data"
    before = path.stat()
    shutil.copy2(path, path.with_name("copy"))
    path.with_name("copy").replace(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def add_file(app: App) -> None:
    (app.entry / "tree/lib/deep/added").write_text("")


def remove_file(app: App) -> None:
    (app.entry / "tree/lib/empty").unlink()


def change_mode(app: App) -> None:
    (app.entry / "tree/lib/data").chmod(0o644)


def change_link(app: App) -> None:
    (app.entry / "tree/here").unlink()
    (app.entry / "tree/here").symlink_to("lib/data")


def remove_tree(app: App) -> None:
    shutil.rmtree(app.entry / "tree")


def tree_is_file(app: App) -> None:
    remove_tree(app)
    (app.entry / "tree").write_text("")


def tree_is_link(app: App) -> None:
    (app.entry / "tree").rename(app.first.parent / "moved")
    (app.entry / "tree").symlink_to(app.first.parent / "moved")


def move_entries(app: App) -> None:
    moved = app.first.with_name("moved")
    app.first.rename(moved)
    app.first.mkdir(mode=0o700)
    shutil.copytree(moved / app.identity, app.entry, symlinks=True)


def remove_lock(app: App) -> None:
    (app.entry / "used").unlink()


def leave_litter(app: App) -> None:
    (app.entry / "manifest").unlink()
    deep = app.entry.joinpath("new", *["d"] * 50)
    deep.mkdir(parents=True)
    (deep / "file").write_text("")
    (deep / ".0").mkdir()
    (app.entry / "new" / ".0").write_text("")
    (app.entry / "manifest.new").write_text("x")


TAMPER = [
    *(change_size, change_content, change_time, change_inode, add_file, remove_file, change_mode, change_link),
    *(remove_tree, tree_is_file, tree_is_link, move_entries, remove_lock, leave_litter),
]


@pytest.mark.parametrize("tamper", TAMPER)
def test_what_was_changed_is_unpacked_again(app: App, program: bytes, tamper: Callable[[App], None]) -> None:
    app.works()
    tamper(app)
    before = (app.entry / "tree").lstat().st_ino if tamper not in (remove_tree,) else 0
    app.works()
    tree = app.entry / "tree"
    if tamper is not remove_lock:
        assert tree.stat().st_ino != before
    assert (tree / "lib/data").read_bytes() == bytes(range(256)) * 2000
    assert (tree / "lib/data").stat().st_mode & 0o7777 == 0o444
    assert len(list(tree.rglob("*"))) == len(tree_of(program))
    inode = tree.stat().st_ino
    app.works()
    assert tree.stat().st_ino == inode


def test_a_damaged_manifest_is_made_again(app: App) -> None:
    app.works()
    manifest = app.entry / "manifest"
    size = manifest.stat().st_size
    for at in [*range(0, size, 97), size - 1, None]:
        inode = (app.entry / "tree").stat().st_ino
        whole = bytearray(manifest.read_bytes())
        assert len(whole) == size
        if at is None:
            whole += b"x"
        else:
            whole[at] ^= 1
        manifest.write_bytes(whole)
        app.works()
        assert (app.entry / "tree").stat().st_ino != inode
        inode = (app.entry / "tree").stat().st_ino
        manifest.write_bytes(manifest.read_bytes()[: at or 1])
        app.works()
        assert (app.entry / "tree").stat().st_ino != inode


def test_damaged_notes_of_what_was_seen_do_no_harm(app: App) -> None:
    app.works()
    for data in (b"", b"x" * 47, os.urandom(5000)):
        (app.entry / "seen").write_bytes(data)
        app.works()


def test_every_flipped_bit_is_refused(app: App, tmp_path: Path) -> None:
    app.works()
    whole = app.path.read_bytes()
    end = len(whole)
    payload = struct.unpack_from("<Q", whole, end - 112)[0]
    places = [(end - 1 - at, at % 8) for at in range(128)]
    places += [(payload + number * (end - 128 - payload) // 60, number % 8) for number in range(60)]
    places += [(64 + number * (payload - 64) // 60, number % 8) for number in range(60)]
    odd = App(tmp_path / "odd" / "app", app.first, app.second)
    for at, bit in places:
        data = bytearray(whole)
        data[at] ^= 1 << bit
        odd.path.parent.mkdir(exist_ok=True)
        odd.path.write_bytes(data)
        odd.path.chmod(0o755)
        try:
            done = odd.run(timeout=PATIENCE if at >= payload else 10)
        except (subprocess.TimeoutExpired, OSError):
            assert at < payload, at  # the code itself is damaged
            continue
        assert not done.said and done.status not in (0, DONE), (at, bit)
        if at >= payload:
            assert f"{odd.path} is damaged" in done.refusal, (at, bit)
    for size in [0, 1, 100, 4096, payload - 1, payload, payload + 1, *range(payload + 7, end, (end - payload) // 20)]:
        odd.path.write_bytes(whole[:size])
        try:
            done = odd.run()
        except OSError:
            continue
        assert not done.said and done.status not in (0, DONE), size
        if size >= payload:
            assert f"{odd.path} is damaged" in done.refusal, size
    for size in (1, 128, 5000):
        odd.path.write_bytes(whole + bytes(size))
        assert "is damaged" in odd.run().refusal
    assert os.listdir(app.first) == [app.identity] and not app.second.exists()


def test_a_change_in_place_is_noticed_although_the_executable_was_seen(app: App) -> None:
    for _ in range(2):
        app.works()
    assert (app.entry / "seen").stat().st_size == 48
    before = app.path.stat()
    with open(app.path, "r+b") as file:
        file.seek(-300, os.SEEK_END)
        byte = file.read(1)
        file.seek(-300, os.SEEK_END)
        file.write(bytes([byte[0] ^ 4]))
    os.utime(app.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "is damaged" in app.run().refusal


def test_sixteen_executables_are_remembered(app: App, tmp_path: Path) -> None:
    copies = [tmp_path / f"copy{number}" for number in range(20)]
    for path in copies:
        shutil.copy(app.path, path)
    time.sleep(0.03)
    for path in copies:
        App(path, app.first, app.second).works()
    assert (app.entry / "seen").stat().st_size == 16 * 48


@pytest.mark.parametrize(
    "records",
    [
        [record("F", "../out", b"x")],
        [record("F", "/out", b"x")],
        [record("D", "a"), record("L", "a/l", b"../.."), record("F", "a/l/out", b"x")],
        [record("L", "l", b".."), record("F", "l/out", b"x")],
        [record("D", "d"), record("L", "d/l", b".."), record("L", "d/l/m", b"../..")],
        [record("L", "l", b"/etc")],
        [record("D", "d"), record("L", "l", b"d"), record("F", "l/out", b"x")],
        [record("F", "f", b"/x\0", [(1, 1 << 63)])],
        [record("F", "f", b"x\0\0", [(0, 3)])],
        [record("F", "f", b"x" * 9, filters=[(1, 0, 0, 10)])],
        [record("F", "f", b"x" * 9, filters=[(1, 0, 10, 0)])],
        [record("F", "f", b"x" * 9, filters=[(1, 0, 1 << 63, 1 << 63)])],
        [record("F", "f", b"x" * 9, filters=[(1, 0, 0, 5), (2, 4, 4, 4)])],  # over one another
        [record("F", "f", b"x" * 9, filters=[(0, 0, 0, 9)])],
        [record("F", "f", b"x" * 9, filters=[(9, 0, 0, 9)])],
        [record("F", "f", bytes(49), filters=[(8, 5, 0, 9)], size=9)],  # no objects
        [record("F", "f", b"\1\0\0\0" + bytes(36) + b"N", filters=[(8, 5, 0, 2)], size=2)],  # not as many
        [record("F", "f", b"x" * 9, filters=[(2, 1, 0, 9)])],  # rows of a byte
        [record("F", "f", b"x" * 9, filters=[(2, 65537, 0, 9)])],
        [record("F", "f", b"x" * 90, filters=[(3, 0, 0, 9), (3, 0, 9, 9)])],  # two tables of a kind
        [record("F", "f", b"x" * 90, filters=[(3, 2, 0, 60)])],  # not as many entries
        [record("F", "f", b"/x".ljust(90, b"\0"), fixups=[(0, 40)], filters=[(4, 0, 30, 60)])],
        [record("F", "f", b"/x".ljust(90, b"\0"), fixups=[(0, 40)], filters=[(7, 0, 0, 9)])],
        [record("F", "f", b"x" * 9, filters=[(1, 0, 0, 1)] * 4097)],
        [record("D", "d", filters=[(1, 0, 0, 0)])],
        [record("L", "l", b"f", filters=[(1, 0, 0, 0)])],
        [record("F", "f", b"x" * 24).replace(b"F\0", b"F\2", 1)],
        [record("Z", "f")],
        [record("E", "")],
    ],
    ids=range(29),
)
def test_hostile_payloads(make: Callable[..., App], program: bytes, records: list[bytes]) -> None:
    app = make([record("X", "program", program), *records])
    assert "is damaged" in app.run().refusal
    assert not app.first.exists() and not (app.path.parent / "out").exists()


def test_a_path_too_long_for_the_program(make: Callable[..., App], program: bytes) -> None:
    app = make([record("X", "program", program), record("F", "f", b"/lib\0" + bytes(240), [(0, 245)])])
    deep = app.first / ("d" * 200)
    assert app.run(env={"FREEZER_CACHE": str(deep)}).place == app.fallback
    assert not deep.exists()


# What stops an extraction


CHANGES = "write,pwrite64,mkdirat,renameat,renameat2,openat,fchmod,flock,unlinkat,utimensat"


def calls_of(app: App, kinds: str) -> list[tuple[str, int]]:
    """What a first start does until its manifest is written: the system call, and which one of its kind it is."""
    log = app.path.with_name("log")
    app.works(words=[need_program("strace"), "-e", f"trace={kinds}", "-o", str(log)])
    shutil.rmtree(app.first)
    lines = log.read_text().splitlines()
    last = next(index for index, line in enumerate(lines) if "FRZRMAN" in line)
    calls = [line.partition("(")[0] for line in lines[: last + 1]]
    made = [(call, calls[: index + 1].count(call)) for index, call in enumerate(calls)]
    # How often it shows its progress depends on the time that it takes.
    return [(call, number) for call, number in made if call != "utimensat" or number == 1]


def test_a_kill_at_every_change(app: App) -> None:
    """The next start cleans up. How starts end when the system fails them is in tests/integration."""
    calls = calls_of(app, CHANGES)
    assert len(calls) > 60 and dict(calls).keys() >= {"write", "pwrite64", "unlinkat"}
    for call, number in calls:
        shutil.rmtree(app.first, ignore_errors=True)
        inject = f"inject={call}:signal=KILL:when={number}"
        done = app.run(words=["strace", "-o", os.devnull, "-e", f"trace={call}", "-e", inject])
        assert done.status == -signal.SIGKILL, (call, number, done.stderr)
        app.works()


# What the system is short of


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, whole: bytes) -> Root:
    return make_root(tmp_path_factory.mktemp("shortage"), whole)


@pytest.mark.parametrize("number", range(3, 13))
def test_few_descriptors(root: Root, number: int) -> None:
    root.clean()
    empty = root.content()
    limit = [need_program("prlimit"), f"--nofile={number}:{number}"]
    done = root.start(*limit)
    assert done.status == DONE or "\n  try: allow it more open files: ulimit -n" in done.refusal
    assert done.status == DONE or number < 11
    if done.status == CANNOT_RUN:
        assert root.content() == empty
    assert root.start().status == DONE
    whole = root.content()
    done = root.start(*limit)
    assert done.status == DONE or "\n  try: allow it more open files: ulimit -n" in done.refusal
    assert done.status == DONE or number < 8
    assert root.content() == whole


def test_a_damaged_entry_and_few_descriptors(root: Root) -> None:
    """What could not be unpacked again can be at the next start; the manifest of a whole entry is not touched."""
    root.clean()
    assert root.start().status == DONE
    (entry,) = root.entries()
    (entry / "tree/lib/data").unlink()
    assert root.start(need_program("prlimit"), "--nofile=8:8").refusal
    assert root.start().status == DONE
    assert [(entry / "tree/lib/data").stat().st_size for entry in root.entries()] == [512000]


@pytest.mark.parametrize("error", ["ENOLCK", "EPERM", "ENOSYS"])
def test_without_locks(root: Root, error: str) -> None:
    """Nothing is unpacked, for two could do so at once; what is whole is used."""
    root.clean()
    empty = root.content()
    assert root.faulty("flock", f"error={error}", "1+").refusal.count("cannot take the lock") == 7
    assert root.content() == empty
    assert root.start().status == DONE
    whole = root.content()
    assert root.faulty("flock", f"error={error}", "1+").status == DONE
    assert root.content() == whole


@pytest.mark.parametrize("error", ["EACCES", "EPERM", "ENOMEM"])
def test_a_program_that_may_not_be_executed(root: Root, error: str) -> None:
    """By fapolicyd, AppArmor or NoExecPaths, say, of which no file system tells. The executable itself may be."""
    root.clean()
    empty = root.content()
    assert root.faulty("execve", f"error={error}", "2+").refusal.count("cannot start /") == 7
    assert root.content() == empty
    assert root.faulty("execve", f"error={error}", "2").status == DONE
    (entry,) = root.entries()
    assert entry.parent == root.path / "second/freezer/apps"
    whole = root.content()
    assert root.faulty("execve", f"error={error}", "2+").refusal.count("cannot start /") == 7
    assert root.content() == whole


def test_an_entry_that_others_use_is_kept(root: Root) -> None:
    """Although the start that unpacked it cannot execute it."""
    root.clean()
    entry = root.path / "first" / (root.path / "app").read_bytes()[-72:-40].hex()
    entry.mkdir(parents=True, mode=0o700)
    entry.parent.chmod(0o700)
    with open(entry / "used", "wb") as used:
        fcntl.flock(used, fcntl.LOCK_SH)
        assert root.faulty("execve", "error=EACCES", "2").status == DONE
    whole = [path for path in root.entries() if (path / "manifest").exists()]
    assert len(whole) == 2 and entry in whole


def test_run_from_memory_and_after_its_end(app: App) -> None:
    file = os.memfd_create("some")
    os.write(file, app.path.read_bytes())
    report = app.path.with_name("report")
    env = {**app.environment, "REPORT": str(report)}
    for _ in range(2):
        done = subprocess.run(["x"], executable=f"/proc/self/fd/{file}", env=env, pass_fds=[file], check=False)
        assert done.returncode == DONE
        assert Outcome(DONE, "", parse(report.read_text())).started[1] == f"/proc/self/fd/{file}"
    os.set_inheritable(file, False)
    assert os.waitstatus_to_exitcode(os.waitpid(spawn(file, env), 0)[1]) == DONE
    assert Outcome(DONE, "", parse(report.read_text())).started[1] == "/memfd:some"
    os.close(file)


def spawn(file: int, env: Mapping[str, str]) -> int:
    """Execute an open file that the new program does not get."""
    process = os.fork()
    if process == 0:
        os.execve(file, ["x"], env)
    return process


def in_root(
    app: App, mounts: str, *commands: str, user: int = 0, env: Sequence[str] = (), copy: bool = True
) -> list[tuple[int, str]]:
    """Start it in a root with nothing else, after ``mounts``; each command is words in front of it. Without ``copy``
    that is what the executable is already in."""
    root = root_of(app) if copy else app.path.parent.parent / "root"
    results = []
    chroot = f"{need_program('chroot')} --userspec={user}:{user} . /app"
    lines = [f"env -i {' '.join(env)} {words} {chroot} 1>&3" for words in commands]
    script = f"cd '{root}' && {mounts} || exit 99\n" + "".join(f'{line}\necho "= $?" >&2\n' for line in lines)
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"exec 3>/dev/null; {script}"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for part in re.finditer(r"(.*?)^= (\d+)\n", done.stderr, re.DOTALL | re.MULTILINE):
        results.append((int(part[2]), part[1]))
    assert len(results) == len(commands), done.stderr
    return results


ALL_OVER = ("tmp", "var/tmp", "dev/shm")


def everywhere(options: str) -> str:
    return " && ".join(f"mount -t tmpfs -o mode=1777,{options} tmpfs {place}" for place in ALL_OVER)


@pytest.mark.parametrize("user", [0, ORDINARY])
def test_an_empty_root_without_proc(app: App, user: int) -> None:
    results = in_root(app, "true", "", "", user=user)
    assert [status for status, _ in results] == [DONE] * 2, results
    root = app.path.parent.parent / "root"
    assert os.listdir(root / f"var/tmp/freezer-{user}") == [app.identity]
    assert os.listdir(root / "tmp") == os.listdir(root / "dev/shm") == os.listdir(root / "home") == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("noexec", "mounted noexec"),
        ("ro", "read-only"),
        ("size=100k", "MB needed"),
        ("nr_inodes=8", "inodes needed"),
    ],
)
def test_places_that_cannot_take_it(app: App, options: str, reason: str) -> None:
    last = f"mount -t tmpfs -o mode=1777,{options} tmpfs var/tmp"
    (falls,) = in_root(app, last, "")
    assert falls == (DONE, "")
    variables = ["HOME=/home/none", "TMPDIR=/var/tmp/:$x", "FREEZER_CACHE="]
    ((status, said),) = in_root(app, everywhere(options), "", env=[f"'{each}'" for each in variables])
    assert status == CANNOT_RUN
    lines = said.splitlines()
    assert lines[0] == "app: error: the application cannot be unpacked anywhere"
    assert lines[1] == "  why: $FREEZER_CACHE: empty"
    assert lines[2] == "       $XDG_CACHE_HOME: not set"
    assert lines[3] == "       /home/none/.cache/freezer/apps: /home/none does not exist"
    assert lines[5] == "       /var/tmp/:$x/freezer-0: /var/tmp/:$x does not exist"
    for line, place in zip((lines[4], lines[6], lines[7]), ("/var/tmp", "/tmp", "/dev/shm")):
        assert line.startswith(f"       {place}/freezer-0: ") and reason in line
    assert lines[8].startswith("       memory: ") and lines[9].startswith("  try: FREEZER_CACHE=")


def test_a_disk_that_becomes_full(make: Callable[..., App]) -> None:
    app = make(need=0)
    ((status, said), (again, _)) = in_root(app, everywhere("size=600k"), "", "")
    assert status == again == CANNOT_RUN
    assert said.count("No space left on device") == 3
    ((status, said),) = in_root(app, "mount -t tmpfs -o mode=1777,size=600k tmpfs var/tmp", "")
    assert (status, said) == (DONE, "")


def test_a_link_of_another_in_tmp(app: App) -> None:
    root = app.path.parent.parent / "root"
    make = f"mkdir -m 700 home/own && chown {ORDINARY} home/own"
    links = " && ".join(f"ln -s /home/own {place}/freezer-{ORDINARY}" for place in ALL_OVER)
    ((status, said),) = in_root(app, f"{make} && {links}", "", user=ORDINARY)
    assert status == CANNOT_RUN and said.count("is a symbolic link") == 3
    assert os.listdir(root / "home/own") == []


@pytest.mark.parametrize("more", ["setuid", "setgid", "capabilities"])
def test_more_rights_than_the_callers(app: App, more: str) -> None:
    path = root_of(app) / "app"
    if more == "capabilities":
        # Revision 2 with the flag "effective": CAP_NET_RAW.
        os.setxattr(path, "security.capability", struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))
    else:
        path.chmod({"setuid": 0o4755, "setgid": 0o2755}[more])
    before = path.stat().st_ctime_ns
    ((status, said),) = in_root(app, "true", "", user=ORDINARY, copy=False)
    assert status == CANNOT_RUN and "more rights" in said
    assert path.stat().st_ctime_ns == before and os.listdir(path.with_name("tmp")) == []


def test_an_executable_that_cannot_be_read(app: App) -> None:
    ((status, said),) = in_root(app, "chmod 711 app", "", user=ORDINARY)
    assert status == CANNOT_RUN and "cannot read itself" in said


def test_odd_names_in_messages(app: App) -> None:
    odd = app.path.with_name("a\x1b[2J\udcff\n: é\u202e")
    data = bytearray(app.path.read_bytes())
    data[-10] ^= 1
    said = App(write_executable(odd, bytes(data)), app.first, app.second).run().refusal
    assert said.startswith("a\\x1b[2J\\xff\\x0a: é\\xe2\\x80\\xae: error: ")
    assert len(said.splitlines()) == 3


# Housekeeping

MONTH = 31 * 86400


def old_entry(home: Path, number: int, age: float = MONTH, prefix: str = "") -> Path:
    entry = home / (f"{prefix}{number:064x}" + ("-1" if prefix else ""))
    (entry / "tree/lib").mkdir(parents=True)
    for name in ("lock", "used", "manifest", "tree/program"):
        (entry / name).touch()
    entry.chmod(0o700)
    for path in (entry / "used", entry):
        os.utime(path, (time.time() - age,) * 2)
    return entry


def test_what_nobody_used_for_a_month_is_removed(app: App) -> None:
    app.first.mkdir(mode=0o700)
    gone = [old_entry(app.first, 1), old_entry(app.first, 2, 3650 * 86400), old_entry(app.first, 3, prefix=".old-")]
    kept = [old_entry(app.first, 4, 86400), old_entry(app.first, 5), old_entry(app.first, 6), old_entry(app.first, 7)]
    kept.append(old_entry(app.first, 8, prefix=".old-"))
    os.utime(kept[3] / "used")
    strange = app.first / "not-ours"
    strange.mkdir()
    os.utime(strange, (1, 1))
    with contextlib.ExitStack() as files:
        for path, lock in (
            (kept[1] / "used", fcntl.LOCK_SH),
            (kept[2] / "lock", fcntl.LOCK_EX),
            (kept[4] / "lock", fcntl.LOCK_EX),
        ):
            fcntl.flock(files.enter_context(open(path, "rb")), lock)
        app.works()
    assert sorted(app.first.iterdir()) == sorted([*kept, strange, app.entry])
    assert not any(path.exists() for path in gone)
    # Only an extraction cleans.
    late = old_entry(app.first, 9)
    app.works()
    assert late.exists()


def test_removing_follows_no_link(app: App, tmp_path: Path) -> None:
    """In entries that an application, or whoever has the user's rights, put links into."""
    host = make_host(tmp_path / "host")
    app.first.mkdir(mode=0o700)
    gone = [old_entry(app.first, 1), old_entry(app.first, 2, prefix=".old-")]
    for entry in gone:
        (entry / "tree/lib/link").symlink_to(host)
        (entry / "tree/lib/closed").symlink_to(host / "closed")
        (entry / "link").symlink_to(os.path.relpath(host, entry))
        os.utime(entry, (time.time() - MONTH,) * 2)
    (app.first / f"{3:064x}").symlink_to(host)
    before = state_of(host)
    app.works()
    assert not any(path.exists() for path in gone)
    assert state_of(host) == before


def test_many_old_entries_do_not_delay_a_start(app: App) -> None:
    app.first.mkdir(mode=0o700)
    for number in range(80):
        old_entry(app.first, number)
    app.works()
    assert len(os.listdir(app.first)) == 1 + 80 - 64


def test_the_time_of_use(app: App) -> None:
    app.works()
    used = app.entry / "used"
    hour = time.time() - 3600
    os.utime(used, (hour, hour))
    app.works()
    assert abs(used.stat().st_mtime - hour) < 1
    for age in (2 * 86400, -3650 * 86400):
        os.utime(used, (time.time() - age,) * 2)
        app.works()
        assert abs(used.stat().st_mtime - time.time()) < 60


# The code itself


def test_under_sanitizers(make: Callable[..., App], sanitized: Path) -> None:
    app = make(by=sanitized)
    for change in (change_mode, add_file, leave_litter, remove_tree, entry_with_mode):
        app.works()
        app.works()
        if change is not entry_with_mode:
            change(app)
    old_entry(app.first, 1)
    (app.entry / "manifest").write_bytes((app.entry / "manifest").read_bytes()[:-5])
    app.works()
    linked_to_untrusted(App(app.path, app.second, app.first))
    whole = app.path.read_bytes()
    for at in range(1, 129, 11):
        data = bytearray(whole)
        data[-at] ^= 0xFF
        odd = App(write_executable(app.path.with_name("odd"), bytes(data)), app.first, app.second)
        assert "is damaged" in odd.run().refusal
    odd.path.write_bytes(whole[:-1000])
    assert "is damaged" in odd.run().refusal


def test_without_threads(app: App) -> None:
    """Where there can be no other thread, what is to be written is decoded between."""
    log = app.path.with_name("log")
    words = [need_program("strace"), "-f", "-o", str(log), "-e", "trace=clone,clone3,pread64"]
    reads = []
    for refuse in ([], ["-e", "inject=clone,clone3:error=EAGAIN"]):
        app.works(words=[*words, *refuse])
        lines = log.read_text().splitlines()
        assert "clone" in log.read_text()
        reads.append({line.split()[0] for line in lines if "pread64" in line})
        shutil.rmtree(app.first)
    assert [len(processes) for processes in reads] == [2, 1]


def test_no_warnings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [need_program("gcc"), *build.DIALECT, *build.WARNINGS, *build.COMPILE, "-Werror", "-c", "-o", os.devnull]
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(attended([*command, source])) for source in SOURCES]
        assert [process.wait() for process in processes] == [0] * len(SOURCES)


def test_the_same_bytes_from_two_directories(launcher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "a copy"
    shutil.copytree(build.SOURCE, copy, ignore=shutil.ignore_patterns("bin"))
    monkeypatch.setattr(build, "SOURCE", copy)
    build.build(tmp_path / "bin")
    assert (tmp_path / "bin/launcher").read_bytes() == launcher.read_bytes()


def test_without_a_compiler_the_reasons_are_told(tmp_path: Path) -> None:
    def none(environ: Mapping[str, str]) -> Iterable[build.Compiler]:
        yield build.Compiler(("no-such-compiler",))
        yield build.Compiler(("false",))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "compilers", none)
        with pytest.raises(build.Unbuildable, match=r"(?s)no-such-compiler: .*No such file.*false: status 1"):
            build.build(tmp_path)


def test_a_missing_launcher_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freezer.link.launcher.BIN", tmp_path)
    with pytest.raises(EnvironmentFailure, match="no launcher") as caught:
        launcher_path()
    assert caught.value.hint and "libzstd-dev" in caught.value.hint
