"""What becomes of the events of imports: nothing, a part of the key, or a reason against a snapshot."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Optional

import pytest

from freezer.base.errors import VerificationError
from freezer.prove.snapshot.findings import ABSENT, CONTENT, FILE, LISTING, Reason, SnapshotFindings
from freezer.prove.snapshot.known import is_repaired, place_of
from freezer.prove.snapshot.paths import Entry, Objection, judge_path
from freezer.prove.snapshot.stack_frames import Frame
from freezer.prove.snapshot.tell import SHOWN, WARNED, refusal, summary, warning_of_limits
from freezer.prove.snapshot.verdict import judge_run

TREE = "/tmp/probe/cache/0123/tree"
IMPORTING = Frame("importlib._bootstrap", 241, "_call_with_frames_removed")
USERS = Frame("app.config", 12, "<module>")
STATE: dict[str, Any] = {
    "files": {"0": "/dev/null"},
    "threads": 1,
    "Umask": "0022",
    "SigBlk": "0",
    "SigCgt": "2",
    "nice": "0",
    "variables": {},
    "cwd": "/tmp/probe/cwd",
    "shared": [],
    "mapped": [f"{TREE}/program"],
}


def event(
    kind: str,
    value: str = "",
    frames: Sequence[Frame] = (IMPORTING, USERS),
    library: str = "_internal/libpython3.11.so.1.0",
    phase: str = "imports",
    result: Optional[int] = 0,
    made: Sequence[int] = (),
    after: str = "",
) -> dict[str, Any]:
    return {
        "kind": kind,
        "value": value,
        "phase": phase,
        "library": library,
        "result": result,
        "frames": [list(frame) for frame in frames],
        "made": list(made),
        "after": after,
    }


def reply(*events: dict[str, Any], **changed: Any) -> dict[str, Any]:
    more: dict[str, Any] = {name: changed.pop(name) for name in ("faults", "after_fork") if name in changed}
    return {
        "events": list(events),
        "state": {"imports": STATE, "done": {**STATE, **changed}},
        "tree": TREE,
        "executable": "/app/hello",
        "boundary": [f"{TREE}/_internal/main.py", 5],
        "faults": [],
        **more,
    }


def found(*events: dict[str, Any], ignore: Sequence[str] = (), **changed: Any) -> SnapshotFindings:
    return judge_run([reply(*events, **changed)], ignore)[0]


def test_imports_that_do_nothing() -> None:
    findings = found()
    assert findings.verdict
    assert findings.asks == ("user",)
    assert findings.boundary == ("main.py", 5)
    assert summary(findings) == "starts could begin at main.py:5; in the key: 1 variable and 0 files"


@pytest.mark.parametrize(
    ("kind", "value", "what"),
    [
        ("clock", "time", "reads the clock (time)"),
        ("random", "16", "draws random numbers (16 bytes)"),
        ("rolled", "choice", "seeds or uses the generator of random numbers that all use (random.choice)"),
        ("drawn", "RAND_bytes_ex", "draws random numbers (RAND_bytes_ex of OpenSSL)"),
        ("environment", "", "looks through the whole environment, in C"),
        ("asked", "*", "looks through the whole environment"),
        ("identity", "process", "asks for the id of its process"),
        ("argv", "argv", "reads the arguments: sys.argv"),
        ("output", "2", "writes to standard error"),
        ("stream", "fstat 0", "looks at the standard stream 0, or reads it (fstat)"),
        ("change", "open /tmp/x", "changes files: open /tmp/x"),
        ("process", "fork", "starts a process (fork)"),
        ("socket", "2", "makes a socket (family 2)"),
        ("signal", "handle 15", "asks for or sets what a signal does (handle 15)"),
        ("call", "mlockall", "makes a system call that is not known to be harmless: mlockall"),
        ("open", "/dev/urandom", "reads /dev/urandom"),
    ],
)
def test_reasons(kind: str, value: str, what: str) -> None:
    (reason,) = found(event(kind, value)).reasons
    assert (reason.module, reason.line) == ("app.config", 12)
    assert reason.what.startswith(what)
    assert reason.hint


def test_each_reason_is_told_once() -> None:
    again = event("clock", "time")
    assert len(found(again, again, event("clock", "time", [Frame("app", 1, "<module>")])).reasons) == 2


@pytest.mark.parametrize("kind", ["clock", "random", "identity", "signal", "stream", "set", "umask", "call", "process"])
def test_the_interpreters_own_start_is_set_right(kind: str) -> None:
    assert found(event(kind, "1", phase="start")).verdict


@pytest.mark.parametrize("kind", ["change", "clock", "random", "process", "socket", "call", "output", "identity"])
def test_what_hooks_do(kind: str) -> None:
    (reason,) = found(event(kind, "1", [], phase="prepare")).reasons
    assert (reason.module, reason.line) == ("run-time hooks", 0)


def test_what_is_prepared() -> None:
    prepared = [event("signal", "handle 2"), event("stream", "fstat 0"), event("set", "LOCPATH"), event("ask", "cwd")]
    findings = found(*({**item, "phase": "prepare"} for item in prepared), event("stat", "/etc/x", phase="prepare"))
    assert (findings.verdict, findings.asks, len(findings.files)) == (True, ("user",), 1)


def test_what_happens_behind_the_imports_does_not_count() -> None:
    assert found(event("clock", "time", phase="done")).verdict


def test_variables() -> None:
    findings = found(
        event("asked", "APP_MODE"),
        event("asked", "HOME"),
        event("variable", "LC_TIME"),
        event("variable", "PYTHONUTF8", phase="start"),
        event("variable", "PATH", phase="start"),
        event("variable", "=CONV_PATH"),
        event("asked", "APP_DEBUG"),
        event("asked", "APP_TOKEN"),
        event("variable", "PYTHON_PASSWORD"),
        event("asked", "SSL_CERT_FILE", [Frame("_freezer_provisions", 3, "_mend_ssl"), USERS]),
        ignore=("APP_D*",),
    )
    assert findings.verdict
    assert findings.unset == ("APP_MODE", "APP_TOKEN", "PYTHON_PASSWORD", "SSL_CERT_FILE", "TZDIR")
    assert findings.variables == ("HOME", "LC_TIME", "PYTHONUTF8")
    assert findings.ignored == ("APP_DEBUG",)


def test_the_whole_environment() -> None:
    known = found(event("asked", "*", [Frame("tqdm.utils", 40, "envwrap"), Frame("tqdm.std", 900, "<module>")]))
    assert (known.verdict, known.prefixes) == (True, ("TQDM_",))
    assert not found(event("asked", "*")).verdict
    assert found(event("asked", "*"), ignore=("APP_*",)).verdict


def test_variables_that_are_set() -> None:
    assert found(event("set", "X"), event("set", "X", library="")).verdict
    assert found(event("set", "X")).verdict, "it is as it was"
    (reason,) = found(event("set", "X"), event("set", "Y", library=""), variables={"X": "1"}).reasons
    assert reason.what == "changes the variable X, but not in os.environ"
    (reason,) = found(event("set", "X", library="_internal/libblas.so.3")).reasons
    assert reason.what == "libblas.so.3 changes the variable X behind Python's back"


def test_asks() -> None:
    findings = found(event("ask", "cwd"), event("ask", "limit 7"), event("ask", "terminal", phase="start"))
    assert findings.asks == ("cwd", "limit 7", "user")


def test_what_the_probe_itself_asks() -> None:
    assert found(event("ask", "cwd", [Frame("<probe>", 64, "__getattribute__"), USERS])).asks == ("user",)


def test_what_nobody_knows() -> None:
    assert [reason.what for reason in found(event("new kind", "5")).reasons] == ["does what is not known: 5"]
    assert found(event("own", "x"), event("object", "pipe2"), event("thread"), event("umask")).verdict


def test_umask() -> None:
    assert found(event("umask")).asks == ("umask", "user")
    assert [reason.what for reason in found(event("umask"), Umask="0077").reasons] == ["changes the umask"]


@pytest.mark.parametrize(
    ("kind", "path", "exists", "wanted"),
    [
        ("stat", "/etc/x", False, [Entry("/etc/x", ABSENT)]),
        ("open", "/etc/x", True, [Entry("/etc/x", FILE)]),
        ("list", "/etc/x", True, [Entry("/etc/x", LISTING)]),
        ("list", "/app", True, [Entry("/app", LISTING)]),
        ("open", "/etc/localtime", False, [Entry("/etc/localtime", FILE)]),
        ("open", "/tmp/probe/home/.inputrc", False, [Entry("~/.inputrc", FILE)]),
        ("stat", "/tmp/probe/home/.config/x", False, [Entry("~/.config/x", ABSENT)]),
        ("open", "/proc/self/cgroup", True, [Entry("/proc/self/cgroup", CONTENT)]),
        ("open", "/sys/devices/system/cpu/online", False, [Entry("/sys/devices/system/cpu/online", CONTENT)]),
        ("stat", "/tmp", True, ()),
        ("open", "/proc/self/maps", True, ()),
    ],
)
def test_files(kind: str, path: str, exists: bool, wanted: Sequence[Entry]) -> None:
    assert judge_path(kind, path, exists) == wanted


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("./settings.toml", "looks into the current directory for settings.toml"),
        ("/tmp/probe/cwd/.env", "looks into the current directory for .env"),
        ("/tmp/probe/cwd", "looks into the current directory for its entries"),
        ("/tmp/.env", "looks for /tmp/.env on the way up from a directory"),
        ("/probe-path/bin/git", "looks for the program git in the directories of PATH"),
        ("/app/app.ini", "looks for app.ini beside the executable"),
        ("/proc/self/status", "reads /proc/self/status, which is another in each start"),
        ("/proc/meminfo", "reads /proc/meminfo, which is another in each start"),
        ("/etc/a\tb", "looks for '/etc/a\\tb', a name that no key can have"),
    ],
)
def test_files_that_no_key_can_have(path: str, what: str) -> None:
    verdict = judge_path("open", path, False)
    assert isinstance(verdict, Objection)
    assert verdict.what == what


def test_what_a_configuration_of_openssl_includes() -> None:
    verdict = judge_path("open", "/usr/lib/ssl/openssl.cnf", False)
    assert not isinstance(verdict, Objection)
    assert "/etc/crypto-policies/back-ends/opensslcnf.config" in {entry.path for entry in verdict}


def test_the_way_to_the_tree_and_the_executable() -> None:
    ways = [event("stat", path) for path in ("/tmp/probe", "/tmp/probe/cache", "/app/hello")]
    assert found(*ways).files == ()
    assert not found(event("list", "/tmp/probe/cache")).verdict
    assert not found(event("stat", "/tmp/probe/other")).verdict


def test_a_path_has_one_kind() -> None:
    findings = found(event("stat", "/etc/x"), event("list", "/etc/x"), event("stat", "/etc/y", result=-2))
    assert findings.files == (("/etc/x", LISTING), ("/etc/y", ABSENT))


@pytest.mark.parametrize(
    ("kind", "value", "library", "frames"),
    [
        ("random", "2496", "", [Frame("random", 163, "seed"), Frame("random", 831, "<module>"), USERS]),
        ("random", "32", "", [Frame("multiprocessing.process", 400, "<module>"), USERS]),
        ("random", "32", "", [IMPORTING, Frame("numpy.random._pickle", 1, "<module>")]),
        ("clock", "time", "", [Frame("logging", 58, "<module>"), USERS]),
        ("clock", "time", "", [Frame("_strptime", 157, "__calc_timezone"), Frame("_strptime", 73, "__init__"), USERS]),
        ("clock", "rdtsc", "_internal/numpy.libs/libscipy_openblas64_-32a4b2a6.so", []),
        ("identity", "thread", "", [Frame("threading", 9, "_set_native_id"), Frame("threading", 1, "<module>")]),
        ("identity", "process", "_internal/libcrypto.so.3", [USERS]),
        ("random", "16", "_internal/pydantic_core/_pydantic_core.cpython-311-x86_64-linux-gnu.so", [USERS]),
        ("socket", "10", "", [Frame("urllib3.util.connection", 120, "_has_ipv6"), USERS]),
    ],
)
def test_what_is_set_right(kind: str, value: str, library: str, frames: list[Frame]) -> None:
    assert is_repaired(kind, value, library, frames)
    assert not is_repaired(kind, value, "", [USERS])


def test_what_becomes_part_of_the_key_instead() -> None:
    inside = Frame("dateutil.parser._parser", 300, "__init__")
    asked = event("clock", "time", [inside, Frame("dateutil.parser._parser", 1261, "<module>")])
    assert found(asked).asks == ("user", "year")
    assert not found(event("clock", "time", [inside._replace(function="parse")])).verdict


def test_the_c_library_counts_processors() -> None:
    counted = found(event("open", "/proc/stat", library=""))
    assert [path for path, _ in counted.files] == ["/sys/devices/system/cpu/online", "/sys/devices/system/cpu/possible"]
    assert not found(event("open", "/proc/stat")).verdict


def test_what_only_resembles_it() -> None:
    """A generator that the application makes is seeded by the same lines as the module's own."""
    assert not is_repaired(
        "random", "2496", "", [Frame("random", 163, "seed"), Frame("random", 125, "__init__"), USERS]
    )
    assert not is_repaired("clock", "time", "", [Frame("logging", 300, "__init__"), USERS])
    assert not is_repaired("random", "48", "_internal/cryptography/_rust.abi3.so", [USERS])


