"""Names of images, as docker and containerd read them."""

from __future__ import annotations

import pytest

from freezer.base.errors import InputError
from freezer.base.oci.reference import default_reference, parse_reference


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("hello", "docker.io/library/hello:latest"),
        ("hello:1.2", "docker.io/library/hello:1.2"),
        ("team/hello", "docker.io/team/hello:latest"),
        ("docker.io/hello", "docker.io/library/hello:latest"),
        ("index.docker.io/team/hello:x", "docker.io/team/hello:x"),
        ("localhost/hello", "localhost/hello:latest"),
        ("localhost:5000/a/b/c:T_1.x-y", "localhost:5000/a/b/c:T_1.x-y"),
        ("registry.example.com/a__b.c-d", "registry.example.com/a__b.c-d:latest"),
        ("[::1]:5000/hello", "[::1]:5000/hello:latest"),
        ("Host/hello", "Host/hello:latest"),
        ("hello:" + "t" * 128, "docker.io/library/hello:" + "t" * 128),
    ],
)
def test_good(text: str, full: str) -> None:
    assert str(parse_reference(text)) == full
    assert parse_reference(full) == parse_reference(text)


@pytest.mark.parametrize(
    "text",
    ["", ":", "Hello", "hello:", "hello:a b", "hello:-x", "a//b", "/a", "a/", "-a", "a-", "a___b", "a..b", "é", "a b"]
    + ["hello@sha256:" + "0" * 64, "0" * 64, "hello:" + "t" * 129, "x" * 300, "host:port/hello", "a:b:c", "a\n"],
)
def test_bad(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_reference(text)
    assert caught.value.why and caught.value.hint


@pytest.mark.parametrize(
    ("name", "path"), [("My App", "my-app"), ("a_b.c", "a_b.c"), ("-x-", "x"), ("é-1", "1"), ("a---b", "a-b")]
)
def test_default(name: str, path: str) -> None:
    assert str(default_reference(name)) == f"docker.io/library/{path}:latest"


def test_no_default() -> None:
    with pytest.raises(InputError) as caught:
        default_reference("é")
    assert "--tag" in (caught.value.hint or "")
