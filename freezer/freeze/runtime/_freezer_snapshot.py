"""Saves the application as a memory snapshot behind its imports, and makes a restored process the one that was started.

The launcher has started this process for that only (freezer/link/launcher/make.c), with no more of the environment than
the snapshot may depend on. Each later start of the application goes on here, with the memory of this process, so
whatever tells one start from another is set right then: arguments, environment, streams, signals, and what must not be
the same in two processes, such as random numbers. As in the child of a fork, functions that were registered for that
run (os.register_at_fork): who holds more such state learns of it so.
"""

import os
import posix
import sys

import _freezer_archive
import _freezer_processes
import _freezer_runner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any, NoReturn, Optional

    from _freezer_leaving import Leaving

    Told = tuple[list[bytes], list[bytes], str, int, bool, bool]

BEFORE, BEHIND = "_freezer_before_boundary", "_freezer_behind_boundary"
"""The parts of the main script's code: its first imports, and the rest."""
SIGINT, LAST_SIGNAL = 2, 64

first: "dict[bytes, bytes]" = {}
"""The environment that the application was started with."""


leavings: "list[Leaving]" = []
"""What happens at the exit of the restored processes: one."""


def begin(early: bool) -> None:
    """Note what the environment is before anything of the application, or of its preparation, changes it. With
    ``early``, restored processes leave early."""
    import _freezer_leaving

    first.update(_data())
    leavings.append(_freezer_leaving.Leaving(early))


def _data() -> "dict[bytes, bytes]":
    """The dictionary that os.environ and os.environb show."""
    data: dict[bytes, bytes] = os.environ._data  # type: ignore[attr-defined]
    return data


def save_and_resume(file: str) -> "CodeType":
    """Run the first imports, and save this process in a file, which ends it. Return in each restored process, with the
    code to run."""
    whole = _freezer_runner.main_code(_freezer_processes.main_script)
    parts = [_part(name, whole.co_filename) for name in (BEFORE, BEHIND)]
    exec(parts[0], sys.modules["__main__"].__dict__)
    data = _data()
    changes = {name: data.get(name) for name in {*data, *first} if data.get(name) != first.get(name)}
    saver = _saver()
    leavings[0].begin(saver, _prepare(file))
    entry = os.path.dirname(os.path.dirname(_freezer_archive.bundle))
    told: Told = saver.save(os.fsencode(file) + b"\0" + os.fsencode(entry) + b"/used\0")
    _set_right(told, changes, saver)
    return parts[1]


def _part(name: str, path: str) -> "CodeType":
    archive = next(item for item in _freezer_archive.archives if name in item.toc)
    code = archive.code(name, path)
    assert code is not None
    return code


def _saver() -> "Any":
    """The module in C that saves this process."""
    import _imp
    from _frozen_importlib import ModuleSpec

    path = os.path.dirname(_freezer_archive.bundle) + "/save.so"
    spec = ModuleSpec("_freezer_save", None, origin=path)
    module = _imp.create_dynamic(spec)
    _imp.exec_dynamic(module)
    return module


# Before saving


def _prepare(file: str) -> bool:
    """Make this process one that can be saved, or end it with a reason in the file. Return whether its objects are
    frozen."""
    import gc

    import _freezer_savable

    for archive in _freezer_archive.archives:
        archive.close()
    gc.collect()
    objects = gc.get_objects()
    reason = _freezer_savable.reason_against(objects)
    if reason:
        with open(file, "w", encoding="utf-8", errors="backslashreplace") as out:
            out.write(reason + "\n")
        os._exit(1)
    frozen = not _freezer_savable.is_end_noticed(objects)
    if frozen:
        # The collector would write to all of them at the end, and so have their pages copied.
        gc.freeze()
    del objects
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    # In a plain start there are no such modules.
    for name in ("_freezer_save", "_freezer_savable", "_freezer_leaving", __name__):
        sys.modules.pop(name, None)
    return frozen


# In a restored process


def _set_right(told: "Told", changes: "dict[bytes, Optional[bytes]]", saver: "Any") -> None:
    """Make what was saved this process's own."""
    argv, variables, path, ignored, tested, tried = told
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
    leavings[0].thaw_main()
    if tested:
        os._exit(0)
    if tried:
        import atexit

        atexit.register(saver.end)
        _freezer_processes.on_execute.append(saver.end)
        _tell_of_exit(saver.end)
    _freezer_processes.become_interpreter_if_asked()


def _tell_of_exit(end: "Any") -> None:
    """Have os._exit tell first that it is no crash."""
    leave = posix._exit

    def tell_and_leave(status: int) -> "NoReturn":
        end()
        leave(status)

    os._exit = posix._exit = tell_and_leave


def _set_environment(variables: "list[bytes]", changes: "dict[bytes, Optional[bytes]]") -> None:
    """The C library has it already. What the imports have changed, they would have changed here, too."""
    data = _data()
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
        if module is not None:
            function(module)


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
    "numpy.random": _seed_numpy,
    "tempfile": _forget_names,
    "platform": _forget_system,
    "uuid": _forget_time,
    "multiprocessing.process": _make_key,
    "logging": _begin_log,
    "threading": _number_thread,
}
"""{module: what is called with it in a restored process, if the imports have imported it}."""
