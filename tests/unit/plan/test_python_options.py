"""Options of the application's Python, as people write them."""

from __future__ import annotations

import pytest

from freezer.base.errors import InputError
from freezer.plan.python_options import optimization, python_options


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        ([], ()),
        (["-u"], ("u",)),
        (["-uB", "-bb"], ("u", "B", "b", "b")),
        (["-X utf8", "-Xdev", "-X  importtime "], ("X utf8", "X dev", "X importtime")),
        (["-W", "error"], None),
        (["-Wignore::DeprecationWarning", "-W error"], ("W ignore::DeprecationWarning", "W error")),
        (["-uW once"], ("u", "W once")),
        (["-OO", "-v", "-d"], ("O", "O", "v", "d")),
        (["-X pycache_prefix_of_mine"], ("X pycache_prefix_of_mine",)),
    ],
)
def test_options(texts: list[str], options: object) -> None:
    if options is None:
        with pytest.raises(InputError, match="needs a value"):
            python_options(texts)
    else:
        assert python_options(texts) == options


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("-c pass", "it chooses what runs"),
        ("-m", "it chooses what runs"),
        ("-ui", "it chooses what runs"),
        ("-I", "it says where code comes from"),
        ("-E", "it says where code comes from"),
        ("-X pycache_prefix=/tmp", "it says where code comes from"),
        ("-Xfrozen_modules=off", "it says where code comes from"),
        ("-X presite=x", "it says where code comes from"),
        ("-V", "it makes Python print something"),
        ("--help", "no such option"),
        ("-R", "no such option"),
        ("-u B", "no such option"),
    ],
)
def test_refused(text: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        python_options([text])
    assert repr(text) in caught.value.what and why in str(caught.value.why)


@pytest.mark.parametrize("text", ["", "-", "u", "app.py", "-W a\0b", "-X\nutf8"])
def test_no_options(text: str) -> None:
    with pytest.raises(InputError, match="is not an option of Python"):
        python_options([text])


def test_the_level_of_optimization() -> None:
    assert [optimization(options) for options in ((), ("u",), ("O",), ("O", "u", "O"), ("O",) * 3)] == [0, 0, 1, 2, 2]
