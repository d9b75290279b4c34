"""What is passed on to PyInstaller, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from freezer.base.errors import InputError, UsageError
from freezer.plan.choices import Linker
from freezer.plan.pyinstaller_args import check_use, passed_on
from freezer.plan.pyinstaller_options import OPTIONS, Option, Value

HERE = Path("/here")
EXAMPLES = {
    Value.TEXT: ("x", "x"),
    Value.PATH: ("x", "/here/x"),
    Value.PATHS: ("x:/y", "/here/x:/y"),
    Value.PAIR: ("x:y", "/here/x:y"),
    Value.PYTHON: ("X utf8", "X utf8"),
}
"""A value of each kind, and what PyInstaller gets."""
REFUSED = {
    *(
        "--onedir",
        "-D",
        "--name",
        "-n",
        "--specpath",
        "--contents-directory",
        "--splash",
        "--splash-center",
        "--upx-dir",
    ),
    *("--runtime-tmpdir", "--distpath", "--workpath", "--help", "-h", "--version", "-v"),
}
DONE = {"--onefile", "-F", "--noupx", "--upx-exclude", "--noconfirm", "-y", "--clean"}
ALL = [(name, option) for option in OPTIONS for name in option.names]


@pytest.mark.parametrize(("name", "option"), ALL, ids=[name for name, _ in ALL])
def test_each_option_works_or_is_refused(name: str, option: Option) -> None:
    given, passed = EXAMPLES.get(option.value, (None, None))
    forms = [[name]] if given is None else [[name, given], [f"{name}={given}"]]
    if given is not None and len(name) == 2:
        forms.append([name + given])
    for words in forms:
        if name in REFUSED:
            with pytest.raises(UsageError, match="cannot be passed to PyInstaller") as raised:
                passed_on(words, HERE)
            assert raised.value.why and raised.value.hint
        else:
            expected = [option.name, *([] if passed is None else [passed])]
            assert list(passed_on(words, HERE)) == ([] if name in DONE else expected)


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        (["-p", "../lib", "--debug", "all"], ["--paths", "/here/../lib", "--debug", "all"]),
        (["--add-data=x"], ["--add-data", "x"]),
        (["--hidden-import=-x"], ["--hidden-import=-x"]),
        # Shortened, as PyInstaller lets them be.
        (["--pat", "x", "--python", "O"], ["--paths", "/here/x", "--python-option", "O"]),
        (["--add-d", "x:y", "--hidden=z"], ["--add-data", "/here/x:y", "--hidden-import", "z"]),
        # Several in one word.
        (["-Fwsp", "x", "-ydall"], ["--windowed", "--strip", "--paths", "/here/x", "--debug", "all"]),
        # A spec file's own arguments.
        (["-p", "x", "--", "-p", "x", "--name=y"], ["--paths", "/here/x", "--", "-p", "x", "--name=y"]),
        ([], []),
    ],
)
def test_the_forms_of_options(given: list[str], passed: list[str]) -> None:
    assert list(passed_on(given, HERE)) == passed


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["--dist", "x"], "freezer has an option for the result"),
        (["-sD"], "freezer makes one file"),
        (["--collect", "x"], "it could be --collect-all, --collect-binaries, "),
        (["--frobnicate"], "has no such option"),
        (["-sq"], "has no such option"),
        (["--key", "x"], "has it no longer"),
        (["--paths"], "--paths needs a value"),
        (["--hidden-import", "--paths"], "--hidden-import needs a value"),
        (["-sp"], "--paths needs a value"),
        (["--strip=yes"], "--strip takes no value"),
        (["other.py"], "freezer freezes one script"),
        (["-"], "freezer freezes one script"),
    ],
)
def test_what_pyinstaller_would_misunderstand(given: list[str], why: str) -> None:
    with pytest.raises(UsageError, match="cannot be passed to PyInstaller") as raised:
        passed_on(given, HERE)
    assert raised.value.why is not None and why in raised.value.why


@pytest.mark.parametrize("text", ["u", "unbuffered", "v", "O", "optimize", "W error::X", "X dev=0", "hash_seed=7"])
def test_options_of_python(text: str) -> None:
    assert passed_on(["--python-option", text], HERE) == ("--python-option", text)


@pytest.mark.parametrize("text", ["E", "uO", "Wignore", "Xutf8", "W ", "u x", "X pycache_prefix=x", "hash_seed=x", ""])
def test_options_of_python_that_would_have_no_effect(text: str) -> None:
    """PyInstaller takes all, and leaves out what it does not understand."""
    with pytest.raises(InputError, match="--python-option") as raised:
        passed_on([f"--python-option={text}"], HERE)
    assert "--python-option u" in str(raised.value.hint)


def test_signals_that_are_not_forwarded() -> None:
    """A natively linked application is the process that is signalled; staticx has one in front of it."""
    option = "--bootloader-ignore-signals"
    check_use((option,), Linker.NATIVE, spec=False)
    check_use(("--strip", "--", option), Linker.STATICX, spec=False)
    with pytest.raises(UsageError, match="cannot be had with staticx"):
        check_use(passed_on(["--bootl"], HERE), Linker.STATICX, spec=False)


def test_options_that_belong_into_a_spec_file() -> None:
    check_use(("--log-level", "WARN", "--", "--strip"), Linker.NATIVE, spec=True)
    with pytest.raises(UsageError, match=r"^--hidden-import cannot be passed to PyInstaller with a spec file"):
        check_use(passed_on(["--log-level", "WARN", "--hidden-import", "x"], HERE), Linker.NATIVE, spec=True)
