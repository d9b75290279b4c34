"""``freezer inspect``: what an executable or an image is made of."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from freezer.base.errors import ExitStatus
from freezer.cli.options import add_output_options, log_of, print_paths, readable_or_layout, refuse_two_results

if TYPE_CHECKING:
    from freezer.base.log import Log

DESCRIPTION = """\
Show what an executable or an image is made of - layers, files, Python packages, libraries - and how big each is. Or
take the papers out of it: the bill of materials, and the licences of its components.
"""
OPTIONS = {
    "html": "write a treemap of the contents, as a self-contained web page",
    "sbom": "write the bill of materials: CycloneDX, or SPDX to a PATH.spdx.json (-: standard output)",
    "licenses": "write the notice file: all components with their licences (-: standard output)",
}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    inspect = commands.add_parser(
        "inspect", help="show the contents of a file with their sizes", description=DESCRIPTION
    )
    inspect.add_argument("file", metavar="FILE", help="the executable or image to inspect")
    for name, text in OPTIONS.items():
        inspect.add_argument(f"--{name}", metavar="PATH", help=text)
    add_output_options(inspect)


def run(arguments: argparse.Namespace, _rest: list[str]) -> int:
    """Inspect the file, and print a table or JSON, or write what is asked for."""
    import shutil

    from freezer.base.streams import output_path
    from freezer.inspect.look import look_into
    from freezer.inspect.table import render_table
    from freezer.inspect.treemap import render_html
    from freezer.store.home import cache_root

    given = {name: getattr(arguments, name) for name in OPTIONS if getattr(arguments, name) is not None}
    targets = {name: output_path(text, Path.cwd()) for name, text in given.items()}
    _check(targets, arguments)
    path, log = readable_or_layout(arguments.file), log_of(arguments)
    for name, data in _papers(path, targets, log).items():
        _write(targets[name], data)
    if targets and "html" not in targets and not arguments.json:
        print_paths(*targets.values())
        sys.stdout.flush()
        return ExitStatus.DONE
    report = look_into(path, cache=cache_root(), log=log)
    if "html" in targets:
        _write(targets["html"], render_html(report).encode("utf-8"))
    if arguments.json:
        print(json.dumps(report.as_json()))
    elif targets:
        print_paths(*targets.values())
    else:
        terminal = sys.stdout.isatty()
        print(render_table(report, shutil.get_terminal_size((100, 24)).columns, color=terminal), end="")
    sys.stdout.flush()
    return ExitStatus.DONE


def _check(targets: dict[str, Path], arguments: argparse.Namespace) -> None:
    """Refuse outputs that would replace the file, one another, or the JSON object."""
    from freezer.base.errors import UsageError
    from freezer.base.publish import check_target
    from freezer.plan.outputs import refuse_inputs

    if len(set(targets.values())) < len(targets):
        raise UsageError("two results cannot be written to one file", hint="give each a name of its own")
    refuse_two_results(*targets.values(), as_json=arguments.json)
    for target in targets.values():
        check_target(target, stream=True)
        refuse_inputs(target, [Path(os.path.abspath(arguments.file))])


def _papers(path: Path, targets: dict[str, Path], log: Log) -> dict[str, bytes]:
    """Return the documents that are asked for."""
    from freezer.inspect.look import look_for_papers
    from freezer.inspect.read_papers import as_asked, notices_of, sbom_of
    from freezer.plan.resolve import times_of
    from freezer.store.home import cache_root

    found: dict[str, bytes] = {}
    if not {"sbom", "licenses"} & set(targets):
        return found
    papers = look_for_papers(path, cache=cache_root(), log=log)
    if "sbom" in targets:
        found["sbom"] = as_asked(sbom_of(papers, path), path, targets["sbom"], times_of(os.environ)[1])
    if "licenses" in targets:
        found["licenses"], whole = notices_of(papers, path)
        if not whole:
            log.warning(f"{path} has not the texts of all licences in it; freezer build --notices puts them there")
    return found


def _write(target: Path, data: bytes) -> None:
    from freezer.base.publish import writing

    with writing(target, mode=0o644) as out:
        out.write(data)
