"""An application that says how it was started, and does what applications do; the words after its name say what.

What it finds out it writes as JSON, to standard output or to the file that PROBE_REPORT names.
"""

import json
import os
import signal
import sys
import time

COMMANDS = {}


def command(function):
    COMMANDS[function.__name__] = function
    return function


def say(found):
    text = json.dumps(found) + "\n"
    where = os.environ.get("PROBE_REPORT")
    if where is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        with open(where + ".new", "w") as file:
            file.write(text)
        os.chmod(where + ".new", 0o644)
        os.rename(where + ".new", where)


def read(path):
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.read())
    except OSError:
        return None


def signals(name):
    for line in (read("/proc/self/status") or "").splitlines():
        if line.startswith(name + ":"):
            bits = int(line.split()[1], 16)
            return [number for number in range(1, 65) if bits >> (number - 1) & 1]
    return None


def descriptors():
    found = {}
    for number in range(64):
        try:
            os.fstat(number)
        except OSError:
            continue
        try:
            found[number] = os.readlink("/proc/self/fd/%d" % number)
        except OSError:
            found[number] = "?"
    return found


@command
def report(*rest):
    """How it was started."""
    mask = os.umask(0)
    os.umask(mask)
    environment = read("/proc/self/environ")
    say(
        {
            "version": sys.version_info[:3],
            "pid": os.getpid(),
            "ppid": os.getppid(),
            "argv": sys.argv,
            "orig_argv": getattr(sys, "orig_argv", None),
            "executable": sys.executable,
            "base_executable": sys._base_executable,
            "environ": [os.fsdecode(k + b"=" + v) for k, v in os.environb.items()],
            "proc_environ": None if environment is None else environment.split("\0"),
            "umask": mask,
            "blocked": signals("SigBlk"),
            "ignored": signals("SigIgn"),
            "caught": signals("SigCgt"),
            "descriptors": descriptors(),
            "comm": read("/proc/self/comm"),
            "cmdline": read("/proc/self/cmdline"),
            "exe": os.path.exists("/proc/self/exe") and os.readlink("/proc/self/exe"),
            "threads": os.path.exists("/proc/self/task") and len(os.listdir("/proc/self/task")),
            "children": read("/proc/thread-self/children"),
            "code": sorted({line.split(None, 5)[5] for line in (read("/proc/self/maps") or "").splitlines() if "/" in line and "x" in line.split()[1]}),
            "flags": repr(sys.flags),
            "path": sys.path,
            "prefix": sys.prefix,
            "cwd": os.getcwd(),
            "json": json.__file__,
            "file": __file__,
            "frozen": getattr(sys, "frozen", None),
            "bundle": getattr(sys, "_MEIPASS", None),
            "modules": sorted(sys.modules),
            "warnings": sys.warnoptions,
            "encodings": [sys.getfilesystemencoding(), sys.stdout.encoding if sys.stdout else None],
        }
    )


@command
def child(*words):
    """What a program that it starts prints, and how that ends."""
    import subprocess

    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True)
    say({"status": done.returncode, "stdout": os.fsdecode(done.stdout), "stderr": os.fsdecode(done.stderr)})


@command
def again(*words):
    """Start itself, as sys.executable and as sys.argv[0]."""
    import subprocess

    for name in (sys.executable, sys.argv[0]):
        subprocess.run([name, *words], check=True)


@command
def ends(what, value):
    if what == "exit":
        sys.exit(int(value))
    signal.signal(int(value), signal.SIG_DFL) if int(value) not in (9, 19) else None
    os.kill(os.getpid(), int(value))


@command
def catch():
    """Say which signals come, until SIGTERM does, by which number it then ends."""
    def handle(number, frame):
        os.write(1, b"%d\n" % number)
        if number == signal.SIGTERM:
            sys.exit(100 + number)

    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, handle)
    os.write(1, b"ready\n")
    while True:
        signal.pause()


@command
def wait():
    """Wait for a signal, and have no handler but Python's own; answer to each line."""
    os.write(1, b"ready\n")
    while os.read(0, 1):
        os.write(1, b"alive\n")


