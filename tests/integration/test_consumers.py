"""Images, taken and run by the programs that they are made for."""

from __future__ import annotations

import contextlib
import json
import platform
import re
import shutil
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import consumers
import pytest
from builds import Builds
from consumers import Completed, Consumer, Engine, Refused, Settings
from samples.catalogue import SAMPLES, Need, Sample
from support import PATIENCE, Freezer, compile_c, lacking, sha256

ENGINES = ("docker", "podman", "containerd", "umoci")
READERS = ("skopeo-oci-archive", "skopeo-docker-archive")
BY_NAME = {sample.name: sample for sample in SAMPLES}
RUNNABLE = [sample for sample in SAMPLES if Need.HOST_TOOLS not in sample.needs and sample.name != "compiled"]
"""The one that compiles takes 15 s for each; test_images_unpacked runs it in containers."""

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())

NO_ZSTD = ("docker", "umoci")
"""Consumers of which versions still in use (docker 20.10, umoci 0.4) know no zstd; they must say so."""


@pytest.fixture(scope="session")
def all_consumers() -> Iterator[Callable[[str], Consumer]]:
    """The consumers by name, each started when it is first asked for."""
    makers: dict[str, Callable[[], contextlib.AbstractContextManager[Consumer]]] = {
        "docker": consumers.docker,
        "podman": consumers.podman,
        "containerd": consumers.containerd,
        "umoci": consumers.umoci,
        "skopeo-oci-archive": lambda: consumers.skopeo("oci-archive"),
        "skopeo-docker-archive": lambda: consumers.skopeo("docker-archive"),
    }
    made: dict[str, Consumer] = {}
    with contextlib.ExitStack() as stack:

        def get(name: str) -> Consumer:
            if name not in made:
                made[name] = stack.enter_context(makers[name]())
            return made[name]

        yield get


@pytest.fixture
def consumer(request: pytest.FixtureRequest, all_consumers: Callable[[str], Consumer]) -> Iterator[Consumer]:
    """The test's consumer, which has no image before and after."""
    found = all_consumers(request.param)
    assert found.names() == set()
    yield found
    assert found.names() == set()


@pytest.fixture
def engine(request: pytest.FixtureRequest, all_consumers: Callable[[str], Engine]) -> Iterator[Engine]:
    """The same, for a consumer that runs images."""
    found = all_consumers(request.param)
    assert found.names() == set()
    yield found
    assert found.names() == set()


@dataclass(frozen=True)
class Image:
    """An image that freezer made; ``name`` in full."""

    tar: Path
    name: str
    image_id: str


@contextlib.contextmanager
def loaded(consumer: Consumer, image: Image) -> Iterator[str]:
    """Have the consumer take an image, and forget it in the end."""
    consumer.load(image.tar)
    try:
        yield image.name
    finally:
        consumer.remove(image.name)


class Images:
    """Makes images, each once."""

    def __init__(self, freezer: Freezer, folder: Path) -> None:
        self.freezer = freezer
        self.folder = folder
        self.made: dict[tuple[str, ...], Image] = {}

    def __call__(self, binary: Path, *options: str, tag: str = "test") -> Image:
        key = (str(binary), tag, *options)
        if key not in self.made:
            name = re.sub("[^a-z0-9]+", "-", binary.name.lower())
            tar = self.folder / f"{len(self.made)}.tar"
            words = ["image", str(binary), "-o", str(tar), "--tag", f"{name}:{tag}", "--json", *options]
            report = json.loads(self.freezer(*words, cwd=self.folder).stdout)
            self.made[key] = Image(tar, f"docker.io/library/{name}:{tag}", report["image_id"])
        return self.made[key]


