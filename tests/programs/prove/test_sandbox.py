"""The sandbox is tried with real processes, as root and as an ordinary user: mocks would prove nothing."""

from __future__ import annotations

import base64
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Optional

import pytest
from hostile import make_host, state_of
from isolating import USERS, User, copy_program, user_called
from support import NOBODY, PATIENCE, attended, need_root, processes_with, wait_until

from freezer.base.isolation import command_of
from freezer.base.isolation.interior import DEVICES
from freezer.prove.sandbox import SANDBOX
from freezer.prove.sandbox.application import KEPT_BYTES
from freezer.prove.sandbox.loads import parse_trace

# One static program that can do everything the tests ask for: the empty root has no shell.
PROBE = r"""
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int dial(const char *address, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &to.sin_addr);
    return connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to) ? errno : 0;
}

int main(int argc, char **argv) {
    const char *what = argv[1], *with = argc > 2 ? argv[2] : "";
    setvbuf(stdout, NULL, _IONBF, 0);
    if (!strcmp(what, "exit")) return atoi(with);
    if (!strcmp(what, "kill")) raise(atoi(with));
    if (!strcmp(what, "sleep")) { write(1, "up", 2); sleep(600); }
    if (!strcmp(what, "late")) { usleep(50000); write(2, "hello", 5); }
    if (!strcmp(what, "list")) {
        DIR *directory = opendir(with);
        for (struct dirent *entry; (entry = readdir(directory));)
            if (entry->d_name[0] != '.') printf("%s\n", entry->d_name);
    }
    if (!strcmp(what, "show")) {
        char text[65536];
        int file = open(with, O_RDONLY);
        for (ssize_t size; (size = read(file, text, sizeof text)) > 0;) write(1, text, size);
    }
    if (!strcmp(what, "flood")) {
        write(1, "first", 5);
        char block[4096];
        memset(block, 'x', sizeof block);
        for (int count = 0; count < 300; count++) write(1, block, sizeof block);
        write(1, "last", 4);
    }
    if (!strcmp(what, "dial")) printf("%d %d\n", dial("127.0.0.1", 9), dial("192.0.2.1", 9));
    if (!strcmp(what, "touch"))
        for (int index = 2; index < argc; index++)
            printf("%d\n", open(argv[index], O_CREAT | O_WRONLY, 0644) < 0 ? errno : 0);
    if (!strcmp(what, "litter")) {
        mkdir("/tmp/a", 0755); mkdir("/tmp/a/empty", 0755); symlink("/", "/tmp/a/link");
        close(open("/tmp/a/file", O_CREAT | O_WRONLY, 0600));
    }
    if (!strcmp(what, "map")) {
        int file = open("/tmp/mapped", O_CREAT | O_RDWR, 0644);
        write(file, "x", 1);
        unlink("/tmp/mapped"); /* before it is mapped, as the sandbox may look at any moment */
        mmap(NULL, 1, PROT_READ, MAP_PRIVATE, file, 0);
        mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        usleep(atoi(with)); /* it looks again and again, if it comes to that */
    }
    if (!strcmp(what, "pread")) {
        char text[64];
        int file = open("/app/probe", O_RDONLY);
        if (fork() == 0) return pread(file, text, 24, 8192) != 24;
        if (pread(file, text, 16, 64) != 16 || pread(file, text, 9, 128) != 9) return 1;
        wait(NULL);
    }
    if (!strcmp(what, "serve")) {
        struct sockaddr_in at = {.sin_family = AF_INET};
        int server = socket(AF_INET, SOCK_STREAM, 0);
        inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
        if (bind(server, (struct sockaddr *)&at, sizeof at) || listen(server, 9)) return 9;
        if (fork() == 0) signal(SIGTERM, SIG_IGN);
        for (;;) {
            char text[4096] = "";
            int client = accept(server, 0, 0);
            if (client < 0) continue;
            read(client, text, sizeof text - 1);
            dprintf(client, "HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nok", strstr(text, "GET / ") ? with : "500 Broken");
        }
    }
    if (!strcmp(what, "daemon") && fork() == 0) { setsid(); sleep(600); }
    if (!strcmp(what, "rebel")) {
        printf("%d ", mount("none", "/tmp", "tmpfs", 0, "") ? errno : 0);
        printf("%d ", setuid(0) ? errno : 0);
        printf("%d ", access("/proc/1/root/app", F_OK) ? errno : 0);
        kill(1, SIGKILL), kill(-1, SIGINT), kill(1, SIGTERM);
        usleep(20000);
    }
    return 0;
}
"""


