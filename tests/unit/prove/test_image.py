"""What of an image's root is loaded, library by library, when the image is proven."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Optional

import pytest
from images import Made, archive, file
from support import compile_c

from freezer.base import tar
from freezer.base.errors import InputError, VerificationError
from freezer.base.job import Job
from freezer.base.log import Log
from freezer.image.index import join_images
from freezer.image.merged import MergedRoot
from freezer.plan.build import Smoke
from freezer.plan.choices import MANIFEST, Verification
from freezer.prove import image as prove
from freezer.prove.bundle import Bundle
from freezer.prove.strength import Strength
from freezer.store.workspace import workspace

MAIN = "int main(void) { return 0; }"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of an image with an application's files unpacked in it."""
    folder = tmp_path / "root"
    app = folder / "srv/app"
    (app / "_internal").mkdir(parents=True)
    compile_c(MAIN, app / "program", "-Wl,--dynamic-linker=/srv/app/ld-x.so")
    for name in ("ld-x.so", "libx.so.1", "_internal/libpython3.9.so.1.0", "_internal/x.abi3.so"):
        compile_c("int f;", app / name, "-shared", "-fPIC")
    (app / "called").symlink_to("program")
    (app / MANIFEST).write_text('{"missing_libraries": ["libgone.so.1"]}')
    return folder


def bundle(folder: Path, command: str = "/srv/app/called") -> tuple[Bundle, Optional[Path]]:
    merged = MergedRoot()
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        kind = tar.Kind.SYMLINK if path.is_symlink() else tar.Kind.DIRECTORY if path.is_dir() else tar.Kind.FILE
        target = str(path.readlink()) if path.is_symlink() else ""
        merged.put(name, tar.Member(name, kind, 0, 0o755, 0, 0, 0, target))
    with workspace(folder.parent / "cache", "check", keep=False, log=Log(stream=io.StringIO())) as job:
        return prove._bundle(folder, (command,), {}, merged, job)


@pytest.mark.parametrize("command", ["/srv/app/called", "/srv/app/program", "/usr/bin/app"])
def test_a_tree(root: Path, command: str) -> None:
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/app").symlink_to("/srv/app/called")
    found, binary = bundle(root, command)
    assert (found.folder, binary) == (root / "srv/app", None)
    assert found.known_missing == {"libgone.so.1"}
    assert [load["file"] for load in found.loads] == [
        "/bundle/libx.so.1",
        "/bundle/_internal/libpython3.9.so.1.0",
        "/bundle/_internal/x.abi3.so",
    ]
    for load in found.loads:
        assert load["loader"] == "/bundle/ld-x.so"
        assert load["library_path"] == ["/bundle", "/bundle/_internal"]
        assert load["preload"] == ["/bundle/_internal/libpython3.9.so.1.0"]


def test_a_link_out_of_a_tree_is_not_followed(root: Path, tmp_path: Path) -> None:
    shutil.move(str(root / "srv/app/_internal"), tmp_path / "outside")
    (root / "srv/app/_internal").symlink_to(tmp_path / "outside")
    found, _ = bundle(root)
    assert [(load["file"], load["library_path"], load["preload"]) for load in found.loads] == [
        ("/bundle/libx.so.1", ["/bundle"], [])
    ]


def test_a_damaged_note(root: Path) -> None:
    (root / "srv/app" / MANIFEST).write_text("{}")
    with pytest.raises(InputError, match="manifest is damaged"):
        bundle(root)


