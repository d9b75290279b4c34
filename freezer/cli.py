"""The command line. ``build_parser()`` is pure: it needs the standard library only and does not look at the host, so
that ``--help``, the manual page and completions are the same everywhere, and quick."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Optional

from freezer import __version__
from freezer.config import IMAGE, IMAGE_DATA, IMAGE_OUTPUT, IMAGE_SETTINGS, SETTINGS, Kind, Setting
from freezer.errors import ExitStatus, FreezerError, Interrupted

DESCRIPTION = "Turn a Python application into one static Linux executable, proven in an empty root."

BUILD_DESCRIPTION = """\
ENTRY is a script, a project directory (its console script is frozen), MODULE:FUNCTION, or a PyInstaller .spec file.
Without ENTRY, --console-script or --entry-point name what to freeze among the requirements, and the project in the
current directory is the default. Everything after -- is passed to PyInstaller.
"""

IMAGE_DESCRIPTION = """\
Make an image of a static executable: one file for docker load, podman, containerd, skopeo and registries, written
without any of them. The executable becomes /app/NAME, and the image's command.
"""

CHECK_DESCRIPTION = """\
Prove an executable as a build does: it must be static, run in an empty root, and load all libraries it carries there.
Or prove an image, whoever made it: it must follow the specifications, have the digests it states, meet the restricted
Pod Security Standard, and run in its own root, read-only and without capabilities.
"""

INSPECT_DESCRIPTION = """\
Show what an executable or an image is made of - layers, files, Python packages, libraries - and how big each is.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of everything freezer understands."""
    parser = argparse.ArgumentParser(prog="freezer", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"freezer {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    build = commands.add_parser(
        "build", help="make a static executable of a Python application", description=BUILD_DESCRIPTION
    )
    build.add_argument("entry", nargs="?", metavar="ENTRY", help="what to freeze (default: the project here)")
    groups: dict[str, Any] = {}
    for setting in (*SETTINGS, *IMAGE_SETTINGS):
        if setting.group not in groups:
            groups[setting.group] = build.add_argument_group(setting.group)
            if setting.group == IMAGE:
                groups[IMAGE].add_argument("--image", metavar="TAR", help="make an image, too, in this file")
        _add_setting(groups[setting.group], setting)
    work = build.add_argument_group("work")
    work.add_argument("--keep-work", action="store_true", help="keep the work directory and say where it is")
    _add_output_options(build)
    image = commands.add_parser("image", help="make an image of a static executable", description=IMAGE_DESCRIPTION)
    image.add_argument("binary", metavar="FILE", help="the executable")
    for setting in (IMAGE_OUTPUT, *IMAGE_SETTINGS, *IMAGE_DATA):
        _add_setting(image, setting)
    _add_output_options(image)
    check = commands.add_parser("check", help="prove a static executable or an image", description=CHECK_DESCRIPTION)
    check.add_argument("file", metavar="FILE", help="the executable or image to prove")
    for setting in SETTINGS:
        if setting.name.startswith("smoke") or setting.name == "jobs":
            _add_setting(check, setting)
    _add_output_options(check)
    inspect = commands.add_parser(
        "inspect", help="show what is in a file, and how big", description=INSPECT_DESCRIPTION
    )
    inspect.add_argument("file", metavar="FILE", help="the executable or image to look into")
    inspect.add_argument("--html", metavar="PATH", help="write a map of it, as a web page that needs nothing else")
    _add_output_options(inspect)
    return parser


def _add_setting(parser: Any, setting: Setting) -> None:
    options: dict[str, Any] = {"help": setting.help, "dest": setting.attribute, "default": None}
    if setting.kind in (Kind.FLAG, Kind.SWITCH):
        options["action"] = argparse.BooleanOptionalAction
    elif setting.kind in (Kind.LIST, Kind.PATHS, Kind.PAIRS):
        options["action"] = "append"
    elif setting.kind is Kind.NUMBER:
        options["type"] = _number
    if setting.metavar is not None:
        options["metavar"] = setting.metavar
    parser.add_argument(*setting.flags, f"--{setting.name}", **options)


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    output = parser.add_argument_group("messages")
    loudness = output.add_mutually_exclusive_group()
    loudness.add_argument("-v", "--verbose", action="store_true", help="show what the tools print")
    loudness.add_argument("-q", "--quiet", action="store_true", help="say nothing but warnings and errors")
    output.add_argument("--json", action="store_true", help="print the result as a JSON object")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command and return the process's exit status: the one boundary where errors become messages."""
    words = list(sys.argv[1:] if argv is None else argv)
    rest: list[str] = []
    if "--" in words and words[:1] == ["build"]:
        cut = words.index("--")
        words, rest = words[:cut], words[cut + 1 :]
    arguments = build_parser().parse_args(_joined(words))
    try:
        with _signals_raise():
            return COMMANDS[arguments.command](arguments, rest)
    except FreezerError as error:
        _complain(error, arguments.json)
        return error.status
    except KeyboardInterrupt:
        _complain(Interrupted("interrupted"), arguments.json)
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the result has gone; the result itself is in place.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.OUTPUT
    except Exception:
        traceback.print_exc()
        print("freezer: this is a bug in freezer", file=sys.stderr)
        return ExitStatus.BUG