@command
def interrupts():
    """Count the Ctrl-C of a terminal."""
    count = 0
    for seconds in (600, 1):
        try:
            if not count:
                os.write(1, b"ready\n")
            time.sleep(seconds)
        except KeyboardInterrupt:
            count += 1
    os.write(1, b"count %d\n" % count)


@command
def reap():
    """As the first process of a system: adopt orphans."""
    import subprocess

    subprocess.run(["/bin/sh", "-c", "(sleep 0.1; exit 5) & (sleep 0.1; exit 6) &"], check=True)
    statuses = []
    while True:
        try:
            statuses.append(os.waitstatus_to_exitcode(os.wait()[1]))
        except ChildProcessError:
            break
    say({"pid": os.getpid(), "statuses": sorted(statuses)})


def modules():
    """Import much, and say of each what came of it."""

    def database():
        import sqlite3

        return sqlite3.connect(":memory:").execute("select 42").fetchone()

    def network():
        import ssl

        return ssl.create_default_context()

    def extensions():
        import ctypes
        import decimal

        return ctypes.sizeof(ctypes.c_int), decimal.Decimal(1)

    def many():
        import email.mime.text
        import wsgiref.util
        import xml.dom.minidom

        return xml.dom.minidom.parseString("<a/>"), email.mime.text.MIMEText("x"), wsgiref.util.FileWrapper

    def package():
        import inside.deep.leaf

        return inside.deep.leaf.answer()

    found = {}
    for function in (database, network, extensions, many, package):
        try:
            function()
            found[function.__name__] = None
        except Exception as error:
            found[function.__name__] = "%s: %s" % (type(error).__name__, error)
    return found


@command
def lazy():
    """Import only once a line comes."""
    os.write(1, b"ready\n")
    sys.stdin.readline()
    say(modules())


@command
def gconv():
    """Have the C library convert from an encoding that it does not know."""
    import ctypes

    opened = ctypes.CDLL(None).iconv_open
    opened.restype = ctypes.c_void_p
    say(ctypes.c_ssize_t(opened(b"UTF-8", b"PLANTED")).value)


