"""Health checks: durations as engines write them."""

from __future__ import annotations

from typing import Any

import pytest

from freezer.base.errors import InputError
from freezer.plan.image import Healthcheck
from freezer.plan.resolve_healthcheck import resolve_healthcheck

COMMAND = ("/app/x", "--health")


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1ms", 10**6),
        ("30s", 30 * 10**9),
        ("1m30s", 90 * 10**9),
        ("1h1ms", 3600 * 10**9 + 10**6),
        ("90m", 5400 * 10**9),
    ],
)
def test_durations(text: str, nanoseconds: int) -> None:
    found = resolve_healthcheck({"healthcheck_interval": text}, COMMAND)
    assert found == Healthcheck(COMMAND, interval=nanoseconds)


def test_all_of_it() -> None:
    values = {"healthcheck_timeout": "2s", "healthcheck_start_period": "3s", "healthcheck_retries": 4}
    assert resolve_healthcheck(values, COMMAND) == Healthcheck(COMMAND, None, 2 * 10**9, 3 * 10**9, 4)
    assert resolve_healthcheck({}, COMMAND) == Healthcheck(COMMAND)
    assert resolve_healthcheck({}, ()) is None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"healthcheck_interval": "0s"}, "at least a millisecond"),
        ({"healthcheck_interval": "10"}, "at least a millisecond"),
        ({"healthcheck_interval": "1us"}, "not a duration"),
        ({"healthcheck_interval": "-1s"}, "not a duration"),
        ({"healthcheck_interval": "1.5s"}, "not a duration"),
        ({"healthcheck_interval": ""}, "not a duration"),
        ({"healthcheck_timeout": "999999999h"}, "--healthcheck-timeout"),
        ({"healthcheck_retries": 0}, "out of range"),
    ],
)
def test_malformed(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        resolve_healthcheck(values, COMMAND)


@pytest.mark.parametrize("key", ["interval", "timeout", "start_period", "retries"])
def test_no_use_without_a_command(key: str) -> None:
    with pytest.raises(InputError, match=f"--healthcheck-{key.replace('_', '-')} is about a health check"):
        resolve_healthcheck({f"healthcheck_{key}": 1}, ())
