"""The runs of a proof, from options and from tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plans import plan

from freezer.base.errors import InputError
from freezer.cli.main import main
from freezer.plan.build import Request, Smoke
from freezer.plan.choices import Verification
from freezer.plan.learned import Learned
from freezer.plan.smokes import MOST_INPUT, replays, resolve_smokes, resolve_verification, runs_of


@pytest.mark.parametrize(
    ("values", "smoke"),
    [
        ({}, Smoke(None, None, 10)),
        ({"smoke": ""}, Smoke((), 0, 10)),
        ({"smoke": "--a 'b c' \"\""}, Smoke(("--a", "b c", ""), 0, 10)),
        ({"smoke": "x", "smoke_status": 3, "smoke_timeout": 1}, Smoke(("x",), 3, 1)),
        ({"smoke_status": 2}, Smoke(None, 2, 10)),
        ({"smoke_timeout": 2}, Smoke(None, 0, 2, endless=True)),
        ({"smoke_timeout": 2, "smoke_status": 0}, Smoke(None, 0, 2)),
    ],
)
def test_smoke(values: dict[str, Any], smoke: Smoke) -> None:
    assert resolve_smokes(values) == (smoke,)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, Verification.AUTO),
        ({"smoke": ""}, Verification.REQUIRE),
        ({"smoke_status": 77}, Verification.REQUIRE),
        ({"smoke_timeout": 5}, Verification.REQUIRE),
        ({"smoke": "x", "verify": "auto"}, Verification.AUTO),
        ({"smoke": "x", "verify": False}, Verification.NO),
        ({"verify": True}, Verification.REQUIRE),
        ({"verify": "require"}, Verification.REQUIRE),
        ({"verify": "no"}, Verification.NO),
    ],
)
def test_who_says_how_to_run_wants_a_proof(values: dict[str, Any], wanted: Verification) -> None:
    assert resolve_verification(values, Verification.AUTO) is wanted


def test_an_unknown_verification() -> None:
    with pytest.raises(InputError, match="--verify 'perhaps' is unknown") as caught:
        resolve_verification({"verify": "perhaps"}, Verification.AUTO)
    assert caught.value.hint == "it is one of: require, auto, no"


def test_several_runs() -> None:
    """Each has its own; what is said for all holds where it has none."""
    values = {
        "smoke": [{"args": "--version", "expect": ["1.2"]}, {"args": "x", "status": 3}, {"http": ["/"], "timeout": 5}],
        "smoke_timeout": 30,
    }
    assert resolve_smokes(values) == (
        Smoke(("--version",), 0, 30, expected=("1.2",)),
        Smoke(("x",), 3, 30),
        Smoke(None, None, 5, requests=(Request("/"),)),
    )
    assert resolve_smokes({"smoke_expect": ["ready"]}) == (Smoke(None, 0, 10, endless=True, expected=("ready",)),)
    assert resolve_smokes({"smoke": []}) == (Smoke(None, 0, 10, endless=True),)


@pytest.mark.parametrize(
    ("text", "path", "status"),
    [
        ("/", "/", None),
        ("/=404", "/", 404),
        ("/a=b", "/a=b", None),
        ("/a=999", "/a=999", None),
        ("/?q=100", "/?q=100", None),
        ("/?q=100=200", "/?q=100", 200),
        ("/?a=1&b=404", "/?a=1&b=404", None),
        ("/?a=1&b=404=404", "/?a=1&b=404", 404),
        ("/?q==404", "/?q=", 404),
    ],
)
def test_requests(text: str, path: str, status: int | None) -> None:
    (smoke,) = resolve_smokes({"smoke_http": [text]})
    assert smoke.requests == (Request(path, status),)


@pytest.mark.parametrize("text", ["", "health", "/a b", "/\u00e9", "/a\n", "/#top", "http://localhost/"])
def test_what_cannot_be_asked(text: str) -> None:
    with pytest.raises(InputError, match="is not PATH or PATH=STATUS"):
        resolve_smokes({"smoke_http": [text]})


def test_expected_statuses() -> None:
    assert [status for status in (199, 200, 399, 400, 500) if Request("/").accepts(status)] == [200, 399]
    assert [status for status in (200, 404, 500) if Request("/", 404).accepts(status)] == [404]


def test_a_server_has_no_status() -> None:
    with pytest.raises(InputError, match="--smoke-http / and --smoke-status 0 are of the same run"):
        resolve_smokes({"smoke_http": ["/"], "smoke_status": 0})
    runs = resolve_smokes({"smoke": [{"args": "x", "status": 4}, {"http": ["/"]}]})
    assert [run.status for run in runs] == [4, None]


def test_standard_input(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"\xff\n")
    assert resolve_smokes({"smoke_stdin": "2 3\n"})[0].stdin == b"2 3\n"
    assert resolve_smokes({"smoke_stdin": f"@{tmp_path}/in.txt"})[0].stdin == b"\xff\n"
    with pytest.raises(InputError, match="there is no file"):
        resolve_smokes({"smoke_stdin": f"@{tmp_path}/other"})
    with open(tmp_path / "in.txt", "wb") as file:
        file.truncate(MOST_INPUT + 1)
    with pytest.raises(InputError, match="more than 16 MiB"):
        resolve_smokes({"smoke_stdin": f"@{tmp_path}/in.txt"})


def runs(here: Path, **values: Any) -> list[tuple[Any, ...]]:
    return [(run.arguments, run.status, run.timeout) for run in plan(here, entry="app.py", **values).smokes]


def test_the_command_line_and_the_file(tmp_path: Path) -> None:
    """Runs of the command line replace the file's; an option without a run changes all of them."""
    (tmp_path / "app.py").write_text("")
    (tmp_path / "pyproject.toml").write_text(
        "[[tool.freezer.smoke]]\nargs = 'a'\nstatus = 3\n[[tool.freezer.smoke]]\nargs = 'b'\ntimeout = 5\n"
    )
    assert runs(tmp_path) == [(("a",), 3, 10), (("b",), 0, 5)]
    assert runs(tmp_path, smoke_timeout=60) == [(("a",), 3, 60), (("b",), 0, 60)]
    assert runs(tmp_path, smoke=[{"args": "c"}]) == [(("c",), 0, 10)]
    (tmp_path / "pyproject.toml").write_text("[tool.freezer]\nsmoke = 'a'\nsmoke-status = 3\n")
    assert runs(tmp_path, smoke_timeout=60) == [(("a",), 3, 60)]
    assert runs(tmp_path, smoke=[{"args": "c"}]) == [(("c",), 3, 10)]