def _joined(words: list[str]) -> list[str]:
    """Join ``--smoke`` and ``--cmd`` with their values, which nearly always start with a dash: argparse would take them
    for options."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in ("--smoke", "--cmd"):
            joined[-1] = f"{joined[-1]}={word}"
        else:
            joined.append(word)
    return joined


def _complain(error: FreezerError, as_json: bool) -> None:
    print(f"freezer: {error.render()}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": error.what, "why": error.why, "hint": error.hint, "status": int(error.status)}))


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the work as Ctrl-C does, with everything cleaned up."""

    def interrupt(number: int, _frame: Optional[FrameType]) -> None:
        # A second signal must not cut the clean-up short.
        for item in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(item, signal.SIG_IGN)
        raise Interrupted(f"interrupted by {signal.Signals(number).name}")

    previous = {}
    for item in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(item) is not signal.SIG_IGN:
            previous[item] = signal.signal(item, interrupt)
    try:
        yield
    finally:
        for item, handler in previous.items():
            signal.signal(item, handler)


def _build(arguments: argparse.Namespace, rest: list[str]) -> int:
    from freezer import pipeline
    from freezer.log import human_size
    from freezer.plan import resolve
    from freezer.workspace import cache_root

    log = _log(arguments)
    plan = resolve({**vars(arguments), "rest": rest}, folder=Path.cwd(), environ=os.environ)
    built = pipeline.build(plan, cache=cache_root(), keep_work=arguments.keep_work, log=log)
    proof = built.proof
    if proof is not None and proof.seconds is not None and not built.unchanged:
        log.line(f"{human_size(built.size)}, first output after {proof.seconds * 1000:.0f} ms in an empty root")
    if arguments.json:
        result = {
            "path": str(built.path),
            "size": built.size,
            "sha256": built.sha256,
            "python": built.python,
            "unchanged": built.unchanged,
            "verified": None if proof is None else dataclasses.asdict(proof),
            "added": [dataclasses.asdict(item) for item in built.added],
            "provided": [dataclasses.asdict(item) for item in built.provided],
            "warnings": log.warnings,
            "seconds": {title: round(seconds, 3) for title, seconds in log.steps},
            "image": None if built.image is None else _image_facts(built.image),
        }
        print(json.dumps(result))
    else:
        print(built.path)
        if built.image is not None:
            print(built.image.path)
    sys.stdout.flush()
    return ExitStatus.DONE


def _image(arguments: argparse.Namespace, _rest: list[str]) -> int:
    from freezer import pipeline
    from freezer.plan import resolve_for_image

    plan = resolve_for_image(vars(arguments), folder=Path.cwd(), environ=os.environ)
    image = pipeline.image_of(plan, _readable(arguments.binary), _log(arguments))
    print(json.dumps(_image_facts(image)) if arguments.json else image.path)
    sys.stdout.flush()
    return ExitStatus.DONE


def _image_facts(image: Any) -> dict[str, Any]:
    """An image as JSON. Sizes are in bytes."""
    return {
        "path": str(image.path),
        "size": image.size,
        "image_id": image.image_id,
        "manifest_digest": image.manifest_digest,
        "names": list(image.names),
        "platform": image.platform,
        "layers": [{**layer.descriptor.fields(), "diff_id": layer.diff_id} for layer in image.layers],
    }


def _readable(text: str) -> Path:
    """The file that an argument names. Raises InputError if it is none, or cannot be read."""
    from freezer.errors import InputError

    path = Path(os.path.abspath(text))
    if not path.is_file():
        raise InputError(f"{path} does not exist, or is no file")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} cannot be read")
    return path


def _check(arguments: argparse.Namespace, _rest: list[str]) -> int:
    from freezer import pipeline
    from freezer.errors import VerificationError
    from freezer.image.archive import looks_like_image
    from freezer.plan import resolve_smoke
    from freezer.workspace import cache_root

    log = _log(arguments)
    path = _readable(arguments.file)
    smoke = resolve_smoke({key: value for key, value in vars(arguments).items() if value is not None})
    is_image = looks_like_image(path)
    prove: Any = pipeline.check_image if is_image else pipeline.check
    proof = prove(path, smoke, jobs=arguments.jobs or os.cpu_count() or 1, cache=cache_root(), log=log)
    if proof.isolation is None:
        how = "follows the rules" if is_image else "is static"
        raise VerificationError(f"{path} {how}, but is not proven", why=proof.outcome)
    print(json.dumps(dataclasses.asdict(proof)) if arguments.json else path)
    sys.stdout.flush()
    return ExitStatus.DONE


def _inspect(arguments: argparse.Namespace, _rest: list[str]) -> int:
    import shutil

    from freezer import pipeline
    from freezer.inspect.table import render_table
    from freezer.inspect.treemap import render_html
    from freezer.workspace import cache_root, check_target, replacing

    target = Path(os.path.abspath(arguments.html)) if arguments.html is not None else None
    if target is not None:
        check_target(target)
    report = pipeline.inspect_file(_readable(arguments.file), cache=cache_root(), log=_log(arguments))
    if target is not None:
        with replacing(target, mode=0o644) as out:
            out.write(render_html(report).encode("utf-8"))
    if arguments.json:
        print(json.dumps(report.as_json()))
    elif target is not None:
        print(target)
    else:
        terminal = sys.stdout.isatty()
        print(render_table(report, shutil.get_terminal_size((100, 24)).columns, color=terminal), end="")
    sys.stdout.flush()
    return ExitStatus.DONE


def _log(arguments: argparse.Namespace) -> Any:
    from freezer.log import Log, Verbosity

    if arguments.quiet:
        return Log(Verbosity.QUIET)
    return Log(Verbosity.VERBOSE if arguments.verbose else Verbosity.NORMAL)


COMMANDS = {"build": _build, "image": _image, "check": _check, "inspect": _inspect}
