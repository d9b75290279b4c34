"""Statements of in-toto, version 1, with SLSA's predicate of provenance, version 1: what was made from what. Pure.

After https://github.com/in-toto/attestation/tree/main/spec/v1 and https://slsa.dev/spec/v1.1/provenance. There is no
time, no path of a machine and no random number in one: the same build gives the same bytes. What the parameters and
dependencies of freezer's mean is described in docs/signatures.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from freezer import __version__
from freezer.base.oci import model
from freezer.base.oci.documents import object_at, objects_at, parse_document
from freezer.sign.envelope import Damaged

STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
STATEMENTS = (STATEMENT, "https://in-toto.io/Statement/v0.1")
"""The types of statements that are read."""
BUILDER = "pkg:pypi/static-freezer"
"""The builder: freezer, run by whoever signs."""
BUILD, IMAGE, INDEX = (f"{BUILDER}#{kind}/v1" for kind in ("build", "image", "index"))
"""The kinds of builds: an application, an image of an existing executable, and several images that are joined."""
SHA256, COMMIT = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{40}|[0-9a-f]{64}")

Resource = dict[str, Any]
"""A ResourceDescriptor of in-toto's."""


@dataclass(frozen=True)
class Subject:
    """What a statement is about: a name, and the SHA-256 of its content in hexadecimal."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Made:
    """How something was made: ``kind`` is one of the kinds of builds; ``parameters`` are the user's settings,
    ``internal`` what freezer decided; ``byproducts`` are further documents."""

    kind: str
    parameters: Mapping[str, Any]
    internal: Mapping[str, Any]
    dependencies: tuple[Resource, ...]
    byproducts: tuple[Resource, ...] = ()


@dataclass(frozen=True)
class Statement:
    """A statement that was read, whoever made it."""

    predicate_type: str
    subjects: tuple[Subject, ...]
    predicate: Mapping[str, Any]

    def is_about(self, sha256: str) -> bool:
        """Return whether a content of this digest is one of the subjects."""
        return any(item.sha256 == sha256 for item in self.subjects)


def resource(role: str, *, name: str = "", uri: str = "", annotations: Optional[Resource] = None, **digest: str) -> Any:
    """Return the descriptor of something that was used, with its part in the build; ``digest`` are digests by their
    algorithms. What is empty is left out."""
    fields: dict[str, Any] = {"name": name, "uri": uri, "digest": {key: text for key, text in digest.items() if text}}
    noted = {key: value for key, value in (annotations or {}).items() if value is not None}
    return {**{key: value for key, value in fields.items() if value}, "annotations": {"role": role, **noted}}


def render(subjects: Sequence[Subject], made: Made) -> bytes:
    """Return the statement."""
    run: dict[str, Any] = {"builder": {"id": BUILDER, "version": {"static-freezer": __version__}}}
    if made.byproducts:
        run["byproducts"] = list(made.byproducts)
    document = {
        "_type": STATEMENT,
        "subject": [{"name": item.name, "digest": {"sha256": item.sha256}} for item in subjects],
        "predicateType": PROVENANCE,
        "predicate": {
            "buildDefinition": {
                "buildType": made.kind,
                "externalParameters": dict(made.parameters),
                **({"internalParameters": dict(made.internal)} if made.internal else {}),
                "resolvedDependencies": list(made.dependencies),
            },
            "runDetails": run,
        },
    }
    return model.canonical(document) + b"\n"


def parse_statement(data: bytes) -> Statement:
    """Read a statement. Raises Damaged if it is none."""
    try:
        document = parse_document(data)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"its payload is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("_type") not in STATEMENTS:
        raise Damaged("its payload is not a statement of in-toto")
    kind = document.get("predicateType")
    if not isinstance(kind, str):
        raise Damaged("its statement has no predicateType")
    subjects = []
    for item in objects_at(document, "subject"):
        digest = object_at(item, "digest").get("sha256")
        if isinstance(digest, str) and SHA256.fullmatch(digest):
            subjects.append(Subject(str(item.get("name") or ""), digest))
    if not subjects:
        raise Damaged("its statement is about nothing that has a SHA-256")
    return Statement(kind, tuple(subjects), object_at(document, "predicate"))


def source_of(statement: Statement) -> Optional[str]:
    """Return the commit that a statement names as the source, in words; None if it names none."""
    definition = object_at(statement.predicate, "buildDefinition")
    for item in objects_at(definition, "resolvedDependencies"):
        noted = object_at(item, "annotations")
        commit = object_at(item, "digest").get("gitCommit")
        if noted.get("role") == "source" and isinstance(commit, str) and COMMIT.fullmatch(commit):
            changed = noted.get("changed")
            state = "" if changed is False else ", with changes" if changed is True else ", perhaps with changes"
            return f"commit {commit[:12]}{state}"
    return None
