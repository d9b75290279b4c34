"""Where the files of an image are: the members of a tar, or a layout in a directory."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from images import archive, file, folder, link

from freezer.base.errors import InputError
from freezer.base.oci.files import CHUNK, OUTER, TarFiles, open_folder

PATH = Path("/x/image.tar")


def opened(*entries: Any) -> TarFiles:
    return TarFiles(PATH, io.BytesIO(archive(*entries)))


def content(files: Any, name: str) -> bytes:
    return b"".join(files.chunks(files.members[name]))


def layout(path: Path) -> Path:
    (path / "blobs" / "sha256").mkdir(parents=True)
    (path / "oci-layout").write_text("{}")
    (path / "index.json").write_text("[]")
    (path / "blobs" / "sha256" / "abc").write_bytes(b"blob")
    return path


def test_members_of_a_tar() -> None:
    big = os.urandom(CHUNK + 5)
    files = opened(folder("d"), file("./d/small", b"x"), file("big", big), link("l", "big"))
    assert set(files.members) == {"d/small", "big", "l"}
    assert content(files, "d/small") == b"x"
    assert content(files, "big") == big
    # In any order, and again.
    assert content(files, "d/small") == b"x"


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([file("../x")], "leads out of the archive"),
        ([file("/x")], "leads out of the archive"),
        ([file("a"), file("./a")], "occurs twice"),
        ([("p", {"type": tarfile.FIFOTYPE})], "type that is not allowed in images"),
    ],
)
def test_tars_that_are_no_image(entries: list[Any], why: str) -> None:
    with pytest.raises(InputError, match="is not an image, or is damaged") as caught:
        opened(*entries)
    assert why in (caught.value.why or "")
    assert str(PATH) in caught.value.what


def test_a_tar_that_ends_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(archive(file("big", bytes(3 * CHUNK))))
    with open(path, "rb") as stream:
        files = TarFiles(path, stream)
        os.truncate(path, CHUNK)
        with pytest.raises(InputError) as caught:
            content(files, "big")
    assert caught.value.why == "it ends too early"


def test_a_layout(tmp_path: Path) -> None:
    layout(tmp_path / "it")
    (tmp_path / "it" / "unknown").write_text("not looked at")
    (tmp_path / "link").symlink_to("it")
    with open_folder(tmp_path / "link") as files:
        assert set(files.members) == {"oci-layout", "index.json", "blobs/sha256/abc"}
        assert content(files, "blobs/sha256/abc") == b"blob"


def test_a_layout_without_blobs(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("{}")
    with open_folder(tmp_path) as files:
        assert set(files.members) == {"index.json"}


@pytest.mark.parametrize("name", ["index.json", "blobs", "blobs/sha256", "blobs/sha256/abc"])
def test_links_in_a_layout_are_not_followed(tmp_path: Path, name: str) -> None:
    place = layout(tmp_path / "it") / name
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is not an image, or is damaged"), open_folder(tmp_path / "it"):
        pass


def test_a_directory_where_a_file_should_be(tmp_path: Path) -> None:
    (layout(tmp_path / "it") / "blobs/sha256/folder").mkdir()
    with pytest.raises(InputError) as caught, open_folder(tmp_path / "it"):
        pass
    assert caught.value.why == "blobs/sha256/folder has a type that is not allowed in images"


def test_files_that_change(tmp_path: Path) -> None:
    blob = layout(tmp_path) / "blobs/sha256/abc"
    with open_folder(tmp_path) as files:
        blob.write_bytes(b"longer than before")
        with pytest.raises(InputError) as caught:
            content(files, "blobs/sha256/abc")
        assert caught.value.why == "blobs/sha256/abc changed while it was read"
        blob.unlink()
        with pytest.raises(InputError) as caught:
            content(files, "blobs/sha256/abc")
        assert caught.value.why == "blobs/sha256/abc is gone"


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    from freezer.base.oci import files as module

    monkeypatch.setattr(module, "OUTER", dataclasses.replace(OUTER, entries=2))
    with pytest.raises(InputError) as caught, open_folder(layout(tmp_path)):
        pass
    assert caught.value.why == "it has more than 2 files"


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"), open_folder(tmp_path / "none"):
        pass


def test_pieces_of_a_tar(tmp_path: Path) -> None:
    """They leave the place alone from which others read."""
    path = tmp_path / "image.tar"
    path.write_bytes(archive(file("first", b"0123456789"), file("second", b"x" * 10)))
    with open(path, "rb") as stream:
        files = TarFiles(path, stream)
        stream.seek(3)
        assert files.piece(files.members["first"], 2, 5) == b"23456"
        assert stream.tell() == 3
        os.truncate(path, files.members["second"].offset + 4)
        assert files.piece(files.members["second"], 0, 4) == b"xxxx"
        with pytest.raises(InputError) as caught:
            files.piece(files.members["second"], 0, 5)
    assert caught.value.why == "it ends too early"


def test_pieces_of_a_layout(tmp_path: Path) -> None:
    blob = layout(tmp_path) / "blobs/sha256/abc"
    with open_folder(tmp_path) as files:
        member = files.members["blobs/sha256/abc"]
        assert files.piece(member, 1, 2) == b"lo"
        blob.write_bytes(b"b")
        with pytest.raises(InputError) as caught:
            files.piece(member, 0, 4)
        assert caught.value.why == "blobs/sha256/abc changed while it was read"
        blob.unlink()
        with pytest.raises(InputError) as caught:
            files.piece(member, 0, 1)
        assert caught.value.why == "blobs/sha256/abc is gone"
