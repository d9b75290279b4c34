"""The inside of images."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import pytest
from reports import MODULES, link_natively, modules_archive, pack

from freezer.base import tar
from freezer.base.errors import InputError
from freezer.base.job import Job
from freezer.base.tar_headers import header
from freezer.inspect import image
from freezer.inspect.executable import inspect_executable
from freezer.inspect.image import inspect_image
from freezer.inspect.look import inspect
from freezer.inspect.report import FILE, Item, OwnPart, Settings
from freezer.inspect.table import render_table
from freezer.inspect.treemap import render_html
from freezer.link.parts import APPLICATION, DATA, LIBRARY, PACKAGE, RUNTIME, STANDARD


@dataclass(frozen=True)
class FakeBlob:
    digest: str
    diff_id: Optional[str]
    size: int
    content: bytes


@dataclass(frozen=True)
class FakeImage:
    config: dict[str, Any]
    layers: tuple[FakeBlob, ...]
    manifest_digest: Optional[str] = "sha256:m"
    config_digest: str = "sha256:c"
    names: tuple[str, ...] = ("tool:1",)


@dataclass(frozen=True)
class FakeArchive:
    images: tuple[FakeImage, ...]

    def layer_members(self, blob: FakeBlob) -> Iterator[tuple[tar.Member, tar.Content]]:
        return tar.read_members(io.BytesIO(blob.content))


def layer(files: dict[str, bytes], links: Optional[dict[str, str]] = None) -> FakeBlob:
    data = b""
    for name, content in files.items():
        mode = 0o755 if content[:4] == b"\x7fELF" else 0o644
        data += header(tar.Member(name, tar.Kind.FILE, len(content), mode, 0, 0, 0)) + content
        data += tar.padding(len(content))
    for name, target in {"etc/link": "passwd", **(links or {})}.items():
        data += header(tar.Member(name, tar.Kind.SYMLINK, 0, 0o777, 0, 0, 0, target))
    data += header(tar.Member("app/", tar.Kind.DIRECTORY, 0, 0o755, 0, 0, 0)) + tar.END
    return FakeBlob("sha256:b", "sha256:d", len(data), data)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes ``inspect_image`` see the images given."""

    def give(*images: FakeImage) -> None:
        monkeypatch.setattr(image, "open_image", lambda path: contextlib.nullcontext(FakeArchive(images)))

    return give


def test_image(opened: Callable[..., None], link: Callable[..., Path], program: Path, tmp_path: Path, job: Job) -> None:
    tool = link({"tool": pack(tmp_path / "pack", {}, MODULES), "libc.so.6": b"c" * 11})
    native = link_natively(program, {"program": b"r", "modules": modules_archive({"native.x": 8}, {})}, tmp_path / "n")
    first = {"./etc/passwd": b"root", "/usr/lib/deep/er/file": b"12", "top": b"1", "bin/plain": program.read_bytes()}
    first["usr/share/zoneinfo/Etc/UTC"] = b"z"
    second = {
        "app/tool": tool.read_bytes(),
        "app/native": native.read_bytes(),
        "app/plain": program.read_bytes(),
        "app/broken": b"\x7fELF" + bytes(90),
        "etc/.wh.passwd": b"",
    }
    config = {
        "architecture": "arm64",
        "variant": "v8",
        "config": {
            "User": "65534",
            "Entrypoint": ["/app/tool"],
            "Cmd": None,
            "Env": ["A=b"],
            "WorkingDir": "/app",
            "ExposedPorts": {"80/tcp": {}, "22/tcp": {}},
            "Labels": {"l": "v"},
        },
    }
    opened(FakeImage(config, (layer(first), layer(second))))
    (tmp_path / "image.tar").write_bytes(b"anything")
    made = inspect(tmp_path / "image.tar", job)
    assert (made.kind, made.size, made.architecture, made.image_id) == ("image", 8, "arm64/v8", "sha256:c")
    assert made.settings == Settings(
        "65534", ("/app/tool",), (), ("A=b",), "/app", ("22/tcp", "80/tcp"), labels=(("l", "v"),)
    )
    assert [part.files for part in made.layers] == [5, 4]
    assert [part.unpacked for part in made.layers] == [
        sum(map(len, first.values())),
        sum(map(len, second.values())),
    ]
    found = {item.path: item for item in made.items}
    assert len(found) == len(made.items)
    size = program.stat().st_size
    assert found["etc/passwd"] == Item("etc/passwd", 4, "etc", FILE)
    assert found["usr/lib/deep/er/file"].group == "usr/lib"
    assert found["top"].group == "/"
    assert found["usr/share/zoneinfo/Etc/UTC"] == Item("usr/share/zoneinfo/Etc/UTC", 1, "time zones", DATA)
    assert found["bin/plain"] == Item("bin/plain", size, "bin", FILE)
    assert found["app/plain"] == Item("app/plain", size, "plain", APPLICATION)
    assert found["app/broken"] == Item("app/broken", 94, "app", FILE)
    assert found["app/tool//libc.so.6"] == Item("app/tool//libc.so.6", 11, "libc", LIBRARY)
    assert found["app/tool//PYZ.pyz/tool.cli"].kind == APPLICATION
    assert found["app/native//modules/native.x"] == Item("app/native//modules/native.x", 8, "native", APPLICATION)
    assert found["app/native//program"].size == 1
    inner = sum(item.size for path in (tool, native) for item in inspect_executable(path, job)[0])
    outer = tool.stat().st_size + native.stat().st_size
    assert made.unpacked == sum(part.unpacked for part in made.layers) - outer + inner
    assert not list(job.work.glob("inspect-*"))


