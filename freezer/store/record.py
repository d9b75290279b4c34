"""Records of finished builds: the inputs and the result, as JSON values.

The file name is derived from the plan, the content is the caller's. ``inventory`` reads the keys ``output`` and
``environment``, whose only key is the environment's path.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freezer import __version__


def _file(cache: Path, plan: Mapping[str, Any]) -> Path:
    text = json.dumps([__version__, plan], default=str, sort_keys=True)
    return cache / "record" / (hashlib.sha256(text.encode()).hexdigest()[:24] + ".json")


def write(cache: Path, plan: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    """Write the record for a plan in one step. Failing to write it is not an error."""
    with contextlib.suppress(OSError):
        file = _file(cache, plan)
        aside = file.with_suffix(f".{os.getpid()}.new")
        aside.write_text(json.dumps(content), encoding="utf-8")
        os.replace(aside, file)


def read(cache: Path, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record for a plan. Raises OSError if there is none, ValueError if it is damaged."""
    content = json.loads(_file(cache, plan).read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError("the record is not a JSON object")
    return content
