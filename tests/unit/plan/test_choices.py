"""The closed choices: what people write, and values that files and other programs go by."""

from __future__ import annotations

import datetime
import enum
import zipfile

import pytest

from freezer.plan import choices
from freezer.plan.choices import DEFAULT_EPOCH, EntryKind, ImageLayout, LayerCompression, Linker, Packing, Sources

KINDS = [kind for kind in vars(choices).values() if isinstance(kind, type) and issubclass(kind, enum.Enum)]
KINDS.remove(enum.Enum) if enum.Enum in KINDS else None


@pytest.mark.parametrize("kind", KINDS)
def test_every_choice_is_found_by_its_value(kind: type[enum.Enum]) -> None:
    assert len({item.value for item in kind}) == len(list(kind)) > 1
    for item in kind:
        assert kind(item.value) is item
    with pytest.raises(ValueError, match="no such choice"):
        kind("no such choice")


def test_what_people_write() -> None:
    assert [item.value for item in Linker] == ["staticx", "native"]
    assert [item.value for item in Packing] == ["none", "fast", "small"]
    assert [item.value for item in ImageLayout] == ["binary", "unpacked"]
    assert [item.value for item in Sources] == ["own", "all", "none"]
    assert [item.name.lower() for item in LayerCompression] == ["none", "gzip", "zstd"]
    assert len(EntryKind) == 7


def test_suffixes_of_media_types() -> None:
    assert [item.value for item in LayerCompression] == ["", "+gzip", "+zstd"]


def test_the_default_time_fits_into_zip_archives_everywhere() -> None:
    moment = datetime.datetime.fromtimestamp(DEFAULT_EPOCH, datetime.timezone.utc)
    assert (moment.year, moment.month, moment.day, moment.hour) == (1980, 1, 2, 0)
    for hours in (-12, 14):
        local = moment + datetime.timedelta(hours=hours)
        zipfile.ZipInfo("x", local.timetuple()[:6])
