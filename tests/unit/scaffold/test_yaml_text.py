"""YAML that is written is read back as it was."""

from __future__ import annotations

from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from freezer.scaffold.yaml_text import Block, Noted, yaml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.one_of(TEXTS, st.integers(), st.booleans())
TREES = st.recursive(SCALARS, lambda inner: st.one_of(st.lists(inner), st.dictionaries(TEXTS, inner)), max_leaves=12)


@given(st.dictionaries(TEXTS, TREES, min_size=1))
def test_any_document_is_read_back(document: dict[str, Any]) -> None:
    assert pyyaml.safe_load(yaml(document)) == document


@pytest.mark.parametrize(
    "text",
    [
        *(
            "yes",
            "No",
            "on",
            "null",
            "~",
            "",
            " x",
            "x ",
            "1",
            "1.5",
            "1e3",
            "0x1f",
            "0o17",
            "12:30",
            "2026-11-29",
            "=",
            "<<",
        ),
        *("a: b", "a #b", "- a", "*a", "&a", "!a", "%a", "@a", "`a", "{a}", "[a]", "a,b", "'a'", '"a"', "|", ">", "\n"),
        *("x:", "registry.example:5000/team/app:1.2", "8080:80", "\x85", "\u2028", "\ufeff", "\U0001f600", "y"),
    ],
)
def test_a_text_stays_a_text(text: str) -> None:
    assert pyyaml.safe_load(yaml({"key": text, text: [text]})) == {"key": text, text: [text]}


READABLE = """\
# Written by a test.
name: app
"on":
  push: {}
# Where it is.
# Really.
image: registry.example:5000/team/app:1.2
steps:
  - run: |
      a

      b: c
  - uses: actions/checkout@v4
    with:
      depth: 0
list:
  - a
  - true
  - 1
  - []
  - |
    c
    d
"""


def test_it_is_readable() -> None:
    document = {
        "name": "app",
        "on": {"push": {}},
        "image": Noted("registry.example:5000/team/app:1.2", "Where it is.\nReally."),
        "steps": [{"run": Block("a\n\nb: c\n")}, {"uses": "actions/checkout@v4", "with": {"depth": 0}}],
        "list": ["a", True, 1, [], Block("c\nd\n")],
    }
    assert yaml(document, "Written by a test.") == READABLE
    read = pyyaml.safe_load(yaml(document))
    assert (read["steps"][0]["run"], read["list"][-1]) == ("a\n\nb: c\n", "c\nd\n")


def test_a_comment_cannot_be_lost() -> None:
    with pytest.raises(ValueError, match="cannot begin with a comment"):
        yaml({"list": [{"key": Noted(1, "note")}]})
