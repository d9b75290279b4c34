"""Which program a process of the application starts when it names the application's own executable.

``sys.executable`` is the executable that the user ran. Code that starts it with an interpreter's arguments wants an
interpreter that has the application's modules: pools of processes, their trackers, reloaders, ``-m`` of all sorts. It
gets one, the program of the tree under its name as an interpreter (freezer/link/launcher/start.c). This is decided
where a process is started, and not by the arguments of the process that has started: so the arguments that a user
gives, or somebody who may choose nothing else, always are the application's.

The rules, for the arguments behind the program's name:

* those that this process has itself, or a path of its main script in front of any: the application, once more (no
  arguments, too, if standard input is this process's);
* options of Python's that end in ``-c``, ``-m`` or ``-``, or a Python program (a file by its name or first line, a
  directory or archive with a ``__main__``): an interpreter;
* no arguments but options of Python's, and a pipe or file as standard input that was made for the process: an
  interpreter, which reads the program from there;
* all else: the application.
"""

import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Optional, Union

    from _freezer_provisions import After

    Word = Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]

FLAGS = frozenset("bBdEhiIOPqRsSuvVx")
"""Python's options without a value, as letters (``python --help``)."""
VALUED = frozenset("WX")
"""Those with a value, in the same or the next argument."""
PREPARATION = "S"
"""The option to leave out the module ``site``, whose place the preparation of an interpreter takes here."""
PROGRAM_SUFFIXES = (".py", ".pyc", ".pyw", ".pyz", ".pyzw")

interpreter = ""
"""The path of the tree's interpreter."""
main_script = ""
"""The file that the application's main script says it is."""
called = ""
"""The name by which this process was started."""
own: "Optional[list[str]]" = None
"""The arguments of the application; None in an interpreter, whose own start it again as any others do."""
on_execute: "list[Callable[[], object]]" = []
"""What is called, once, before a program is executed, maybe in place of this process."""


def choose(arguments: "Sequence[str]", piped: bool) -> "tuple[bool, list[str]]":
    """Return whether an interpreter is wanted, and the arguments for it or for the application; ``arguments`` are those
    behind the program's name, ``piped`` says that standard input was made for the process."""
    words = list(arguments)
    # An application without arguments that gives a program to one without arguments does not start itself.
    if _are_own(words) and (words or not piped):
        return False, words
    return _choose_by_kind(words, piped)


def _choose_by_kind(arguments: "Sequence[str]", piped: bool) -> "tuple[bool, list[str]]":
    words = list(arguments)
    index, kept = _options(words)
    if index < 0:
        return False, list(arguments)
    if index == len(words):
        return (True, kept) if piped else (False, words)
    word = words[index]
    if word == "-" or word[:2] in ("-c", "-m"):
        return True, kept + words[index:]
    if _is_own_script(word) or (word == called and _are_own(words[index + 1 :])):
        return False, words[index + 1 :]
    if is_program(word):
        return True, kept + words[index:]
    return False, words


def _are_own(words: "list[str]") -> bool:
    return own is not None and words in (own, sys.argv[1:])


def _options(words: "list[str]") -> "tuple[int, list[str]]":
    """Return the place of the first argument that is no option of Python's, and the options in front of it as they are
    passed on; -1 if there is one that Python does not know. ``-c`` and ``-m`` are where the options end."""
    kept: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if len(word) < 2 or word[0] != "-":
            return at, kept
        if word == "--check-hash-based-pycs":
            at += 2
            continue
        flags = ""
        for place in range(1, len(word)):
            letter = word[place]
            if letter in "cm":
                words[at : at + 1] = [*(["-" + flags] if flags else []), "-" + word[place:]]
                return at + bool(flags), kept + (["-" + flags] if flags else [])
            if letter in VALUED:
                value = word[place + 1 :]
                if not value:
                    at += 1
                    value = words[at] if at < len(words) else ""
                kept.append("-" + letter + value)
                break
            if letter not in FLAGS:
                return -1, []
            if letter != PREPARATION:
                flags += letter
        if flags:
            kept.append("-" + flags)
        at += 1
    return len(words), kept


def _is_own_script(word: str) -> bool:
    """Whether an argument is a path of the main script: its file, or the executable that contains it."""
    return word == main_script or ("/" in word and (word == called or _same_file(word, sys.executable)))


def is_program(path: str) -> bool:
    """Whether a path is that of a program in Python."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            return os.path.isfile(os.path.join(path, "__main__.py"))
        if not stat.S_ISREG(mode) or path.endswith(PROGRAM_SUFFIXES):
            return stat.S_ISREG(mode)
        with open(path, "rb") as file:
            line = file.readline(256)
    except (OSError, ValueError):
        return False
    return line.startswith(b"#!") and b"python" in line


def _same_file(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):
        return False


def is_own_executable(path: "Word") -> bool:
    """Whether a path is one of the application's executable (a link to it, as in a virtual environment, too), or of the
    program that this process runs."""
    name = os.fsdecode(path)
    return name == sys.executable or _same_file(name, sys.executable) or _same_file(name, interpreter)


def replacement(path: "Word", arguments: "Sequence[Word]", piped: bool) -> "Optional[tuple[Word, list[Word]]]":
    """Return what is to be executed, and its arguments with the program's name, in place of what a caller gives; None
    if that is right. ``path`` is the application's executable."""
    words = [os.fsdecode(item) for item in arguments]
    wanted, rest = choose(words[1:], piped)
    if wanted:
        # The interpreter takes its name for the executable's path.
        return interpreter, [sys.executable, *rest]
    return (path, [*arguments[:1], *rest]) if rest != words[1:] else None


