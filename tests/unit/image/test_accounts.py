"""Whom an image, or the caller, means by a user."""

from __future__ import annotations

from pathlib import Path

import pytest

from freezer.base.errors import InputError
from freezer.image.accounts import MAX_ID, Account, account_of

PASSWD = """root:x:0:0:root:/root:/bin/sh
broken line
app:x:1000:1001:an application:/home/app:/bin/sh
1234:x:77:78::/numbers:
huge:x:99999999999:1::/huge:
nowhere:x:5:6::relative:
app:x:2:2::/second:
"""
GROUP = "root:x:0:\nstaff:x:50:\n60:x:61:\nbad\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/passwd").write_text(PASSWD)
    (tmp_path / "root/etc/group").write_text(GROUP)
    return tmp_path / "root"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", Account(0, 0, "/root")),
        ("root", Account(0, 0, "/root")),
        ("app", Account(1000, 1001, "/home/app")),
        ("1000", Account(1000, 1001, "/home/app")),
        ("1000:5", Account(1000, 5, "/home/app")),
        ("app:staff", Account(1000, 50, "/home/app")),
        (":staff", Account(0, 50, "/root")),
        ("4711", Account(4711, 0, "/")),
        ("4711:60", Account(4711, 61, "/")),
        ("1234", Account(77, 78, "/numbers")),
        ("nowhere", Account(5, 6, "/")),
        (str(MAX_ID), Account(MAX_ID, 0, "/")),
    ],
)
def test_who_is_meant(root: Path, text: str, wanted: Account) -> None:
    assert account_of(root, text) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nobody", "no user 'nobody'"),
        ("huge", "no user 'huge'"),
        ("app:nogroup", "no group 'nogroup'"),
        (str(MAX_ID + 1), "too large"),
        ("99999999999999", "too large"),
        ("-1", "no user '-1'"),
        ("1.5", "no user"),
        ("٣", "no user"),
    ],
)
def test_who_is_nobody(root: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        account_of(root, text)


def test_files_that_lead_out(tmp_path: Path, root: Path) -> None:
    """The host's users are not the image's."""
    (tmp_path / "passwd").write_text("host:x:7:7::/:\n")
    (root / "etc/passwd").unlink()
    for target in (str(tmp_path / "passwd"), "../../passwd", "loop"):
        (root / "etc/passwd").symlink_to(target)
        with pytest.raises(InputError, match="no user 'host'"):
            account_of(root, "host")
        assert account_of(root, "12") == Account(12, 0, "/")
        (root / "etc/passwd").unlink()
    (root / "etc/passwd").mkdir()
    assert account_of(root, "") == Account(0, 0, "/")
