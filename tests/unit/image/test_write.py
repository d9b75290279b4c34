"""Images: what is in them, that equal input gives equal bytes, and that bad input is refused by name."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from support import compile_c

from freezer.application.metadata import Metadata
from freezer.application.origin import Origin
from freezer.base.errors import InputError, OutputError, UsageError
from freezer.base.log import Log
from freezer.image.make import image_of_executable, platform_of
from freezer.image.write import ImageFile
from freezer.plan.choices import DEFAULT_EPOCH, LayerCompression
from freezer.plan.image import ImagePlan
from freezer.plan.resolve import resolve_for_image

NOWHERE = Origin(None, None, None)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c("int main(void) { return 7; }", tmp_path_factory.mktemp("program") / "app", "-static")


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
            self.blobs = {item.name: tar.extractfile(item).read() for item in self.members}  # type: ignore[union-attr]
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


def test_the_recipe(program: Path, tmp_path: Path) -> None:
    image = make(program, tmp_path, tag=["hello:1"])
    opened = Opened(image.path)
    assert [item.name for item in opened.members] == sorted(item.name for item in opened.members)
    assert len(opened.blobs) == 7
    assert opened.config["config"]["Cmd"] == ["/app/app"]
    assert "Entrypoint" not in opened.config["config"]
    assert opened.config["config"]["User"] == "65535:65535"
    assert (opened.config["architecture"], opened.config["os"]) == ("amd64", "linux")
    files = opened.files()
    assert {name: (item.mode, item.uid, item.gid) for name, item in files.items()} == {
        "app": (0o755, 0, 0),
        "app/app": (0o755, 0, 0),
        "etc": (0o755, 0, 0),
        **{f"etc/{name}": (0o644, 0, 0) for name in ("group", "hosts", "nsswitch.conf", "passwd")},
        "tmp": (0o1777, 0, 0),
    }
    assert {item.mtime for item in (*files.values(), *opened.members)} == {DEFAULT_EPOCH}
    assert opened.content("app/app") == program.read_bytes()
    assert b"app:x:65535:65535:app:/tmp:" in opened.content("etc/passwd")
    (descriptor,) = opened.index["manifests"]
    assert descriptor["annotations"] == {
        "io.containerd.image.name": "docker.io/library/hello:1",
        "org.opencontainers.image.ref.name": "1",
    }
    assert opened.listed[0]["RepoTags"] == ["docker.io/library/hello:1"]
    assert image.image_id == opened.manifest["config"]["digest"]
    assert image.manifest_digest == descriptor["digest"]
    assert image.size == image.path.stat().st_size < program.stat().st_size + 64 * 1024


def test_all_settings(program: Path, tmp_path: Path) -> None:
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/sub/run").write_text("x")
    (tmp_path / "tree/sub/run").chmod(0o700)
    (tmp_path / "tree/link").symlink_to("sub/run")
    (tmp_path / "conf").write_text("secret")
    image = make(
        program,
        tmp_path,
        tag=["a:1", "registry.example.com/b"],
        user="1000:2000",
        entrypoint=True,
        cmd="--port '8 0'",
        env=["A=b=c", "LANG=x"],
        label=["k=v", "org.opencontainers.image.title=mine"],
        workdir="/work/./here/",
        port=["80", "53/udp"],
        volume=["/data"],
        stop_signal="quit",
        healthcheck="/app/app --health",
        add_file=["conf:/etc/app/:0600", "tree:/srv/tree"],
        add_dir=["/var/spool:0750"],
        ca_certs=True,
        tzdata=True,
        locale=True,
        tmp=False,
    )
    opened = Opened(image.path)
    config = opened.config["config"]
    assert (config["Entrypoint"], config["Cmd"]) == (["/app/app"], ["--port", "8 0"])
    assert config["User"] == "1000:2000"
    assert config["Env"][1:] == ["LANG=x", "A=b=c"]
    assert config["Labels"]["k"] == "v"
    assert config["Labels"]["org.opencontainers.image.title"] == "mine"
    assert opened.manifest["annotations"].items() >= config["Labels"].items()
    assert config["WorkingDir"] == "/work/here"
    assert config["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert (config["Volumes"], config["StopSignal"]) == ({"/data": {}}, "SIGQUIT")
    assert config["Healthcheck"] == {"Test": ["CMD", "/app/app", "--health"]}
    files = opened.files()
    assert (files["data"].uid, files["data"].gid, files["data"].mode) == (1000, 2000, 0o755)
    assert (files["var/spool"].uid, files["var/spool"].mode, files["var"].uid) == (1000, 0o750, 0)
    assert files["etc/app/conf"].mode == 0o600
    assert files["srv/tree/sub/run"].mode == 0o755
    assert files["srv/tree/link"].linkname == "sub/run"
    assert "tmp" not in files
    assert b"BEGIN CERTIFICATE" in opened.content("etc/ssl/certs/ca-certificates.crt")
    assert {"usr/share/zoneinfo/Europe/Berlin", "usr/lib/locale/C.utf8/LC_CTYPE"} <= set(files)
    assert len(opened.index["manifests"]) == 1
    assert opened.listed[0]["RepoTags"] == ["docker.io/library/a:1", "registry.example.com/b:latest"]


def test_what_the_project_says(program: Path, tmp_path: Path) -> None:
    about = Metadata("My App", "1.2", "does it", "MIT", "https://example.com/git", None, None)
    opened = Opened(make(program, tmp_path, Origin(about, "0" * 40, 1_700_000_000)).path)
    said = {key.rpartition(".")[2]: value for key, value in opened.config["config"]["Labels"].items()}
    assert said == {
        "title": "My App",
        "version": "1.2",
        "description": "does it",
        "licenses": "MIT",
        "source": "https://example.com/git",
        "revision": "0" * 40,
        "created": "2023-11-14T22:13:20Z",
    }
    assert opened.config["created"] == "2023-11-14T22:13:20Z"
    assert Opened(make(program, tmp_path, environ={"SOURCE_DATE_EPOCH": "1"}).path).config["created"].startswith("1970")


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


def test_umask_and_time_do_not_matter(program: Path, tmp_path: Path) -> None:
    digests = set()
    for number, umask in enumerate((0o022, 0o077)):
        folder = tmp_path / str(number)
        folder.mkdir()
        copy = folder / "copy"
        copy.write_bytes(program.read_bytes())
        copy.chmod(0o700 + number)
        before = os.umask(umask)
        try:
            image = make(copy, folder)
        finally:
            os.umask(before)
        assert image.path.stat().st_mode & 0o777 == 0o644 & ~umask
        digests.add(hashlib.sha256(image.path.read_bytes()).hexdigest())
    assert len(digests) == 1


BAD: dict[str, dict[str, Any]] = {
    "tag": {"tag": ["Hello"]},
    "user name": {"user": "app"},
    "user range": {"user": str(1 << 31)},
    "owner": {"user": "1000650000", "volume": ["/data"]},
    "env": {"env": ["NAME"]},
    "label": {"label": ["=x"]},
    "workdir": {"workdir": "here"},
    "parent": {"volume": ["/a/../b"]},
    "port": {"port": ["0"]},
    "port text": {"port": ["http"]},
    "signal": {"stop_signal": "SIGNOTHING"},
    "quotes": {"cmd": "'"},
    "file": {"add_file": ["missing:/x"]},
    "file form": {"add_file": ["image.py"]},
    "file mode": {"add_file": ["image.py:/x:999"]},
    "directory mode": {"add_dir": ["/x:rwx"]},
    "compression": {"layer_compression": "lzma"},
    "replaced": {"add_file": ["image.py:/app/app"]},
    "twice": {"add_file": ["image.py:/etc/passwd"]},
    "below a file": {"add_file": ["image.py:/etc/passwd/x"]},
    "long name": {"add_file": ["image.py:/" + "n" * 300]},
    "long link": {"add_file": ["links:/links"]},
}


@pytest.mark.parametrize("name", BAD)
def test_bad_settings(program: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "image.py").write_text("")
    (tmp_path / "links").mkdir()
    (tmp_path / "links/long").symlink_to("x" * 200)
    (tmp_path / "image.tar").write_text("previous")
    with pytest.raises(InputError):
        make(program, tmp_path, **BAD[name])
    assert (tmp_path / "image.tar").read_text() == "previous"
    assert sorted(os.listdir(tmp_path)) == ["image.py", "image.tar", "links"]


def test_no_output(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        resolve_for_image({}, folder=tmp_path, environ={})


def test_executables_that_cannot_run_alone(program: Path, tmp_path: Path) -> None:
    dynamic = compile_c("int main(void) { return 0; }", tmp_path / "dynamic")
    text = tmp_path / "text"
    text.write_text("#!/bin/sh\n")
    foreign = tmp_path / "foreign"
    content = bytearray(program.read_bytes())
    content[18:20] = (2).to_bytes(2, "little")  # EM_SPARC
    foreign.write_bytes(content)
    for path, said in ((dynamic, "no static executable"), (text, "no executable"), (foreign, "no name for")):
        with pytest.raises(InputError, match=said):
            make(path, tmp_path)
    content[18:20] = (183).to_bytes(2, "little")  # EM_AARCH64
    foreign.write_bytes(content)
    assert str(platform_of(foreign)) == "linux/arm64/v8"


def test_a_file_that_changes(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from freezer.image import layer

    (tmp_path / "data").write_bytes(bytes(1000))
    pack = layer.Layer.pack

    def pack_then_change(self: Any) -> Any:
        packed = pack(self)
        (tmp_path / "data").write_bytes(bytes(999) + b"x")
        return packed

    monkeypatch.setattr(layer.Layer, "pack", pack_then_change)
    with pytest.raises(InputError, match="changed"):
        make(program, tmp_path, add_file=["data:/data"])
    assert not (tmp_path / "image.tar").exists()


def test_a_place_that_cannot_be_written(program: Path, tmp_path: Path) -> None:
    (tmp_path / "image.tar").mkdir()
    with pytest.raises(OutputError):
        make(program, tmp_path)


def test_large_files_need_no_memory(program: Path, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(program.read_bytes())
    os.truncate(big, 1 << 30)
    command = [sys.executable, "-m", "freezer", "image", str(big), "-o", str(tmp_path / "big.tar")]
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))  # noqa: E731
    subprocess.run(command, check=True, capture_output=True, preexec_fn=limit)
    assert (tmp_path / "big.tar").stat().st_size > 1 << 30


def test_plans_are_values(tmp_path: Path) -> None:
    made = plan(tmp_path)
    assert made == plan(tmp_path)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.uid = 0  # type: ignore[misc]
