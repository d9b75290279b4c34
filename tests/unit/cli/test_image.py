"""``freezer image``: one line with the path, or JSON with the digests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from imagefiles import Opened
from signing import check_statement, payload_of, write_key
from signing import p256_key as new_key
from support import compile_c

from freezer.base.errors import ExitStatus
from freezer.cli.main import build_parser, main
from freezer.plan.image_settings import IMAGE_DATA, IMAGE_OUTPUT, IMAGE_SETTINGS
from freezer.plan.settings import SIGNING


@pytest.fixture
def program(here: Path) -> Path:
    return compile_c("int main(void) { return 7; }", here / "tool", "-static")


def test_every_setting_is_an_option() -> None:
    parsed = vars(build_parser().parse_args(["image", "tool"]))
    assert {parsed[item.attribute] for item in (IMAGE_OUTPUT, *IMAGE_SETTINGS, *IMAGE_DATA, *SIGNING)} == {None}


def test_the_path_is_the_result(program: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["image", "tool", "-o", "image.tar", "-t", "a:1"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{here}/image.tar\n"
    assert "docker.io/library/a:1" in shown.err
    assert Opened(here / "image.tar").config["config"]["Cmd"] == ["/app/tool"]


def test_json(program: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["image", "tool", "-o", "image.tar", "--json", "-q"]) == 0
    shown = capsys.readouterr()
    facts = json.loads(shown.out)
    opened = Opened(here / "image.tar")
    assert shown.err == ""
    assert (facts["path"], facts["size"]) == (f"{here}/image.tar", (here / "image.tar").stat().st_size)
    assert facts["image_id"] == opened.manifest["config"]["digest"]
    assert facts["manifest_digest"] == opened.index["manifests"][0]["digest"]
    assert [layer["diff_id"] for layer in facts["layers"]] == opened.config["rootfs"]["diff_ids"]
    assert [layer["digest"] for layer in facts["layers"]] == [item["digest"] for item in opened.manifest["layers"]]
    assert (facts["names"], facts["platform"]) == (["docker.io/library/tool:latest"], "linux/amd64")
    assert hashlib.sha256(opened.blob(facts["image_id"])).hexdigest() in facts["image_id"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["tool"], ExitStatus.USAGE, "-o image.tar"),
        (["none", "-o", "image.tar"], ExitStatus.INPUT, "does not exist"),
        (["app.py", "-o", "image.tar"], ExitStatus.INPUT, "app.py is not an executable"),
        (["tool", "-o", "."], ExitStatus.OUTPUT, "is a directory"),
        (["tool", "-o", "image.tar", "--image-layout", "unpacked"], ExitStatus.INPUT, "freezer build"),
        (["tool", "-o", "image.tar", "--user", "me"], ExitStatus.INPUT, "--user"),
    ],
)
def test_refusals(
    program: Path, here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, words: str
) -> None:
    before = sorted(here.iterdir())
    assert main(["image", *arguments]) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert words in shown.err
    assert sorted(here.iterdir()) == before


@pytest.fixture
def both(program: Path, here: Path) -> list[str]:
    """Images for two architectures; the second executable is one by its header only."""
    data = bytearray(program.read_bytes())
    data[18:20] = (183).to_bytes(2, "little")
    (here / "arm").mkdir()
    (here / "arm/tool").write_bytes(data)
    for source, output in (("tool", "one.tar"), ("arm/tool", "other.tar")):
        assert main(["image", source, "-o", output, "-q"]) == 0
    return ["one.tar", "other.tar"]


def test_an_index(both: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["image", "--index", *both, "-o", "all.tar"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{here}/all.tar\n"
    assert "linux/arm64/v8" in shown.err


def test_an_index_as_json(both: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["image", "--index", *both, "-o", "all.tar", "-t", "b:1", "-t", "c:2", "--json", "-q"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["names"] == ["docker.io/library/b:1", "docker.io/library/c:2"]
    assert (facts["path"], facts["size"]) == (f"{here}/all.tar", (here / "all.tar").stat().st_size)
    assert [item["platform"] for item in facts["images"]] == ["linux/amd64", "linux/arm64/v8"]
    assert [item["manifest_digest"] for item in facts["images"]] == [
        Opened(here / name).index["manifests"][0]["digest"] for name in both
    ]
    assert main(["check", "all.tar", "--verify=no"]) == 0


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["one.tar", "other.tar", "-o", "all.tar"], ExitStatus.USAGE, "freezer image --index TAR... -o TAR"),
        (["--index", "one.tar", "other.tar"], ExitStatus.USAGE, "-o image.tar"),
        (["--index", "one.tar", "-o", "all.tar", "--user", "1"], ExitStatus.USAGE, "--user does not apply to --index"),
        (["--index", "one.tar", "-o", "all.tar", "--no-tmp"], ExitStatus.USAGE, "--tmp does not apply to --index"),
        (["--index", "one.tar", "tool", "-o", "all.tar"], ExitStatus.INPUT, "tool is not an image"),
        (["--index", "one.tar", "none", "-o", "all.tar"], ExitStatus.INPUT, "does not exist"),
        (["--index", "one.tar", "-o", "one.tar"], ExitStatus.USAGE, "would be replaced"),
        (["--index", "one.tar", "one.tar", "-o", "all.tar"], ExitStatus.INPUT, "two of the images are for"),
        (["--index", "one.tar", "-o", "-", "--json"], ExitStatus.USAGE, "cannot both be written"),
    ],
)
def test_indexes_that_are_refused(
    both: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, words: str
) -> None:
    capsys.readouterr()
    assert main(["image", *arguments]) == status
    assert words in capsys.readouterr().err


def test_signed(program: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The provenance in the image, and the same in a file if one is named; and the check that reads it."""
    write_key(here / "k", new_key())
    assert main(["image", "tool", "-o", "image.tar", "--sign-key", "k", "--provenance", "p.jsonl"]) == 0
    assert capsys.readouterr().out == f"{here}/image.tar\n{here}/p.jsonl\n"
    document = payload_of((here / "p.jsonl").read_bytes())
    check_statement(document)
    digest = Opened(here / "image.tar").index["manifests"][0]["digest"]
    assert document["subject"] == [{"name": "docker.io/library/tool", "digest": {"sha256": digest[7:]}}]
    assert main(["check", "image.tar", "--key", "k.pub", "--no-verify", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["signature"]["digests"] == [digest]
    assert facts["signature"]["statements"][0]["predicate"] == document["predicate"]


def test_provenance_without_a_signature(program: Path, here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["image", "tool", "-o", "image.tar", "--provenance", "-", "-q"]) == 0
    check_statement(json.loads(capfd.readouterr().out))
    write_key(here / "k", new_key())
    assert main(["check", "image.tar", "--key", "k.pub"]) == ExitStatus.VERIFICATION
    assert "is not signed" in capfd.readouterr().err


def test_a_signed_index(program: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_key(here / "k", new_key())
    data = bytearray(program.read_bytes())
    data[18:20] = (22).to_bytes(2, "little")
    (here / "other").write_bytes(data)
    for name in ("tool", "other"):
        assert main(["image", name, "-o", f"{name}.tar", "-t", "a:1", "-q"]) == 0
    words = ["image", "--index", "tool.tar", "other.tar", "-o", "both.tar", "--sign-key", "k", "--provenance", "p"]
    assert main(words) == 0
    assert main(["check", "both.tar", "--key", "k.pub", "--no-verify"]) == 0
    assert payload_of((here / "p").read_bytes())["predicate"]["buildDefinition"]["buildType"].endswith("#index/v1")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--sign-key", "none"], ExitStatus.INPUT, "cannot read the key"),
        (["--sign-key", "app.py"], ExitStatus.INPUT, "no private key that freezer can read"),
        (["--sign-key", "k.pub"], ExitStatus.INPUT, "no private key that freezer can read"),
        (["--sign-key", "locked"], ExitStatus.INPUT, "cannot read the passphrase"),
        (["--sign-passphrase", "p"], ExitStatus.USAGE, "--sign-passphrase needs --sign-key"),
        (["--provenance", "image.tar"], ExitStatus.USAGE, "cannot both be"),
        (["--provenance", "-", "--json"], ExitStatus.USAGE, "cannot both be written to standard output"),
        (["--sign-key", "k", "--provenance", "k"], ExitStatus.USAGE, "would be replaced"),
    ],
)
def test_what_cannot_be_signed(
    program: Path, here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, words: str
) -> None:
    """Nothing is written then."""
    write_key(here / "k", new_key())
    write_key(here / "locked", new_key(), passphrase=b"x")
    if "locked" in arguments:
        arguments = [*arguments, "--sign-passphrase", "none"]
    before = (here / "k").read_bytes()
    assert main(["image", "tool", "-o", "image.tar", *arguments]) == status
    assert words in capsys.readouterr().err
    assert not (here / "image.tar").exists() and (here / "k").read_bytes() == before
