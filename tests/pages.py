"""The pages that people read: their links, their examples, and the outputs that they show.

A block of a shell's session says in a comment before it who produces what it shows: ``<!-- output of: NAME -->``. Lines
that begin with ``$ `` are commands, the others what they print; a line ``...`` stands for any lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from support import CHECKOUT

HOME = "/home/ada"
"""Where the pages say that they are."""

FENCE = re.compile(
    r"(?:^<!-- output of: (?P<mark>[\w-]+) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
LINK = re.compile(r"(?<!!)\[[^\]\n]*(?:\n[^\]\n]*)?\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Step:
    """A command of a session, and what it is shown to print."""

    command: str
    output: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """A fenced block of a page. ``mark`` is who produces it; empty if nobody does."""

    page: str
    number: int
    kind: str
    mark: str
    text: str

    @property
    def steps(self) -> Iterator[Step]:
        """What a session consists of."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, *output = part.splitlines()
            yield Step(command, tuple(output))


@dataclass(frozen=True)
class Page:
    """A page, by its name below the checkout."""

    name: str

    @property
    def path(self) -> Path:
        """Its file."""
        return CHECKOUT / self.name

    @cached_property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Its fenced blocks."""
        return tuple(
            Block(self.name, number, match["kind"], match["mark"] or "", match["text"])
            for number, match in enumerate(FENCE.finditer(self.text))
        )

    @cached_property
    def prose(self) -> str:
        """It, without fenced blocks."""
        return FENCE.sub("", self.text)

    @cached_property
    def code(self) -> tuple[str, ...]:
        """The code in its sentences and tables; what is broken over two lines is one."""
        return tuple(re.sub(r"\s+", " ", match) for match in re.findall(r"`([^`]+)`", self.prose))

    @cached_property
    def links(self) -> tuple[str, ...]:
        """What it links to, except other hosts."""
        return tuple(target for target in LINK.findall(self.prose) if not target.startswith(("https://", "http://")))

    @cached_property
    def anchors(self) -> frozenset[str]:
        """The names of its headings, as the usual renderers make them."""
        titles = re.findall(r"^#+ (.*)$", self.prose, re.MULTILINE)
        return frozenset(re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles)


README = Page("README.md")
MANUAL = tuple(
    Page(f"docs/{name}.md")
    for name in (
        "guide",
        "settings",
        "variables",
        "images",
        "papers",
        "signatures",
        "linkers",
        "starts",
        "systems",
        "security",
        "how-it-works",
        "glossary",
    )
)
"""The pages for users, in the order in which their commands can be run one after another."""
OTHERS = tuple(
    Page(name)
    for name in (
        *("CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"),
        *("packaging/completions/README.md", "tests/samples/README.md"),
    )
)
PAGES = (README, *MANUAL, *OTHERS)


def shell_lines(page: Page) -> list[str]:
    """The lines that a page shows to be typed, with continued lines joined."""
    lines = []
    for block in page.blocks:
        if block.kind in ("sh", ""):
            lines += block.text.replace("\\\n", " ").splitlines()
        elif block.kind == "console":
            lines += [step.command for step in block.steps]
    return lines


def freezer_commands(page: Page) -> list[str]:
    """The commands of freezer among these lines."""
    return [
        part.strip()
        for line in shell_lines(page)
        for part in re.split(r" && | \| |  # ", line)
        if part.strip().startswith("freezer ")
    ]


NUMBER = r"\d+(?:\.\d+)?"
VOLATILE = (
    (r"sha256:[0-9a-f]{64}", "sha256:#"),
    (r"\b[0-9a-f]{24}\b", "#"),
    (r"staticx-\w+", "staticx-#"),
    (r'"python": "[^"]+", "tls": "[^"]+"', '"python": "#", "tls": "#"'),
    (r"\d+\.\d+\.\d+\w* at /\S+", "# at #"),
    (r"\bPython \d+\.\d+(?:\.\d+\w*)?", "Python #"),
    (r"\bcreated=[\dT:Z-]+", "created=#"),
    (rf"\b{NUMBER} (?:B|kB|MB|GB)(?!\w)", "# bytes"),
    (rf"\b{NUMBER} (s|ms|%)(?!\w)", r"# \1"),
    (r"\b\d+ (modules|variables|system libraries|libraries|items|files?)\b", r"# \1"),
    (r"[█▌]+", ""),
    (r"(?<=%) +\d+$| {2,}\d+$", " #"),
    (r" {2,}", " "),
    (r" +$", ""),
)
"""What differs from build to build and from machine to machine: sizes, times, counts, digests, versions."""


def normalised(line: str) -> str:
    """A line of output without what is volatile in it."""
    for pattern, replacement in VOLATILE:
        line = re.sub(pattern, replacement, line)
    return line


def agrees(shown: Sequence[str], printed: Sequence[str]) -> bool:
    """Whether a shown output is a printed one, but for what is volatile. ``...`` stands for any lines."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(agrees(shown[1:], printed[count:]) for count in range(len(printed) + 1))
    return bool(printed) and normalised(shown[0]) == normalised(printed[0]) and agrees(shown[1:], printed[1:])
