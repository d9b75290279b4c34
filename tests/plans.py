"""Plans of builds, made from settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from freezer.plan.build import Plan
from freezer.plan.resolve import resolve


def plan(here: Path, **arguments: Any) -> Plan:
    return resolve(arguments, folder=here, environ={})


def write_requirements(folder: Path) -> Path:
    """An application whose requirements include files, and a project beside it."""
    (folder / "local" / "build" / "lib").mkdir(parents=True)
    for name, text in (
        ("app.py", ""), ("r.txt", "-r more.txt\n./local  # ours\n--hash 'odd\n"), ("more.txt", "six\n-c c.txt\n"),
        ("c.txt", "six<2\n"), ("local/setup.py", ""), ("local/build/lib/product", ""), ("unrelated", ""),
    ):  # fmt: skip
        (folder / name).write_text(text)
    return folder


def plan_with_requirements(site: Path, **arguments: Any) -> Plan:
    return plan(site, **{"entry": "app.py", "requirement": ["r.txt"], **arguments})
