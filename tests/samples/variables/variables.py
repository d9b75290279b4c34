"""Says how Python was set by its variables, and does what they change; the words after its name say what."""

import json
import os
import sys
import time

COMMANDS = {}


def command(function):
    COMMANDS[function.__name__] = function
    return function


@command
def flags():
    """What the interpreter was told."""
    import faulthandler
    import tracemalloc
    import warnings

    names = [name for name in dir(sys.flags) if name[0] != "_" and name[:2] != "n_" and name not in ("count", "index")]
    return {
        "flags": {name: getattr(sys.flags, name) for name in names},
        "xoptions": sys._xoptions,
        "warnoptions": sys.warnoptions,
        "filters": len(warnings.filters),
        "hash": hash("freezer"),
        "seed": os.environ.get("PYTHONHASHSEED"),
        "streams": [[s.encoding, s.errors, s.line_buffering, s.write_through] for s in (sys.stdout, sys.stderr)],
        "file system": [sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()],
        "faulthandler": faulthandler.is_enabled(),
        "tracemalloc": tracemalloc.get_traceback_limit(),
        "digits": getattr(sys, "get_int_max_str_digits", int)(),
        "cpus": os.cpu_count(),
        "positions": hasattr(flags.__code__, "co_positions") and any(p[2] for p in flags.__code__.co_positions()),
        "pycache": sys.pycache_prefix,
        "names": sorted(vars(sys.modules["__main__"])),
    }


@command
def environ():
    """What it sees, and its children."""
    import subprocess

    child = subprocess.run(sys.argv[2:], capture_output=True, check=False).stdout if sys.argv[2:] else b""
    return [sorted(map(list, os.environ.items())), os.fsdecode(child)]


@command
def asynchronous():
    import asyncio

    async def debug():
        return asyncio.get_running_loop().get_debug()

    return asyncio.run(debug())


@command
def stop():
    breakpoint()
    return "behind"


@command
def own_stop():
    os.environ["PYTHONBREAKPOINT"] = "sys.getrecursionlimit"
    return breakpoint()


@command
def asserts():
    assert sys.argv[1:] != ["asserts"], "kept"
    return "left out"


@command
def zones():
    import logging

    record = logging.LogRecord("x", 20, "x", 1, "x", (), None)
    record.created = 1750000000
    record.msecs = 0
    first = [logging.Formatter().formatTime(record), time.tzname, time.strftime("%Z", time.localtime(0))]
    os.environ["TZ"] = "Asia/Kolkata"
    time.tzset()
    places = ["/tmp", "/dev/shm", "/var/tmp"]
    left = [
        name for place in places if os.path.isdir(place) for name in os.listdir(place) if name.startswith(".freezer")
    ]
    return first, time.tzname, os.environ.get("TZDIR"), left


@command
def names():
    import socket

    def of(function, *arguments):
        try:
            return function(*arguments)
        except OSError as error:
            return str(error)

    return [
        of(socket.getservbyname, "https"),
        of(socket.getservbyname, "domain", "udp"),
        of(socket.getservbyname, "https", "sctp"),
        of(socket.getservbyname, "no-such"),
        of(socket.getservbyport, 22),
        of(socket.getservbyport, 53, "udp"),
        of(socket.getprotobyname, "icmp"),
        of(socket.getprotobyname, "TCP"),
        of(socket.getprotobyname, "no-such"),
        of(socket.getaddrinfo, "127.0.0.1", "http"),
        of(socket.getaddrinfo, "127.0.0.1", "domain"),
        of(socket.getaddrinfo, "::1", "https", 0, socket.SOCK_STREAM),
        of(socket.getaddrinfo, "127.0.0.1", "no-such"),
        of(socket.getaddrinfo, "127.0.0.1", "ntp", 0, socket.SOCK_STREAM),
    ]


@command
def sources():
    """Import a module that is a file in the tree, and one beside the application."""
    import importlib.util

    sys.path.insert(0, sys.argv[2])
    beside = __import__("beside")
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "plugin.py")
    spec = importlib.util.spec_from_file_location("plugin", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    places = (os.path.dirname(path), sys.argv[2])
    return module.VALUE, beside.VALUE, [os.path.isdir(os.path.join(place, "__pycache__")) for place in places]


@command
def readers():
    """Modules that read variables themselves."""
    import sysconfig
    import xml.dom
    import xml.sax

    dom = type(xml.dom.getDOMImplementation()).__module__
    return [sysconfig.get_config_var("SOABI"), dom, xml.sax.default_parser_list]


@command
def given():
    """What its caller has set besides, and the frames below this one."""
    import inspect
    import signal

    umask = os.umask(0o77)
    return {
        "umask": umask,
        "blocked": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
        "ignored": sorted(int(number) for number in signal.Signals if signal.getsignal(number) is signal.SIG_IGN),
        "frames": [item.function for item in inspect.stack(0)],
    }


@command
def shared():
    """A tracker of shared memory, which is a process of its own."""
    os.environ["PYTHONWARNINGS"] = "ignore"
    from multiprocessing import shared_memory

    memory = shared_memory.SharedMemory(create=True, size=8)
    # So that its process has begun.
    time.sleep(1)
    memory.close()
    memory.unlink()
    return "done"


if __name__ == "__main__":
    print(json.dumps(COMMANDS[sys.argv[1]](), sort_keys=True, default=str))
