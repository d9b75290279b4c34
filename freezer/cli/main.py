"""The command line. ``build_parser()`` is pure: it needs the standard library only and does not look at the host, so
that ``--help``, the manual page and completions are the same everywhere, and quick. What each command
understands and does is in the module of its name."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Optional

from freezer import __version__
from freezer.base.errors import ExitStatus, FreezerError, Interrupted
from freezer.base.shortage import shortage_of
from freezer.cli import build, cache, check, image, init, inspect, learn, plan, push, run
from freezer.plan.choices import Verification

DESCRIPTION = "Turn a Python application into one static Linux executable, proven in an empty root."

COMMANDS = {
    "build": build.run,
    "image": image.run,
    "check": check.run,
    "inspect": inspect.run,
    "plan": plan.run,
    "learn": learn.run,
    "init": init.run,
    "push": push.run,
    "run": run.run,
    "cache": cache.run,
}

DASHED = ("--smoke", "--smoke-stdin", "--smoke-expect", "--cmd", "--python-option")
"""Options whose values may start with a dash."""

OPTIONAL: dict[str, tuple[Callable[[str], bool], str]] = {
    "--verify": (lambda word: word in [item.value for item in Verification], Verification.REQUIRE.value),
    "--timings": (lambda word: word.endswith(".html"), ""),
    "--k8s": (lambda word: word in init.WORKLOADS, init.AUTO),
    # The word behind it is the image, or its name.
    "--plain-http": (lambda _word: False, ""),
}
"""Options whose value may be left out: what is a value, and the default."""

ALARM = 0.01
"""Seconds until an interruption that Python has dropped comes again."""


def build_parser(command: Optional[str] = None) -> argparse.ArgumentParser:
    """Build the parser of the whole command line; of one command's, if it is one, which takes a tenth of the time."""
    parser = argparse.ArgumentParser(prog="freezer", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"freezer {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    modules = (build, init, plan, learn, image, push, run, check, inspect, cache)
    named = [module for module in modules if module.__name__ == f"{__package__}.{command}"]
    for module in named or modules:
        module.add_parser(commands)
    return parser


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command and return the process's exit status: the one boundary where errors become messages."""
    _open_standard_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    rest: list[str] = []
    if "--" in words and words[:1] in (["build"], ["learn"]):
        cut = words.index("--")
        words, rest = words[:cut], words[cut + 1 :]
    # Behind the image of freezer run, all words are the application's.
    parser = build_parser(next(iter(words), None))
    arguments = parser.parse_args(words if words[:1] == ["run"] else _joined(words))
    _print_any_name()
    try:
        with _signals_raise():
            return COMMANDS[arguments.command](arguments, rest)
    except FreezerError as error:
        _complain(error, arguments.json)
        return error.status
    except KeyboardInterrupt as stop:
        # If the signal came while source text was run by exec(), as dataclasses do, Python remembers that. Started as
        # python -m freezer, it would then end itself by SIGINT, whatever the status is; the next exec() resets it.
        exec("")
        _complain(Interrupted(str(stop) or "interrupted"), arguments.json)
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # The reader of the result is gone; the result itself is in place.
        _drop_output()
        return ExitStatus.OUTPUT
    except Exception as problem:
        lacking = shortage_of(problem)
        if lacking is not None:
            _complain(lacking, arguments.json)
            return lacking.status
        import traceback

        traceback.print_exc()
        print("freezer: this is a bug in freezer", file=sys.stderr)
        return ExitStatus.BUG


def _open_standard_streams() -> None:
    """Open the standard streams that are closed: other files would take their place, and get what is printed."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


def _joined(words: list[str]) -> list[str]:
    """Join options with their values where these nearly always start with a dash: argparse would take them for
    options."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in DASHED:
            joined[-1] = f"{joined[-1]}={word}"
        else:
            joined.append(word)
    return _with_values(joined)


def _with_values(words: list[str]) -> list[str]:
    """Join options whose value may be left out with it, or with their default: argparse would take the entry behind
    such an option for its value."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in OPTIONAL:
            is_value, default = OPTIONAL[joined[-1]]
            joined[-1] = f"{joined[-1]}={word if is_value(word) else default}"
            if is_value(word):
                continue
        joined.append(word)
    return joined


def _print_any_name() -> None:
    """Have names of files that are not UTF-8 printed as they are, in every locale."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")


def _drop_output() -> None:
    """Have what is still to be written to standard output go nowhere: the interpreter would try again at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _complain(error: FreezerError, as_json: bool) -> None:
    print(f"freezer: {error.render()}", file=sys.stderr)
    try:
        if as_json:
            print(json.dumps({"error": error.what, "why": error.why, "hint": error.hint, "status": int(error.status)}))
        sys.stdout.flush()
    except OSError:
        _drop_output()


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the work as Ctrl-C does, with everything cleaned up."""

    def interrupt(number: int, _frame: Optional[FrameType]) -> None:
        # A second signal must not cut the clean-up short.
        for item in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(item, signal.SIG_IGN)
        # Not an Exception: libraries catch those and raise their own.
        raise KeyboardInterrupt(f"interrupted by {signal.Signals(number).name}")

    def interrupt_again(lost: sys.UnraisableHookArgs) -> None:
        # Python drops what is raised in a callback for the end of an object, as imports have: the work would go on, and
        # no signal would end it any more. The alarm comes once that callback is left.
        if not isinstance(lost.exc_value, KeyboardInterrupt):
            hook(lost)
            return
        words = lost.exc_value.args

        def alarm(_number: int, _frame: Optional[FrameType]) -> None:
            raise KeyboardInterrupt(*words)

        signal.signal(signal.SIGALRM, alarm)
        signal.setitimer(signal.ITIMER_REAL, ALARM)

    hook, sys.unraisablehook = sys.unraisablehook, interrupt_again
    previous = {signal.SIGALRM: signal.getsignal(signal.SIGALRM)}
    for item in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(item) is not signal.SIG_IGN:
            previous[item] = signal.signal(item, interrupt)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for item, handler in previous.items():
            signal.signal(item, handler)
        sys.unraisablehook = hook
