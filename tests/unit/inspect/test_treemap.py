"""Reports as a page that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from dataclasses import dataclass
from typing import Any

from reports import HOSTILE, hostile_report, report

from freezer.inspect.report import KINDS, printable
from freezer.inspect.treemap import render_html


@dataclass
class Page:
    policy: str
    style: str
    data: Any
    script: str
    table: str

    @classmethod
    def of(cls, text: str) -> Page:
        found = re.fullmatch(
            r'<!DOCTYPE html>.*?<meta http-equiv="Content-Security-Policy" content="(.*?)">.*?<style>(.*?)</style>.*'
            r'<noscript>(.*?)</noscript>\n<script type="application/json" id="data">(.*?)</script>\n'
            r"<script>(.*?)</script>\n</body>\n</html>\n",
            text,
            re.DOTALL,
        )
        assert found is not None
        policy, style, table, data, script = found.groups()
        return cls(policy, style, json.loads(data), script, table)


def test_page() -> None:
    text = render_html(hostile_report())
    assert text == render_html(hostile_report())
    text.encode()
    # Two scripts, whatever the names are; only the page's own can run.
    assert text.lower().count("<script") == text.lower().count("</script") == 2
    assert text.count("<!--") == 1 and text.count("<img") == 0
    page = Page.of(text)
    for content, what in ((page.script, "script-src"), (page.style, "style-src")):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{what} 'sha256-{digest}'" in page.policy
    assert page.policy.startswith("default-src 'none'; ") and "unsafe" not in page.policy
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function", page.script)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|fetch|XMLHttp", page.script + page.style)


def test_page_is_complete() -> None:
    made = hostile_report()
    page = Page.of(render_html(made))
    sizes = sorted(size for _, _, groups in page.data["kinds"] for _, files in groups for _, size in files)
    assert sizes == sorted(item.size for item in made.items)
    assert {(kind, number) for kind, number, _ in page.data["kinds"]} == set(zip(KINDS, range(len(KINDS))))
    names = {group for _, _, groups in page.data["kinds"] for group, _ in groups}
    assert names == {printable(name) for name in HOSTILE}
    cells = [html.unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", page.table)]
    assert {printable(name) for name in HOSTILE} <= set(cells)
    assert render_html(report())
