"""The judgement on runs and loads: what fails a build, and what is the application's own business."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from freezer.base.errors import VerificationError
from freezer.plan.build import Smoke
from freezer.prove.judge import HOST, IMAGE_ROOT, judge_loads, judge_run

ANY = Smoke(None, None, 10)


TRACEBACK = 'Traceback (most recent call last):\n  File "app.py", line 1, in <module>\n'


BUNDLE = "/tmp/staticx-abcdef/_internal"


NATIVE = [
    f"{home}/{'0123456789abcdef' * 4}/tree/_internal"
    for home in (
        "/tmp/.cache/freezer/apps",
        "/tmp/freezer-65534",
        "/home/ada/.cache/freezer/apps",
        "/dev/shm/freezer-0",
    )
]


LAUNCHER = (
    "app: error: the application cannot be unpacked anywhere\n  why: $FREEZER_CACHE: not set\n       $HOME: empty\n"
)


def run(status: Optional[int] = 0, *, number: Optional[int] = None, **fields: Any) -> dict[str, Any]:
    return {
        "status": None if number else status,
        "signal": number,
        "timed_out": False,
        "mapped": [],
        "stdout": "",
        "stderr": "",
        "exec_error": None,
        **fields,
    }


@pytest.mark.parametrize("status", [0, 1, 2, 3, 255])
def test_any_exit_is_fine_without_smoke(status: int) -> None:
    assert judge_run(run(status, stderr="usage: app FILE\n"), ANY, "app").outcome == (
        f"ran in an empty root: exited with status {status}"
    )


def test_an_endless_application_is_fine_without_smoke() -> None:
    verdict = judge_run(run(None, number=9, timed_out=True), Smoke(None, None, 7), "app")
    assert verdict.warnings == ()
    assert verdict.outcome == "ran in an empty root: is still running after 7 s"


@pytest.mark.parametrize(
    "said",
    [
        TRACEBACK + "ValueError: not mine\n",
        TRACEBACK + "FileNotFoundError: [Errno 2] No such file or directory: '/etc/app.conf'\n",
        TRACEBACK + "PermissionError: [Errno 13] Permission denied: '/var/lib/app'\n",
        TRACEBACK + "ConnectionRefusedError: [Errno 111] Connection refused\n",
        TRACEBACK + "OSError: [Errno 99] Cannot assign requested address\n",
        TRACEBACK + "app.errors.ConfigError: give me a configuration\n",
        "ModuleNotFoundError is an exception of Python's\n",
        "ImportError: said without a traceback\n",
        "Error: file not found\n",
    ],
)
def test_failures_that_say_nothing_of_the_bundle(said: str) -> None:
    assert judge_run(run(1, stderr=said), ANY, "app").outcome.endswith("exited with status 1")


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (TRACEBACK + "ModuleNotFoundError: No module named 'yaml.cyaml'\n", "--hidden-import yaml.cyaml"),
        (TRACEBACK + "ImportError: cannot import name 'x' from 'y'\n", "--smoke ARGS"),
        (
            TRACEBACK + "importlib.metadata.PackageNotFoundError: No package metadata was found for x\n",
            "--copy-metadata",
        ),
        (TRACEBACK + "importlib.metadata.PackageNotFoundError\n", "--copy-metadata"),
        (
            TRACEBACK + f"FileNotFoundError: [Errno 2] No such file or directory: '{BUNDLE}/app/data/x.json'\n",
            "--add-data SOURCE:app/data",
        ),
        (TRACEBACK + f"FileNotFoundError: [Errno 2] No such file: '{BUNDLE}/x.json'\n", "--add-data SOURCE:."),
        *(
            (TRACEBACK + f"FileNotFoundError: [Errno 2] No such file: '{place}/app/x.json'\n", "--add-data SOURCE:app")
            for place in NATIVE
        ),
        (TRACEBACK + "zoneinfo._common.ZoneInfoNotFoundError: 'No time zone found'\n", "--smoke ARGS"),
        ("app: error while loading shared libraries: libx.so.1: cannot open shared object file\n", "--smoke ARGS"),
        ("/x.so: undefined symbol: f\n", "--smoke ARGS"),
        ("libm.so.6: version `GLIBC_2.38' not found (required by x)\n", "--smoke ARGS"),
        ("[PYI-12:ERROR] Failed to load Python shared library\n", "--smoke ARGS"),
    ],
)
def test_failures_of_the_bundle(said: str, advice: str) -> None:
    for stream in ("stdout", "stderr"):
        with pytest.raises(
            VerificationError, match="app does not run in an empty root: it exited with status 1"
        ) as caught:
            judge_run({**run(1), stream: said}, ANY, "app")
        assert advice in (caught.value.hint or "")
        assert said.splitlines()[-1] in (caught.value.why or "")
    assert judge_run(run(0, stderr=said), ANY, "app").outcome.endswith("status 0")


@pytest.mark.parametrize(("number", "name"), [(11, "SIGSEGV"), (6, "SIGABRT"), (4, "SIGILL"), (31, "SIGSYS")])
def test_crashes(number: int, name: str) -> None:
    with pytest.raises(VerificationError, match=f"killed by {name}"):
        judge_run(run(number=number), ANY, "app")


@pytest.mark.parametrize("number", [2, 13, 15])
def test_other_signals_are_the_applications_business(number: int) -> None:
    assert "was killed by" in judge_run(run(number=number), ANY, "app").outcome


def test_smoke() -> None:
    wanted = Smoke(("--version",), 0, 5)
    assert judge_run(run(0), wanted, "app") == ("ran in an empty root: exited with status 0", ())
    for bad in (run(1), run(number=15)):
        with pytest.raises(VerificationError, match="expected status was 0") as caught:
            judge_run(bad, wanted, "app")
        assert "--smoke-status" in (caught.value.hint or "")
    with pytest.raises(VerificationError, match="did not end within 5 s") as caught:
        judge_run(run(None, number=9, timed_out=True), wanted, "app")
    assert "--smoke-timeout" in (caught.value.hint or "")
    assert judge_run(run(3), Smoke(None, 3, 5), "app") == ("ran in an empty root: exited with status 3", ())


def test_a_time_limit_alone() -> None:
    """What still runs then is fine; what ended must have ended well."""
    wanted = Smoke(None, 0, 5, endless=True)
    assert judge_run(run(None, number=9, timed_out=True), wanted, "app").outcome.endswith("running after 5 s")
    assert judge_run(run(0), wanted, "app").outcome.endswith("status 0")
    with pytest.raises(VerificationError, match="expected status was 0"):
        judge_run(run(2), wanted, "app")


def test_a_failure_of_a_learned_run_is_a_warning() -> None:
    """Its arguments are known, and no option is about it."""
    verdict = judge_run(run(1, stderr="what?"), Smoke(("--go",), None, 10), "app --go")
    assert verdict.warnings == ("app --go exited with status 1 in an empty root\n       what?",)


def test_a_failure_without_smoke_is_a_warning() -> None:
    """With the last words of the application, and what to do if it is right."""
    lines = "".join(f"line {number}\n" for number in range(1, 9)) + "PyYAML is needed\n"
    (warning,) = judge_run(run(1, stderr=lines), ANY, "app").warnings
    assert warning.splitlines() == [
        "app exited with status 1 in an empty root, without arguments; if that is right: --smoke-status 1",
        *(f"       line {number}" for number in range(5, 9)),
        "       PyYAML is needed",
    ]
    (warning,) = judge_run(run(3), ANY, "app").warnings
    assert warning.endswith("--smoke-status 3\n       it printed nothing")
    (warning,) = judge_run(run(number=15), ANY, "app").warnings
    assert "was killed by SIGTERM" in warning
    assert judge_run(run(0, stderr=lines), ANY, "app").warnings == ()
    assert judge_run(run(1, stderr=lines), Smoke(None, 1, 5), "app").warnings == ()


MISSING = TRACEBACK + "ModuleNotFoundError: No module named 'yaml'\n"


@pytest.mark.parametrize("smoke", [ANY, Smoke((), 0, 5), Smoke(None, 0, 5, endless=True)])
def test_an_output_on_purpose_is_a_warning(smoke: Smoke) -> None:
    """An application may print what a broken bundle prints."""
    for fields in ({"stdout": MISSING}, {"stderr": MISSING}, {"stdout": f"Exception in thread Thread-1:\n{MISSING}"}):
        verdict = judge_run({**run(0), **fields}, smoke, "app")
        assert verdict.outcome == "ran in an empty root: exited with status 0"
        assert verdict.warnings == (
            "app exited with status 0 in an empty root, but printed: ModuleNotFoundError: No module named 'yaml'",
        )


@pytest.mark.parametrize("start", ["Exception in thread Thread-1 (f):\n", "Process Process-1:\n"])
@pytest.mark.parametrize("ended", [run(0), run(None, number=9, timed_out=True)])
def test_a_thread_that_dies_for_want_of_a_module(start: str, ended: dict[str, Any]) -> None:
    with pytest.raises(VerificationError, match="app does not run") as caught:
        judge_run({**ended, "stderr": f"up\n{start}{MISSING}more\n"}, ANY, "app")
    assert "--hidden-import yaml" in (caught.value.hint or "")


def test_an_expected_status_that_python_ends_with_itself() -> None:
    expected = Smoke(("x",), 1, 5)
    with pytest.raises(VerificationError, match="app does not run in an empty root: it exited with status 1"):
        judge_run(run(1, stderr=MISSING), expected, "app")
    for said in (MISSING + "that is fine\n", "no module: No module named 'yaml'\n"):
        assert judge_run(run(1, stderr=said), expected, "app").outcome.endswith("status 1")
    assert judge_run(run(2, stderr=MISSING), Smoke(("x",), 2, 5), "app").outcome.endswith("status 2")


def test_the_place_of_a_run() -> None:
    assert judge_run(run(0), ANY, "app", where=HOST).outcome == "ran on the host: exited with status 0"
    with pytest.raises(VerificationError, match="app does not run in its own root"):
        judge_run(run(1, stderr=MISSING), ANY, "app", where=IMAGE_ROOT)


def test_exec_error() -> None:
    with pytest.raises(VerificationError, match="cannot be started") as caught:
        judge_run(run(None, exec_error="ENOEXEC: Exec format error"), ANY, "app")
    assert caught.value.why == "ENOEXEC: Exec format error"


@pytest.mark.parametrize("expected", [None, 0, 126])
@pytest.mark.parametrize("said", [LAUNCHER, "error: not enough memory to start Python\n"])
def test_a_launcher_that_cannot_start_the_application_is_no_success(said: str, expected: Optional[int]) -> None:
    with pytest.raises(VerificationError, match="app cannot unpack or start itself") as caught:
        judge_run(run(126, stderr=said), Smoke(None, expected, 5), "app")
    assert said.splitlines()[-1] in (caught.value.why or "")


@pytest.mark.parametrize("more", [{"stdout": LAUNCHER}, {"stderr": "app: error: nothing to do\n"}])
def test_an_application_may_end_as_launchers_do(more: dict[str, Any]) -> None:
    assert judge_run(run(126, **more), ANY, "app").outcome.endswith("status 126")
    assert judge_run(run(0, stderr=LAUNCHER), ANY, "app").outcome.endswith("status 0")


@pytest.mark.parametrize(
    ("path", "fine"),
    [
        ("/tmp/staticx-x/libc.so.6", True),
        (f"{NATIVE[0]}/x.so", True),
        (f"{NATIVE[1]}/x.so", True),
        ("/app/app", True),
        ("/memfd:x (deleted)", True),
        ("/dev/shm/sem (deleted)", True),
        ("/SYSV00000000 (deleted)", True),
        ("/lib/x86_64-linux-gnu/libc.so.6", False),
        ("/usr/lib/locale/locale-archive", False),
    ],
)
def test_mapped_files(path: str, fine: bool) -> None:
    if fine:
        judge_run(run(mapped=[path]), ANY, "app")
    else:
        with pytest.raises(VerificationError, match="outside its bundle") as caught:
            judge_run(run(mapped=[path]), ANY, "app")
        assert caught.value.why == path


def load(libraries: dict[str, Optional[str]], *problems: str) -> dict[str, Any]:
    return {"file": "/bundle/_internal/x.so", "libraries": libraries, "problems": list(problems)}


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (load({"libgone.so.1": None}), "_internal/x.so needs libgone.so.1, which is not in the bundle"),
        (
            load({"libc.so.6": "/lib/libc.so.6"}),
            "_internal/x.so takes libc.so.6 from /lib/libc.so.6, outside the bundle",
        ),
        (load({}, "version `GLIBC_2.99' not found"), "_internal/x.so: version `GLIBC_2.99' not found"),
    ],
)
def test_loads_that_fail(one: dict[str, Any], words: str) -> None:
    with pytest.raises(VerificationError, match="app is not complete") as caught:
        judge_loads([one, one], frozenset(), "app")
    assert caught.value.why == words


@pytest.mark.parametrize(
    "one",
    [
        load({"libc.so.6": "/bundle/libc.so.6", "linux-vdso.so.1": "linux-vdso.so.1"}),
        load({}, "undefined symbol: PyExc_ValueError (/bundle/_internal/x.so)"),
        load({"libknown.so.1": None}, "libknown.so.1: cannot open shared object file"),
    ],
)
def test_loads_that_are_fine(one: dict[str, Any]) -> None:
    judge_loads([one], frozenset({"libknown.so.1"}), "app")
