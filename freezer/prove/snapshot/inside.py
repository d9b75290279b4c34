"""Runs in the traced interpreter, which has the application's modules: imports what the main script begins with.

It is given to the interpreter as text, with CHANNEL, TRACES, SIGNAL and NAME filled in, and works under every Python that an
application can have. It has to do with few modules, and only with those that the start has imported: what it imports
itself would be taken for the application's.
"""

import faulthandler
import gc
import posix
import sys

CHANNEL, TRACES, SIGNAL, NAME = 0, 0, 0, ""  # filled in

OPCODES = {
    (3, 9): (108, 109, 90, 97, 1, 100, (2, 84), 9, 144, 83),
    (3, 10): (108, 109, 90, 97, 1, 100, (2, 84), 9, 144, 83),
    (3, 11): (108, 109, 90, 97, 1, 100, (99, 84), (151, 9), 144, 83),
    (3, 12): (108, 109, 90, 97, 1, 100, (99, 173), (151, 9), 144, 83),
    (3, 13): (75, 74, 114, 113, 32, 83, (115, 55), (149, 30), 71, 36),
}
"""The numbers of IMPORT_NAME, IMPORT_FROM, STORE_NAME, STORE_GLOBAL, POP_TOP, LOAD_CONST, what else an import has, what
begins code, EXTENDED_ARG and RETURN_VALUE, as the module ``opcode`` has them, which few applications have."""
SKIPPED = {"<string>", "<probe>"}


def tell(**message):
    posix.write(CHANNEL, _text(message).encode("utf-8", "surrogateescape"))


def _text(value):
    """JSON, for which there may be no module."""
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s: %s" % (_text(key), _text(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return "[%s]" % ", ".join(map(_text, value))
    if isinstance(value, int):
        return "%d" % value
    escaped = ""
    for letter in value:
        escaped += letter if letter.isalnum() and letter.isascii() or letter in " _-.,:;/<>()[]*=+" else _escape(letter)
    return '"%s"' % escaped


def _escape(letter):
    number = ord(letter)
    return "\\u%04x" % number if number < 0x10000 else "?"


def frames_of(frame):
    """Where the code is, the innermost first."""
    found = []
    while frame is not None and len(found) < 60:
        if frame.f_code.co_filename not in SKIPPED:
            found.append([frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name])
        frame = frame.f_back
    return found


def noted(kind, value, depth=2):
    tell(kind=kind, value=value, frames=frames_of(sys._getframe(depth)))


class Variables(dict):
    """Stands in for the dictionary behind os.environ and os.environb."""

    def __getitem__(self, name):
        noted("asked", _name(name))
        return dict.__getitem__(self, name)

    def get(self, name, default=None):
        noted("asked", _name(name))
        return dict.get(self, name, default)

    def __contains__(self, name):
        noted("asked", _name(name))
        return dict.__contains__(self, name)

    def setdefault(self, name, value=None):
        noted("asked", _name(name))
        return dict.setdefault(self, name, value)

    def pop(self, name, *default):
        noted("asked", _name(name))
        return dict.pop(self, name, *default)

    def __setitem__(self, name, value):
        noted("set", _name(name))
        dict.__setitem__(self, name, value)

    def __delitem__(self, name):
        noted("set", _name(name))
        dict.__delitem__(self, name)


def _name(name):
    return name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name)


def _all_of(name):
    method = getattr(dict, name)

    def whole(self, *arguments):
        noted("asked", "*")
        return method(self, *arguments)

    return whole


for _each in ("__iter__", "__len__", "__eq__", "__repr__", "keys", "values", "items", "copy", "popitem", "__or__", "__ror__",
              "__reversed__", "__reduce_ex__"):
    setattr(Variables, _each, _all_of(_each))

WATCHED = {"argv", "orig_argv"}
Module = type(sys)


class System(Module):
    """Stands in for the class of the module ``sys``."""

    def __getattribute__(self, name):
        if name in WATCHED:
            noted("argv", name)
        return Module.__getattribute__(self, name)


class After:
    """A meta path finder that remembers what random generators begin with."""

    def __init__(self):
        self.states = {name: STATES[name](sys.modules[name]) for name in STATES if name in sys.modules}

    def find_spec(self, name, path=None, target=None):
        if name not in STATES or name in self.states:
            return None
        self.states[name] = None
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec is not None and spec.loader is not None:
                spec.loader = Remembering(spec.loader, self.states)
                return spec
        return None


class Remembering:
    """The loader of such a module."""

    def __init__(self, loader, states):
        self._loader, self._states = loader, states

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        spec.loader = self._loader
        try:
            return self._loader.create_module(spec)
        finally:
            spec.loader = self

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._states[module.__name__] = STATES[module.__name__](module)


STATES = {
    "random": lambda module: repr(module.getstate()),
    "numpy.random.mtrand": lambda module: repr([repr(item) for item in module.get_state()] + [module.get_state()[1].tobytes()]),
}


