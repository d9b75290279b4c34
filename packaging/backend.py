"""The build backend: setuptools, with a C compiler from the index where there is none.

Every application that freezer makes is started by a small library in C. Users of the index's wheel have it compiled;
whoever installs from the sources on a machine without a compiler gets one for the time of the build (PEP 517, "build
requirements"): ziglang's wheel has clang and needs no installation, nor root.
"""

from __future__ import annotations

import os
import shlex
import shutil
from typing import Any, Optional

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403

COMPILERS = ("musl-gcc", "cc", "gcc", "clang")


def compiler() -> list[str]:
    """The requirement that brings a compiler, if there is none."""
    own = shlex.split(os.environ.get("CC", ""))[:1]
    return [] if any(shutil.which(name) for name in (*own, *COMPILERS)) else ["ziglang"]


def get_requires_for_build_wheel(config_settings: Optional[dict[str, Any]] = None) -> list[str]:
    """What building a wheel takes."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *compiler()]


def get_requires_for_build_editable(config_settings: Optional[dict[str, Any]] = None) -> list[str]:
    """What an editable installation takes."""
    return [*build_meta.get_requires_for_build_editable(config_settings), *compiler()]
