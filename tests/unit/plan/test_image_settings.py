"""The table of the settings of images."""

from __future__ import annotations

from freezer.plan.image_settings import IMAGE_DATA, IMAGE_OUTPUT, IMAGE_SETTINGS
from freezer.plan.settings import SETTINGS, ValueKind


def test_the_table() -> None:
    settings = (IMAGE_OUTPUT, *IMAGE_SETTINGS, *IMAGE_DATA)
    names = [setting.name for setting in settings]
    assert len(names) == len(set(names))
    assert all(setting.help and not setting.help.endswith(".") for setting in settings)
    assert all(s.metavar for s in settings if s.kind is not ValueKind.FLAG)


def test_the_settings_of_a_build_have_other_names() -> None:
    """Both are options of ``freezer build``."""
    assert not {setting.name for setting in SETTINGS} & {setting.name for setting in IMAGE_SETTINGS}
    assert {setting.name for setting in IMAGE_DATA} <= {setting.name for setting in SETTINGS}