@pytest.fixture(scope="session")
def images(freezer: Freezer, tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Images of executables."""
    return Images(freezer, tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def ends(freezer: Freezer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An application that ends with the status it is given, and says who it is."""
    folder = tmp_path_factory.mktemp("ends")
    (folder / "ends.py").write_text(
        "import os, sys\n"
        "print(os.getuid(), os.getgid(), flush=True)\n"
        "sys.exit(int(sys.argv[1]) if len(sys.argv) > 1 else 42)\n"
    )
    return freezer("build", "ends.py", "--smoke", "0", cwd=folder).output


ASKING = ("hello", "tls", "flask_app", "mp", "processes")
"""Samples that ask something of the place they run in: data of the system, a network, shared memory, processes."""


@pytest.mark.parametrize(
    ("engine", "linker", "sample"),
    [
        pytest.param(engine, linker, sample, id=f"{sample.name}-{engine}-{linker}")
        for engine in ENGINES
        for linker in (("staticx", "native") if engine == "docker" else ("staticx",))
        for sample in RUNNABLE
        if (engine, linker) == ("docker", "staticx") or sample.name in ASKING
    ],
    indirect=["engine"],
)
def test_samples_run(engine: Engine, images: Images, application: Path, sample: Sample) -> None:
    with loaded(engine, images(application, "--entrypoint")) as name:
        done = engine.run(name, *sample.run)
    assert sample.accepts(done.stdout, done.returncode), done


@pytest.mark.parametrize("consumer", [*ENGINES, *READERS], indirect=True)
@pytest.mark.parametrize(
    "options", [(), ("--entrypoint", "--provenance", "said.json")], ids=["cmd", "entrypoint and what is said of it"]
)
def test_what_is_shown_is_what_was_made(
    consumer: Consumer, images: Images, ends: Path, options: tuple[str, ...]
) -> None:
    image = images(ends, *options)
    with loaded(consumer, image) as name:
        assert consumer.names() == {consumer.spelled(name)}
        assert consumer.image_id(name) == image.image_id
        command = (f"/app/{ends.name}",)
        shown = consumer.settings(name)
        if isinstance(consumer, consumers.Umoci):
            assert shown == Settings("65535:65535", (), command)
        else:
            assert shown.user in ("65535", "65535:65535")
            assert (shown.entrypoint, shown.cmd) == ((command, ()) if options else ((), command))


@pytest.mark.parametrize("consumer", [*ENGINES, *READERS], indirect=True)
def test_one_image_under_two_names(consumer: Consumer, images: Images, ends: Path) -> None:
    first, second = images(ends, tag="first"), images(ends, tag="second")
    assert first.image_id == second.image_id
    with loaded(consumer, first), loaded(consumer, second):
        assert consumer.names() == {consumer.spelled(image.name) for image in (first, second)}
        assert {consumer.image_id(image.name) for image in (first, second)} == {first.image_id}
        consumer.load(first.tar)  # again
        assert consumer.names() == {consumer.spelled(image.name) for image in (first, second)}


@pytest.fixture(scope="session")
def joined(images: Images, ends: Path, freezer: Freezer) -> Image:
    """A file of two images: one for this machine, and before it one for another, by the header of its executable."""
    data = bytearray(ends.read_bytes())
    data[18:20] = (22).to_bytes(2, sys.byteorder)
    other = images.folder / "other" / ends.name
    other.parent.mkdir()
    other.write_bytes(data)
    both = [images(program) for program in (other, ends)]
    tar = images.folder / "index.tar"
    freezer("image", "--index", *(image.tar for image in both), "-o", tar, cwd=images.folder)
    return Image(tar, both[1].name, both[1].image_id)


@pytest.mark.parametrize("engine", ["docker", "podman", "containerd"], indirect=True)
def test_one_image_of_several(engine: Engine, joined: Image) -> None:
    """podman and containerd take the machine's own; docker, without its containerd image store, all of them."""
    of_this = joined.name
    engine.load(joined.tar)
    try:
        if isinstance(engine, consumers.Docker) and engine.short:
            of_this = f"{joined.name}-{ARCHITECTURE}"
            assert engine.names() == {engine.spelled(name) for name in (joined.name, of_this)}
        else:
            assert engine.names() == {joined.name}
        check_end(engine.run(of_this), 42)
    finally:
        for name in engine.names():
            engine.remove(name)


@pytest.mark.parametrize("consumer", ["skopeo-oci-archive"], indirect=True)
def test_skopeo_copies_all_of_several(consumer: consumers.Skopeo, joined: Image, tmp_path: Path) -> None:
    copy = consumer.place.folder / "all"
    words = ["copy", "--all", "--insecure-policy", f"oci-archive:{joined.tar}", f"dir:{copy}"]
    consumer.place.output(consumer.command, *words)
    try:
        manifest = (copy / "manifest.json").read_bytes()
        assert len(list(copy.glob("*.manifest.json"))) == len(json.loads(manifest)["manifests"]) == 2
        raw = consumer.place.output(consumer.command, "inspect", "--raw", f"oci-archive:{joined.tar}")
        assert raw.encode() == manifest
    finally:
        shutil.rmtree(copy)


def check_end(done: Completed, status: int) -> None:
    """The application was the image's user, and ended as it was told."""
    assert (done.stdout, done.returncode) == ("65535 65535\n", status), done


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_the_status_is_passed_on(engine: Engine, images: Images, ends: Path) -> None:
    with loaded(engine, images(ends, "--entrypoint")) as name:
        check_end(engine.run(name), 42)
        check_end(engine.run(name, "0"), 0)
        check_end(engine.run(name, "3"), 3)


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "umoci"], indirect=True)
def test_a_command_is_replaced_by_one(engine: Engine, images: Images, ends: Path) -> None:
    with loaded(engine, images(ends)) as name:
        check_end(engine.run(name), 42)
        check_end(engine.run(name, f"/app/{ends.name}", "7"), 7)
        assert engine.run(name, "/bin/sh").returncode != 0


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_compressed_layers(
    request: pytest.FixtureRequest, engine: Engine, images: Images, ends: Path, compression: str
) -> None:
    image = images(ends, *compressed(compression))
    try:
        with loaded(engine, image) as name:
            check_end(engine.run(name), 42)
    except Refused:
        assert compression == "zstd" and request.node.callspec.params["engine"] in NO_ZSTD


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("consumer", READERS, indirect=True)
def test_a_copy_by_skopeo_runs(
    consumer: consumers.Skopeo,
    all_consumers: Callable[[str], consumers.Umoci],
    images: Images,
    ends: Path,
    compression: str,
    tmp_path: Path,
) -> None:
    image = images(ends, *compressed(compression))
    runner = all_consumers("umoci")
    layout = runner.place.folder / "copy"
    with loaded(consumer, image) as name:
        consumer.copy(image.tar, name, layout)
    try:
        runner.adopt(layout)
    except Refused:
        assert compression == "zstd" and not runner.names()
        return
    unpacked = runner.place.folder / f"image-{runner.spelled(name)}" / "bundle" / "rootfs" / "app" / ends.name
    assert sha256(unpacked) == sha256(ends)
    check_end(runner.run(name), 42)
    runner.remove(name)


