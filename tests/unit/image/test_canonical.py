"""Files of freezer's own are canonical; no changed byte goes unnoticed."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

from images import pack
from judging import judge
from support import compile_c

from freezer.application.origin import Origin
from freezer.base.log import Log
from freezer.base.oci.archive import open_image
from freezer.image.make import image_of_executable
from freezer.plan.resolve import resolve_for_image


def test_packed_anew(tmp_path: Path) -> None:
    """By a tool that keeps the manifest, such as skopeo: then the frame is that tool's, and no longer freezer's."""
    program = compile_c("int main(void) { return 0; }", tmp_path / "app", "-static", "-s")
    plan = resolve_for_image({"output": "image.tar"}, folder=tmp_path, environ={})
    path = image_of_executable(plan, program, Origin(None, None, 0), Log(stream=io.StringIO()), "app").path
    with open_image(path) as opened:
        contents = {name: b"".join(opened.chunks(name)) for name in opened.members if name != "manifest.json"}
    index = json.loads(contents["index.json"])
    del index["annotations"]
    contents["index.json"] = json.dumps(index, indent=1).encode()
    assert judge(pack(tmp_path / "anew.tar", contents)) == ""


def test_every_byte_counts(tmp_path: Path) -> None:
    """In a file of freezer's own, a change of any byte outside the layers is found, and of some inside."""
    program = compile_c("int main(void) { return 0; }", tmp_path / "app", "-static", "-s")
    values = {"output": "image.tar", "tag": ["a:1", "b:2"], "label": ["k=v"]}
    plan = resolve_for_image(values, folder=tmp_path, environ={})
    path = image_of_executable(plan, program, Origin(None, None, 0), Log(stream=io.StringIO()), "app").path
    assert judge(path) == ""
    whole = path.read_bytes()
    with open_image(path) as opened:
        layers = [opened.members[item.name] for item in opened.images[0].layers]
    inside = {at for member in layers for at in range(member.offset, member.offset + member.size)}
    chance = random.Random(1)
    places = [at for at in range(len(whole)) if at not in inside] + chance.sample(sorted(inside), 200)
    copy = tmp_path / "copy.tar"
    copy.write_bytes(whole)
    unnoticed = []
    with open(copy, "r+b", buffering=0) as out:
        for at in places:
            out.seek(at)
            out.write(bytes([whole[at] ^ (1 << chance.randrange(8))]))
            if judge(copy) == "":
                unnoticed.append(at)
            out.seek(at)
            out.write(whole[at : at + 1])
    assert unnoticed == []
    for size in (len(whole) - 1, len(whole) // 2, 0):
        copy.write_bytes(whole[:size])
        assert judge(copy) != ""
    copy.write_bytes(whole + b"\0")
    assert judge(copy) != ""
