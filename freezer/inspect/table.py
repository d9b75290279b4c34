"""A report as text for a terminal."""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterator

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from freezer.base.log import human_size
from freezer.inspect.report import Group, Report, printable

GROUPS = 25
FILES = 15
OWN = 40
BAR = 16
"""Cells of a full bar."""
NAMES = frozenset({"digest", "kind", "group", "file", "why"})
"""The columns whose values may be cut off."""


def render_table(report: Report, width: int, *, color: bool = False) -> str:
    """Return the report in lines of at most ``width`` cells, each ended; with colour codes if ``color`` is set."""
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=max(width, 40),
        force_terminal=color,
        color_system="standard" if color else None,
        highlight=False,
        # Ignore the variables of the environment: the caller decides the width.
        _environ={},
    )
    for made in (_head(report), *_layers(report), _kinds(report), _groups(report), _files(report), *_own(report)):
        console.print(made)
    return "".join(line.rstrip() + "\n" for line in stream.getvalue().splitlines())


def _text(value: str, style: str = "") -> Text:
    return Text(printable(value), style=style, overflow="ellipsis", no_wrap=True)


def _table(title: str, *columns: str) -> Table:
    made = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for name in columns:
        # rich first narrows the columns that may wrap. These are the names, whose cells are then cut off, not wrapped.
        is_name = name in NAMES
        justify: JustifyMethod = "left" if is_name or name == "" else "right"
        made.add_column(name, justify=justify, no_wrap=not is_name, overflow="ellipsis", header_style="dim")
    return made


def _head(report: Report) -> Table:
    made = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    made.add_column(no_wrap=True, style="dim")
    made.add_column(overflow="fold")
    for name, value in describe(report):
        made.add_row(name, Text(printable(value), overflow="fold"))
    return made


def _layers(report: Report) -> Iterator[Table]:
    if report.layers:
        made = _table("\nLayers", "digest", "size", "unpacked", "files")
        for layer in report.layers:
            digest = _text(layer.digest or layer.diff_id)
            made.add_row(digest, human_size(layer.size), human_size(layer.unpacked), str(layer.files))
        yield made


def _kinds(report: Report) -> Table:
    made = _table("\nKinds", "kind", "size", "share", "", "files")
    for sums in report.kinds():
        made.add_row(_text(sums.kind), *_sizes(sums, report.unpacked))
    return made


def _groups(report: Report) -> Table:
    groups = report.groups()
    title = "\nGroups" if len(groups) <= GROUPS else f"\nThe {GROUPS} largest of {len(groups)} groups"
    made = _table(title, "group", "kind", "size", "share", "", "files")
    for sums in groups[:GROUPS]:
        made.add_row(_text(sums.group), _text(sums.kind, "dim"), *_sizes(sums, report.unpacked))
    return made


def _files(report: Report) -> Table:
    made = _table("\nLargest files", "size", "file")
    for item in report.largest(FILES):
        made.add_row(human_size(item.size), _text(item.path))
    return made


def _own(report: Report) -> Iterator[Table]:
    if report.own:
        made = _table("\nThe application's own, taken along unasked", "file", "size", "files", "why")
        for part in report.own[:OWN]:
            sizes = (human_size(part.size), str(part.files)) if part.files else ("", "")
            made.add_row(_text(part.path), *sizes, _text(part.why))
        if len(report.own) > OWN:
            made.add_row(_text(f"and {len(report.own) - OWN} more (--json)"), "", "", "")
        yield made


def describe(report: Report) -> tuple[tuple[str, str], ...]:
    """Return the facts about the whole file, as pairs of a name and a value; empty values are left out."""
    rows = [
        (report.kind, report.path),
        ("names", ", ".join(report.names)),
        ("image ID", report.image_id),
        ("manifest", report.manifest_digest),
        ("architecture", report.architecture),
        ("size", f"{human_size(report.size)}; unpacked {human_size(report.unpacked)} in {len(report.items)} items"),
    ]
    settings = report.settings
    if settings is not None:
        rows += [
            ("user", settings.user or "root (none is set)"),
            ("entry point", shlex.join(settings.entrypoint)),
            ("command", shlex.join(settings.command)),
            ("directory", settings.working_directory),
            ("environment", " ".join(settings.environment)),
            ("ports", " ".join(settings.ports)),
            ("volumes", " ".join(settings.volumes)),
            ("labels", ", ".join(f"{key}={value}" for key, value in settings.labels)),
        ]
    return tuple((name, value) for name, value in rows if value)


def share(size: int, whole: int) -> str:
    """Return a part in per cent, with one decimal place."""
    return f"{100 * size / whole:.1f} %" if whole else "0.0 %"


def _sizes(sums: Group, whole: int) -> tuple[str, str, str, str]:
    halves = round(2 * BAR * sums.size / whole) if whole else 0
    bar = "\u2588" * (halves // 2) + "\u258c" * (halves % 2)
    return human_size(sums.size), share(sums.size, whole), bar, str(sums.files)
