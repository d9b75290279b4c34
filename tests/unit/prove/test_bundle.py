"""Bundles: their libraries, and what their manifests say."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from support import compile_c

from freezer.base.errors import InputError
from freezer.base.log import Log
from freezer.link.payload import pack as payload
from freezer.link.payload.pack import Record, Type
from freezer.plan.choices import MANIFEST, Linker, Packing
from freezer.prove import bundle as module
from freezer.prove.unpack import Unpacked
from freezer.prove.verify import check_static
from freezer.store.workspace import workspace

MAIN = "int main(void) { return 0; }"


def test_manifest(tmp_path: Path) -> None:
    assert module._known_missing(tmp_path) == frozenset()
    (tmp_path / MANIFEST).write_text(json.dumps({"missing_libraries": ["a.so", "b.so"]}))
    assert module._known_missing(tmp_path) == {"a.so", "b.so"}
    for text in ("", "[]", "{}", '{"missing_libraries": 3}'):
        (tmp_path / MANIFEST).write_text(text)
        with pytest.raises(InputError, match="damaged"):
            module._known_missing(tmp_path)


def test_loads_of_a_native_bundle(tmp_path: Path) -> None:
    """Every library is tried as in the running application; the program and the loader are none."""
    folder = tmp_path / "bundle"
    (folder / "_internal").mkdir(parents=True)
    compile_c(MAIN, folder / "program", "-Wl,--dynamic-linker=/ld-x.so")
    for place in ("libc.so.6", "ld-x.so", "_internal/libpython3.9.so.1.0", "_internal/x.abi3.so"):
        compile_c("int f;", folder / place, "-shared", "-fPIC")
    loads = module._loads(Unpacked(folder, Linker.NATIVE, "program", "ld-x.so"))
    assert sorted(item.pop("file") for item in loads) == [
        "/bundle/_internal/libpython3.9.so.1.0",
        "/bundle/_internal/x.abi3.so",
        "/bundle/libc.so.6",
    ]
    assert loads == 3 * [
        {
            "loader": "/bundle/ld-x.so",
            "library_path": ["/bundle", "/bundle/_internal"],
            "preload": ["/bundle/_internal/libpython3.9.so.1.0"],
        }
    ]
    assert module._loads(Unpacked(folder, Linker.NATIVE, "program", None)) == []
    (folder / "program").write_text("#!/bin/sh\n")
    assert module._loads(Unpacked(folder, Linker.NATIVE, "program", "ld-x.so")) == []


def test_a_native_bundle_is_opened(tmp_path: Path) -> None:
    records = [
        Record(Type.EXECUTABLE, "program", source=compile_c(MAIN, tmp_path / "program")),
        Record(Type.FILE, MANIFEST, data=b'{"missing_libraries": ["libgone.so.1"]}'),
    ]
    launcher = compile_c(MAIN, tmp_path / "launcher", "-static")
    path = tmp_path / "app"
    payload.write(launcher, records, Packing.FAST, path)
    path.chmod(0o755)
    check_static(path)
    with workspace(tmp_path / "cache", "app", keep=False, log=Log(stream=io.StringIO())) as job:
        found = module.open_bundle(path, job)
        assert found == module.Bundle(job.work / "unpacked", (), frozenset({"libgone.so.1"}))
    changed = bytearray(path.read_bytes())
    changed[1000] ^= 1
    path.write_bytes(changed)
    with (
        workspace(tmp_path / "cache", "app", keep=False, log=Log(stream=io.StringIO())) as job,
        pytest.raises(InputError, match="is damaged"),
    ):
        module.open_bundle(path, job)