def boundary(code):
    """The place behind the imports that code begins with, in bytes."""
    opcodes = OPCODES.get(sys.version_info[:2])
    if opcodes is None:
        return None
    name, from_, store, globally, pop, load, more, begin, extended, _ = opcodes
    beginning = begin if isinstance(begin, tuple) else (begin,)
    parts = code.co_code
    steps = [(at, parts[at]) for at in range(0, len(parts), 2)]

    def skip(index, wanted):
        while index < len(steps) and steps[index][1] in wanted:
            index += 1
        return index

    index = skip(0, beginning)
    while True:
        start = index
        index = skip(index, (extended,))
        loads = skip(index, (load, extended))
        constants = sum(steps[i][1] == load for i in range(index, loads))
        if constants == 1 and loads + 1 <= len(steps) and steps[loads][1] == store and code.co_names[steps_argument(parts, steps[loads][0])] == "__doc__":
            index = loads + 1
        elif constants == 2 and steps[loads][1] == name:
            index = skip(loads + 1, (from_, store, globally, pop, extended, *more))
            while steps[index - 1][1] == extended:
                index -= 1
        else:
            return steps[start][0]


def steps_argument(parts, at):
    return parts[at + 1]


def until(code, at, opcodes):
    """The code, which returns at a place."""
    load, extended, back = opcodes[5], opcodes[8], opcodes[9]
    number = len(code.co_consts)
    end = bytes([extended, number >> 8, load, number & 255, back, 0])
    return code.replace(co_code=code.co_code[:at] + end, co_consts=code.co_consts + (None,), **_no_table(code))


def _no_table(code):
    return {"co_exceptiontable": b""} if hasattr(code, "co_exceptiontable") else {}


def line_at(code, at):
    if hasattr(code, "co_lines"):
        for start, end, line in code.co_lines():
            if start <= at < end and line:
                return line
    return code.co_firstlineno


def watch():
    import os

    faulthandler.register(SIGNAL, file=TRACES, all_threads=False)
    os.environ._data = Variables(os.environ._data)
    if hasattr(os, "environb"):
        os.environb._data = os.environ._data
    posix.environ = Variables(posix.environ)
    sys.__class__ = System
    after = After()
    sys.meta_path.insert(0, after)
    return after


def generators():
    """Random generators that the imports have made, each with the module that has it."""
    random = sys.modules.get("_random")
    if random is None:
        return []
    allowed = {id(getattr(sys.modules.get("random"), "_inst", None))}
    harmless = getattr(sys.modules.get("random"), "SystemRandom", ())
    found, seen = [], set()
    for item in gc.get_objects():
        for each in (item, *gc.get_referents(item)):
            if isinstance(each, random.Random) and id(each) not in seen:
                seen.add(id(each))
                if id(each) not in allowed and not (harmless and isinstance(each, harmless)):
                    found.append(each)
    return found


def owner(thing):
    """The module whose names include an object, or one that has it."""
    for name, module in list(sys.modules.items()):
        for key, value in list(getattr(module, "__dict__", {}).items()):
            if value is thing:
                return "%s.%s" % (name, key)
    return type(thing).__module__ + "." + type(thing).__name__


def finish(after):
    """Tell what the imports have left."""
    for name, first in after.states.items():
        module = sys.modules.get(name)
        if module is not None and first is not None and STATES[name](module) != first:
            tell(kind="left", value="drawn %s" % name)
    for generator in generators():
        tell(kind="left", value="generator %s" % owner(generator))
    threads = len(posix.listdir("/proc/self/task"))
    if threads > 1:
        # Some libraries stop their threads before a fork, and start them again when there is work.
        child = posix.fork()
        if child == 0:
            posix._exit(0)
        posix.waitpid(child, 0)
        tell(after_fork=len(posix.listdir("/proc/self/task")))


def run():
    import _freezer_finders
    import _freezer_processes
    import _freezer_runner

    main = sys.modules["__main__"]
    main.__dict__.pop("__annotations__", None)
    if sys.path[:1] == [""]:
        del sys.path[0]
    _freezer_finders.Finder.before = None
    sys.argv[:] = [NAME]
    _freezer_processes.called, _freezer_processes.own = NAME, []
    after = watch()
    tell(phase="imports")
    code = _freezer_runner.main_code(_freezer_processes.main_script)
    at = boundary(code)
    if at is None:
        tell(unknown_python="%d.%d" % sys.version_info[:2])
        posix._exit(0)
    ended = None
    try:
        exec(until(code, at, OPCODES[sys.version_info[:2]]), main.__dict__)
    except BaseException as error:
        ended = "%s: %s" % (type(error).__name__, error)
    tell(phase="done")
    tell(boundary=[code.co_filename, line_at(code, at)])
    if ended is not None:
        tell(ended=ended)
    finish(after)
    posix._exit(0)


run()