UNPACKED: tuple[dict[str, bytes], ...] = (
    {"etc/passwd": b"root", "usr/share/zoneinfo/Etc/UTC": b"z", "app/README": b"added"},
    {
        "./app/program": b"\x7fELF" + b"p" * 25,
        "app/start.so": b"\x7fELF",
        "app/libc.so.6": b"\x7fELF" + b"c" * 7,
        "app/ld-linux-x86-64.so.2": b"\x7fELF!",
        "app/modules": modules_archive({"json": 5, "_freezer_native": 3}, {}),
        "app/lib/python3.11/os.pyc": b"",
        "app/_internal/lib-dynload/_ssl.so": b"s" * 3,
        "app/_internal/_freezer/cacert.pem": b"t" * 13,
    },
    {
        "app/modules.dependencies": modules_archive({"yaml": 100, "yaml.x": 20}, {}),
        "app/_internal/yaml/ext.abi3.so": b"e" * 23,
        "app/_internal/greeter/data.txt": b"d" * 17,
        "app/modules.json": b"{}",
    },
    {
        "app/modules.application": modules_archive(
            {"greeter": 7, "_freezer_main_script": 9}, {"pyiboot01_bootstrap": 4}
        ),
        "app/.freezer.json": b"{}",
    },
)


def unpacked_image(*layers: dict[str, bytes], **settings: Any) -> FakeImage:
    """An image with the application's files below ``app``, started as ``/app/tool``."""
    blobs = [layer(files) for files in layers[:-1]]
    blobs.append(layer(layers[-1], {"app/tool": "program"}))
    return FakeImage({"config": {"Cmd": ["/app/tool"], **settings}}, tuple(blobs))


def test_unpacked_image(opened: Callable[..., None], tmp_path: Path, job: Job) -> None:
    (tmp_path / "image.tar").write_bytes(b"anything")
    opened(unpacked_image(*UNPACKED))
    made = inspect(tmp_path / "image.tar", job)
    assert made.unpacked == sum(part.unpacked for part in made.layers)
    assert [part.unpacked for part in made.layers] == [sum(map(len, files.values())) for files in UNPACKED]
    found = {item.path: (item.group, item.kind) for item in made.items}
    assert len(found) == len(made.items)
    assert found == {
        "etc/passwd": ("etc", FILE),
        "usr/share/zoneinfo/Etc/UTC": ("time zones", DATA),
        "app/README": ("tool", APPLICATION),
        "app/program": ("Python", RUNTIME),
        "app/start.so": ("freezer", RUNTIME),
        "app/libc.so.6": ("libc", LIBRARY),
        "app/ld-linux-x86-64.so.2": ("dynamic loader", RUNTIME),
        "app/modules/table of contents": ("freezer", RUNTIME),
        "app/modules/json": ("pure modules", STANDARD),
        "app/modules/_freezer_native": ("freezer", RUNTIME),
        "app/lib/python3.11/os.pyc": ("pure modules", STANDARD),
        "app/_internal/lib-dynload/_ssl.so": ("extension modules", STANDARD),
        "app/_internal/_freezer/cacert.pem": ("CA certificates", DATA),
        "app/modules.dependencies/table of contents": ("freezer", RUNTIME),
        "app/modules.dependencies/yaml": ("yaml", PACKAGE),
        "app/modules.dependencies/yaml.x": ("yaml", PACKAGE),
        "app/_internal/yaml/ext.abi3.so": ("yaml", PACKAGE),
        "app/_internal/greeter/data.txt": ("greeter", PACKAGE),
        "app/modules.json": ("tool", APPLICATION),
        "app/modules.application/table of contents": ("freezer", RUNTIME),
        "app/modules.application/greeter": ("greeter", PACKAGE),
        "app/modules.application/_freezer_main_script": ("tool", APPLICATION),
        "app/modules.application/scripts/pyiboot01_bootstrap": ("PyInstaller", RUNTIME),
        "app/.freezer.json": ("freezer", RUNTIME),
    }
    assert not list(job.work.glob("inspect-*"))