class Place(NamedTuple):
    """A directory that everybody may read, with the program, the probe and a mount point in it; and a Python's
    arguments to start the program."""

    arguments: list[str]
    probe: Path
    root: Path


def compile_c(source: str, output: Path, *options: str) -> Path:
    """Compile ``source``; a machine without a compiler cannot run these tests, which must be a failure."""
    command = ["cc", "-w", *options, "-x", "c", "-", "-x", "none", "-o", str(output)]
    subprocess.run(command, input=source.encode(), check=True)
    return output


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="freezer-sandbox-") as name:
        top = Path(name)
        top.chmod(0o755)
        arguments = copy_program(SANDBOX, top / "freezer")
        probe = compile_c(PROBE, top / "probe", "-static")
        probe.chmod(0o755)
        (top / "root").mkdir()
        yield Place(arguments, probe, top / "root")


@pytest.fixture(scope="module", params=USERS)
def user(request: pytest.FixtureRequest, place: Place) -> User:
    found = user_called(request.param)
    owner = found.options.get("user", os.geteuid())
    os.chown(place.root, owner, owner)
    return found


def request_for(place: Place, **fields: Any) -> dict[str, Any]:
    request: dict[str, Any] = {"root": str(place.root), "binary": str(place.probe), "name": "probe"}
    request.update({"bundle": None, "uid": NOBODY, "runs": [], "loads": [], "progress_fd": None})
    return {**request, **fields}


def run_of(
    *arguments: str, timeout: float = PATIENCE, trace: bool = False, more: Optional[dict[str, Any]] = None, **env: str
) -> dict[str, Any]:
    return {"argv": ["/app/probe", *arguments], "env": env, "timeout": timeout, "trace_maps": trace, **(more or {})}


TRIES = 5
"""How often something is measured that should be quick: on a machine with much else to do, it is so at times only."""
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(user: User, place: Place) -> Ask:
    """Return a function that sends a request and returns the reply."""

    def send(**fields: Any) -> dict[str, Any]:
        done = subprocess.run(
            [user.python, *place.arguments],
            input=json.dumps(request_for(place, **fields)).encode(),
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            pass_fds=[fields["progress_fd"]] if fields.get("progress_fd") else [],
            **user.options,
        )
        assert (done.returncode, done.stderr.decode()) == (0, "")
        reply: dict[str, Any] = json.loads(done.stdout)
        assert reply["isolation"] == ("user namespace" if user.ordinary else "root")
        return reply

    return send


@pytest.fixture
def run(ask: Ask) -> Ask:
    """Return a function that runs the probe once and returns the reply for that run."""

    def once(*arguments: str, **options: Any) -> dict[str, Any]:
        reply: dict[str, Any] = ask(runs=[run_of(*arguments, **options)])["runs"][0]
        return reply

    return once


def test_exit_status(ask: Ask) -> None:
    reply = ask(runs=[run_of("exit", "0"), run_of("exit", "3"), run_of("exit", "255")])
    assert [each["status"] for each in reply["runs"]] == [0, 3, 255]
    assert all(each["signal"] is None and not each["timed_out"] for each in reply["runs"])
    assert reply["notes"] == []


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGPIPE, signal.SIGKILL, signal.SIGINT])
def test_signal(run: Ask, number: int) -> None:
    reply = run("kill", str(number))
    assert (reply["status"], reply["signal"], reply["timed_out"]) == (None, number, False)


def test_timeout(run: Ask) -> None:
    for timeout in (0.2, 2, 20):
        reply = run("sleep", timeout=timeout)
        assert (reply["status"], reply["signal"], reply["timed_out"]) == (None, signal.SIGKILL, True)
        assert timeout <= reply["seconds"] < 600  # when it would end by itself
        if reply["stdout"]:
            break  # else the time was too short to begin, on a machine that has much else to do
    assert reply["stdout"] == "up"


def test_a_daemon_neither_delays_nor_survives(run: Ask) -> None:
    reply = run("daemon", "")
    assert (reply["status"], reply["timed_out"]) == (0, False)
    assert reply["seconds"] < 600  # as long as the daemon lasts


