"""Image files that freezer makes, and reading them without freezer."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

from freezer.application.origin import Origin
from freezer.base.log import Log
from freezer.image.make import image_of_executable
from freezer.image.write import ImageFile
from freezer.plan.image import ImagePlan
from freezer.plan.resolve import resolve_for_image

NOWHERE = Origin(None, None, None)


def plan(folder: Path, **values: Any) -> ImagePlan:
    environ = values.pop("environ", {})
    return resolve_for_image({"output": "image.tar", **values}, folder=folder, environ=environ)


def make(program: Path, folder: Path, origin: Origin = NOWHERE, **values: Any) -> ImageFile:
    return image_of_executable(plan(folder, **values), program, origin, Log(stream=io.StringIO()), "app")


class Opened:
    """An image, read with the standard library's means alone."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as tar:
            self.members = tar.getmembers()
            files = [item for item in self.members if item.isfile()]
            self.blobs = {item.name: tar.extractfile(item).read() for item in files}  # type: ignore[union-attr]
        self.index = json.loads(self.blobs["index.json"])
        self.listed = json.loads(self.blobs["manifest.json"])
        self.manifest = json.loads(self.blob(self.index["manifests"][0]["digest"]))
        self.config = json.loads(self.blob(self.manifest["config"]["digest"]))

    def blob(self, digest: str) -> bytes:
        data = self.blobs["blobs/" + digest.replace(":", "/")]
        assert hashlib.sha256(data).hexdigest() == digest.partition(":")[2]
        return data

    def layers(self) -> list[bytes]:
        opened = []
        for layer, diff_id in zip(self.manifest["layers"], self.config["rootfs"]["diff_ids"]):
            data = self.blob(layer["digest"])
            assert len(data) == layer["size"]
            if layer["mediaType"].endswith("+gzip"):
                data = gzip.decompress(data)
            elif layer["mediaType"].endswith("+zstd"):
                import zstandard

                data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
            assert "sha256:" + hashlib.sha256(data).hexdigest() == diff_id
            opened.append(data)
        return opened

    def files(self) -> dict[str, tarfile.TarInfo]:
        found = {}
        for data in self.layers():
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                names = tar.getnames()
                assert names == sorted(names, key=os.fsencode)
                found.update({item.name: item for item in tar.getmembers()})
        return found

    def content(self, name: str) -> bytes:
        for data in self.layers():
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                if name in tar.getnames():
                    return tar.extractfile(name).read()  # type: ignore[union-attr]
        raise AssertionError(name)
