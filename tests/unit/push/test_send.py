"""A whole push: its order, its result, and what of it is left if it ends early."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from pathlib import Path
from typing import Any, Optional

import pytest
from images import Made, archive, blob, file, pack
from judging import GOOD
from registries import FakeRegistry, Fault
from support import PATIENCE

from freezer.base.errors import FreezerError, InputError, OutputError
from freezer.base.log import Log
from freezer.base.oci.reference import parse_reference
from freezer.image.index import join_images
from freezer.push import send
from freezer.push.blobs import Way

INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """A file of two images that have a layer in common."""
    sources = []
    for architecture in ("amd64", "arm64"):
        made = Made(GOOD, archive(file("etc/x", architecture.encode())))
        made.config["architecture"] = architecture
        sources.append(made.write(tmp_path / f"{architecture}.tar"))
    return join_images(sources, [parse_reference("a:1")], tmp_path / "all.tar", Log(stream=io.StringIO())).path


def test_an_image(image: Path, push: Any, registry: FakeRegistry, said: io.StringIO) -> None:
    pushed = push(image, f"{registry.name}/team/app:1.2")
    kind, manifest = registry.manifests["team/app", "1.2"]
    assert kind == json.loads(manifest)["mediaType"]
    assert pushed.digest == "sha256:" + hashlib.sha256(manifest).hexdigest()
    assert pushed.reference == f"{registry.name}/team/app@{pushed.digest}"
    assert (pushed.images, str(pushed.target.reference)) == (1, f"{registry.name}/team/app:1.2")
    assert f"{registry.name}/team/app:1.2, 1.0 MB sent" in said.getvalue()
    assert "blobs: 0 present, 0 mounted, 3 sent" in said.getvalue()


def test_all_images_of_an_index(both: Path, push: Any, registry: FakeRegistry) -> None:
    """The manifests come before the index, and everything before them; the name is put last."""
    pushed = push(both, f"{registry.name}/app:1")
    kind, data = registry.manifests["app", "1"]
    assert kind == INDEX
    document = json.loads(data)
    assert pushed.digest == "sha256:" + hashlib.sha256(data).hexdigest()
    assert (pushed.images, pushed.ways) == (2, {Way.SENT: 5})
    assert {digest for _, digest in registry.manifests} >= {item["digest"] for item in document["manifests"]}
    puts = [item.path.rpartition("/")[2] for item in registry.asked if item.method == "PUT" and "manif" in item.path]
    assert puts == [*(item["digest"] for item in document["manifests"]), "1"]
    last_blob = max(number for number, item in enumerate(registry.asked) if "uploads" in item.path)
    assert last_blob < min(number for number, item in enumerate(registry.asked) if "manifests" in item.path)


def test_a_docker_archive(tmp_path: Path, push: Any, registry: FakeRegistry) -> None:
    made = Made(GOOD)
    contents = made.contents()
    config = json.dumps(made.config).encode()
    saved = {"manifest.json": contents["manifest.json"], blob(config): config, blob(GOOD): GOOD}
    push(pack(tmp_path / "docker.tar", saved), f"{registry.name}/app")
    manifest = json.loads(registry.manifests["app", "latest"][1])
    assert set(registry.blobs["app"]) == {manifest["config"]["digest"], manifest["layers"][0]["digest"]}
    assert set(registry.blobs["app"].values()) == {config, GOOD}


def test_several_images_without_an_index(tmp_path: Path, push: Any, registry: FakeRegistry) -> None:
    one, other = Made(GOOD), Made(archive(file("run", b"other", mode=0o755)))
    contents = {**one.contents(), **other.contents()}
    contents["index.json"] = json.dumps({"manifests": [*one.index["manifests"], *other.index["manifests"]]}).encode()
    with pytest.raises(InputError, match="has 2 images, and a name is for one"):
        push(pack(tmp_path / "two.tar", contents), f"{registry.name}/app")
    assert registry.asked == []


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b" + bytes(100)])
def test_files_that_are_no_images(tmp_path: Path, push: Any, registry: FakeRegistry, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.tar"):
        push(tmp_path / "x.tar", f"{registry.name}/app")
    assert registry.asked == []


def test_a_registry_that_changes_the_image(image: Path, push: Any, registry: FakeRegistry) -> None:
    other = {"Docker-Content-Digest": "sha256:" + "0" * 64}
    registry.faults = [Fault("PUT", "manifests", 201, headers=other)]
    with pytest.raises(OutputError, match="has changed the image"):
        push(image, f"{registry.name}/app")


@pytest.mark.parametrize("jobs", [1, 2, 8])
def test_uploads_at_the_same_time(image: Path, push: Any, registry: FakeRegistry, jobs: int) -> None:
    """As many as are asked for, and not more."""
    running, most, lock, met = 0, 0, threading.Lock(), threading.Event()

    def counted(method: str, _path: str) -> None:
        nonlocal running, most
        if method == "HEAD":
            with lock:
                running += 1
                most = max(most, running)
                if running == min(jobs, 3):
                    met.set()
            met.wait(PATIENCE)
            with lock:
                running -= 1

    registry.watch = counted
    push(image, f"{registry.name}/app", jobs=jobs)
    assert most == min(jobs, 3)


def test_the_first_failure_is_the_one_that_is_told(both: Path, push: Any, registry: FakeRegistry) -> None:
    """And the others end at once."""
    registry.faults = [Fault("PATCH", "", 413, times=1), Fault("PATCH", "", 0, times=1000, cut=0)]
    with pytest.raises(OutputError) as raised:
        push(both, f"{registry.name}/app", jobs=5)
    assert "cannot push sha256:" in raised.value.what
    assert threading.active_count() < 20


def test_each_request_fails_in_turn(both: Path, push: Any, registry: FakeRegistry) -> None:
    """Whichever was the last: no name leads to an image that is not whole, and the next push completes it."""
    left = 0

    def fails(method: str, _path: str) -> Optional[Fault]:
        nonlocal left
        left -= 1
        return Fault(method, "", 400) if left < 0 else None

    for turn in range(1000):
        registry.blobs.clear()
        registry.manifests.clear()
        left, registry.watch = turn, fails
        try:
            push(both, f"{registry.name}/app:1", jobs=1)
        except FreezerError:
            assert ("app", "1") not in registry.manifests
        else:
            break
        left = 1000
        push(both, f"{registry.name}/app:1", jobs=1)
        assert ("app", "1") in registry.manifests
    # Greeting; for each blob a look, the beginning, a chunk and the end; three documents.
    assert turn == 1 + 5 * 4 + 3


def test_an_interruption_ends_all_uploads(image: Path, push: Any, registry: FakeRegistry) -> None:
    begun, free = threading.Event(), threading.Event()

    def holds(method: str, _path: str) -> None:
        if method == "HEAD":
            begun.set()
            free.wait(PATIENCE)

    registry.watch = holds

    def interrupted(*_arguments: Any, **_options: Any) -> Any:
        begun.wait(PATIENCE)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(send, "wait", interrupted)
        try:
            with pytest.raises(KeyboardInterrupt):
                push(image, f"{registry.name}/app")
        finally:
            free.set()
    assert registry.manifests == {}
