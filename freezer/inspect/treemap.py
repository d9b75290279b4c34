"""A report as one HTML file that needs no network: a treemap of kinds, groups and files.

Names come from untrusted files. The page has them as JSON, which the script puts into the document as text only, and
escaped in the table for browsers without scripts. The policy of the page allows only its own script and style, by their
hashes (Content Security Policy level 3), and no requests.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
from typing import Any

from freezer.base.log import human_size
from freezer.base.publish import PAGE_START
from freezer.inspect.page import PAGE, SCRIPT, STYLE
from freezer.inspect.report import KINDS, Item, Report, printable
from freezer.inspect.table import describe, share

TABLE_GROUPS = 100
TABLE_FILES = 100


def render_html(report: Report) -> str:
    """Return the page, to be encoded in UTF-8; the same report gives the same bytes."""
    title = printable(os.path.basename(report.path))
    facts = [(name, printable(value)) for name, value in describe(report)]
    for layer in report.layers:
        sizes = f"{human_size(layer.size)}, {layer.files} files of {human_size(layer.unpacked)}"
        facts.append(("layer", f"{printable(layer.digest or layer.diff_id)}: {sizes}"))
    data = {
        "title": title,
        "summary": f"{report.kind} of {human_size(report.size)}, {human_size(report.unpacked)} unpacked",
        "facts": facts,
        "kinds": _tree(report),
    }
    policy = (
        f"default-src 'none'; script-src '{_hash(SCRIPT)}'; style-src '{_hash(STYLE)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    # In JSON "<" occurs only in strings, and may be written like this there; so no end tag or comment can begin.
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return PAGE_START + PAGE.format(
        policy=policy, title=html.escape(title), style=STYLE, table=_table(report, facts), data=text, script=SCRIPT
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _tree(report: Report) -> list[Any]:
    """Return kinds, groups and files, largest first: [[kind, its number, [[group, [[path, size], ...]], ...]], ...]."""
    files: dict[tuple[str, str], list[Item]] = {}
    for item in report.items:
        files.setdefault((item.kind, item.group), []).append(item)
    tree: dict[str, list[Any]] = {sums.kind: [] for sums in report.kinds()}
    for sums in report.groups():
        items = sorted(files[sums.kind, sums.group], key=lambda item: (-item.size, item.path))
        tree[sums.kind].append([printable(sums.group), [[printable(item.path), item.size] for item in items]])
    return [[kind, KINDS.index(kind), groups] for kind, groups in tree.items()]


def _table(report: Report, facts: list[tuple[str, str]]) -> str:
    whole = report.unpacked
    groups = [
        (sums.group, sums.kind, human_size(sums.size), share(sums.size, whole), str(sums.files))
        for sums in report.groups()[:TABLE_GROUPS]
    ]
    files = [(human_size(item.size), item.path) for item in report.largest(TABLE_FILES)]
    parts = (((), facts), (("group", "kind", "size", "share", "files"), groups), (("size", "file"), files))
    return "\n".join(
        "<table>\n"
        + "".join(
            f"<tr>{''.join(f'<t{tag}>{html.escape(printable(cell))}</t{tag}>' for cell in row)}</tr>\n"
            for tag, rows in (("h", [head] if head else []), ("d", body))
            for row in rows
        )
        + "</table>"
        for head, body in parts
    )
