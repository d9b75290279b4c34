"""Layers: the same bytes for the same files, and in little memory."""

from __future__ import annotations

import gzip
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from imagefiles import Opened, make

from freezer.base.errors import InputError
from freezer.plan.choices import LayerCompression


@pytest.mark.parametrize("compression", [item.name.lower() for item in LayerCompression])
def test_compression(program: Path, tmp_path: Path, compression: str) -> None:
    opened = Opened(make(program, tmp_path, layer_compression=compression).path)
    assert opened.content("app/app") == program.read_bytes()
    assert {item["mediaType"] for item in opened.manifest["layers"]} == {
        "application/vnd.oci.image.layer.v1.tar" + LayerCompression[compression.upper()].value
    }


@pytest.mark.parametrize("size", [0, 1, 65534, 65535, 65536, 131070, 1 << 20, (1 << 20) + 1])
def test_stored_blocks(tmp_path: Path, size: int) -> None:
    from freezer.image.layer import compressed

    data = os.urandom(size)
    chunks = [data[at : at + 70_000] for at in range(0, size, 70_000)]
    assert gzip.decompress(b"".join(compressed(chunks, LayerCompression.GZIP))) == data


def test_a_file_that_changes(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from freezer.image import layer

    (tmp_path / "data").write_bytes(bytes(1000))
    pack = layer.Layer.pack

    def pack_then_change(self: Any, types: Any) -> Any:
        packed = pack(self, types)
        (tmp_path / "data").write_bytes(bytes(999) + b"x")
        return packed

    monkeypatch.setattr(layer.Layer, "pack", pack_then_change)
    with pytest.raises(InputError, match="changed"):
        make(program, tmp_path, add_file=["data:/data"])
    assert not (tmp_path / "image.tar").exists()


def test_large_files_need_no_memory(program: Path, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(program.read_bytes())
    os.truncate(big, 1 << 27)
    command = [sys.executable, "-m", "freezer", "image", str(big), "-o", str(tmp_path / "big.tar")]
    # All that there is, Python included, is less than the file.
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (120 << 20, 120 << 20))  # noqa: E731
    subprocess.run(command, check=True, capture_output=True, preexec_fn=limit)
    assert (tmp_path / "big.tar").stat().st_size > 1 << 27
