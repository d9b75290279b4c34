"""The table of settings."""

from __future__ import annotations

from freezer.plan.settings import FILE_ONLY, RUN_SETTINGS, SETTINGS, ValueKind


def test_the_table() -> None:
    names = [setting.name for setting in (*SETTINGS, *FILE_ONLY)]
    assert len(names) == len(set(names))
    assert all(setting.help and not setting.help.endswith(".") for setting in SETTINGS)
    flags = [flag for setting in SETTINGS for flag in setting.flags]
    assert len(flags) == len(set(flags))
    assert all(s.metavar for s in SETTINGS if s.kind not in (ValueKind.FLAG, ValueKind.SWITCH) and s.name != "name")


def test_the_settings_of_a_run() -> None:
    assert list(RUN_SETTINGS) == ["args", "status", "stdin", "expect", "http", "timeout"]
    assert {key: setting.name for key, setting in RUN_SETTINGS.items() if setting.name != f"smoke-{key}"} == {
        "args": "smoke"
    }