NOTES = b'{"own": {"files": [{"path": "static/", "files": 2, "size": 9, "why": "named at app.py:1"}]}}'
OWN = (OwnPart("static/", 2, 9, "named at app.py:1"),)


def test_own_parts_of_an_unpacked_image(opened: Callable[..., None], tmp_path: Path, job: Job) -> None:
    (tmp_path / "image.tar").write_bytes(b"anything")
    opened(unpacked_image(*UNPACKED[:-1], {**UNPACKED[-1], "app/.freezer.json": NOTES}))
    made = inspect(tmp_path / "image.tar", job)
    assert made.own == OWN
    assert "static/" in render_table(made, 10)
    assert {item.path: item.size for item in made.items}["app/.freezer.json"] == len(NOTES)


def test_own_parts_of_an_executable_in_an_image(
    opened: Callable[..., None], program: Path, tmp_path: Path, job: Job
) -> None:
    (tmp_path / "image.tar").write_bytes(b"anything")
    tree = {"program": b"r", "modules": modules_archive({"x": 8}, {}), ".freezer.json": NOTES}
    files = {"app/tool": link_natively(program, tree, tmp_path / "n").read_bytes(), "srv/.freezer.json": NOTES}
    opened(FakeImage({"config": {"Entrypoint": ["/app/tool"]}}, (layer(files),)))
    assert inspect(tmp_path / "image.tar", job).own == OWN


def test_unpacked_image_put_on(opened: Callable[..., None], tmp_path: Path, job: Job) -> None:
    """Another layer replaces a file and removes one; both versions are listed, and sizes add up."""
    (tmp_path / "image.tar").write_bytes(b"anything")
    more = {"app/modules": modules_archive({"json": 50}, {}), "app/.wh..freezer.json": b"", "bin/x": b"x"}
    opened(unpacked_image(*UNPACKED, more, Entrypoint=["tool"], Cmd=["-v"], Env=["PATH=/bin:/app"]))
    made = inspect(tmp_path / "image.tar", job)
    assert made.unpacked == sum(part.unpacked for part in made.layers)
    assert [item.size for item in made.items if item.path == "app/modules/json"] == [5, 50]
    assert {item.group for item in made.items if item.kind == APPLICATION} == {"tool"}


@pytest.mark.parametrize("name", ["./app/program", "app/start.so", "app/modules", "app/.freezer.json"])
def test_image_with_less_than_a_tree(opened: Callable[..., None], name: str, tmp_path: Path, job: Job) -> None:
    (tmp_path / "image.tar").write_bytes(b"anything")
    less = [
        {key: data.replace(b"\x7fELF", b"none") for key, data in files.items() if key != name} for files in UNPACKED
    ]
    opened(unpacked_image(*less))
    made = inspect(tmp_path / "image.tar", job)
    assert made.unpacked == sum(part.unpacked for part in made.layers)
    assert {item.kind for item in made.items} == {FILE, DATA}


def test_unpacked_image_that_is_damaged(opened: Callable[..., None], tmp_path: Path, job: Job) -> None:
    (tmp_path / "image.tar").write_bytes(b"anything")
    opened(unpacked_image(*UNPACKED, {"app/modules.more": modules_archive({"a": 5}, {}, code=b"1234")}))
    with pytest.raises(InputError, match=r"archive modules\.more is damaged"):
        inspect(tmp_path / "image.tar", job)


def test_several_images_and_odd_settings(opened: Callable[..., None], tmp_path: Path, job: Job) -> None:
    (tmp_path / "image.tar").write_bytes(b"anything")
    odd = {"config": {"Env": "x", "Labels": ["y"], "Cmd": [1]}}
    opened(FakeImage(odd, ()), FakeImage({"config": None}, ()))
    made = inspect_image(tmp_path / "image.tar", job)
    assert made.settings == Settings(command=("1",))
    assert len(job.log.warnings) == 1
    assert render_table(made, 80) and render_html(made)


def test_layer_that_ends_early(opened: Callable[..., None], program: Path, tmp_path: Path, job: Job) -> None:
    (tmp_path / "image.tar").write_bytes(b"anything")
    whole = layer({"app/plain": program.read_bytes()})
    opened(FakeImage({}, (FakeBlob("", None, 0, whole.content[:5000]),)))
    with pytest.raises(InputError, match="damaged"):
        inspect_image(tmp_path / "image.tar", job)