def test_the_place_that_a_person_looks_for() -> None:
    assert place_of([Frame("random", 1, "seed"), Frame("tempfile", 2, "mkdtemp"), USERS]) == USERS
    assert place_of([Frame("enum", 5, "__new__"), Frame("ssl", 477, "<module>"), USERS]).module == "ssl"
    assert place_of([Frame("package.util", 3, "helper"), USERS]).line == 3
    assert place_of([]) == Frame("?", 0, "")


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"SigBlk": "200"}, "the imports change the signals that it blocks"),
        ({"nice": "1"}, "the imports change its niceness"),
        ({"cwd": "/"}, "the imports change the current directory"),
        ({"shared": ["rw-s /dev/zero (deleted)"]}, "memory is shared with others"),
        ({"mapped": [f"{TREE}/program", "/usr/lib/libx.so"]}, "a library of the system is loaded: /usr/lib/libx.so"),
        ({"files": {"0": "/dev/null", "4": "/etc/x"}}, "leaves a file open: /etc/x"),
        ({"files": {}}, "closes the standard stream 0"),
        ({"threads": 2}, "starts a thread"),
        ({"threads": 2, "after_fork": 2}, "starts a thread"),
        ({"faults": ["its imports took too long"]}, "its imports took too long"),
    ],
)
def test_what_is_left(changed: dict[str, Any], what: str) -> None:
    (reason,) = found(**changed).reasons
    assert reason.what.startswith(what)


