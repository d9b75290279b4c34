"""Which variant of its machine code needs is read off its files."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import imagefiles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imagefiles import NOWHERE
from support import compile_c

from freezer.base.errors import InputError
from freezer.base.log import Log
from freezer.image.make import image_of_executable
from freezer.image.variants import Needs, needed_variant, needs_of, rank_of

MAIN = "int main(void) { return 0; }"


def arm(path: Path, attributes: bytes) -> Path:
    """An ELF file for ARM that has nothing but build attributes and the names of its sections."""
    names = b"\0.ARM.attributes\0.shstrtab\0"
    header = 52
    sections = [
        (0,) * 10,
        (1, 0x70000003, 0, 0, header, len(attributes), 0, 0, 1, 0),
        (17, 3, 0, 0, header + len(attributes), len(names), 0, 0, 1, 0),
    ]
    start = header + len(attributes) + len(names)
    fields = (3, 40, 1, 0, 0, start, 0x5000400, header, 32, 0, 40, len(sections), 2)
    data = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", *fields)
    path.write_bytes(data + attributes + names + b"".join(struct.pack("<10I", *item) for item in sections))
    return path


def attributes(*values: bytes, vendor: bytes = b"aeabi\0") -> bytes:
    inner = b"".join(values)
    file = b"\x01" + struct.pack("<I", len(inner) + 5) + inner
    return b"A" + struct.pack("<I", len(vendor) + len(file) + 4) + vendor + file


@pytest.mark.parametrize(
    ("values", "variant"),
    [
        # As a compiler writes them: the processor's name, its architecture, its profile, its instructions.
        ([b"\x057-A\0", b"\x06\x0a", b"\x07A", b"\x08\x01"], "v7"),
        ([b"\x05ARM1176JZF-S\0", b"\x06\x07"], "v6"),
        ([b"\x06\x09"], "v6"),
        ([b"\x06\x04"], "v5"),
        ([b"\x06\x0e"], "v8"),
        # A compatibility flag has a number and a text, and unknown tags have one of them.
        ([b"\x20\x01gnu\0", b"\x43" + b"2.09\0", b"\x44\x81\x01", b"\x06\x0a"], "v7"),
        # A microcontroller's.
        ([b"\x06\x0b"], None),
        ([b"\x08\x01"], None),
        ([], None),
    ],
)
def test_arm(tmp_path: Path, values: list[bytes], variant: str | None) -> None:
    assert needed_variant(arm(tmp_path / "lib.so", attributes(*values))) == variant


def test_attributes_of_other_vendors(tmp_path: Path) -> None:
    other = attributes(b"\x06\x0e", vendor=b"gnu\0")
    assert needed_variant(arm(tmp_path / "one.so", other)) is None
    assert needed_variant(arm(tmp_path / "two.so", other + attributes(b"\x06\x0a")[1:])) == "v7"


@given(st.binary(max_size=60))
def test_any_attributes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.so"
    assert needed_variant(arm(path, b"A" + data)) in (None, "v5", "v6", "v7", "v8")


@pytest.fixture(scope="module")
def demanding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static program that says that it needs x86-64-v3."""
    return compile_c(MAIN, tmp_path_factory.mktemp("demanding") / "app", "-static", "-Wl,-z,x86-64-v3")


def test_x86(demanding: Path, tmp_path: Path) -> None:
    assert needed_variant(demanding) == "v3"
    assert needed_variant(compile_c(MAIN, tmp_path / "v2", "-static", "-Wl,-z,x86-64-v2")) == "v2"
    assert rank_of(needed_variant(compile_c(MAIN, tmp_path / "plain", "-static"))) <= 1
    (tmp_path / "text").write_text("no ELF file\n")
    assert needed_variant(tmp_path / "text") is None


@given(st.data())
def test_a_damaged_file_says_something_or_nothing(demanding: Path, data: st.DataObject) -> None:
    content = bytearray(demanding.read_bytes()[:4096])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(4, 1023))] = data.draw(st.integers(0, 255))
    path = demanding.with_name("damaged")
    path.write_bytes(content)
    needed_variant(path)


def test_the_most_demanding_file_counts(demanding: Path, tmp_path: Path) -> None:
    plain = compile_c(MAIN, tmp_path / "plain", "-static")
    assert needs_of([plain, demanding, plain]) == Needs("v3", "app")
    assert needs_of([]) == Needs()
    # The loader takes these only where they run.
    chosen = tmp_path / "lib" / "glibc-hwcaps" / "x86-64-v3" / "libx.so"
    chosen.parent.mkdir(parents=True)
    chosen.write_bytes(demanding.read_bytes())
    assert needs_of([chosen]) == Needs()


def test_an_image_says_what_its_executable_needs(demanding: Path, tmp_path: Path) -> None:
    log = Log(stream=io.StringIO())
    image_of_executable(imagefiles.plan(tmp_path), demanding, NOWHERE, log)
    assert log.warnings == [
        "the image says amd64, but app needs v3 of it; to say so: --platform-variant v3",
    ]
    log = Log(stream=io.StringIO())
    made = image_of_executable(imagefiles.plan(tmp_path, platform_variant="v3"), demanding, NOWHERE, log)
    assert (made.platform, log.warnings) == ("linux/amd64/v3", [])
    with pytest.raises(InputError, match="the code needs amd64 v3"):
        image_of_executable(imagefiles.plan(tmp_path, platform_variant="v2"), demanding, NOWHERE, log)
