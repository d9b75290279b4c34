"""From settings to the plan of an image."""

from __future__ import annotations

from pathlib import Path

import pytest
from imagefiles import plan

from freezer.base.errors import InputError, UsageError
from freezer.plan.choices import DEFAULT_EPOCH, ImageLayout, LayerCompression
from freezer.plan.resolve import resolve_for_image


def test_no_output(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        resolve_for_image({}, folder=tmp_path, environ={})


def test_defaults(tmp_path: Path) -> None:
    made = plan(tmp_path)
    assert (made.output, made.layout, made.names) == (tmp_path / "image.tar", ImageLayout.BINARY, ())
    assert (made.uid, made.gid, made.tmp, made.workdir) == (65535, 65535, True, "/")
    assert (made.compression, made.created, made.epoch) == (LayerCompression.GZIP, None, DEFAULT_EPOCH)


@pytest.mark.parametrize(("text", "ids"), [("7", (7, 7)), ("7:8", (7, 8)), ("0", (0, 0))])
def test_users(tmp_path: Path, text: str, ids: tuple[int, int]) -> None:
    made = plan(tmp_path, user=text)
    assert (made.uid, made.gid) == ids


@pytest.mark.parametrize("text", ["app", "-1", "7:", ":7", "7:8:9", "1.5", str(1 << 31), ""])
def test_bad_users(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="--user"):
        plan(tmp_path, user=text)


@pytest.mark.parametrize(("text", "port"), [("80", "80/tcp"), ("53/udp", "53/udp"), ("65535/sctp", "65535/sctp")])
def test_ports(tmp_path: Path, text: str, port: str) -> None:
    assert plan(tmp_path, port=[text]).ports == (port,)


@pytest.mark.parametrize("text", ["0", "65536", "http", "80/xyz", "-1", ""])
def test_bad_ports(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="--port"):
        plan(tmp_path, port=[text])


@pytest.mark.parametrize(("text", "name"), [("quit", "SIGQUIT"), ("SIGINT", "SIGINT"), ("term", "SIGTERM")])
def test_signals(tmp_path: Path, text: str, name: str) -> None:
    assert plan(tmp_path, stop_signal=text).stop_signal == name


def test_the_time(tmp_path: Path) -> None:
    made = plan(tmp_path, environ={"SOURCE_DATE_EPOCH": "1700000000"})
    assert (made.created, made.epoch) == (1700000000, 1700000000)
    made = plan(tmp_path, environ={"SOURCE_DATE_EPOCH": "5"})
    assert (made.created, made.epoch) == (5, DEFAULT_EPOCH)


def test_files_are_looked_for_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "conf").touch()
    (item,) = plan(tmp_path, add_file=["conf:/etc/:0600"]).files
    assert (item.source, item.destination, item.mode) == (tmp_path / "conf", "/etc/conf", 0o600)
    (item,) = plan(tmp_path, add_file=["conf:/etc/other"]).files
    assert (item.destination, item.mode) == ("/etc/other", None)
