"""Images that run without a container engine, as root and as an ordinary user: freezer's own, of both layouts, and
another's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import consumers
import pytest
import refusing
from builds import Builds, unpacked_image
from probes import make_probe
from samples.catalogue import SAMPLES, Need, Sample
from support import Freezer, need_program, open_to_all

from freezer.base.errors import ExitStatus

(HELLO,) = (sample for sample in SAMPLES if sample.name == "hello")
RUNNABLE = [sample for sample in SAMPLES if Need.HOST_TOOLS not in sample.needs]


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """A directory that everybody can read."""
    folder = tmp_path / "open"
    folder.mkdir()
    open_to_all(folder)
    return folder


@pytest.fixture(params=["root", "ordinary user"])
def runner(request: pytest.FixtureRequest, tmp_path: Path, as_ordinary_user: Callable[[bool], Freezer]) -> Freezer:
    """Who runs it."""
    return Freezer(tmp_path / "cache") if request.param == "root" else as_ordinary_user(False)


@pytest.fixture(params=["binary", "unpacked"])
def image_of(
    request: pytest.FixtureRequest, builds: Builds, freezer: Freezer, open_folder: Path
) -> Callable[[Sample], Path]:
    """Makes the image of a sample, in each layout."""

    def make(sample: Sample) -> Path:
        executable = builds.executable(sample, "system", "native")
        image = open_folder / "app.tar"
        if request.param == "binary":
            freezer("image", executable, "-o", image, "--entrypoint", cwd=open_folder)
        else:
            shutil.copy(unpacked_image(executable)[0], image)
        image.chmod(0o644)
        return image

    return make


@pytest.mark.parametrize("sample", RUNNABLE, ids=lambda sample: sample.name)
def test_all_samples_run_as_an_ordinary_user(
    image_of: Callable[[Sample], Path], as_ordinary_user: Callable[[bool], Freezer], open_folder: Path, sample: Sample
) -> None:
    runner = as_ordinary_user(False)
    done = runner("run", "--network", "none", image_of(sample), *sample.run, cwd=open_folder, check=False)
    assert sample.accepts(done.stdout, done.status), done


def test_an_image_of_freezers(image_of: Callable[[Sample], Path], runner: Freezer, open_folder: Path) -> None:
    """It starts twice: from the file, and from what is kept of it."""
    image = image_of(HELLO)
    for _ in range(2):
        done = runner("run", "--network", "none", image, *HELLO.run, cwd=open_folder)
        assert HELLO.accepts(done.stdout, done.status), done
    assert len(list((runner.cache / "images").glob("*/origin.json"))) == 1
    runner.assert_tidy()


def test_an_image_of_umocis(runner: Freezer, open_folder: Path) -> None:
    """With several layers, of which the last removes and replaces; as a layout, and in a file that skopeo makes."""
    umoci, skopeo = consumers.program("umoci"), need_program("skopeo")
    layout, bundle = open_folder / "layout", open_folder / "bundle"

    def make(*words: str | Path) -> None:
        subprocess.run([umoci, *map(str, words)], check=True, capture_output=True)

    make("init", "--layout", layout)
    make("new", "--image", f"{layout}:1")
    root = bundle / "rootfs"
    for number in range(2):
        make("unpack", *(["--rootless"] if os.geteuid() else []), "--image", f"{layout}:1", bundle)
        if number == 0:
            make_probe(root / "probe")
            for name in ("tmp", "gone/below", "kept"):
                (root / name).mkdir(parents=True)
            (root / "kept/file").write_text("first\n")
            (root / "link").symlink_to("/kept")
        else:
            shutil.rmtree(root / "gone")
            (root / "kept/file").write_text("second\n")
        make("repack", "--image", f"{layout}:1", bundle)
        shutil.rmtree(bundle)
    make("config", "--image", f"{layout}:1", "--config.entrypoint", "/probe", "--config.user", "1000:1001")
    copy = [skopeo, "copy", f"oci:{layout}:1", f"docker-archive:{open_folder}/app.tar:app:1"]
    subprocess.run(copy, check=True, capture_output=True)
    for path in (open_folder, *open_folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for image in (layout, open_folder / "app.tar"):
        assert runner("run", image, "where", cwd=open_folder).stdout == "/ 1000 1001\n"
        assert runner("run", image, "show", "/link/file", cwd=open_folder).stdout == "second\n"
        shown = runner("run", image, "list", "/", cwd=open_folder).stdout.split()
        assert {"kept", "probe", "tmp"} <= set(shown)
        assert "gone" not in shown
        assert runner("run", image, "exit", "9", cwd=open_folder, check=False).status == 9


@pytest.mark.parametrize("refusal", refusing.REFUSALS)
def test_where_no_namespace_can_be_made(builds: Builds, tmp_path: Path, refusal: str) -> None:
    """The message says which setting it is, and what to do."""
    executable = builds.executable(HELLO, "system", "native")
    freezer = Freezer(tmp_path / "cache", refusing.REFUSALS[refusal]())
    image, _ = unpacked_image(executable)
    message = freezer.fails("run", image, cwd=executable.parent, status=ExitStatus.NOT_RUN)
    cause, remedy = refusing.REASONS[refusal]
    assert cause in message
    assert remedy in message
