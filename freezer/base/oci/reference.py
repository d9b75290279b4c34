"""Names of images: the reference grammar of the distribution project, as docker, podman and containerd read it.

``NAME[:TAG]``, where NAME may start with a registry's host and port. A name without a registry belongs to docker.io,
and there a name without an owner belongs to ``library``; engines show and compare names in this form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from freezer.base.errors import InputError

COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
PATH = re.compile(rf"{COMPONENT}(?:/{COMPONENT})*")
LABEL = r"(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
DOMAIN = re.compile(rf"(?:{LABEL}(?:\.{LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
IDENTIFIER = re.compile(r"[0-9a-f]{64}")
MAX_NAME = 255
"""Characters of a name, registry and all, without the tag."""

EXAMPLES = "for example: hello, hello:1.2, team/hello:1.2, registry.example.com:5000/team/hello:1.2"


@dataclass(frozen=True)
class Reference:
    """A name with a tag. ``str()`` gives it in full: ``docker.io/library/hello:latest``."""

    domain: str
    path: str
    tag: str

    def __str__(self) -> str:
        """Return the name in full."""
        return f"{self.domain}/{self.path}:{self.tag}"


def parse_reference(text: str) -> Reference:
    """Parse ``NAME[:TAG]``; the tag is ``latest`` if there is none.

    Raises InputError for a name that an engine would not accept, and for a digest, which follows from the image.
    """
    if "@" in text:
        raise _wrong(text, "an image cannot be given a digest: it follows from its content")
    head, slash, tail = text.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost" or head != head.lower()):
        domain, rest = head, tail
    else:
        domain, rest = "docker.io", text
    path, colon, tag = rest.partition(":")
    if not DOMAIN.fullmatch(domain):
        raise _wrong(text, f"{domain!r} is not a registry name")
    if not PATH.fullmatch(path):
        capitals = path != path.lower() and PATH.fullmatch(path.lower())
        raise _wrong(text, "a name has no capital letters" if capitals else f"{path!r} is not a valid image name")
    if colon and not TAG.fullmatch(tag):
        raise _wrong(text, f"{tag!r} is not a tag: at most 128 letters, digits, '_', '.' and '-'")
    if domain == "index.docker.io":
        domain = "docker.io"
    if IDENTIFIER.fullmatch(path) and domain == "docker.io":
        raise _wrong(text, "a name of 64 hexadecimal digits would be taken for an image's ID")
    if domain == "docker.io" and "/" not in path:
        path = f"library/{path}"
    if len(domain) + 1 + len(path) > MAX_NAME:
        raise _wrong(text, f"a name has at most {MAX_NAME} characters")
    return Reference(domain, path, tag if colon else "latest")


def default_reference(name: str) -> Reference:
    """Return the name for an application called ``name``, made valid: ``My App`` becomes ``my-app:latest``.

    Raises InputError if no part of it is valid in a name.
    """
    mended = re.sub(r"[^a-z0-9]+", lambda match: match[0] if match[0] in ("_", "__", ".") else "-", name.lower())
    try:
        return parse_reference(mended.strip("-._"))
    except InputError as error:
        raise InputError(f"no image can be named after {name!r}", hint="name it: --tag NAME") from error


def _wrong(text: str, why: str) -> InputError:
    return InputError(f"{text!r} is not a valid image name", why=why, hint=EXAMPLES)
