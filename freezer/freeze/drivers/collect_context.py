"""Where the hooks that freezer generates find the collector of the running build.

PyInstaller runs each hook as a module of its own, which cannot be handed an argument.
"""

from __future__ import annotations

from typing import Optional

from collect import Collector

collector: Optional[Collector] = None


def package(name: str, hooked: bool) -> tuple[list[tuple[str, str]], list[str]]:
    """The data files and modules of one package, as a PyInstaller hook states them."""
    assert collector is not None
    found = collector.package(name, hooked)
    return [(source, folder or ".") for source, folder in found.datas], found.modules