def test_tables() -> None:
    path, section = Path("pyproject.toml"), "tool.freezer.smoke"
    one = {"args": "x"}
    assert runs_of(one, path, section) == [(section, one)]
    assert runs_of([one, one], path, section) == [(section, one), (section, one)]
    assert runs_of({"web": one}, path, section) == [(f"{section}.web", one)]
    for value in (3, ["x"], [one, "x"]):
        with pytest.raises(InputError, match=r"pyproject\.toml: tool\.freezer\.smoke must be a string, or tables"):
            runs_of(value, path, section)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--smoke", "--version", "--smoke", "x y", "--smoke-status", "3"), [("--version",), ("x", "y")]),
        (("--smoke-status", "3", "--smoke", "x"), [("x",)]),
        (("--smoke-status", "3"), [None]),
    ],
)
def test_options_follow_their_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], wanted: list[tuple[str, ...] | None]
) -> None:
    from freezer import pipeline

    seen: list[Any] = []

    def build(plan: Any, **_: Any) -> None:
        seen.append(plan)
        raise InputError("enough")

    (tmp_path / "app.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "build", build)
    main(["build", "app.py", *words])
    assert [run.arguments for run in seen[0].smokes] == wanted
    assert seen[0].smokes[-1].status == 3


def test_the_runs_of_a_learned_file(tmp_path: Path) -> None:
    learned = Learned(tmp_path / "x", tmp_path, runs={"": "any status", "--to 'a b'": "status 3"})
    assert replays(learned) == (Smoke((), None, 10), Smoke(("--to", "a b"), 3, 10))
    assert [smoke.timeout for smoke in replays(learned, 60)] == [60, 60]
