"""``freezer inspect``: what an executable or an image is made of."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from freezer.base.errors import ExitStatus
from freezer.cli.options import add_output_options, log_of, print_paths, readable_or_layout, refuse_two_results

DESCRIPTION = """\
Show what an executable or an image is made of - layers, files, Python packages, libraries - and how big each is.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    inspect = commands.add_parser(
        "inspect", help="show the contents of a file with their sizes", description=DESCRIPTION
    )
    inspect.add_argument("file", metavar="FILE", help="the executable or image to inspect")
    inspect.add_argument("--html", metavar="PATH", help="write a treemap of the contents, as a self-contained web page")
    add_output_options(inspect)


def run(arguments: argparse.Namespace, _rest: list[str]) -> int:
    """Inspect the file, and print a table or JSON, or write a page."""
    import shutil

    from freezer.base.publish import check_target, writing
    from freezer.base.streams import output_path
    from freezer.inspect.look import look_into
    from freezer.inspect.table import render_table
    from freezer.inspect.treemap import render_html
    from freezer.plan.outputs import refuse_inputs
    from freezer.store.workspace import cache_root

    target = output_path(arguments.html, Path.cwd()) if arguments.html is not None else None
    if target is not None:
        refuse_two_results(target, as_json=arguments.json)
        check_target(target, stream=True)
        refuse_inputs(target, [Path(os.path.abspath(arguments.file))])
    report = look_into(readable_or_layout(arguments.file), cache=cache_root(), log=log_of(arguments))
    if target is not None:
        with writing(target, mode=0o644) as out:
            out.write(render_html(report).encode("utf-8"))
    if arguments.json:
        print(json.dumps(report.as_json()))
    elif target is not None:
        print_paths(target)
    else:
        terminal = sys.stdout.isatty()
        print(render_table(report, shutil.get_terminal_size((100, 24)).columns, color=terminal), end="")
    sys.stdout.flush()
    return ExitStatus.DONE
