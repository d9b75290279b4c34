"""The proof by use: several runs, a server that is asked, what a run lacked; all of one small server, frozen once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import Freezer, Outcome, processes_with

VERIFICATION = 6
SERVER = """\
import http.server
import importlib
import pathlib
import socket
import sys
import traceback

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            status, text = self.answer()
        except Exception:
            traceback.print_exc()
            status, text = 500, "broken"
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def answer(self):
        if self.path == "/plugin":
            return 200, importlib.import_module("".join(["plug", "gable"])).NAME
        if self.path == "/notes":
            return 200, pathlib.Path(__file__).with_name("NOTES"[::1] + ".log").read_text()
        if self.path == "/spare":
            import spare
        if self.path == "/broken":
            raise ValueError("as you wish")
        return (200, "hello") if self.path == "/" else (404, "nothing")

class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if sys.argv[1:] == ["six"] else socket.AF_INET

if sys.argv[1:] == ["add"]:
    print(sum(map(int, sys.stdin.read().split())))
    sys.exit(3)
if sys.argv[1:] == ["early"]:
    sys.exit("no configuration")
if sys.argv[1:] == ["mute"]:
    listener = socket.create_server(("127.0.0.1", 0))
    while True:
        listener.accept()[0].close()
with Server(("::" if sys.argv[1:] == ["six"] else "127.0.0.1", 0), Handler) as server:
    server.serve_forever()
"""
SETTINGS = """\
[tool.freezer]
linker = "native"

[tool.freezer.smoke.sum]
args = "add"
stdin = "2 3"
status = 3
expect = "5"

[tool.freezer.smoke.web]
http = ["/", "/gone=404", "/plugin", "/notes"]
expect = ["hello", "pluggable", "a note"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("use")
    (made / "server.py").write_text(SERVER)
    (made / "pluggable.py").write_text("NAME = __name__\n")
    (made / "spare.py").write_text("")
    # What programs leave behind comes along only if it is named, or asked for.
    (made / "NOTES.log").write_text("a note")
    (made / "pyproject.toml").write_text(SETTINGS)
    return made


@pytest.fixture(scope="module")
def built(freezer: Freezer, folder: Path) -> Outcome:
    return freezer("build", "server.py", "--json", cwd=folder)


def test_what_a_run_lacks_is_added(built: Outcome) -> None:
    """A module that an answer needs, then a file: two runs fail, and what makes it permanent is said."""
    warnings = [
        "a run of the proof lacked the module pluggable (pluggable.py), which was added; "
        "to add it from the start: --hidden-import pluggable",
        "a run of the proof lacked the file NOTES.log, which was added; "
        "to add it from the start: --add-data NOTES.log:.",
    ]
    reply = json.loads(built.stdout)
    assert reply["warnings"] == reply["verified"]["warnings"] == warnings
    assert reply["verified"]["outcome"] == (
        "2 runs in an empty root: exited with status 3; "
        "answered GET / with 200, GET /gone with 404, GET /plugin with 200, GET /notes with 200"
    )
    assert reply["not_tried"] == ["2 of 3 own modules ran; -v names the others"]
    assert (reply["verified"]["own"], reply["verified"]["unused"]) == (3, ["spare"])
    assert built.stderr.count("verify") == 3


def test_it_is_remembered(freezer: Freezer, built: Outcome, folder: Path) -> None:
    """With what was added: that is an input like any other."""
    again = json.loads(freezer("build", "server.py", "--json", cwd=folder).stdout)
    assert again["unchanged"]
    assert again["warnings"] == json.loads(built.stdout)["warnings"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--smoke-http", "/gone"), "server answers GET /gone with 404 Not Found in an empty root; 200 to 399 was"),
        (("--smoke-http", "/broken"), "server answers GET /broken with 500 Internal Server Error in an empty root"),
        (("--smoke", "early", "--smoke-http", "/"), "server early exited with status 1 before it listened at a port"),
        (("--smoke", "mute", "--smoke-http", "/", "--smoke-timeout", "10"), "did not answer GET / within 10 s (port "),
        (("--smoke", "add", "--smoke-http", "/"), "server add exited with status 3 before it listened at a port"),
        (("--smoke", "add", "--smoke-status", "3", "--smoke-expect", "7"), "did not print '7' in an empty root"),
    ],
)
def test_other_answers_fail(freezer: Freezer, built: Outcome, folder: Path, words: tuple[str, ...], said: str) -> None:
    # The first run is as it should be: the second is named.
    path = json.loads(built.stdout)["path"]
    words = (*("--smoke", "add", "--smoke-status", "3"), *(() if words[0] == "--smoke" else ("--smoke", "")), *words)
    message = freezer.fails("check", path, *words, cwd=folder, status=VERIFICATION)
    assert said in message
    assert ("ValueError: as you wish" in message) is ("/broken" in words)
    assert processes_with(path) == []


def test_an_image_is_asked_too(freezer: Freezer, built: Outcome, folder: Path) -> None:
    """In its own root; and a server of IPv6 as well."""
    path = json.loads(built.stdout)["path"]
    freezer("image", path, "-o", "server.tar", cwd=folder)
    words = ("--smoke-http", "/", "--smoke", "six", "--smoke", "", "--smoke-http", "/plugin")
    message = freezer.fails("check", "server.tar", *words, "--smoke-expect", "hello", cwd=folder, status=VERIFICATION)
    assert "server.tar answers in its own root without 'hello'" in message
    done = freezer("check", "server.tar", *words, "--smoke-expect", "pluggable", cwd=folder)
    assert "2 runs in its own root: answered GET / with 200; answered GET /plugin with 200" in done.stderr
