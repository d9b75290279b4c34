"""Makes a process that was restored from a memory snapshot the one that was started.

Whatever tells one start from another is set right: arguments, environment, streams, signals, and what must not be the
same in two processes, such as random numbers. As in the child of a fork, functions that were registered for that have
run (os.register_at_fork): who holds more such state learns of it so.
"""

import os
import posix
import sys

import _freezer_boundary
import _freezer_processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    Told = tuple[list[bytes], list[bytes], str, int, bool, bool]

SIGINT, LAST_SIGNAL = 2, 64


def environment() -> "dict[bytes, bytes]":
    """The dictionary that os.environ and os.environb show."""
    data: dict[bytes, bytes] = os.environ._data  # type: ignore[attr-defined]
    return data


def set_right(told: "Told", changes: "dict[bytes, Optional[bytes]]") -> None:
    """Make what was saved this process's own. ``told`` is what the C library's part has found out about it, ``changes``
    what the imports have changed in the environment."""
    argv, variables, path, ignored, _, _ = told
    _set_environment(variables, changes)
    sys.argv[:] = [os.fsdecode(item) for item in argv]
    sys.executable = sys._base_executable = path  # type: ignore[attr-defined]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = [path, *sys.argv[1:]]
    _freezer_processes.called, _freezer_processes.own = sys.argv[0] if sys.argv else "", sys.argv[1:]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        _set_stream(number, name)
    _set_signals(ignored)
    _set_modules()


def _set_environment(variables: "list[bytes]", changes: "dict[bytes, Optional[bytes]]") -> None:
    """The C library has it already. What the imports have changed, they would have changed here, too."""
    data = environment()
    given: dict[bytes, bytes] = {}
    for item in variables:
        name, sign, value = item.partition(b"=")
        if sign:
            given.setdefault(name, value)
    for known in (data, posix.environ):
        known.clear()
        known.update(given)
    for name, changed in changes.items():
        text = os.fsdecode(name)
        if changed is not None:
            os.environ[text] = os.fsdecode(changed)
        elif name in data:
            del os.environ[text]


def _set_stream(number: int, name: str) -> None:
    """Make a standard stream as Python does when it starts; in place, for those who have kept it."""
    stream: Any = getattr(sys, "__%s__" % name)
    try:
        posix.fstat(number)
    except OSError:
        if getattr(sys, name) is stream:
            setattr(sys, name, None)
        setattr(sys, "__%s__" % name, None)
        return
    try:
        buffer = stream.buffer
    except (AttributeError, ValueError):
        # The imports have taken it apart.
        return
    import _io

    mode = "wb" if number else "rb"
    # A new one: the old one keeps what it has found out about the old file, such as whether it can seek.
    raw = _io.FileIO(number, mode, closefd=False)
    raw.name = "<%s>" % name
    direct = isinstance(buffer, _io.FileIO)
    if direct:
        buffer = raw
    else:
        buffer.__init__(raw)
    by_line = stream.line_buffering or (not direct and (number == 2 or raw.isatty()))
    stream.__init__(buffer, stream.encoding, stream.errors, "\n", by_line, stream.write_through)
    stream.mode = mode[0]


def _set_signals(ignored: int) -> None:
    """Have Python know of the signals that the caller ignores."""
    import _signal  # type: ignore[import-not-found]

    for number in range(1, LAST_SIGNAL + 1):
        if not ignored >> number - 1 & 1:
            continue
        handler = _signal.getsignal(number)
        if number == SIGINT and handler not in (_signal.default_int_handler, _signal.SIG_IGN):
            # The imports have set it, whatever it was.
            _signal.signal(number, _signal.SIG_DFL if handler is None else handler)
        else:
            _signal.signal(number, _signal.SIG_IGN)


def _set_modules() -> None:
    """Set right what modules have kept that belongs to one process. What they registered for a fork has run already:
    ``random`` has seeded itself."""
    import time

    time.tzset()
    for name, function in MODULES.items():
        module = sys.modules.get(name)
        if module is None:
            continue
        try:
            function(module)
        except AttributeError:
            # The imports ended inside of it, so it makes later what it does not have yet.
            if not _freezer_boundary.is_unfinished(module):
                raise


def _seed_openssl(ssl: "Any") -> None:
    ssl.RAND_add(posix.urandom(48), 48.0)


def _seed_numpy(random: "Any") -> None:
    random.seed()


def _forget_names(tempfile: "Any") -> None:
    tempfile._name_sequence = None


def _forget_system(platform: "Any") -> None:
    platform._uname_cache = None


def _forget_time(uuid: "Any") -> None:
    uuid._last_timestamp = None


def _make_key(process: "Any") -> None:
    process._current_process._config["authkey"] = process.AuthenticationString(posix.urandom(32))
    try:
        process.ORIGINAL_DIR = os.path.abspath(posix.getcwd())
    except OSError:
        process.ORIGINAL_DIR = None


def _begin_log(logging: "Any") -> None:
    import time

    # From Python 3.13 on it is in nanoseconds.
    logging._startTime = time.time_ns() if isinstance(logging._startTime, int) else time.time()


def _number_thread(threading: "Any") -> None:
    main = threading.main_thread()
    if hasattr(main, "_set_native_id"):
        main._set_native_id()


MODULES = {
    "_ssl": _seed_openssl,
    "numpy.random.mtrand": _seed_numpy,
    "tempfile": _forget_names,
    "platform": _forget_system,
    "uuid": _forget_time,
    "multiprocessing.process": _make_key,
    "logging": _begin_log,
    "threading": _number_thread,
}
"""{module: what is called with it in a restored process, if the imports have imported it}."""
