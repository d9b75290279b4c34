"""The cell is tried with real processes, as root and as an ordinary user: mocks would prove nothing."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile import make_host, shapes, state_of
from images import Entry
from isolating import USERS, User, arguments_of, copy_program, user_called
from probes import make_probe
from support import NOBODY, PATIENCE, need_root, processes_with, wait_until

from freezer.base.isolation.interior import DEVICES
from freezer.run.cell import CELL, GROUP

USER, MARK = 4711, "freezer-test-cell"
OWN = f"{os.getpid()}."
"""What marks the processes of these tests, and not those of others that run at the same time."""


@pytest.fixture(scope="module")
def top() -> Iterator[Path]:
    """A directory that everybody may read, with the program and the probe."""
    with tempfile.TemporaryDirectory(prefix=MARK) as name:
        place = Path(name)
        place.chmod(0o755)
        copy_program(CELL, place / "freezer")
        make_probe(place / "probe")
        yield place


@pytest.fixture(scope="module", params=USERS)
def user(request: pytest.FixtureRequest) -> User:
    return user_called(request.param)


class Started:
    """A cell that runs."""

    def __init__(self, top: Path, user: User, request: dict[str, Any]) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(json.dumps(request).encode())
            file.seek(0)
            told, report = os.pipe()
            control, self.control = os.pipe()
            inherited = (file.fileno(), control, report)
            self.process = subprocess.Popen(
                [user.python, *arguments_of(CELL, top / "freezer"), *map(str, inherited)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                pass_fds=inherited, **user.options,
            )  # fmt: skip
        os.close(control)
        os.close(report)
        self.reports = os.fdopen(told, encoding="utf-8")

    def send(self, byte: int) -> None:
        os.write(self.control, bytes([byte]))

    def end(self) -> tuple[dict[str, Any], str]:
        """What it reported, and what it printed; there is no process left then."""
        with self.process, self.reports:
            try:
                output, complaints = self.process.communicate(timeout=PATIENCE)
            finally:
                self.process.kill()
                os.close(self.control)
            assert complaints == ""
            told: dict[str, Any] = {}
            for line in self.reports:
                told.update(json.loads(line))
            return told, output

    def give_up(self) -> None:
        """End it, if the test has not come to that."""
        self.process.kill()
        if not self.reports.closed:
            self.end()


class Place:
    """A root with the probe in it, and starting that."""

    def __init__(self, top: Path, user: User, root: Path) -> None:
        self.top, self.user, self.root = top, user, root
        self.all: list[Started] = []

    def start(self, *arguments: str, **fields: Any) -> Started:
        request = {
            "rootfs": str(self.root),
            "writable": False,
            "scratches": [],
            "volumes": [],
            "files": {},
            "groups": [],
            "network": "none",
            "hostname": None,
            "user": USER,
            "group": USER + 1,
            "cwd": "/",
            "terminal": False,
            "argv": ["/app/probe", *arguments],
            "env": {"PATH": "/none:/app", MARK: OWN},
        }
        self.all.append(Started(self.top, self.user, {**request, **fields}))
        return self.all[-1]

    def ask(self, *arguments: str, **fields: Any) -> str:
        """What the probe prints."""
        told, output = self.start(*arguments, **fields).end()
        assert told == {"started": [], "ended": 0}, output
        return output


@pytest.fixture
def place(top: Path, user: User) -> Iterator[Place]:
    root = top / "root"
    for name in ("app", "tmp", "data/below", "proc", "dev", "etc"):
        (root / name).mkdir(parents=True)
    os.link(top / "probe", root / "app/probe")
    for name in ("data/file", "data/below/other", "etc/passwd"):
        (root / name).write_text("content\n")
    (root / "data/file").chmod(0o640)
    (root / "data/link").symlink_to("/etc/passwd")
    if user.ordinary and os.geteuid() == 0:
        for path in (root, *root.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        os.chown(top / "probe", 0, 0)
    made = Place(top, user, root)
    yield made
    for started in made.all:
        started.give_up()
    shutil.rmtree(root)


def test_the_process(place: Place) -> None:
    state = dict(line.split(":\t", 1) for line in place.ask("show", "/proc/self/status").splitlines())
    assert {state[name].strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {""}
    assert (state["NoNewPrivs"], state["Seccomp"]) == ("1", "2")
    assert state["Uid"].split() == [str(USER)] * 4
    assert state["Gid"].split() == [str(USER + 1)] * 4
    assert state["Pid"] == "2"
    assert place.ask("where", cwd="/data").split()[:3] == ["/data", str(USER), str(USER + 1)]
    assert place.ask("list", "/proc/self/fd").split() == ["0", "1", "2", "3"]


def test_what_can_be_written_to(place: Place) -> None:
    names = ["/x", "/app/x", "/data/x", "/etc/passwd", "/etc/hosts", "/proc/x", "/dev/x"]
    names += ["/tmp/x", "/new/x", "/dev/shm/x"]
    found = place.ask(
        "touch", *names, scratches=[["tmp", 0o1777, False], ["new", 0o1777, False]], files={"etc/hosts": "text"}
    )
    refused = {errno.EROFS, errno.EACCES, errno.ENOENT}
    errors = [int(word) for word in found.split()]
    assert set(errors[:7]) <= refused and errors[7:] == [0, 0, 0]
    assert sorted(path.name for path in place.root.iterdir()) == ["app", "data", "dev", "etc", "proc", "tmp"]
    assert os.listdir(place.root / "tmp") == []


def test_a_root_that_may_be_written_to(place: Place) -> None:
    user = {"user": 0, "group": 0} if not place.user.ordinary else {}
    assert place.ask("touch", "/x", "/data/x", "/proc/sys/x", writable=True, files={"etc/hosts": "text"}, **user) == (
        f"0\n0\n{errno.ENOENT}\n"
    )
    assert (place.root / "x").exists()
    assert (place.root / "etc/hosts").read_text() == "text"


def interfaces(table: str) -> set[str]:
    return {line.split(":")[0].strip() for line in table.splitlines()[2:]}


def test_what_it_has_of_the_network(place: Place) -> None:
    files = {"etc/hosts": "hosts\n", "etc/resolv.conf": "servers\n", "new/place": "made\n"}
    assert place.ask("show", "/etc/hosts", "/etc/resolv.conf", "/new/place", files=files) == "hosts\nservers\nmade\n"
    assert sorted(place.ask("list", "/etc", files=files).split()) == ["hosts", "passwd", "resolv.conf"]
    assert interfaces(place.ask("show", "/proc/net/dev")) == {"lo"}
    before = interfaces(Path("/proc/net/dev").read_text())
    found = interfaces(place.ask("show", "/proc/net/dev", network="host"))
    after = interfaces(Path("/proc/net/dev").read_text())
    # Others make some, and remove them.
    assert before & after <= found <= before | after
    name = place.ask("show", "/proc/sys/kernel/hostname", hostname="box.example")
    assert name == "box.example\n" and os.uname().nodename != "box.example"


def test_volumes(place: Place, tmp_path: Path) -> None:
    source = place.top / "source"
    (source / "inner").mkdir(parents=True)
    (source / "file").write_text("of the host\n")
    for path in (source, source / "inner"):
        path.chmod(0o777)
    deep = "/srv/deep/place"
    volumes = [[str(source), "data", False], [str(source), deep[1:], True], [f"{source}/file", "app/config", False]]
    try:
        shown = place.ask("show", "/data/file", f"{deep}/file", "/app/config", volumes=volumes)
        assert shown == "of the host\n" * 3
        names = ("/data/x", "/data/inner/x", f"{deep}/inner/x", "/srv/x", "/app/config")
        errors = [int(word) for word in place.ask("touch", *names, volumes=volumes).split()]
        assert errors[:4] == [errno.EROFS, errno.EROFS, 0, errno.EROFS]
        assert errors[4] in (errno.EROFS, errno.EACCES)
        assert os.listdir(source / "inner") == ["x"]
        caller = place.user.options.get("user", os.geteuid())
        assert (source / "inner/x").stat().st_uid == (caller if place.user.ordinary else USER)
    finally:
        shutil.rmtree(source)
    assert not (place.root / "srv").exists()


def test_a_read_only_volume_with_mounts_below_it(place: Place) -> None:
    """They are read-only, too, and have no devices."""
    need_root()
    source = place.top / "source"
    (source / "below").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", MARK, source / "below"], check=True)
    try:
        os.mknod(source / "below/zero", 0o20666, os.makedev(1, 5))
        os.chmod(source / "below/zero", 0o666)
        volumes = [[str(source), "data", False]]
        assert place.ask("touch", "/data/below/x", volumes=volumes).split() == [str(errno.EROFS)]
        mounts = place.ask("show", "/proc/self/mounts", volumes=volumes)
        flags = next(line.split()[3].split(",") for line in mounts.splitlines() if line.split()[1] == "/data/below")
        assert {"ro", "nosuid", "nodev"} <= set(flags)
    finally:
        subprocess.run(["umount", source / "below"], check=True)
        shutil.rmtree(source)


def test_a_scratch_with_what_the_image_has(place: Place) -> None:
    fields = {"scratches": [["data", None, True]], "user": 0, "group": 0}
    assert place.ask("show", "/data/file", "/data/below/other", "/data/link", **fields) == "content\n" * 3
    assert place.ask("touch", "/data/below/x", "/data/x", **fields) == "0\n0\n"
    modes = [line.split()[0] for line in place.ask("stat", "/data", "/data/file", "/data/link", **fields).splitlines()]
    assert modes == ["40755", "100640", "120777"]
    assert not (place.root / "data/x").exists()


def test_devices_and_proc(place: Place) -> None:
    names = {*DEVICES, "fd", "ptmx", "pts", "shm", "stderr", "stdin", "stdout"}
    assert set(place.ask("list", "/dev").split()) == names
    assert {word for word in place.ask("list", "/proc").split() if word.isdigit()} == {"1", "2"}
    assert place.ask("show", "/proc/keys", "/proc/timer_list", "/proc/interrupts", "/proc/kcore") == ""
    assert place.ask("list", "/proc/acpi") == place.ask("list", "/sys") == ""
    assert place.ask("list", "/dev/pts") == "ptmx\n"


def test_it_cannot_break_out(place: Place) -> None:
    found = [int(word) for word in place.ask("rebel", scratches=[["tmp", 0o1777, False]]).split()]
    assert [bool(code) for code in found] == [True, USER != 0, True, True, True, True]
    assert place.ask("where") != ""


def test_a_signal_to_its_group_reaches_nobody_else(place: Place) -> None:
    started = place.start("everyone")
    told, _ = started.end()
    assert told == {"started": [], "ended": -signal.SIGKILL}
    assert started.process.returncode == 0


@pytest.mark.parametrize(("arguments", "ended"), [(("exit", "7"), 7), (("kill", "9"), -9), (("kill", "11"), -11)])
def test_ends(place: Place, arguments: tuple[str, ...], ended: int) -> None:
    assert place.start(*arguments).end()[0]["ended"] == ended


@pytest.mark.parametrize(
    ("fields", "step", "code", "there"),
    [
        ({"argv": ["nothing"]}, "start nothing", errno.ENOENT, False),
        ({"argv": ["/etc/passwd"]}, "start /etc/passwd", errno.EACCES, True),
        ({"argv": ["/data"]}, "start /data", errno.EACCES, True),
        ({"argv": ["/data/file/x"]}, "start /data/file/x", errno.ENOTDIR, False),
        ({"argv": ["file"], "env": {"PATH": "/x:/data:/y"}}, "start file", errno.EACCES, True),
        ({"cwd": "/etc/passwd"}, "enter /etc/passwd", errno.ENOTDIR, True),
    ],
)
def test_what_does_not_start(place: Place, fields: dict[str, Any], step: str, code: int, there: bool) -> None:
    assert place.start(**fields).end() == ({"failed": {"step": step, "errno": code, "there": there}}, "")


def test_it_is_found_on_path(place: Place) -> None:
    assert place.start(argv=["probe", "exit", "3"]).end()[0]["ended"] == 3


def test_signals_are_passed_on(place: Place) -> None:
    started = place.start("wait")
    assert started.process.stdout is not None
    assert started.process.stdout.readline() == "up\n"
    started.send(signal.SIGUSR1)
    assert started.process.stdout.readline() == f"got {int(signal.SIGUSR1)}\n"
    started.send(GROUP + signal.SIGINT)
    assert started.end() == ({"started": [], "ended": 0}, f"got {int(signal.SIGINT)}\n")


@pytest.mark.parametrize("how", ["control", "keeper"])
def test_nothing_is_left(place: Place, how: str) -> None:
    """Whether freezer ends, or the keeper is killed: also what has left the application's session is gone."""
    started = place.start("litter")
    assert started.process.stdout is not None
    assert started.process.stdout.readline() == "up\n"
    mark = f"{MARK}={OWN}"
    wait_until(lambda: len(processes_with(mark)) == 2, "what it has left behind")
    if how == "control":
        os.close(started.control)
        started.control = os.open(os.devnull, os.O_RDONLY)
    else:
        started.process.kill()
    told, _ = started.end()
    assert "ended" not in told
    wait_until(lambda: processes_with(mark) == [], "the end of all processes")
    assert place.top.name not in Path("/proc/self/mounts").read_text()