@pytest.mark.parametrize(
    "changed",
    [
        {"threads": 3, "after_fork": 1},
        {"SigCgt": f"{2 | 3 << 31:x}"},
        {"files": {"0": "/dev/null", "4": f"{TREE}/modules"}},
        {"shared": ["r--s /usr/share/x"]},
    ],
)
def test_what_may_be_left(changed: dict[str, Any]) -> None:
    assert found(**changed).verdict


def test_who_leaves_it() -> None:
    events = [event("own", f"{TREE}/_internal/x", result=4), event("object", "pipe2", made=(5, 6))]
    findings = found(*events, files={"0": "/dev/null", "4": f"{TREE}/_internal/x", "5": "pipe:[1]"})
    assert {(reason.module, reason.line) for reason in findings.reasons} == {("app.config", 12)}
    assert len(findings.reasons) == 2


@pytest.mark.parametrize(
    ("value", "module", "what"),
    [
        ("drawn random", "random", "its generator of random numbers has been seeded or used"),
        ("stream stdout", "?", "the imports change how sys.stdout works"),
        ("generator app.names.RNG", "app.names", "RNG is a generator of random numbers"),
    ],
)
def test_what_is_left_among_the_objects(value: str, module: str, what: str) -> None:
    (reason,) = found(event("left", value, [], phase="done")).reasons
    assert (reason.module, reason.line) == (module, 0)
    assert reason.what.startswith(what)


