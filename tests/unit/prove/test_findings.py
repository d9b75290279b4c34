"""The file that tells the launcher what a snapshot depends on: the same again when it is read, refused when damaged."""

from __future__ import annotations

import dataclasses

import pytest

from freezer.prove.snapshot.findings import ABSENT, CONTENT, FILE, LISTING, Reason, SnapshotFindings, parse

FOUND = SnapshotFindings(
    variables=("LANG", "HOME"),
    unset=("OPENSSL_CONF",),
    prefixes=("TQDM_",),
    files=(("~/.config/x", ABSENT), ("/etc/localtime", FILE), ("/etc/x", LISTING), ("/proc/self/cgroup", CONTENT)),
    asks=("user", "limit 3"),
    ignored=("DEBUG",),
    boundary=("main.py", 7),
    before=("clock", "a.b"),
    imports=("late", "early"),
    limits=(Reason("a.c", 4, "reads the clock", "later"),),
)
TEXT = b"""\
snapshot\t1
verdict\tyes
limit\ta.c\t4\treads the clock\tlater
variable\tHOME
variable\tLANG
unset\tOPENSSL_CONF
prefix\tTQDM_
file\t/etc/localtime
absent\t~/.config/x
listing\t/etc/x
content\t/proc/self/cgroup
ask\tlimit 3
ask\tuser
ignored\tDEBUG
before\ta.b
before\tclock
import\tlate
import\tearly
boundary\tmain.py\t7
end\t
"""


def test_the_text() -> None:
    assert FOUND.text() == TEXT


def test_it_is_read_again() -> None:
    assert parse(TEXT).text() == TEXT
    assert parse(TEXT).files == (
        ("/etc/localtime", FILE),
        ("~/.config/x", ABSENT),
        ("/etc/x", LISTING),
        ("/proc/self/cgroup", CONTENT),
    )


def test_reasons() -> None:
    reason = Reason("package.module", 12, "reads\tthe\nclock", "later")
    found = dataclasses.replace(FOUND, reasons=(reason,))
    assert (FOUND.verdict, found.verdict) == (True, False)
    assert str(reason) == "package.module:12: reads\tthe\nclock"
    assert str(Reason("package", 0, "draws", "")) == "package: draws"
    text = found.text()
    assert b"verdict\tno\nreason\tpackage.module\t12\treads?the?clock\tlater\n" in text
    assert parse(text).reasons == (Reason("package.module", 12, "reads?the?clock", "later"),)


def test_names_that_are_no_text() -> None:
    path = b"/etc/\xff".decode("utf-8", "surrogateescape")
    text = dataclasses.replace(FOUND, files=((path, FILE),)).text()
    assert b"file\t/etc/\xff\n" in text
    assert parse(text).files == ((path, FILE),)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        TEXT[:-1],
        TEXT[: TEXT.index(b"end")],
        TEXT.replace(b"snapshot\t1", b"snapshot\t2"),
        TEXT.replace(b"verdict\tyes", b"verdict\tno"),
        TEXT.replace(b"verdict\tyes\n", b""),
    ],
)
def test_damage(damaged: bytes) -> None:
    with pytest.raises(ValueError, match=r"snapshot\.key"):
        parse(damaged)