PLACES = ("tmp", "run", "etc", "etc/hosts", "etc/resolv.conf", "var", "var/tmp", "srv", "srv/data", "work", "app")


def put(root: Path, entry: Entry) -> None:
    """Make an entry of an archive in a directory."""
    name, fields = entry
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = fields.get("type", b"0")
    if kind == b"2":
        path.symlink_to(fields["linkname"])
    elif kind == b"5":
        path.mkdir(exist_ok=True)
    elif kind == b"6":
        os.mkfifo(path)
    elif kind == b"0":
        path.write_bytes(fields.get("content", b""))


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize("name", PLACES)
def test_hostile_roots(top: Path, tmp_path: Path, name: str, writable: bool) -> None:
    """Whatever stands where freezer makes, mounts or writes something: the host stays as it was, even for root."""
    user = User({}, sys.executable, os.geteuid() != 0)
    host = make_host(tmp_path / "host")
    before = state_of(host)
    volume = tmp_path / "volume"
    volume.mkdir()
    for number, (_, entries) in enumerate(shapes(name, host)):
        root = tmp_path / f"root{number}"
        for entry in entries:
            put(root, entry)
        (root / "bin").mkdir(exist_ok=True)
        shutil.copy(top / "probe", root / "bin/probe")
        started = Place(top, user, root).start(
            argv=["/bin/probe", "touch", "/tmp/x", "/run/x", "/srv/data/x", "/work/x"],
            user=0, group=0, writable=writable, cwd="/work",
            scratches=[["tmp", 0o1777, False], ["run", 0o755, False], ["srv/data", None, False]],
            volumes=[[str(volume), "var/tmp", False], [str(volume), "app/config", False]],
            files={"etc/hosts": "x", "etc/resolv.conf": "y"},
        )  # fmt: skip
        told, _ = started.end()
        assert {*told} & {"ended", "refused", "failed"}
        assert state_of(host) == before
    assert os.listdir(volume) == []
