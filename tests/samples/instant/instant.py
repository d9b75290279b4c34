"""Tells all about the process that it runs in, for a comparison of ways to start it."""

import argparse
import asyncio
import atexit
import concurrent.futures
import contextlib
import ctypes
import decimal
import gc
import inspect
import json
import locale
import logging
import multiprocessing
import os
import posix
import random
import resource
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import uuid
import warnings

IMPORTED = time.time()
"""When the imports had ended, as the script behind them sees it."""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    return COMMANDS[arguments.command](*arguments.words)


def values():
    """Print values that must not be the same in two starts, a line each."""
    for value in (
        random.random(),
        random.SystemRandom().random(),
        secrets.token_hex(8),
        uuid.uuid1(),
        uuid.uuid4(),
        ssl.RAND_bytes(8).hex(),
        os.urandom(8).hex(),
        tempfile.mktemp(),
        next(tempfile._get_candidate_names()),
        bytes(multiprocessing.current_process().authkey).hex(),
        os.getpid(),
    ):
        print(value)


def describe(stream):
    if stream is None:
        return None
    names = "name mode encoding errors line_buffering write_through newlines closed".split()
    found = {name: getattr(stream, name, "?") for name in names}
    raw = getattr(stream.buffer, "raw", stream.buffer)
    found.update(terminal=stream.isatty(), number=stream.fileno(), buffer=type(stream.buffer).__name__)
    found.update(raw_name=raw.name, raw_mode=raw.mode, closes=raw.closefd, seekable=stream.seekable())
    return found


def read(path):
    try:
        with open(path, "rb") as file:
            # The launcher blanks its own variables.
            return file.read().decode("utf-8", "backslashreplace").rstrip("\0")
    except OSError as error:
        return str(error)


def fail():
    raise ValueError("on purpose")