def compressed(compression: str) -> list[str]:
    """The options for layers compressed in this way."""
    if compression == "zstd":
        try:
            import zstandard  # noqa: F401
        except ImportError:
            lacking("there is no Python package zstandard")
    return ["--layer-compression", compression]


SHOWS = r"""
#include <stdio.h>
#include <sys/stat.h>
int main(int count, char **words) {
    struct stat status;
    char text[64] = "";
    FILE *file = count == 2 ? fopen(words[1], "r") : 0;
    if (!file || !fgets(text, sizeof text, file) || stat(words[1], &status) != 0) return 1;
    printf("%s %u %u\n", text, (unsigned)status.st_uid, (unsigned)status.st_gid);
    return 0;
}
"""
"""A program that shows a file and its owner."""


@pytest.fixture(scope="module")
def shows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c(SHOWS, tmp_path_factory.mktemp("shows") / "shows", "-static", "-s")


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_what_ustar_cannot_state(engine: Engine, images: Images, shows: Path, tmp_path: Path) -> None:
    deep = "/".join(["d" * 90] * 4)
    (tmp_path / "tree" / deep).mkdir(parents=True)
    (tmp_path / "tree" / deep / ("n" * 200)).write_text("far down")
    (tmp_path / "tree/link").symlink_to(f"{deep}/{'n' * 200}")
    image = images(shows, "--entrypoint", "--add-file", f"{tmp_path}/tree:/tree::3000000:65534", tag="pax")
    with loaded(engine, image) as name:
        for path in (f"/tree/{deep}/{'n' * 200}", "/tree/link"):
            assert engine.run(name, path).stdout == "far down 3000000 65534\n"


@pytest.mark.parametrize("engine", ["docker", "podman", "containerd"], indirect=True)
def test_several_names_in_one_file(engine: Engine, images: Images, ends: Path) -> None:
    others = ("ends:1.2", "registry.example.com/team/ends:first")
    image = images(ends, *(word for name in others for word in ("--tag", name)), tag="first")
    expected = {image.name, "docker.io/library/ends:1.2", "registry.example.com/team/ends:first"}
    if isinstance(engine, consumers.Docker):
        engine.load_piped(image.tar)
    else:
        engine.load(image.tar)
    try:
        assert engine.names() == {engine.spelled(name) for name in expected}
        assert {engine.image_id(name) for name in expected} == {image.image_id}
    finally:
        for name in engine.names():
            engine.remove(name)


@pytest.mark.parametrize("engine", ["docker", "podman"], indirect=True)
@pytest.mark.parametrize("form", ["oci", "docker"])
def test_a_health_check(engine: consumers.Docker, images: Images, ends: Path, form: str) -> None:
    times = ("--healthcheck-interval", "1m30s", "--healthcheck-timeout", "2s", "--healthcheck-start-period", "500ms")
    check = ("--healthcheck", "/app/ends 0", *times, "--healthcheck-retries", "4")
    with loaded(engine, images(ends, *check, "--image-format", form, tag=form)) as name:
        found = engine.health_check(name)
        check_end(engine.run(name), 42)
    if not engine.short and form == "oci":
        assert found == {}  # the reason for the other format
        return
    times_of = {"Interval": 90 * 10**9, "Timeout": 2 * 10**9, "StartPeriod": 500 * 10**6}
    assert found == {"Test": ["CMD", "/app/ends", "0"], **times_of, "Retries": 4}


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_a_server_on_the_network_of_the_host(engine: Engine, images: Images, builds: Builds) -> None:
    application = builds.executable(BY_NAME["flask_app"], "system", "staticx")
    with loaded(engine, images(application, "--entrypoint")) as name:
        with engine.start(name, "web") as process:
            assert process.stdout is not None
            try:
                line = process.stdout.readline()
                matched = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+/)\n", line)
                assert matched, line + process.stdout.read()
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                with opener.open(matched[1], timeout=PATIENCE) as response:
                    assert json.load(response) == {"service": "flask"}
                engine.stop("web")
                process.communicate(timeout=PATIENCE)
            finally:
                process.kill()
        # gunicorn ends by itself when it is asked to.
        assert process.returncode == 0
