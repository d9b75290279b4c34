"""Statements: as the specifications have them, the same bytes for the same values, and read without trust."""

from __future__ import annotations

import json
from typing import Any

import pytest
from signing import check_resource, check_statement, made

from freezer.sign.envelope import Damaged
from freezer.sign.statement import BUILD, Made, Subject, parse_statement, render, resource, source_of

ONE, OTHER = Subject("app", "a" * 64), Subject("docker.io/library/app", "b" * 64)


def test_a_statement() -> None:
    how = Made(BUILD, {"entry": "app.py"}, {"x": 1}, (resource("input", name="x", sha256="c" * 64),), ({"uri": "u"},))
    data = render([ONE, OTHER], how)
    assert data == render([ONE, OTHER], how) and data.endswith(b"}\n")
    assert data.startswith(b'{"_type":"https://in-toto.io/Statement/v1"')
    document = json.loads(data)
    check_statement({**document})
    assert document["subject"] == [
        {"name": "app", "digest": {"sha256": "a" * 64}},
        {"name": "docker.io/library/app", "digest": {"sha256": "b" * 64}},
    ]
    read = parse_statement(data)
    assert read.subjects == (ONE, OTHER)
    assert read.is_about("a" * 64) and read.is_about("b" * 64) and not read.is_about("c" * 64)


def test_nothing_empty_is_stated() -> None:
    document = json.loads(render([ONE], Made(BUILD, {}, {}, ())))
    assert "internalParameters" not in document["predicate"]["buildDefinition"]
    assert "byproducts" not in document["predicate"]["runDetails"]
    assert resource("input", name="x") == {"name": "x", "annotations": {"role": "input"}}
    found = resource("python", uri="pkg:generic/python@3", annotations={"a": None, "b": False}, sha256="", gitCommit="")
    assert found == {"uri": "pkg:generic/python@3", "annotations": {"role": "python", "b": False}}
    check_resource(found)


@pytest.mark.parametrize(
    ("changed", "words"),
    [(False, "commit 111111111111"), (True, "commit 111111111111, with changes"), (None, ", perhaps with changes")],
)
def test_the_source_in_words(changed: Any, words: str) -> None:
    noted = {"changed": changed}
    how = Made(BUILD, {}, {}, (resource("source", annotations=noted, gitCommit="1" * 40),))
    assert str(source_of(parse_statement(render([ONE], how)))).endswith(words)
    assert source_of(parse_statement(render([ONE], Made(BUILD, {}, {}, ())))) is None


def test_a_hostile_source() -> None:
    how = Made(BUILD, {}, {}, (resource("source", gitCommit="\x1b[31m" + "1" * 40),))
    assert source_of(parse_statement(render([ONE], how))) is None


GOOD = json.loads(render([ONE], made()))


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100000, "not JSON"),
        (b'{"_type": 1, "_type": 2}', "twice"),
        ([], "not a statement"),
        ({**GOOD, "_type": "https://in-toto.io/Statement/v9"}, "not a statement"),
        ({**GOOD, "predicateType": None}, "no predicateType"),
        ({**GOOD, "subject": []}, "about nothing"),
        ({**GOOD, "subject": {}}, "about nothing"),
        ({**GOOD, "subject": [{"name": "x", "digest": {"sha512": "a" * 128}}]}, "about nothing"),
        ({**GOOD, "subject": [{"name": "x", "digest": {"sha256": "A" * 64}}]}, "about nothing"),
        ({**GOOD, "subject": [{"name": "x", "digest": "a"}]}, "about nothing"),
    ],
)
def test_damaged_statements(document: Any, reason: str) -> None:
    with pytest.raises(Damaged, match=reason):
        parse_statement(document if isinstance(document, bytes) else json.dumps(document).encode())


def test_statements_of_others() -> None:
    read = parse_statement(json.dumps({**GOOD, "_type": "https://in-toto.io/Statement/v0.1", "predicate": 1}).encode())
    assert read.is_about("a" * 64) and read.predicate == {} and source_of(read) is None