def test_first_output(run: Ask) -> None:
    late = run("late")
    assert 0.05 <= late["first_output"] <= late["seconds"]
    assert (late["stdout"], late["stderr"]) == ("", "hello")
    assert run("exit", "0")["first_output"] is None


def test_output_is_capped(run: Ask) -> None:
    text = run("flood")["stdout"]
    assert text.startswith("firstx")
    assert text.endswith("xlast")
    assert "bytes left out" in text
    assert len(text) < 2 * KEPT_BYTES + 100


def test_runs_that_follow_in_the_same_root(ask: Ask) -> None:
    """What the first leaves, these find, and what is in no other's root."""
    first = {**run_of("litter"), "then": [run_of("list", "/tmp"), run_of("exit", "3")]}
    one, other = ask(runs=[first, run_of("list", "/tmp")])["runs"]
    assert [each["stdout"] for each in one["then"]] == ["a\n", ""]
    assert [each["status"] for each in one["then"]] == [0, 3]
    assert (other["stdout"], other["then"]) == ("", [])


def test_exec_error(ask: Ask, place: Place, tmp_path: Path) -> None:
    missing = {**run_of(), "argv": ["/app/nothing"]}
    assert ask(runs=[missing])["runs"][0]["exec_error"] == "ENOENT: No such file or directory"
    script = place.probe.with_name("script")
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    assert ask(binary=str(script), runs=[run_of()])["runs"][0]["exec_error"].startswith("ENOENT")
    script.write_text("echo\n")
    reply = ask(binary=str(script), runs=[run_of()])["runs"][0]
    assert (reply["status"], reply["exec_error"]) == (None, "ENOEXEC: Exec format error")
    script.chmod(0o644)
    assert ask(binary=str(script), runs=[run_of()])["runs"][0]["exec_error"].startswith("EACCES")


def test_the_root_is_empty(ask: Ask) -> None:
    reply = ask(runs=[run_of("list", path) for path in ("/", "/app", "/dev", "/tmp", "/dev/shm")])
    root, app, dev, tmp, shm = (each["stdout"].split() for each in reply["runs"])
    assert sorted(root) == ["app", "dev", "proc", "tmp"]
    assert app == ["probe"]
    assert sorted(dev) == sorted([*DEVICES, "fd", "shm", "stderr", "stdin", "stdout"])
    assert (tmp, shm) == ([], [])


def test_only_tmp_and_shm_are_writable(run: Ask) -> None:
    reply = run("touch", "/tmp/x", "/dev/shm/x", "/dev/null", "/x", "/dev/x", "/app/x", "/app/probe")
    codes = [int(line) for line in reply["stdout"].split()]
    assert codes[:3] == [0, 0, 0]
    assert all(codes[3:])


def test_network_is_off_but_loopback_works(run: Ask) -> None:
    refused, unreachable = 111, 101
    assert run("dial")["stdout"].split() == [str(refused), str(unreachable)]


def serve(run: Ask, status: str, *paths: str) -> dict[str, Any]:
    """Have the probe serve, and ask it."""
    http = [{"path": path, "low": 200, "high": 399} for path in paths]
    return run("serve", status, more={"http": http})


def test_a_server_is_asked_at_its_port(run: Ask) -> None:
    """Whichever that is; then all of its processes end, also the one that ignores SIGTERM."""
    reply = serve(run, "200 Fine", "/", "/")
    answers = reply["asked"]["answers"]
    assert [(item["status"], item["reason"], item["body"]) for item in answers] == 2 * [(200, "Fine", "ok")]
    assert (reply["asked"]["listened"], reply["asked"]["ended"], reply["timed_out"]) == (True, False, False)
    assert (reply["status"], reply["signal"]) == (None, signal.SIGTERM)


def test_a_server_that_answers_otherwise(run: Ask) -> None:
    reply = serve(run, "200 Fine", "/broken", "/")
    assert [item["status"] for item in reply["asked"]["answers"]] == [500]
    assert not reply["asked"]["ended"]


def test_a_server_that_ends(run: Ask) -> None:
    one = run("exit", "3", more={"http": [{"path": "/", "low": 200, "high": 399}]})
    assert one["asked"] == {"answers": [], "listened": False, "complaint": None, "ended": True}
    assert (one["status"], one["signal"]) == (3, None)


