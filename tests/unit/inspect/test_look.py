"""Looking into a file, whatever it is."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from images import Made, archive, file

from freezer.base.errors import InputError
from freezer.base.job import Job
from freezer.base.log import Log
from freezer.inspect.look import inspect, look_into

IMAGE = Made(archive(file("run", b"program", mode=0o755)))


def test_an_executable(program: Path, job: Job) -> None:
    report = inspect(program, job)
    assert (report.kind, report.path, report.size) == ("executable", str(program), program.stat().st_size)


def test_an_image_in_a_file(tmp_path: Path, job: Job) -> None:
    path = IMAGE.write(tmp_path / "image.tar")
    report = inspect(path, job)
    assert (report.kind, [item.path for item in report.items]) == ("image", ["run"])


def test_an_image_in_a_directory(tmp_path: Path, job: Job) -> None:
    for name, data in IMAGE.contents().items():
        (tmp_path / "layout" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "layout" / name).write_bytes(data)
    assert [item.path for item in inspect(tmp_path / "layout", job).items] == ["run"]


def test_what_is_neither(tmp_path: Path, job: Job) -> None:
    (tmp_path / "text").write_text("hello")
    os.mkfifo(tmp_path / "pipe")
    for name, why in (
        ("text", "is not an image, or is damaged"),
        ("none", "cannot be read: No such file"),
        ("pipe", "is not a regular file"),
        (".", "is not a regular file"),
    ):
        with pytest.raises(InputError, match=why):
            inspect(tmp_path / name, job)


def test_nothing_is_left_behind(program: Path, tmp_path: Path) -> None:
    report = look_into(program, cache=tmp_path / "cache", log=Log(stream=io.StringIO()))
    assert report.size == program.stat().st_size
    assert list((tmp_path / "cache" / "work").iterdir()) == []
