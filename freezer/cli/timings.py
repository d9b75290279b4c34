"""``--timings``: where the time of a build went, as lines for a terminal or as a page."""

from __future__ import annotations

import html
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from freezer.base.errors import UsageError
from freezer.base.publish import PAGE_START, check_target, is_result, replacing
from freezer.base.timings import STAGE, TOOL, Span, Timings, own_processor, within

PAGE_SUFFIX = ".html"
SHOWN = 0.01
"""In seconds: what took less is left out of the lines."""

PAGE = """\
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ margin: 24px; font: 14px/1.5 system-ui, "DejaVu Sans", sans-serif; }}
h1 {{ font-size: 18px; overflow-wrap: anywhere; }}
table {{ border-collapse: collapse; width: 100%; }}
th {{ text-align: left; font-weight: 400; opacity: .7; }}
td {{ padding: 1px 12px 1px 0; white-space: nowrap; }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
td.name {{ max-width: 36em; overflow: hidden; text-overflow: ellipsis; }}
tr.stage td.name {{ font-weight: 600; }}
tr.tool td.name {{ padding-left: 1.5em; }}
td.line {{ width: 60%; padding: 0; }}
svg {{ display: block; width: 100%; height: 14px; }}
.stage rect {{ fill: #3b7dd8; }} .tool rect {{ fill: #e08a3c; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{summary}</p>
<table>
<tr><th>what</th><th>from</th><th>time</th><th>processor</th><th></th></tr>
{rows}
</table>
</body>
</html>
"""

ROW = """\
<tr class="{kind}"><td class="name" title="{title}">{title}</td><td class="number">{started:.2f} s</td>\
<td class="number">{seconds:.2f} s</td><td class="number">{processor}</td>\
<td class="line"><svg viewBox="0 0 1000 14" preserveAspectRatio="none">\
<rect x="{left:.1f}" y="2" width="{width:.1f}" height="10"/></svg></td></tr>"""


def page_of(text: Optional[str]) -> Optional[Path]:
    """Return the page that ``--timings`` names, if it names one.

    Raises UsageError for the name of another kind of file, and if there is a page that freezer did not write, which may
    be the application's; OutputError if it cannot be written.
    """
    if not text:
        return None
    path = Path(os.path.abspath(text))
    if not text.endswith(PAGE_SUFFIX):
        raise UsageError(f"--timings {text}: the name of the page must end in {PAGE_SUFFIX}")
    if os.path.lexists(path) and not is_result(path):
        raise UsageError(
            f"{path} would be replaced by the page of times",
            why="freezer has not written it",
            hint="name another file, or remove this one if it is not needed",
        )
    check_target(path)
    return path


def ordered(timings: Timings) -> list[Span]:
    """Return all spans, each stage before what happened in it; what belongs to no stage comes where it began."""
    spans = list(timings.spans)
    stages = sorted(timings.stages, key=lambda span: span.started)
    found: list[Span] = []
    for stage in stages:
        inside = [span for span in spans if span.kind != STAGE and within(span, stage) and span not in found]
        found += [stage, *sorted(inside, key=lambda span: span.started)]
    rest = [span for span in spans if span not in found]
    for span in rest:
        place = next((at for at, other in enumerate(found) if other.started > span.started), len(found))
        found.insert(place, span)
    return found


def lines(timings: Timings) -> Iterator[str]:
    """Yield the lines for a terminal: a heading, a line for each stage and what took time in it, and the sum."""
    yield f"{'':2}{'stage':<52} {'time':>8} {'processor':>10}"
    spans = ordered(timings)
    for span in spans:
        if span.kind == STAGE or span.seconds >= SHOWN:
            indent = "" if span.kind == STAGE else "  "
            yield f"  {indent + _short(span.title, 50):<52} {span.seconds:6.2f} s {_seconds(span.processor):>10}"
            own = own_processor(spans, span) if span.kind == STAGE else None
            if own is not None and any(other.kind == TOOL and within(other, span) for other in spans):
                yield f"    {'freezer itself':<50} {'':>8} {_seconds(own):>10}"
    yield f"  {'all':<52} {timings.elapsed:6.2f} s {_seconds(_processor(timings)):>10}"


def write_page(timings: Timings, title: str, target: Path) -> None:
    """Write the page. Raises OutputError."""
    whole = max(timings.elapsed, 0.001)
    rows = [
        ROW.format(
            kind=span.kind,
            title=html.escape(span.title),
            started=span.started,
            seconds=span.seconds,
            processor=_seconds(span.processor),
            left=1000 * span.started / whole,
            width=max(1.0, 1000 * span.seconds / whole),
        )
        for span in ordered(timings)
    ]
    summary = f"{whole:.2f} s, of which the processors worked {_seconds(_processor(timings))}"
    page = PAGE.format(title=html.escape(title), summary=summary, rows="\n".join(rows))
    with replacing(target, mode=0o644) as out:
        out.write((PAGE_START + page).encode("utf-8"))


def _processor(timings: Timings) -> float:
    """The processor time of freezer's process since it was started, and of all its tools."""
    times = os.times()
    return times.user + times.system + timings.tools_processor()


def _seconds(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:.2f} s"


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
