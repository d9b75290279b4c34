"""Files of freezer's own are canonical; no changed byte goes unnoticed."""

from __future__ import annotations

import io
import json
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
