"""Runs under the Python of the build environment, before anything slow: which function starts the application, and
which files of its own it is made of.

Reads a request on stdin, prints one JSON object. The application's own sources are parsed, never run, so that a
syntax error is named here, with its file and line, and so that a module missing later can be traced to its import.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from typing import TYPE_CHECKING, Optional

# An isolated Python does not look beside the program.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from foreign_modules import exists
from own_parts import OwnParts, locate

del sys.path[0]

if TYPE_CHECKING:
    from entry_messages import EntryAnswer, EntryRequest


def console_scripts() -> dict[str, list[tuple[str, str]]]:
    """Every console script of the environment: name -> [(value, distribution), ...]."""
    found: dict[str, list[tuple[str, str]]] = {}
    for distribution in importlib.metadata.distributions():
        for entry in distribution.entry_points:
            if entry.group in ("console_scripts", "gui_scripts"):
                offers = found.setdefault(entry.name, [])
                offer = (entry.value.split("[")[0].strip(), distribution.metadata["Name"])
                if offer not in offers:
                    offers.append(offer)
    return found


def owner_of(module: str) -> Optional[str]:
    """The distribution that installed a module, or None."""
    path = module.replace(".", "/")
    for distribution in importlib.metadata.distributions():
        for entry in distribution.files or ():
            text = str(entry)
            if text.startswith(path + "/") or (text.startswith(path + ".") and "/" not in text[len(path) :]):
                return distribution.metadata["Name"]
    return None


def put_on_path(search: list[str]) -> None:
    """Have modules be found in directories before those of the environment, but after Python's own: what runs here
    must not import a module of the application's that is called like one of those."""
    places = [number for number, place in enumerate(sys.path) if os.path.basename(place).endswith("-packages")]
    at = places[0] if places else len(sys.path)
    sys.path[at:at] = search


def answer(request: EntryRequest) -> EntryAnswer:
    put_on_path(request["search"])
    roots = request["own"]
    module = attribute = distribution = metadata = None
    start = None
    if request["console_script"]:
        offers = console_scripts().get(request["console_script"], [])
        if request["distribution"]:
            offers = [offer for offer in offers if offer[1] == request["distribution"]] or offers
        if not offers:
            return {"error": "no console script", "known": sorted(console_scripts())}
        value, distribution = offers[0]
        module, _, attribute = value.partition(":")
    elif request["function"]:
        module, _, attribute = request["function"].partition(":")
        distribution = request["distribution"] or owner_of(module)
    if distribution:
        metadata = importlib.metadata.distribution(distribution).read_text("METADATA")
    if module is not None and attribute is not None:
        module, attribute = module.strip(), attribute.strip()
        if not exists(module):
            return {"error": "no module", "module": module}
        start, name = locate(module, roots), module
    elif request["package"]:
        name = request["package"] + ".__main__"
        start = os.path.join(roots[0], *name.split(".")) + ".py"
    else:
        start, name = request["script"], "__main__"
    parts = OwnParts(request["ground"], roots)
    try:
        if start is not None:
            parts.visit(start, name)
    except SyntaxError as error:
        # A null byte is a syntax error without a place in newer versions of Python.
        file, line = error.filename or start or "", error.lineno or 1
        return {"error": "syntax", "file": file, "line": line, "message": error.msg}
    except ValueError as error:
        return {"error": "syntax", "file": start or "", "line": 1, "message": str(error)}
    parts.files.finish()
    tops = {module.split(".")[0] for module, _, _ in parts.imports}
    return {
        "error": None,
        "module": module,
        "attribute": attribute,
        "distribution": distribution,
        "metadata": metadata,
        "files": sorted(parts.visited),
        "imports": parts.imports,
        "packages": parts.packages,
        "missing": sorted(top for top in tops if not exists(top, [*parts.search, *roots])),
        "modules": parts.modules,
        "foreign": sorted(parts.foreign.modules),
        "whole": sorted(parts.foreign.whole),
        "searched": parts.search,
        "data": parts.files.placed(parts.packages),
        "left_out": parts.files.left_out,
        "asks": parts.files.place,
    }


def main() -> None:
    json.dump(answer(json.load(sys.stdin)), sys.stdout)


main()
