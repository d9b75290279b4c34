"""The notice file: every licence, and each text once."""

from __future__ import annotations

import json

from freezer.base.bill import Bill, Component
from freezer.bill.cyclonedx import reference, render
from freezer.bill.notices import LACKING, MISSING
from freezer.bill.notices import render as render_notices

TEXT = (("LICENSE", "Permission is granted."),)
DEBIAN = Component(
    kind="library",
    name="libc6",
    version="2.36-9",
    purl="pkg:deb/debian/libc6@2.36-9",
    licenses=("LGPL-2.1+",),
    notice="see /usr/share/common-licenses/LGPL-2.1",
    properties=(("freezer:deb:source", "glibc"),),
)
BILL = Bill(
    Component("application", "app", "2"),
    (
        Component("library", "one", "1", "pkg:pypi/one@1", expression="MIT", texts=TEXT),
        Component("library", "two", "1", "pkg:pypi/two@1", expression="MIT", texts=TEXT),
        DEBIAN,
        Component("operating-system", "debian", "12"),
    ),
    0,
)


def test_all_of_it() -> None:
    document = json.loads(render(BILL))
    text = render_notices(document, {reference(DEBIAN): DEBIAN.notice}, [("LGPL-2.1", "GNU LESSER")])
    assert text.startswith(
        "app 2 contains the following components.\n\n- one 1: MIT\n- two 1: MIT\n- libc6 2.36-9: LGPL"
    )
    assert text.count("Permission is granted.") == 1 and "The same text as of one 1." in text
    assert "Source: Debian's source package glibc 2.36-9\n" in text
    assert text.endswith("which texts above refer to\n\nGNU LESSER\n")
    assert MISSING not in text and "debian 12" not in text


def test_texts_that_are_not_there() -> None:
    assert render_notices(json.loads(render(BILL))).count(MISSING) == 1
    text = render_notices(json.loads(render(BILL)), {})
    assert text.count(LACKING) == 1 and MISSING not in text