@pytest.mark.parametrize(
    "what", ["loader", "linked loader", "note", "linked note", "elsewhere", "top", "script", "link"]
)
def test_what_is_no_tree(root: Path, tmp_path: Path, what: str) -> None:
    app, command = root / "srv/app", "/srv/app/program"
    if what == "loader":
        (app / "ld-x.so").unlink()
    elif what == "note":
        (app / MANIFEST).unlink()
    elif what.startswith("linked"):
        name = "ld-x.so" if what == "linked loader" else MANIFEST
        shutil.move(str(app / name), tmp_path / "outside")
        (app / name).symlink_to(tmp_path / "outside")
    elif what == "elsewhere":
        (root / "lib").mkdir()
        shutil.copy(app / "ld-x.so", root / "lib")
        compile_c(MAIN, app / "program", "-Wl,--dynamic-linker=/lib/ld-x.so")
    elif what == "top":
        for path in (app / "ld-x.so", app / MANIFEST):
            shutil.copy(path, root)
        compile_c(MAIN, root / "program", "-Wl,--dynamic-linker=/ld-x.so")
        command = "/program"
    elif what == "script":
        (app / "program").write_text("#!/bin/sh\n")
    else:
        command = "/srv/app/nothing"
        (app / "nothing").symlink_to("/nowhere")
    assert bundle(root, command) == (Bundle(None, (), frozenset()), None)


def test_a_static_executable(root: Path) -> None:
    compile_c(MAIN, root / "srv/app/program", "-static")
    assert bundle(root) == (Bundle(None, (), frozenset()), root / "srv/app/program")


REFUSED = {"cause": "create namespaces: EPERM: a filter forbids it", "remedy": "lift the filter", "runs": []}
ANY = (Smoke(None, None, 10),)


def test_a_proof_is_required() -> None:
    with pytest.raises(VerificationError, match=r"image\.tar cannot be proven here") as caught:
        prove._judged(REFUSED, Bundle(None, (), frozenset()), ANY, Verification.REQUIRE, "image.tar")
    assert caught.value.why == REFUSED["cause"]
    weaker = prove._judged(REFUSED, Bundle(None, (), frozenset()), ANY, Verification.AUTO, "image.tar")
    assert (weaker.strength, weaker.isolation) == (Strength.NOT_RUN, None)
    assert weaker.warnings == (
        "image.tar is not proven: create namespaces: EPERM: a filter forbids it; lift the filter",
    )


def test_a_run_in_the_images_own_root() -> None:
    run = {"status": 3, "signal": None, "timed_out": False, "mapped": ["/usr/x"], "seconds": 1, "first_output": 0.5}
    reply = {"isolation": "root", "loads": [], "runs": [run], "notes": ["a note"]}
    ended = prove._judged(reply, Bundle(None, (), frozenset()), ANY, Verification.REQUIRE, "image.tar")
    assert (ended.strength, ended.outcome) == (Strength.IMAGE_ROOT, "ran in its own root: exited with status 3")
    assert (ended.seconds, ended.notes) == (0.5, ("a note",))
    assert "image.tar exited with status 3 in its own root" in ended.warnings[0]


def test_an_image_of_another_machine(tmp_path: Path, job: Job) -> None:
    made = Made(archive(file("run", b"x", mode=0o755)), settings={"User": "1", "Cmd": ["/run"]})
    made.config["architecture"] = "s390x"
    path = made.write(tmp_path / "image.tar")
    for verification, outcome in ((Verification.NO, "--verify=no"), (Verification.AUTO, "it is made for s390x")):
        assert prove.prove_image(path, ANY, verification, job, jobs=1).outcome == f"not run: {outcome}"
    with pytest.raises(VerificationError) as caught:
        prove.prove_image(path, ANY, Verification.REQUIRE, job, jobs=1)
    assert caught.value.why == "it is made for s390x"


def test_of_several_images_the_one_for_this_machine(tmp_path: Path, job: Job) -> None:
    sources = []
    for architecture in ("s390x", prove._own_architecture()):
        made = Made(archive(file("run", architecture.encode(), mode=0o755)), settings={"User": "1", "Cmd": ["/run"]})
        made.config["architecture"] = architecture
        sources.append(made.write(tmp_path / f"{architecture}.tar"))
    joined = join_images(sources, [], tmp_path / "all.tar", Log(stream=io.StringIO()))
    proof = prove.prove_image(joined.path, ANY, Verification.NO, job, jobs=1)
    assert proof.image_id == joined.platforms[1][1]
