"""Image tars made by hand, good and hostile, without freezer's writer."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

Entry = tuple[str, dict[str, Any]]


def file(name: str, content: bytes = b"x", **fields: Any) -> Entry:
    return name, {"content": content, "mode": 0o644, **fields}


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Entry:
    return name, {"type": kind, "linkname": target, "mode": 0o777}


def folder(name: str, mode: int = 0o755) -> Entry:
    return name, {"type": tarfile.DIRTYPE, "mode": mode}


def archive(*entries: Entry, form: int = tarfile.PAX_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        for name, fields in entries:
            info = tarfile.TarInfo(name)
            content = fields.get("content", b"")
            info.size = len(content)
            for key, value in fields.items():
                if key != "content":
                    setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob(data: bytes) -> str:
    return "blobs/" + digest(data).replace(":", "/")


class Made:
    """The parts of an image, to be changed before it is packed."""

    def __init__(self, *layers: bytes, settings: Optional[dict[str, Any]] = None) -> None:
        self.layers = list(layers)
        self.settings = settings if settings is not None else {"User": "1000", "Cmd": ["/run"]}
        self.config: dict[str, Any] = {
            "architecture": "amd64",
            "os": "linux",
            "config": self.settings,
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        }
        self.manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "layers": [self.descriptor(layer, "application/vnd.oci.image.layer.v1.tar") for layer in layers],
        }
        self.index: dict[str, Any] = {"schemaVersion": 2}
        self.listed: Any = None
        self.layout: Any = {"imageLayoutVersion": "1.0.0"}

    @staticmethod
    def descriptor(data: bytes, media_type: str) -> dict[str, Any]:
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def contents(self) -> dict[str, bytes]:
        """The files of an OCI layout that is a docker archive, too."""
        config = json.dumps(self.config).encode()
        self.manifest.setdefault("config", self.descriptor(config, "application/vnd.oci.image.config.v1+json"))
        manifest = json.dumps(self.manifest).encode()
        self.index.setdefault("manifests", [self.descriptor(manifest, self.manifest["mediaType"])])
        if self.listed is None:
            names = [blob(layer) for layer in self.layers]
            self.listed = [{"Config": blob(config), "Layers": names, "RepoTags": ["docker.io/library/a:1"]}]
        return {
            "oci-layout": json.dumps(self.layout).encode(),
            "index.json": json.dumps(self.index).encode(),
            "manifest.json": json.dumps(self.listed).encode(),
            **{blob(data): data for data in (config, manifest, *self.layers)},
        }

    def write(self, path: Path) -> Path:
        """Pack everything."""
        return pack(path, self.contents())


def pack(path: Path, contents: dict[str, bytes], extra: Sequence[Entry] = ()) -> Path:
    path.write_bytes(archive(*(file(name, data) for name, data in contents.items()), *extra))
    return path


def documents(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration and the manifest of an image, read with nothing of freezer's."""
    with tarfile.open(path) as tar:

        def load(name: str) -> Any:
            member = tar.extractfile(name)
            assert member is not None
            return json.load(member)

        (descriptor,) = load("index.json")["manifests"]
        manifest = load("blobs/" + descriptor["digest"].replace(":", "/"))
        return load("blobs/" + manifest["config"]["digest"].replace(":", "/")), manifest


def layers(path: Path) -> list[dict[str, tarfile.TarInfo]]:
    """The entries of each layer of an image, by name."""
    _, manifest = documents(path)
    found = []
    with tarfile.open(path) as tar:
        for descriptor in manifest["layers"]:
            member = tar.extractfile("blobs/" + descriptor["digest"].replace(":", "/"))
            assert member is not None
            with tarfile.open(fileobj=io.BytesIO(member.read())) as layer:
                found.append({item.name: item for item in layer})
    return found
