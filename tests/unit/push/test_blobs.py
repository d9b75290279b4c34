"""A blob is not sent twice: it is found, mounted, or sent in chunks, from where the registry has them."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import pytest
from images import Made, archive, file, pack
from judging import GOOD
from registries import FakeRegistry, Fault

from freezer.base.errors import InputError, OutputError
from freezer.base.log import Log
from freezer.base.oci.archive import open_image
from freezer.base.oci.nodes import Part, top_nodes
from freezer.push import blobs
from freezer.push.blobs import Way
from freezer.push.connections import Connections
from freezer.push.registry import Registry
from freezer.push.target import resolve_target
from freezer.push.trouble import Policy
from freezer.push.trust import make_context

CHUNK = 100_000


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "CHUNK", CHUNK)
    monkeypatch.setattr(blobs, "PIECE", 10_000)


def large(registry: FakeRegistry) -> int:
    """The bytes of chunks that the registry got."""
    return sum(item.size for item in registry.asked if item.method == "PATCH")


def size_of(image: Path) -> int:
    return len(archive(file("data", bytes(range(256)) * 4000)))


def test_chunks(image: Path, push: Any, registry: FakeRegistry) -> None:
    pushed = push(image, f"{registry.name}/app")
    assert pushed.ways == {Way.SENT: 3}
    ranges = [item.headers["Content-Range"] for item in registry.asked if "Content-Range" in item.headers]
    assert ranges[:2] == ["0-99999", "100000-199999"]
    assert len(ranges) == -(-size_of(image) // CHUNK)
    assert pushed.sent == pushed.size == sum(map(len, registry.blobs["app"].values()))


def test_nothing_is_sent_again(image: Path, push: Any, registry: FakeRegistry) -> None:
    first = push(image, f"{registry.name}/app")
    registry.asked.clear()
    second = push(image, f"{registry.name}/app")
    assert (second.digest, second.sent, second.ways) == (first.digest, 0, {Way.PRESENT: 3})
    assert registry.count("POST") == registry.count("PATCH") == 0


def test_a_layer_of_another_repository(image: Path, push: Any, registry: FakeRegistry) -> None:
    push(image, f"{registry.name}/base")
    registry.asked.clear()
    pushed = push(image, f"{registry.name}/team/app", mounts=["none", "base"])
    assert (pushed.sent, pushed.ways) == (0, {Way.MOUNTED: 3})
    assert registry.count("PATCH") == 0


def test_the_repository_of_the_images_own_name(push: Any, registry: FakeRegistry, tmp_path: Path) -> None:
    made = Made(GOOD)
    made.contents()
    made.listed[0]["RepoTags"] = [f"{registry.name}/team/app:1", "docker.io/library/other:1", "not a name"]
    path = made.write(tmp_path / "named.tar")
    push(path, f"{registry.name}/team/app:1")
    assert push(path, f"{registry.name}/prod/app:1").ways == {Way.MOUNTED: 2}
    assert registry.count("POST", "from=other") == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
def test_a_repository_that_cannot_be_read(image: Path, push: Any, registry: FakeRegistry, status: int) -> None:
    registry.faults = [Fault("POST", "mount=", status, times=100)]
    assert push(image, f"{registry.name}/app", mounts=["secret"]).ways == {Way.SENT: 3}


def test_an_upload_that_a_mount_has_begun(image: Path, push: Any, registry: FakeRegistry) -> None:
    """It is used for the blob."""
    push(image, f"{registry.name}/app", mounts=["none"])
    assert registry.count("POST") == 3
    assert registry.uploads == {}


@pytest.mark.parametrize("cut", [0, 45_000])
def test_the_rest_is_sent_after_a_break(image: Path, push: Any, registry: FakeRegistry, cut: int) -> None:
    """The registry has kept what came of the chunk, and is asked how much that is."""
    registry.faults = [Fault("PATCH", f"state={start}$", 0, cut=cut) for start in (300_000, 400_000 + cut)]
    push(image, f"{registry.name}/app", jobs=1)
    assert [item.times for item in registry.faults] == [0, 0]
    assert registry.count("GET", "uploads") == 2
    assert registry.count("POST") == 3
    resumed = [item.headers["Content-Range"] for item in registry.asked if "Content-Range" in item.headers]
    assert f"{300_000 + cut}-{399_999 + cut}" in resumed


def test_a_break_at_each_chunk(image: Path, push: Any, registry: FakeRegistry) -> None:
    """As long as there is progress, there is no end of patience."""
    registry.faults = [Fault("PATCH", f"state={start}$", 503) for start in range(0, size_of(image), CHUNK)]
    push(image, f"{registry.name}/app", jobs=1)
    assert len(registry.faults) > 8
    assert not any(item.times for item in registry.faults)


@pytest.mark.parametrize("status", [404, 500])
def test_a_registry_that_has_forgotten_the_upload(image: Path, push: Any, registry: FakeRegistry, status: int) -> None:
    registry.faults = [
        Fault("PATCH", "state=300000", 0, cut=10),
        Fault("GET", "uploads", status, times=1),
    ]
    push(image, f"{registry.name}/app", jobs=1)
    assert registry.count("POST") == 4
    assert ("app", "latest") in registry.manifests


def test_an_upload_that_is_unknown_in_the_end(image: Path, push: Any, registry: FakeRegistry) -> None:
    registry.faults = [Fault("PUT", "uploads", 404)]
    push(image, f"{registry.name}/app", jobs=1)
    assert registry.count("POST") == 4


def test_a_registry_that_never_remembers(image: Path, push: Any, registry: FakeRegistry) -> None:
    registry.faults = [Fault("PUT", "uploads", 404, times=1000)]
    with pytest.raises(OutputError, match="loses the upload again and again"):
        push(image, f"{registry.name}/app", jobs=1)
    # The first blob ends the push: no other is begun.
    assert registry.count("POST") == blobs.MAX_BEGINNINGS


def test_a_registry_without_chunks(image: Path, push: Any, registry: FakeRegistry) -> None:
    """Then it gets the blob whole."""
    registry.chunked = False
    push(image, f"{registry.name}/app")
    assert ("app", "latest") in registry.manifests
    whole = [item for item in registry.asked if item.method == "PATCH" and "Content-Range" not in item.headers]
    assert max(item.size for item in whole) == size_of(image)


def test_chunks_of_the_size_that_the_registry_wants(image: Path, push: Any, registry: FakeRegistry) -> None:

    def larger(method: str, headers: dict[str, str]) -> dict[str, str]:
        return {**headers, "OCI-Chunk-Min-Length": "400000"} if method == "POST" else headers

    registry.mend = larger
    push(image, f"{registry.name}/app")
    ranges = [item.headers["Content-Range"] for item in registry.asked if "Content-Range" in item.headers]
    assert ranges[0] == "0-399999"


@pytest.mark.parametrize("stated", ["0-99999999", "nonsense", "0-0", "0-" + "9" * 30])
def test_a_range_that_cannot_be(image: Path, push: Any, registry: FakeRegistry, stated: str) -> None:

    def wrong(_method: str, headers: dict[str, str]) -> dict[str, str]:
        return {**headers, "Range": stated} if "Range" in headers else headers

    registry.mend = wrong
    if stated == "0-99999999":
        with pytest.raises(OutputError, match="says that it has 100000000 bytes"):
            push(image, f"{registry.name}/app")
        assert registry.manifests == {}
    else:
        push(image, f"{registry.name}/app")
        assert ("app", "latest") in registry.manifests


def test_a_chunk_that_is_taken_in_part(image: Path, push: Any, registry: FakeRegistry) -> None:
    """The rest of it is sent with the next one."""
    digest = max(top_parts(image), key=lambda part: part.descriptor.size).descriptor.digest

    def half(method: str, headers: dict[str, str]) -> dict[str, str]:
        if method == "PATCH" and headers.get("Range") == "0-99999":
            (data,) = registry.uploads.values()
            del data[50_000:]
            return {**headers, "Range": "0-49999"}
        return headers

    registry.mend = half
    push(image, f"{registry.name}/app", jobs=1)
    assert digest in registry.blobs["app"]
    assert "50000-149999" in [item.headers.get("Content-Range") for item in registry.asked]


def top_parts(image: Path) -> tuple[Part, ...]:
    with open_image(image) as opened:
        return top_nodes(opened)[0].parts


@pytest.mark.parametrize("size", [0, 1])
def test_small_blobs(tmp_path: Path, push: Any, registry: FakeRegistry, size: int) -> None:
    """As a layer they are damaged, but they are blobs."""
    path = Made(bytes(size), GOOD).write(tmp_path / "small.tar")
    push(path, f"{registry.name}/app")
    assert bytes(size) in registry.blobs["app"].values()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_damage_is_found_before_it_is_sent(tmp_path: Path, push: Any, registry: FakeRegistry, number: int) -> None:
    made = Made(GOOD, archive(file("etc/x")))
    contents = made.contents()
    name = [name for name in contents if name.startswith("blobs/")][number]
    data = bytearray(contents[name])
    data[len(data) // 2] ^= 1
    with pytest.raises(InputError) as raised:
        push(pack(tmp_path / "bad.tar", {**contents, name: bytes(data)}), f"{registry.name}/app")
    assert "bad.tar is not an image, or is damaged" in raised.value.what
    assert registry.manifests == {}
    assert "bad" not in str([item.path for item in registry.asked])


def test_a_layout_that_is_a_directory(tmp_path: Path, push: Any, registry: FakeRegistry) -> None:
    made = Made(GOOD, archive(file("etc/x")))
    for name, data in made.contents().items():
        (tmp_path / "layout" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "layout" / name).write_bytes(data)
    push(tmp_path / "layout", f"{registry.name}/app")
    assert sorted(registry.blobs["app"].values()) == sorted(
        data for name, data in made.contents().items() if name.startswith("blobs/") and b"schemaVersion" not in data
    )


def test_progress(image: Path, registry: FakeRegistry, tmp_path: Path) -> None:
    """It reaches the size, and goes back if the registry has less than was sent."""
    policy = Policy(first_wait=0.01)
    connections = Connections(make_context("x", [], None), {}, policy, threading.Event())
    target = resolve_target(f"{registry.name}/app", "")
    made = Registry(target, connections, None, [], policy, Log(stream=io.StringIO()))
    registry.faults = [Fault("PATCH", "state=300000", 503)]
    reached: list[int] = []
    with open_image(image) as opened:
        part = max(top_nodes(opened)[0].parts, key=lambda item: item.descriptor.size)
        assert blobs.Blob(made, opened, part, reached.append).push([]) is Way.SENT
    connections.close()
    assert reached[:3] == [10_000, 20_000, 30_000]
    assert reached[-1] == part.descriptor.size
    assert reached[reached.index(400_000) + 1] == 300_000