def test_a_thread_has_its_place() -> None:
    (reason,) = found(event("thread"), threads=2).reasons
    assert (reason.module, reason.line) == ("app.config", 12)


def test_several_runs_count_together() -> None:
    findings, _ = judge_run([reply(event("ask", "terminal")), reply(event("clock", "time"), event("asked", "X"))])
    assert (findings.verdict, findings.asks, findings.unset) == (False, ("terminal", "user"), ("TZDIR", "X"))


def test_a_refusal() -> None:
    reasons = tuple(Reason("app", line, "reads the clock", "later") for line in range(1, SHOWN + 3))
    assert summary(SnapshotFindings(reasons[:1])) == "1 reason against"
    assert summary(SnapshotFindings(reasons)) == f"{SHOWN + 2} reasons against"
    error = refusal("hello", SnapshotFindings(reasons))
    assert isinstance(error, VerificationError)
    assert "starts of hello cannot begin from a snapshot" in error.what
    assert error.why is not None and error.why.splitlines()[0] == "app:1: reads the clock"
    assert error.why.endswith("... and 2 more; -v shows them")
    assert error.hint == "later"


@pytest.mark.parametrize(
    ("events", "changed", "stops"),
    [
        ([event("clock", "time", after="b")], {}, {"b"}),
        (
            [event("clock", "time", after="b"), event("asked", "X", after="c"), event("argv", "argv", after="d")],
            {},
            "bd",
        ),
        ([event("thread", after="b")], {"threads": 2}, {"b"}),
        ([event("umask", after="b")], {"Umask": "0077"}, {"b"}),
        ([event("set", "X", library="_internal/libpython3.11.so.1.0", after="b")], {"variables": {"X": "1"}}, {"b"}),
        ([event("open", "/etc/x", result=7, after="b")], {"files": {"7": "/etc/x"}}, {"b"}),
        ([event("left", "generator a.b.RNG", [], phase="done")], {}, {"a.b"}),
        ([event("left", "stream stdout", [], phase="done")], {}, ()),
        ([], {"nice": "1"}, ()),
    ],
)
def test_where_the_imports_would_have_to_end(
    events: Sequence[dict[str, Any]], changed: dict[str, Any], stops: Collection[str]
) -> None:
    """Before the modules that had been looked for last when there was a reason."""
    findings, found = judge_run([reply(*events, **changed)])
    assert not findings.verdict
    assert found == set(stops)


def test_a_snapshot_that_ends_early_is_told_of() -> None:
    reasons = tuple(Reason("app", line, "reads the clock", "later") for line in range(1, WARNED + 3))
    findings = SnapshotFindings(limits=reasons, boundary=("lib/part.py", 3))
    assert summary(findings).endswith(f"; {len(reasons)} reasons against a later place")
    lines = [line.strip() for line in warning_of_limits("hello", findings).splitlines()]
    assert lines[0].startswith("the snapshot of hello ends at lib/part.py:3, since later imports do")
    assert lines[1] == "app:1: reads the clock"
    assert lines[-2:] == ["and 2 more: freezer check --snapshot -v shows them", "later"]
