"""What people are told of the application's own."""

from __future__ import annotations

from pathlib import Path

from freezer.application.own import OwnFile, OwnFound, ground_request
from freezer.plan.choices import Own
from freezer.plan.resolve import resolve
from freezer.system.host import Host

PLACE = "beside the code, which asks for its place: Flask(__name__) at app.py:3"
FILES = (
    OwnFile(Path("/srv/settings.json"), ".", 14, "named at app.py:7"),
    OwnFile(Path("/srv/static/a.css"), "static", 1000, PLACE),
    OwnFile(Path("/srv/static/img/a.png"), "static/img", 500, PLACE),
)


def test_groups_are_what_is_at_the_top() -> None:
    groups = OwnFound(files=FILES).groups()
    assert [(group.path, group.files, group.size) for group in groups] == [
        ("settings.json", 1, 14),
        ("static/", 2, 1500),
    ]


def test_a_sentence_for_the_log() -> None:
    assert OwnFound().sentence() == ""
    assert OwnFound(modules=(("a", "named at app.py:1"),)).sentence() == ""
    secrets = ((".env", "a secret"), ("big", "larger than 20.0 MB"))
    assert OwnFound(files=FILES, left_out=secrets).sentence() == (
        "3 files, 1.5 kB: settings.json, static/; left out as secret: .env; left out as large: big"
    )
    many = tuple(OwnFile(Path(f"/srv/{name}"), ".", 1, "x") for name in "abcde")
    assert OwnFound(files=many).sentence() == "5 files, 5 B: a, b, c and 2 more"
    odd = OwnFound(left_out=(("data/\udcff", "its name is not UTF-8"),))
    assert odd.sentence() == "left out, their names are not UTF-8: 'data/\\udcff'"
    assert OwnFound(limited="it is a home").sentence() == "data beside the code stays out: it is a home"


def test_lines_for_people() -> None:
    found = OwnFound(
        files=FILES,
        modules=(("pkg", "named at app.py:2"), ("pkg.a", "named at app.py:2"), ("wsgi", "named at app.py:9")),
        foreign=("logging.handlers",),
        left_out=((".env", "a secret"),),
    )
    assert found.lines() == [
        "3 files, 1.5 kB; 3 modules",
        "  settings.json  14 B: named at app.py:7",
        f"  static/  2 files, 1.5 kB: {PLACE}",
        "  pkg  2 modules: named at app.py:2",
        "  wsgi: named at app.py:9",
        "named, of others:",
        "  logging.handlers",
        "left out:",
        "  .env: a secret",
    ]
    assert OwnFound().lines() == ["nothing but what the code imports"]


def test_notes_are_the_same_on_every_machine() -> None:
    notes = OwnFound(top=Path("/srv"), files=FILES, modules=(("wsgi", "named at app.py:9"),)).notes()
    assert "/srv" not in str(notes)
    assert notes["modules"] == [{"name": "wsgi", "why": "named at app.py:9"}]
    assert notes["files"][0] == {"path": "settings.json", "files": 1, "size": 14, "why": "named at app.py:7"}


def test_an_application_without_ground(tmp_path: Path) -> None:
    plan = resolve({"with": ["httpie"], "console_script": "http", "own": "code"}, folder=tmp_path, environ={})
    assert plan.own is Own.CODE
    request = ground_request(plan, None, Host())
    assert (request["own"], request["top"], request["code"]) == ("code", None, [])
