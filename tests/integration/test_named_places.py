"""What the caller's variables name decides, even if nothing is there: a frozen application does as plain Python does.

A private CA, a directory of time zones or of terminals that was not mounted must fail as it fails there, and not be
replaced by what the executable brings along.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import SAMPLES, Freezer, Run

SCRIPT = """
import curses, json, locale, os, ssl, sys, time, zoneinfo
import requests


def tls():
    return ssl.create_default_context().cert_store_stats()["x509_ca"]


def zone():
    return zoneinfo.ZoneInfo("Europe/Berlin").key


def local():
    time.tzset()
    return time.tzname


def place():
    return locale.setlocale(locale.LC_ALL, "")


def terminal():
    with open(os.devnull, "w") as null:
        curses.setupterm("xterm-256color", null.fileno())
    return curses.tigetnum("colors")


def get():
    session = requests.Session()
    return session.get("https://127.0.0.1:9/", proxies={"no_proxy": "*"}).status_code


try:
    print(json.dumps(globals()[sys.argv[1]]()))
except Exception as error:
    print(json.dumps([type(error).__name__, str(error).replace(os.environ.get("HOME", "-"), "")]))
"""

NOWHERE = "/nosuch/place"
CASES = [
    ("tls", {"SSL_CERT_FILE": NOWHERE}),
    ("tls", {"SSL_CERT_FILE": ""}),
    ("tls", {"SSL_CERT_FILE": "{ca}"}),
    ("tls", {"SSL_CERT_DIR": "{empty}"}),
    ("tls", {"SSL_CERT_FILE": NOWHERE, "SSL_CERT_DIR": "{empty}"}),
    ("zone", {"PYTHONTZPATH": NOWHERE}),
    ("zone", {"PYTHONTZPATH": ""}),
    ("local", {"TZ": "Europe/Berlin", "TZDIR": NOWHERE}),
    ("local", {"TZ": "Nowhere/Place"}),
    ("local", {"TZ": NOWHERE}),
    ("place", {"LC_ALL": "xx_XX.UTF-8"}),
    ("place", {"LC_ALL": "C.UTF-8", "LOCPATH": NOWHERE}),
    ("terminal", {"TERMINFO": NOWHERE}),
    ("terminal", {"TERMINFO_DIRS": NOWHERE}),
    ("get", {"REQUESTS_CA_BUNDLE": NOWHERE}),
    ("get", {"CURL_CA_BUNDLE": NOWHERE}),
]


@pytest.fixture(scope="module", params=["staticx", "native"])
def frozen(request: pytest.FixtureRequest, freezer: Freezer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("places")
    (folder / "places.py").write_text(SCRIPT)
    options = ("--with", "requests", "--linker", request.param, "--smoke", "tls")
    return freezer("build", "places.py", *options, cwd=folder).output


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """requests for plain Python, which gets no other package: tzdata would be a source of time zones."""
    folder = tmp_path_factory.mktemp("packages")
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", folder, "requests"], check=True)
    return folder


def answer(command: list[str | Path], environment: dict[str, str], cache: Path) -> object:
    given = {"PATH": "/usr/bin:/bin", "FREEZER_CACHE": str(cache), **environment}
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(("what", "variables"), CASES)
def test_as_plain_python(frozen: Path, packages: Path, tmp_path: Path, what: str, variables: dict[str, str]) -> None:
    (tmp_path / "empty").mkdir()
    places = {"empty": str(tmp_path / "empty"), "ca": str(SAMPLES / "tls" / "ca.pem")}
    given = {name: value.format(**places) for name, value in variables.items()}
    script = tmp_path / "places.py"
    script.write_text(SCRIPT)
    plain = answer([sys.executable, "-S", script, what], {**given, "PYTHONPATH": str(packages)}, tmp_path)
    assert answer([frozen, what], given, packages) == plain


@pytest.mark.parametrize(
    ("what", "variables", "expected"),
    [
        ("tls", {"SSL_CERT_FILE": NOWHERE}, 0),
        ("tls", {"SSL_CERT_FILE": ""}, 0),
        ("tls", {"SSL_CERT_DIR": "/tmp"}, 0),
        ("zone", {"PYTHONTZPATH": NOWHERE}, ["ZoneInfoNotFoundError", "'No time zone found with key Europe/Berlin'"]),
        ("zone", {}, "Europe/Berlin"),
        ("local", {"TZ": "Europe/Berlin"}, ["CET", "CEST"]),
        ("local", {"TZ": "Europe/Berlin", "TZDIR": NOWHERE}, ["Europe", "Europe"]),
        ("terminal", {"TERMINFO": NOWHERE}, ["error", "setupterm: could not find terminfo database"]),
        ("terminal", {"TERMINFO_DIRS": NOWHERE}, ["error", "setupterm: could not find terminfo database"]),
        ("terminal", {}, 256),
    ],
)
def test_in_an_empty_root(
    frozen: Path, run_in_empty_root: Callable[..., Run], what: str, variables: dict[str, str], expected: object
) -> None:
    """Where the executable's own would be taken, as the host has none."""
    run = run_in_empty_root(frozen, what, env={"PATH": "/usr/bin:/bin", **variables})
    assert json.loads(run.stdout) == expected


def test_the_executables_own_certificates(frozen: Path, run_in_empty_root: Callable[..., Run]) -> None:
    run = run_in_empty_root(frozen, "tls", env={"PATH": "/usr/bin:/bin"})
    assert json.loads(run.stdout) > 100
