"""What the commands' arguments have in common."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from freezer.plan.choices import Verification
from freezer.plan.settings import RUN_SETTINGS, SMOKE, Setting, ValueKind

if TYPE_CHECKING:
    from freezer.base.log import Log

LAYOUT = "oci-layout"
"""The file that makes a directory an image (image-layout.md of the OCI image specification)."""


def add_entry(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names the application."""
    parser.add_argument(
        "entry",
        nargs="?",
        metavar="ENTRY",
        help="the application to freeze (default: the project in the current directory)",
    )


class OfRun(argparse.Action):
    """Stores an option of a run of the proof: with the ``--smoke`` before it, or for all runs if there is none."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Union[str, Sequence[Any], None],
        option_string: Optional[str] = None,
    ) -> None:
        """Take the option's value."""
        runs = list(getattr(namespace, SMOKE) or ())
        key = next(key for key, setting in RUN_SETTINGS.items() if setting.attribute == self.dest)
        if self.dest == SMOKE:
            setattr(namespace, SMOKE, [*runs, {key: values}])
        elif runs:
            last = runs.pop()
            setattr(namespace, SMOKE, [*runs, {**last, key: self._joined(key, last.get(key), values)}])
        else:
            setattr(namespace, self.dest, self._joined(key, getattr(namespace, self.dest), values))

    @staticmethod
    def _joined(key: str, before: Any, value: Any) -> Any:
        return [*(before or ()), value] if RUN_SETTINGS[key].kind is ValueKind.TEXTS else value


def add_setting(parser: Any, setting: Setting) -> None:
    """Add one setting to a parser or to a group of its arguments; the value is None if the option is not given."""
    options: dict[str, Any] = {"help": setting.help, "dest": setting.attribute, "default": None}
    if setting.kind in (ValueKind.FLAG, ValueKind.SWITCH):
        options["action"] = argparse.BooleanOptionalAction
    elif setting.kind is ValueKind.VERIFICATION:
        options.update(nargs="?", const=Verification.REQUIRE.value, choices=[item.value for item in Verification])
    elif setting.kind in (ValueKind.LIST, ValueKind.PATHS, ValueKind.PAIRS):
        options["action"] = "append"
    elif setting in RUN_SETTINGS.values():
        options["action"] = OfRun
    if setting.kind is ValueKind.NUMBER:
        options["type"] = _number
    # A switch takes no value, and Python 3.12 and later warn of a name for it.
    if setting.metavar is not None and setting.kind not in (ValueKind.FLAG, ValueKind.SWITCH):
        options["metavar"] = setting.metavar
    parser.add_argument(*setting.flags, f"--{setting.name}", **options)
    if setting.kind is ValueKind.VERIFICATION:
        no = {"action": "store_const", "const": Verification.NO.value, "default": None, "dest": setting.attribute}
        parser.add_argument(f"--no-{setting.name}", **no, help=f"the same as --{setting.name}=no")


def add_settings(parser: argparse.ArgumentParser, settings: Iterable[Setting]) -> None:
    """Add settings to a parser, each to the group of its name."""
    groups: dict[str, Any] = {}
    for setting in settings:
        if setting.group not in groups:
            groups[setting.group] = parser.add_argument_group(setting.group)
        add_setting(groups[setting.group], setting)


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every command has."""
    output = parser.add_argument_group("messages")
    loudness = output.add_mutually_exclusive_group()
    loudness.add_argument("-v", "--verbose", action="store_true", help="also print the output of the tools")
    loudness.add_argument("-q", "--quiet", action="store_true", help="print only warnings and errors")
    output.add_argument("--json", action="store_true", help="print the result as a JSON object")


def refuse_two_results(*outputs: Optional[Path], as_json: bool) -> None:
    """Raise a UsageError if a result shall go to standard output, and the JSON object, too."""
    from freezer.base.errors import UsageError
    from freezer.base.streams import descriptor_of

    if as_json and any(path is not None and descriptor_of(path) == 1 for path in outputs):
        raise UsageError(
            "--json and another result cannot both be written to standard output", hint="write one to a file"
        )


def print_paths(*outputs: Optional[Path]) -> None:
    """Print the paths of results; standard output that is one itself gets nothing else."""
    from freezer.base.streams import descriptor_of

    given = [path for path in outputs if path is not None]
    if not any(descriptor_of(path) == 1 for path in given):
        for path in given:
            print(path)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def log_of(arguments: argparse.Namespace) -> Log:
    """Return a log of the verbosity that the options choose."""
    from freezer.base.log import Log, Verbosity

    if arguments.quiet:
        return Log(Verbosity.QUIET)
    return Log(Verbosity.VERBOSE if arguments.verbose else Verbosity.NORMAL)


def readable(text: str) -> Path:
    """Return the path of a file argument. Raises InputError if it is no file, or cannot be read."""
    from freezer.base.errors import InputError
    from freezer.base.places import is_file

    path = Path(os.path.abspath(text))
    if not is_file(path):
        raise InputError(f"{path} does not exist or is not a file")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} cannot be read")
    return path


def readable_or_layout(text: str) -> Path:
    """Return the path of an argument that is a file or an OCI layout. Raises InputError as ``readable`` does."""
    path = Path(os.path.abspath(text))
    return path if is_layout(path) else readable(text)


def is_layout(path: Path) -> bool:
    """Return whether a path is an OCI layout in a directory."""
    from freezer.base.places import is_file

    return is_file(path / LAYOUT)
