"""Locales in charsets that are not Unicode's: an application that names one converts as plain Python does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Freezer, Run, need_program, run_on_host

SCRIPT = r"""
import ctypes, json, locale, multiprocessing, os, subprocess, sys
from pathlib import Path

NAMES = ("de_DE.ISO-8859-15", "ja_JP.EUC-JP")


def shown(name):
    # The C library's own conversion, too, which those of Python's codecs do without.
    wide = ctypes.create_unicode_buffer(9)
    found = [locale.setlocale(category, name) for category in (locale.LC_CTYPE, locale.LC_MONETARY)]
    symbol, codeset = locale.localeconv()["currency_symbol"], locale.nl_langinfo(locale.CODESET)
    count = ctypes.CDLL(None).mbstowcs(wide, symbol.encode(codeset), 9)
    return [*found, codeset, symbol, count, wide.value]


def main(what, *rest):
    if what == "arguments":
        return rest, sys.getfilesystemencoding(), os.fsencode(rest[0]).hex()
    if what == "environment":
        lines = subprocess.check_output(["/usr/bin/env"], text=True).splitlines()
        return sorted(line for line in lines if not line.startswith(("TMPDIR=", "LC_CTYPE=")))
    os.environ["LOCPATH"] = str(Path(__file__).parent / "locales")
    if what == "process":
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.map(shown, NAMES)
    return [shown(name) for name in NAMES]


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
"""
LOCALES = {"de_DE.ISO-8859-15": "\u20ac", "ja_JP.EUC-JP": "\u5186"}
"""Locales, and their currencies; all else in them is ASCII."""
HEAD = "<code_set_name> {}\n<comment_char> %\n<escape_char> /\n<mb_cur_min> 1\n<mb_cur_max> 3\nCHARMAP\n"
SOURCE = """\
comment_char %
escape_char /
LC_CTYPE
upper <U0041>;<U0042>
lower <U0061>;<U0062>
END LC_CTYPE
LC_MONETARY
int_curr_symbol "<U0045><U0055><U0052><U0020>"
currency_symbol "{}"
mon_decimal_point "<U002C>"
mon_thousands_sep "<U002E>"
END LC_MONETARY
"""


def symbol(character: str) -> str:
    return f"<U{ord(character):04X}>"


def make_locale(folder: Path, name: str, currency: str) -> None:
    """Make a locale of a few characters, with what any system has for that."""
    codeset = name.partition(".")[2]
    characters = [*map(chr, range(128)), "\u00e4" if codeset.startswith("ISO") else "\u3042", currency]
    lines = [f"{symbol(c)} {''.join(f'/x{byte:02x}' for byte in c.encode(codeset))}\n" for c in sorted(characters)]
    charmap, source = folder / "charmap", folder / "source"
    charmap.write_text(HEAD.format(codeset) + "".join(lines) + "END CHARMAP\n")
    source.write_text(SOURCE.format(symbol(currency)))
    (folder / "locales").mkdir(exist_ok=True)
    # The status is 1 for the categories that are not there.
    command: list[str | Path] = [need_program("localedef"), "-c", "--no-archive", "-f", charmap, "-i", source]
    subprocess.run([*command, folder / "locales" / name], capture_output=True, check=False)
    assert (folder / "locales" / name / "LC_MONETARY").is_file()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("charsets")
    for name, currency in LOCALES.items():
        make_locale(folder, name, currency)
    (folder / "app.py").write_text(SCRIPT)
    return folder


@pytest.fixture(scope="module", params=["staticx", "native"])
def app(request: pytest.FixtureRequest, freezer: Freezer, project: Path) -> Path:
    options = ("--linker", request.param, "-o", f"dist/{request.param}", "--add-data", "locales:locales")
    built = freezer("build", "app.py", *options, "--smoke", "locales", cwd=project)
    assert ", charsets " in built.stderr
    return built.output


def plain(project: Path, *arguments: Any, **env: str) -> Any:
    command = [sys.executable, project / "app.py", *arguments]
    return json.loads(subprocess.run(command, env=env, capture_output=True, check=True).stdout)


@pytest.mark.parametrize("what", ["locales", "process"])
def test_as_plain_python_in_an_empty_root(
    app: Path, project: Path, run_in_empty_root: Callable[..., Run], what: str
) -> None:
    done = run_in_empty_root(app, what)
    assert done.status == 0, done.stderr
    assert json.loads(done.stdout) == plain(project, what)
    assert [item[3] for item in json.loads(done.stdout)] == list(LOCALES.values())


def test_from_the_start(app: Path, project: Path, tmp_path: Path) -> None:
    """Arguments are converted before any code of the application runs."""
    env = {"LOCPATH": str(project / "locales"), "LC_CTYPE": "de_DE.ISO-8859-15"}
    expected = plain(project, "arguments", b"\xe4", **env)
    assert expected == [["\u00e4"], "iso8859-15", "e4"]
    given = {**env, "FREEZER_CACHE": str(tmp_path)}
    done = subprocess.run([app, "arguments", b"\xe4"], env=given, capture_output=True, check=True)
    assert json.loads(done.stdout) == expected


def test_nothing_of_it_is_in_the_environment(app: Path, tmp_path: Path) -> None:
    env = {"FREEZER_CACHE": str(tmp_path), "TMPDIR": str(tmp_path), "GCONV_PATH": "/nosuch"}
    done = run_on_host(app, "environment", env=env)
    assert json.loads(done.stdout) == [f"FREEZER_CACHE={tmp_path}", "GCONV_PATH=/nosuch"]


def test_where_the_bundle_cannot_be_named(app: Path, project: Path, tmp_path: Path) -> None:
    """The C library's list of directories has colons between them. Where staticx's unpacks to, there cannot be any."""
    place = tmp_path / "a:b"
    place.mkdir()
    env = {"FREEZER_CACHE": str(place), "TMPDIR": str(tmp_path)}
    assert json.loads(run_on_host(app, "arguments", "x", env=env).stdout)[0] == ["x"]
