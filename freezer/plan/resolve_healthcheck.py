"""From the settings of a health check to its plan. The names and their meaning are docker's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Optional

from freezer.base.errors import InputError
from freezer.plan.image import Healthcheck

UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6}
"""Nanoseconds, which the configuration counts in."""
DURATION = re.compile(r"(?:[0-9]{1,9}(?:h|ms|m|s))+")
PART = re.compile(r"([0-9]+)(h|ms|m|s)")
LONGEST = (1 << 63) - 1
"""Engines take a signed number of 64 bits."""
TIMES = ("interval", "timeout", "start_period")


def resolve_healthcheck(values: Mapping[str, Any], command: tuple[str, ...]) -> Optional[Healthcheck]:
    """Return the health check; None without a command. Raises InputError for what is malformed, or of no use without a
    command."""
    given = [key for key in (*TIMES, "retries") if f"healthcheck_{key}" in values]
    if not command:
        if given:
            raise InputError(
                f"--{_option(given[0])} is about a health check, but the image has none",
                hint="add --healthcheck COMMAND",
            )
        return None
    retries = values.get("healthcheck_retries")
    if retries is not None and not 1 <= retries <= 1000:
        raise InputError(f"--healthcheck-retries {retries} is out of range", hint="give a number from 1 to 1000")
    times = {key: _duration(str(values[f"healthcheck_{key}"]), _option(key)) for key in TIMES if key in given}
    return Healthcheck(command, retries=retries, **times)


def _option(key: str) -> str:
    return f"healthcheck-{key.replace('_', '-')}"


def _duration(text: str, option: str) -> int:
    """Return a duration in nanoseconds. Engines take none below a millisecond, and 0 for their default."""
    total = sum(int(number) * UNITS[unit] for number, unit in PART.findall(text)) if DURATION.fullmatch(text) else 0
    if not 10**6 <= total <= LONGEST:
        raise InputError(
            f"--{option} {text!r} is not a duration of at least a millisecond",
            hint=f"for example: --{option} 30s, 1m30s, 500ms",
        )
    return total