def state():
    """Print what this process knows of itself."""
    try:
        fail()
    except ValueError:
        text = traceback.format_exc()
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    me = sys.modules["__main__"]
    files = sorted(name for name in map(int, os.listdir("/proc/self/fd")) if is_open(name))
    found = {
        "argv": sys.argv,
        "orig_argv": getattr(sys, "orig_argv", None),
        "executable": [sys.executable, sys._base_executable],
        "prefix": [sys.prefix, sys.exec_prefix, sys.path, getattr(sys, "_MEIPASS", None)],
        "flags": [str(sys.flags), sys._xoptions, sys.warnoptions],
        "environ": dict(os.environ),
        "environb": sorted(map(repr, os.environb.items())),
        "posix": sorted(map(repr, posix.environ.items())),
        "getenv": [str(getenv(name)) for name in (b"HOME", b"OTHER", b"LC_CTYPE", b"NOT_SET")],
        "streams": [describe(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "original": [sys.__stdin__ is sys.stdin, sys.__stdout__ is sys.stdout, sys.__stderr__ is sys.stderr],
        "signals": [str(signal.getsignal(number)) for number in range(1, 65) if number not in (32, 33)],
        "blocked": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
        "cwd": os.getcwd(),
        "umask": umask(),
        "limits": [resource.getrlimit(number) for number in range(16)],
        "priority": [os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0), sorted(os.sched_getaffinity(0))],
        "ids": [os.getpid() == threading.get_native_id() == threading.main_thread().native_id, os.getuid(), os.geteuid()],
        "threads": [thread.name for thread in threading.enumerate()] + os.listdir("/proc/self/task")[1:],
        "process": [multiprocessing.current_process().name, len(multiprocessing.current_process().authkey)],
        "times": [abs(time.time() - item) < 60 for item in (IMPORTED, log_start())] + [time.tzname, time.timezone],
        "now": [time.monotonic() > 0, time.perf_counter() > 0, time.strftime("%Z", time.localtime(0))],
        "locale": [locale.setlocale(locale.LC_ALL), sys.getfilesystemencoding(), locale.getpreferredencoding(False)],
        "gc": [gc.isenabled(), gc.get_threshold()],
        "modules": sorted(sys.modules),
        "finders": [str(type(item)) for item in sys.meta_path] + [str(item) for item in sys.path_hooks],
        "main": [me.__name__, me.__file__, me.__doc__, me.__package__, str(me.__spec__), type(me.__loader__).__name__],
        "names": sorted(vars(me)),
        "frames": [[item.function, item.lineno, item.code_context] for item in inspect.stack()],
        "source": inspect.getsource(describe),
        "lines": [main.__code__.co_firstlineno, main.__code__.co_filename, text],
        "filters": [str(item) for item in warnings.filters],
        "recursion": sys.getrecursionlimit(),
        "decimal": str(decimal.getcontext()),
        "temporary": tempfile.gettempdir(),
        "files": files,
        "named": [read("/proc/self/comm"), read("/proc/self/cmdline"), read("/proc/self/environ")],
    }
    json.dump(found, sys.stdout, indent=1, default=str)


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def log_start():
    start = logging._startTime
    return start / 1e9 if isinstance(start, int) else start


def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def double(number):
    return 2 * number


def work():
    """Print the results of all that starts threads and processes."""
    results = {}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results["threads"] = list(pool.map(double, range(4)))
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            results[method] = pool.map(double, range(3))
    results["subprocess"] = subprocess.run(["echo", "out"], capture_output=True, text=True).stdout
    python = subprocess.run([sys.executable, "-c", "import sys; print(sys.argv)"], capture_output=True, text=True)
    results["python"] = python.stdout
    # A shell's command line is not seen by what decides whether an interpreter is wanted.
    results["shell"] = subprocess.getoutput("env -u FREEZER_DEBUG '%s' -c 'print(1 + 1)'" % sys.executable)
    process = os.fork()
    if process == 0:
        os._exit(7)
    results["fork_status"] = os.waitpid(process, 0)[1]

    async def both():
        return await asyncio.gather(asyncio.sleep(0.001, "a"), asyncio.to_thread(double, 3))

    results["asyncio"] = asyncio.run(both())
    one, other = socket.socketpair()
    one.sendall(b"over the socket")
    results["socket"] = other.recv(100).decode()
    results["context"] = ssl.create_default_context().verify_mode.name
    with tempfile.TemporaryDirectory() as folder:
        results["folder"] = os.path.isdir(folder)
    called = []
    signal.signal(signal.SIGUSR1, lambda number, frame: called.append(number))
    os.kill(os.getpid(), signal.SIGUSR1)
    results["signal"] = called
    import http.client  # not among the first imports

    results["late"] = http.client.HTTPConnection.__name__
    print(json.dumps(results, indent=1))


class Ending:
    def __del__(self):
        print("deleted")


def leave(how):
    """End in a certain way."""
    print("begin")
    atexit.register(print, "exit function")
    globals()["ending"] = Ending()
    threading.Thread(target=lambda: (time.sleep(0.05), print("thread"))).start()
    if how == "raise":
        fail()
    elif how == "text":
        sys.exit("a text")
    elif how == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    elif how == "at once":
        sys.stdout.flush()
        os._exit(4)
    elif how == "execute":
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "leave", "well"])
    elif how == "stdio":
        ctypes.CDLL(None).printf(b"by C\n")
    elif how == "file":
        globals()["unclosed"] = open("/dev/stdout", "w")
        unclosed.write("from a buffer\n")  # noqa: F821
    elif how == "library":
        json.later = [Ending(), open("/dev/stdout", "w")]
        json.later[1].write("from a buffer\n")
    elif how == "cycle":
        json.later = later = [Ending()]
        later.append(later)
    elif how == "reader":
        print(sys.stdin.read())
    elif how == "pipe":
        with contextlib.suppress(KeyError):
            print("x" * 1000000)
    return 3


COMMANDS = {"values": values, "state": state, "work": work, "leave": leave}

if __name__ == "__main__":
    sys.exit(main())