def protected(environment: "Optional[Mapping[Any, Any]]") -> "Optional[dict[Any, Any]]":
    """Return the environment for an interpreter; None if the caller's is right as it is.

    The dynamic loader must not go by the variables that are meant for other programs, so start.c gets these under
    other names and gives them back. Where there is no /proc, the loader is told where the program is.
    """
    given: Mapping[Any, Any] = os.environ if environment is None else environment
    found: dict[Any, Any] = {}
    changed = False
    for key, value in given.items():
        name = os.fsencode(key)
        if name.startswith(b"LD_") or name == b"GLIBC_TUNABLES":
            found[b"\1" + name[1:]], changed = value, True
        else:
            found[key] = value
    if not os.path.exists("/proc/self/exe"):
        found[b"LD_ORIGIN_PATH"], changed = os.fsencode(os.path.dirname(os.path.dirname(interpreter))), True
    return found if changed else None


# The functions that execute programs


def wrap_execute(original: "Any", with_environment: bool) -> "Any":
    """Wrap os.execv, or os.execve and the like: (path, arguments, environment, ...)."""

    def execute(path: "Word", arguments: "Sequence[Word]", *more: "Any", **options: "Any") -> "Any":
        while on_execute:
            on_execute.pop()()
        found = None
        if not isinstance(path, int) and is_own_executable(path):
            found = replacement(path, arguments, "file_actions" in options and _streams().gives_stream(options))
        if found is None:
            return original(path, arguments, *more, **options)
        path, arguments = found
        if path != interpreter:
            return original(path, arguments, *more, **options)
        given = (more[0] if more else options.pop("env", None)) if with_environment else None
        environment = protected(given)
        if with_environment:
            return original(path, arguments, given if environment is None else environment, *more[1:], **options)
        if environment is None:
            return original(path, arguments)
        return os.execve.__wrapped__(path, arguments, environment)  # type: ignore[attr-defined]

    execute.__wrapped__ = original  # type: ignore[attr-defined]
    return execute


def wrap_fork_exec(original: "Any") -> "Any":
    """Wrap _posixsubprocess.fork_exec, by which subprocess and multiprocessing start everything. Its parameters 0, 1, 5
    and 6 are the arguments, the candidates for the program, the environment, and the end of standard input's pipe."""

    def fork_exec(*given: "Any") -> "Any":
        words, candidates, environment, stdin = given[0], given[1], given[5], given[6]
        # The first that can be executed, will be.
        own_program = next((item for item in candidates if os.access(item, os.X_OK)), None)
        if own_program is None or not is_own_executable(own_program):
            return original(*given)
        found = replacement(own_program, words, _streams().is_stream(stdin))
        if found is None:
            return original(*given)
        path, words = found
        rest = list(given)
        rest[0] = words
        rest[1] = [os.fsencode(path) if item == own_program else item for item in candidates]
        if path == interpreter:
            pairs = None if environment is None else dict(item.partition(b"=")[::2] for item in environment)
            pairs = protected(pairs)
            if pairs is not None:
                rest[5] = [os.fsencode(key) + b"=" + os.fsencode(value) for key, value in pairs.items()]
        return original(*rest)

    return fork_exec


def _streams() -> "Any":
    # Few applications start themselves.
    import _freezer_streams

    return _freezer_streams


def install() -> None:
    """Have this process's functions that execute programs go by the rules."""
    import posix

    for name in ("execv", "execve", "posix_spawn", "posix_spawnp"):
        original = getattr(posix, name, None)
        if original is not None:
            wrapped = wrap_execute(original, name != "execv")
            setattr(posix, name, wrapped)
            setattr(os, name, wrapped)


def hooks() -> "dict[str, After]":
    """{module: what is called with it once it is imported}, for modules that start processes or run in them."""
    found: dict[str, After] = {"_posixsubprocess": _adapt_subprocess, "runpy": _adapt}
    for package in ("multiprocessing", "multiprocess", "billiard"):
        found[package + ".spawn"] = _adapt
    return found


def _adapt_subprocess(module: "Any") -> None:
    module.fork_exec = wrap_fork_exec(module.fork_exec)


def _adapt(module: "Any") -> None:
    # Few applications need it.
    import _freezer_helpers

    _freezer_helpers.adapt(module)


def become_interpreter_if_asked() -> None:
    """Become an interpreter if this process was started so by the application itself: by a shell, whose command line
    the application could only write."""
    words = own or []
    if not words or not (words[0].startswith("-") or words[0].endswith(PROGRAM_SUFFIXES)):
        return
    wanted, rest = _choose_by_kind(words, piped=False)
    if wanted or rest != words:
        from _freezer_parent import is_application

        if is_application(words):
            while on_execute:
                on_execute.pop()()
            path = interpreter if wanted else sys.executable
            environment = protected(None) if wanted else None
            os.execve.__wrapped__(  # type: ignore[attr-defined]
                path, [sys.executable, *rest], os.environ if environment is None else environment
            )