def test_a_server_that_never_listens(run: Ask) -> None:
    reply = run("sleep", timeout=0.3, more={"http": [{"path": "/", "low": 200, "high": 399}]})
    assert (reply["asked"]["listened"], reply["asked"]["ended"], reply["timed_out"]) == (False, False, True)


def test_reads_are_noticed(run: Ask) -> None:
    """At the places and of the sizes that were asked for, and of children too; whoever reads does not see it."""
    reply = run("pread", more={"reads": [[64, 16], [128, 16], [4096, 8], [8192, 24]]})
    assert (reply["status"], reply["read"]) == (0, [0, 3])
    assert run("exit", "3", more={"reads": [[64, 16]]})["read"] == []
    assert run("exit", "3")["read"] is None
    assert run("sleep", timeout=0.2, more={"reads": [[64, 16]]})["read"] == []


def test_standard_input(run: Ask) -> None:
    """It is what was given, and can be opened by its name."""
    for content in (b"2 3\n", b"", b"x\n" * 16000):
        reply = run("show", "/dev/stdin", more={"stdin": base64.b64encode(content).decode()})
        assert (reply["status"], reply["stdout"]) == (0, content.decode())
    assert run("show", "/dev/stdin")["stdout"] == ""


def test_process_state(run: Ask) -> None:
    lines = run("show", "/proc/self/status")["stdout"].splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    assert status["Uid"] == status["Gid"] == [str(NOBODY)] * 4
    assert all(status[f"Cap{kind}"] == ["0" * 16] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"))
    assert (status["NoNewPrivs"], status["Umask"], status["PPid"]) == (["1"], ["0022"], ["1"])
    assert status["SigIgn"] == status["SigBlk"] == ["0" * 16]
    assert run("list", "/proc/self/fd")["stdout"].split() == ["0", "1", "2", "3"]  # 3 is the listing's own
    assert run("show", "/proc/self/environ", HOME="/tmp")["stdout"] == "HOME=/tmp\0"


def test_the_application_cannot_break_out(run: Ask) -> None:
    reply = run("rebel")
    assert (reply["status"], reply["signal"]) == (0, None)
    assert all(int(code) for code in reply["stdout"].split())
    assert len(reply["stdout"].split()) == 3


def test_mapped_files(run: Ask) -> None:
    assert run("map", "900000", trace=True)["mapped"] == ["/app/probe", "/tmp/mapped (deleted)"]
    assert run("map", "0")["mapped"] == []


def test_leftovers_do_not_reach_the_next_run(ask: Ask) -> None:
    first, second = ask(runs=[run_of("litter"), run_of("list", "/tmp")])["runs"]
    assert first["leftovers"] == ["a/empty/", "a/file", "a/link"]
    assert (second["leftovers"], second["stdout"]) == ([], "")


def test_nothing_stays_on_the_host(ask: Ask, place: Place) -> None:
    ask(runs=[run_of("litter")])
    assert str(place.root) not in Path("/proc/self/mountinfo").read_text()
    assert list(place.root.iterdir()) == []


def command_lines() -> str:
    """Return the command lines of all processes of the host."""
    lines = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            lines.append(Path("/proc", number, "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    return "\n".join(lines)


def test_a_killed_caller_leaves_no_process(user: User, place: Place) -> None:
    mark = f"/app/probe sleep marked-by-{os.getpid()}"
    request = json.dumps(request_for(place, runs=[run_of(*mark.split()[1:])]))
    command = [user.python, *place.arguments]
    call = f"import subprocess; subprocess.run({command!r}, input={request!r}.encode())"
    with attended([user.python, "-I", "-c", call], stdout=subprocess.PIPE, **user.options):
        wait_until(lambda: mark in command_lines(), "the application")
    ours = f" {place.arguments[2]} "
    wait_until(lambda: mark not in command_lines() and ours not in command_lines(), "the end of all")


def test_hostile_surroundings(user: User, place: Place) -> None:
    closed = place.root.with_name("closed")
    closed.mkdir(exist_ok=True)
    inherited, other = os.pipe()
    awkward = (
        "import os, sys; os.umask(0o77); os.chdir(sys.argv[1]); os.chmod('.', 0); os.execv(sys.argv[2], sys.argv[2:])"
    )
    if "user" in user.options:
        os.chown(closed, NOBODY, NOBODY)
    try:
        done = subprocess.run(
            [user.python, "-c", awkward, str(closed), user.python, *place.arguments],
            input=json.dumps(request_for(place, runs=[run_of("list", "/proc/self/fd")])).encode(),
            capture_output=True,
            timeout=PATIENCE,
            check=True,
            pass_fds=[inherited],
            **user.options,
        )
    finally:
        os.close(inherited)
        os.close(other)
        closed.rmdir()
    assert json.loads(done.stdout)["runs"][0]["stdout"].split() == ["0", "1", "2", "3"]


def in_user_namespace(place: Place, python: str, before: str, **fields: Any) -> dict[str, Any]:
    """Call the sandbox as what looks like root, but has no other user, after the commands ``before``."""
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", f'{before}; exec "$@"', "sh"]
    done = subprocess.run(
        [*command, python, *place.arguments],
        input=json.dumps(request_for(place, runs=[run_of("exit", "5")], **fields)).encode(),
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stderr == b""
    reply: dict[str, Any] = json.loads(done.stdout)
    return reply


def test_root_without_other_users_falls_back(place: Place) -> None:
    reply = in_user_namespace(place, sys.executable, ":")
    assert (reply["isolation"], reply["runs"][0]["status"]) == ("user namespace", 5)


def test_impossible_isolation_is_a_reply(place: Place) -> None:
    reply = in_user_namespace(place, sys.executable, "echo 0 > /proc/sys/user/max_user_namespaces")
    assert reply == {
        "cause": "create namespaces: ENOSPC: user.max_user_namespaces is 0",
        "remedy": "sysctl -w user.max_user_namespaces=10000",
        "runs": [],
    }


NO_NAMESPACES = "echo 0 > /proc/sys/user/max_user_namespaces"


@pytest.mark.parametrize(
    ("arguments", "status", "number", "stdout"),
    [(("exit", "7"), 7, None, ""), (("kill", "15"), None, 15, ""), (("show", "/proc/self/cmdline"), 0, None, "show")],
)
def test_a_run_on_the_host(
    place: Place, arguments: tuple[str, ...], status: Optional[int], number: Optional[int], stdout: str
) -> None:
    wanted = {**run_of(*arguments, HOME="/x"), "argv": [str(place.probe), *arguments], "cwd": "/tmp"}
    reply = in_user_namespace(place, sys.executable, NO_NAMESPACES, host_runs=[wanted])
    assert reply["cause"].endswith("user.max_user_namespaces is 0")
    (run,) = reply["runs"]
    assert (run["status"], run["signal"], run["timed_out"]) == (status, number, False)
    assert stdout in run["stdout"]


@pytest.mark.parametrize("what", ["sleep", "daemon"])
def test_a_run_on_the_host_leaves_no_process(place: Place, what: str) -> None:
    """Neither one that does not end, nor one that leaves its session."""
    mark = f"mark-{what}-{os.getpid()}"
    argv = [str(place.probe), what, mark]
    wanted = {**run_of(timeout=1.0 if what == "sleep" else PATIENCE), "argv": argv}
    (run,) = in_user_namespace(place, sys.executable, NO_NAMESPACES, host_runs=[wanted])["runs"]
    assert run["timed_out"] is (what == "sleep")
    wait_until(lambda: processes_with(mark) == [], "the end of its processes")


def test_a_run_on_the_host_has_no_privileges(place: Place) -> None:
    wanted = {**run_of(), "argv": [str(place.probe), "show", "/proc/self/status"]}
    (run,) = in_user_namespace(place, sys.executable, NO_NAMESPACES, host_runs=[wanted])["runs"]
    lines = dict(line.split(":", 1) for line in run["stdout"].splitlines())
    assert {lines[name].strip() for name in ("CapEff", "CapPrm", "CapBnd")} == {"0" * 16}
    assert lines["NoNewPrivs"].strip() == "1"


def test_no_run_on_the_host_where_there_are_namespaces(place: Place) -> None:
    wanted = {**run_of(), "argv": [str(place.probe), "exit", "9"]}
    reply = in_user_namespace(place, sys.executable, ":", host_runs=[wanted])
    assert [run["status"] for run in reply["runs"]] == [5]


def test_a_wrong_path_is_a_bug_of_the_caller(place: Place) -> None:
    request = json.dumps(request_for(place, binary="/does/not/exist"))
    command = [sys.executable, *place.arguments]
    done = subprocess.run(command, input=request.encode(), capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"FileNotFoundError" in done.stderr


@pytest.fixture(scope="module")
def bundle(place: Place) -> Path:
    """Return a bundle with the loader and C library of this machine, and libraries with one fault each."""
    loader = Path(sandbox_loader(place))
    top = place.root.with_name("bundle")
    internal = top / "_internal"
    internal.mkdir(parents=True)
    shutil.copy(loader, top / "loader")
    libc = subprocess.check_output(["cc", "-print-file-name=libc.so.6"], text=True).strip()
    shutil.copy(libc, internal / "libc.so.6")
    shared = ("-shared", "-fPIC", "-Wl,--no-as-needed")
    there = "int there(void) { return 1; }"
    call = "int there(void); int call(void) { return there(); }"
    gone = compile_c(there, top / "libgone.so.1", *shared, "-Wl,-soname,libgone.so.1")
    compile_c(there, internal / "good.so", *shared)
    compile_c(call, internal / "undefined.so", *shared)
    compile_c(call, internal / "missing.so", *shared, str(gone))
    gone.unlink()
    for version in ("NEW_2", "OLD_1"):  # the library is linked with as NEW_2, then replaced
        script = top / "versions"
        script.write_text(f"{version} {{ global: there; }};")
        options = [*shared, f"-Wl,--version-script={script}", "-Wl,-soname,libold.so.1"]
        old = compile_c(there, internal / "libold.so.1", *options)
        if version == "NEW_2":
            compile_c(call, internal / "version.so", *shared, str(old))
    image = bytearray((internal / "good.so").read_bytes())
    image[4] = 3 - image[4]  # EI_CLASS: 32 for 64 bits, or the reverse
    (internal / "class.so").write_bytes(image)
    (internal / "text.so").write_text("no ELF at all\n")
    for path in (top, *top.rglob("*")):
        path.chmod(0o755)
    return top


def sandbox_loader(place: Place) -> str:
    """Return the PT_INTERP of what the compiler makes."""
    program = compile_c("int main(void) { return 0; }", place.probe.with_name("dynamic"))
    text = subprocess.check_output(["readelf", "-lW", str(program)], text=True)
    return text.partition("interpreter: ")[2].partition("]")[0]


def load_of(name: str, *preload: str) -> dict[str, Any]:
    paths = [f"/bundle/_internal/{each}" for each in (name, *preload)]
    library_path = ["/bundle/_internal", "/bundle"]
    return {"loader": "/bundle/loader", "library_path": library_path, "preload": paths[1:], "file": paths[0]}


def test_loads(ask: Ask, bundle: Path) -> None:
    names = ["good.so", "undefined.so", "missing.so", "version.so", "class.so", "text.so", "nothing.so"]
    loads = [
        *map(load_of, names),
        load_of("undefined.so", "good.so"),
        {**load_of("good.so"), "loader": "/bundle/no"},
    ]
    replies = ask(bundle=str(bundle), loads=loads)["loads"]
    assert [each["file"] for each in replies] == [each["file"] for each in loads]
    good, undefined, missing, version, elf_class, text, nothing, preloaded, no_loader = replies
    assert (good["status"], good["problems"]) == (0, [])
    assert good["libraries"]["libc.so.6"] == "/bundle/_internal/libc.so.6"
    assert undefined["problems"] == ["undefined symbol: there (/bundle/_internal/undefined.so)"]
    assert missing["libraries"]["libgone.so.1"] is None
    assert version["libraries"]["libold.so.1"] == "/bundle/_internal/libold.so.1"
    assert version["problems"][0] == (
        "/bundle/_internal/libold.so.1: version `NEW_2' not found (required by /bundle/_internal/version.so)"
    )
    for wrong in (elf_class, text, nothing):
        assert wrong["status"] == 127
        assert wrong["problems"][0].startswith("error while loading shared libraries: /bundle/_internal/")
    assert "wrong ELF class" in elf_class["problems"][0]
    assert preloaded["problems"] == []
    assert preloaded["libraries"]["good.so"] == "/bundle/_internal/good.so"
    assert (no_loader["status"], no_loader["problems"]) == (None, ["/bundle/no: No such file or directory"])


def test_the_application_does_not_see_the_bundle(ask: Ask, bundle: Path) -> None:
    reply = ask(bundle=str(bundle), runs=[run_of("list", "/")], loads=[load_of("good.so")])
    assert "bundle" not in reply["runs"][0]["stdout"]
    assert reply["loads"][0]["status"] == 0


def test_many_loads_are_quick_and_tell_their_progress(ask: Ask, bundle: Path) -> None:
    program = bundle.with_name("probe")
    for _ in range(TRIES):
        reading, writing = os.pipe()
        began = time.monotonic()
        replies = ask(bundle=str(bundle), loads=[load_of("good.so")] * 205, progress_fd=writing)["loads"]
        seconds = time.monotonic() - began
        os.close(writing)
        with os.fdopen(reading) as stream:
            lines = stream.read().split("\n")
        assert [each["status"] for each in replies] == [0] * 205
        assert (lines[0], lines[-3:]) == ("10 205", ["200 205", "205 205", ""])
        if seconds < 5:  # 0.4 on an idle machine
            return
        # Another one starts as many processes no faster.
        began = time.monotonic()
        for _ in range(205):
            subprocess.run([program, "exit", "0"], check=True)
        if seconds < 3 * (time.monotonic() - began):
            return
    pytest.fail(f"{seconds:.1f} s")


MEETING = r"""
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(void) { /* ends when three of it run */
    struct sockaddr_un at = {AF_UNIX, "\0meeting"};
    int place = socket(AF_UNIX, SOCK_STREAM, 0);
    char byte;
    if (bind(place, (struct sockaddr *)&at, sizeof at) == 0)
        return listen(place, 2) || accept(place, 0, 0) < 0 || accept(place, 0, 0) < 0;
    while (connect(place, (struct sockaddr *)&at, sizeof at)) usleep(1000);
    return read(place, &byte, 1) != 0;
}
"""


def test_loads_at_once(ask: Ask, bundle: Path) -> None:
    compile_c("#include <unistd.h>\nint main(void) { return usleep(300000); }", bundle / "slow", "-static").chmod(0o755)
    compile_c(MEETING, bundle / "meeting", "-static").chmod(0o755)
    for jobs, name, least in ((1, "slow", 0.9), (3, "meeting", 0.0)):
        loads = [{**load_of("good.so"), "loader": f"/bundle/{name}"}] * 3
        began = time.monotonic()
        assert [each["status"] for each in ask(bundle=str(bundle), loads=loads, jobs=jobs)["loads"]] == [0] * 3
        assert time.monotonic() - began >= least


def test_parse_trace() -> None:
    text = (
        "\tlinux-vdso.so.1 (0x00007f0b7e639000)\n"
        "\t/b/libpython3.11.so.1.0 (0x00007f8e82a00000)\n"
        "\tlibm.so.6 => /b/libm.so.6 (0x00007f8e8213e000)\n"
        "\t/lib64/ld-linux-x86-64.so.2 => /b/ld-linux-x86-64.so.2 (0x00007f8e8213e000)\n"
        "\tlibz.so.1 => not found\n"
        "/b/x.so: /b/libm.so.6: version `GLIBC_2.38' not found (required by /b/x.so)\n"
        "undefined symbol: exp, version GLIBC_2.38\t(/b/x.so)\n"
    )
    libraries, problems = parse_trace(text, "/b/x.so")
    assert libraries == {
        "libpython3.11.so.1.0": "/b/libpython3.11.so.1.0",
        "libm.so.6": "/b/libm.so.6",
        "ld-linux-x86-64.so.2": "/b/ld-linux-x86-64.so.2",
        "libz.so.1": None,
    }
    assert problems == [
        "/b/libm.so.6: version `GLIBC_2.38' not found (required by /b/x.so)",
        "undefined symbol: exp, version GLIBC_2.38 (/b/x.so)",
    ]
    assert parse_trace("\tstatically linked\n", "/b/x.so") == ({}, [])


def test_root_in_a_chroot_that_is_no_mount_point(place: Place, tmp_path: Path) -> None:
    """The host's /usr, /proc and /dev seen from a plain directory: nothing can be made private there by its name."""
    need_root()
    jail = tmp_path / "jail"
    for name in ("usr", "proc", "dev", "tmp", "top"):
        (jail / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (jail / name).symlink_to(f"usr/{name}")
    top = place.root.parent
    mounts = [("/usr", "usr"), ("/proc", "proc"), ("/dev", "dev"), (str(top), "top")]
    steps = [f"mount --rbind {source} {jail / target}" for source, target in mounts]
    inside = " ".join(place.arguments).replace(str(top), "/top")
    request = request_for(place, runs=[run_of("list", "/")])
    request.update(root="/top/root", binary="/top/probe")
    done = subprocess.run(
        [
            "unshare",
            "-m",
            "sh",
            "-c",
            f"{' && '.join(steps)} && exec /usr/sbin/chroot {jail} /usr/bin/python3 {inside}",
        ],
        input=json.dumps(request).encode(),
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    reply = json.loads(done.stdout)
    assert reply["isolation"] == "root"
    assert sorted(reply["runs"][0]["stdout"].split()) == ["app", "dev", "proc", "tmp"]
    assert str(place.root) not in Path("/proc/self/mounts").read_text()


def in_rootfs(place: Place, rootfs: Path, *runs: dict[str, Any]) -> dict[str, Any]:
    """The reply for runs in a root of the caller's, as an image has it."""
    request = {
        "root": str(place.root),
        "binary": None,
        "name": "probe",
        "bundle": None,
        "rootfs": str(rootfs),
        "uid": 1000,
        "gid": 2000,
        "loads": [],
        "progress_fd": None,
        "runs": list(runs),
    }
    command = command_of(SANDBOX)
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def test_a_root_of_the_callers(place: Place, tmp_path: Path) -> None:
    """As an image has it: read-only, with its own user, group and directory to start in."""
    need_root()
    rootfs = tmp_path / "rootfs"
    for name in ("proc", "dev", "tmp", "work"):
        (rootfs / name).mkdir(parents=True)
    shutil.copy(place.probe, rootfs / "work/probe")
    run = {"env": {}, "timeout": PATIENCE, "trace_maps": False, "cwd": "/work"}
    reply = in_rootfs(
        place,
        rootfs,
        {**run, "argv": ["./probe", "list", "/"]},
        {**run, "argv": ["./probe", "touch", "/new", "/work/new", "/tmp/new"]},
        {**run, "argv": ["./probe", "show", "/proc/self/status"]},
        {**run, "argv": ["./probe", "exit", "7"], "cwd": "/gone"},
    )
    listed, touched, status, gone = reply["runs"]
    assert sorted(listed["stdout"].split()) == ["dev", "proc", "tmp", "work"]
    assert touched["stdout"].split() == [str(errno.EROFS), str(errno.EROFS), "0"]
    assert "Uid:\t1000\t1000\t1000\t1000" in status["stdout"]
    assert "Gid:\t2000\t2000\t2000\t2000" in status["stdout"]
    assert "CapEff:\t0000000000000000" in status["stdout"]
    assert gone["exec_error"].startswith("ENOENT")
    assert sorted(item.name for item in rootfs.iterdir()) == ["dev", "proc", "tmp", "work"]


@pytest.mark.parametrize("name", ["tmp", "dev", "proc"])
@pytest.mark.parametrize("target", ["{host}", "../host", "{host}/hosts", "{name}", "nowhere"])
def test_links_in_a_root_of_the_callers(place: Place, tmp_path: Path, name: str, target: str) -> None:
    """Nothing is mounted on, or made, where they lead outside; the root's own directories come first."""
    need_root()
    host = make_host(tmp_path / "host")
    rootfs = tmp_path / "rootfs"
    for folder in {"proc", "dev", "tmp", "work"} - {name}:
        (rootfs / folder).mkdir(parents=True)
    (rootfs / name).symlink_to(target.format(host=host, name=name))
    shutil.copy(place.probe, rootfs / "work/probe")
    before = state_of(host), sorted(os.listdir(rootfs))
    run = {"env": {}, "timeout": PATIENCE, "trace_maps": False, "cwd": "/work"}
    reply = in_rootfs(place, rootfs, {**run, "argv": ["./probe", "touch", "/tmp/new"]})
    if name == "dev":
        assert "dev" in reply["cause"]
    else:
        assert (reply["runs"][0]["stdout"].split() == ["0"]) == (name != "tmp")
    assert (state_of(host), sorted(os.listdir(rootfs))) == before