@command
def daemon(stop):
    """Leave the caller, close everything, and import and report then; last until a file appears."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.closerange(0, 1024)
    # Others take the numbers of what was closed.
    for _ in range(12):
        os.open("/dev/null", os.O_RDWR)
    say({"pid": os.getpid(), "modules": modules()})
    while not os.path.exists(stop):
        time.sleep(0.02)


def work(number):
    import decimal

    return str(decimal.Decimal(number) / 8)


@command
def processes():
    """Everything that makes processes and threads of its own code."""
    import multiprocessing
    import threading
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

    found = {}
    for method in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            found[method] = pool.map_async(work, range(3)).get(60)
        with ProcessPoolExecutor(2, mp_context=context) as executor:
            found["executor " + method] = list(executor.map(work, range(3), timeout=60))
    with ThreadPoolExecutor(4) as executor:
        found["threads"] = list(executor.map(work, range(3)))
    results = []
    threads = [threading.Thread(target=lambda: results.append(work(1))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found["more threads"] = results
    with multiprocessing.Manager() as manager:
        shared = manager.dict(a=1)
        found["manager"] = dict(shared)
    say(found)


def attempt(function):
    try:
        return function()
    except Exception as error:
        return "%s: %s" % (type(error).__name__, error)


@command
def facilities(folder):
    """What Python offers to look at itself, and to extend itself: with plain Python it is the same.

    ``folder`` is an empty directory.
    """
    import contextlib
    import ctypes
    import ctypes.util
    import importlib
    import importlib.metadata
    import importlib.resources
    import importlib.util
    import inspect
    import io
    import pkgutil
    import runpy
    import traceback
    import warnings
    import zipfile
    import zipimport

    import inside
    import inside.deep.leaf

    def captured(function, *arguments, **keywords):
        stream = io.StringIO()
        with contextlib.redirect_stdout(stream):
            function(*arguments, **keywords)
        return stream.getvalue()

    def as_file():
        with importlib.resources.as_file(importlib.resources.files("inside") / "data.txt") as path:
            return [path.name, path.read_text()]

    def zipped():
        with zipfile.ZipFile(folder + "/own.zip", "w") as archive:
            archive.writestr("zipped.py", "VALUE = 'from a zip'\n")
            archive.writestr("zipped_package/__init__.py", "")
            archive.writestr("zipped_package/inner.py", "VALUE = 'deeper'\n")
        sys.path.insert(0, folder + "/own.zip")
        import zipped
        import zipped_package.inner

        loader = zipimport.zipimporter(folder + "/own.zip")
        sys.path.remove(folder + "/own.zip")
        return [zipped.VALUE, zipped_package.inner.VALUE, type(zipped.__loader__).__name__, loader.is_package("zipped")]

    def shadowed():
        os.mkdir(folder + "/plugins")
        for name in ("colorsys", "plugin"):
            with open(folder + "/plugins/%s.py" % name, "w") as file:
                file.write("import json\nVALUE = %r\n" % name)
        sys.path.insert(0, folder + "/plugins")
        import colorsys
        import plugin
        import module_that_is_not_there  # noqa

    def shadow_values():
        try:
            shadowed()
            problem = None
        except ImportError as error:
            problem = str(error)
        try:
            import colorsys
            import plugin

            return [colorsys.VALUE, plugin.VALUE, inspect.getsource(plugin), problem]
        finally:
            sys.path.remove(folder + "/plugins")
            del sys.modules["colorsys"]

    def appended():
        os.mkdir(folder + "/later")
        with open(folder + "/later/late.py", "w") as file:
            file.write("VALUE = 'late'\n")
        with open(folder + "/later/json.py", "w") as file:
            file.write("VALUE = 'never'\n")
        sys.path.append(folder + "/later")
        try:
            del sys.modules["json"]
            import json as found
            import late

            return [late.VALUE, hasattr(found, "VALUE")]
        finally:
            sys.path.remove(folder + "/later")

    def extended():
        os.makedirs(folder + "/more/inside_more")
        with open(folder + "/more/extra.py", "w") as file:
            file.write("VALUE = 'extra'\n")
        inside.__path__.append(folder + "/more")
        return importlib.import_module("inside.extra").VALUE

    def apart():
        """A namespace package whose second directory comes later."""
        import apart.here

        os.makedirs(folder + "/second/apart")
        with open(folder + "/second/apart/there.py", "w") as file:
            file.write("VALUE = 'there'\n")
        before = len(list(apart.__path__))
        sys.path.append(folder + "/second")
        try:
            there = importlib.import_module("apart.th" + "ere")
        finally:
            sys.path.remove(folder + "/second")
        return [apart.here.VALUE, there.VALUE, before, type(apart.__path__).__name__, type(apart.__loader__).__name__]

    def by_location():
        with open(folder + "/located.py", "w") as file:
            file.write("VALUE = __name__\n")
        spec = importlib.util.spec_from_file_location("somewhere.located", folder + "/located.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return [module.VALUE, runpy.run_path(folder + "/located.py", run_name="x")["VALUE"]]

    def warned():
        stream = io.StringIO()
        with contextlib.redirect_stderr(stream):
            warnings.warn("something")
            warnings.warn("old", DeprecationWarning)
        return stream.getvalue().splitlines()[:1] != [] and "something" in stream.getvalue()

    def plugins():
        found = importlib.metadata.entry_points()
        selected = found.select(group="probe.plugins") if hasattr(found, "select") else found["probe.plugins"]
        return [[item.name, item.value, item.load()()] for item in selected]

    def resources():
        top = importlib.resources.files("inside")
        return sorted(item.name for item in top.iterdir() if item.name.endswith(".txt"))

    def formatted():
        try:
            inside.deep.leaf.missing  # noqa
        except AttributeError:
            return traceback.format_exc().splitlines()[-1]

    def reloaded():
        importlib.reload(inside.deep.leaf)
        return inside.deep.leaf.answer()

    found = {
        "iter_modules": lambda: sorted(item.name for item in pkgutil.iter_modules(inside.__path__)),
        "iter_modules prefix": lambda: sorted(
            (item.name, item.ispkg) for item in pkgutil.iter_modules(inside.__path__, "inside.")
        ),
        "walk_packages": lambda: sorted(item.name for item in pkgutil.walk_packages(inside.__path__, "inside.")),
        "some top modules": lambda: sorted(
            item.name for item in pkgutil.iter_modules() if item.name in ("inside", "json", "decimal")
        ),
        "get_data": lambda: pkgutil.get_data("inside", "data.txt").decode(),
        "find_spec": lambda: [
            importlib.util.find_spec(name) is not None for name in ("inside.deep", "inside.none", "json.decoder", "nothing")
        ],
        "resolve_name": lambda: pkgutil.resolve_name("inside.deep.leaf:answer")(),
        "resources": resources,
        "read_text": lambda: importlib.resources.files("inside").joinpath("data.txt").read_text(),
        "as_file": as_file,
        "version": lambda: importlib.metadata.version("probe-inside"),
        "entry points": plugins,
        "getdoc": lambda: inspect.getdoc(inside.deep.leaf.answer),
        "getmodule": lambda: inspect.getmodule(inside.deep.leaf.answer).__name__,
        "getfile": lambda: os.path.basename(inspect.getfile(inside.deep.leaf)),
        "library": lambda: [
            os.path.relpath(importlib.import_module(name).__file__, os.path.dirname(inspect.__file__))
            for name in ("os", "abc", "codecs", "io", "site", "encodings", "importlib._bootstrap")
        ],
        "signature": lambda: str(inspect.signature(captured)),
        "run_module": lambda: captured(runpy.run_module, "inside", run_name="__main__", alter_sys=True).split()[:2],
        "run_module json": lambda: runpy.run_module("colorsys")["rgb_to_hsv"](1, 1, 1),
        "zipimport": zipped,
        "shadowed": shadow_values,
        "appended": appended,
        "extended": extended,
        "by location": by_location,
        "apart": apart,
        "CDLL": lambda: ctypes.CDLL(None).getpid() == os.getpid(),
        "find_library": lambda: [ctypes.util.find_library("c"), ctypes.util.find_library("nothing-at-all")],
        "CDLL by name": lambda: ctypes.CDLL(ctypes.util.find_library("c")).abs(-3),
        "warned": warned,
        "builtins": lambda: [callable(exit), callable(quit), "copyright" in dir(__builtins__)][:2],
        "format_exc": formatted,
        "reloaded": reloaded,
        "spec": lambda: [inside.__spec__.name, inside.__spec__.parent, inside.__package__, inside.deep.leaf.__package__],
        "main": lambda: [__name__, __spec__ is None, __package__ in (None, "")],
        "is_package": lambda: [inside.__loader__.is_package("inside"), inside.deep.leaf.__loader__.is_package("inside.deep.leaf")],
    }
    say({name: attempt(function) for name, function in found.items()})


def deep(number):
    if number:
        deep(number - 1)
    raise ValueError("at the bottom: \xe9")


@command
def uncaught(how):
    """End by an exception."""
    import warnings

    warnings.warn("to standard error")
    if how == "chained":
        try:
            deep(2)
        except ValueError as error:
            raise RuntimeError("above") from error
    elif how == "thread":
        import threading

        thread = threading.Thread(target=deep, args=(1,))
        thread.start()
        thread.join()
        sys.exit(3)
    elif how == "message":
        sys.exit("a message")
    elif how == "hook":
        sys.excepthook = lambda *rest: sys.stderr.write("hooked %s\n" % rest[0].__name__)
        deep(0)
    elif how == "atexit":
        import atexit

        atexit.register(lambda: sys.stderr.write("at exit\n"))
        deep(0)
    deep(1)


if __name__ == "__main__":
    COMMANDS[sys.argv[1] if len(sys.argv) > 1 else "report"](*sys.argv[2:])
