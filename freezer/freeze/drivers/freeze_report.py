"""What one run of PyInstaller has made, as freezer is told of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import collect
import installed
import modulegraph_internals
import own_sources
import pyinstaller_internals as internals
import spec_classes

if TYPE_CHECKING:
    from freeze_messages import AddedParts, FreezeReport, FreezeRequest


def report(
    request: FreezeRequest, program: spec_classes.Program, strip: bool, collector: collect.Collector
) -> FreezeReport:
    """The report on a run whose spec file has made a program. ``strip`` says that symbols are not wanted."""
    analysis = program.analysis
    distribution = own_sources.of_distribution(collector.inventory, request["distribution"])
    return {
        "name": program.name,
        "tree": program.tree,
        "package": program.package,
        "modules": sorted(module_names(analysis)),
        "origins": {
            place: os.path.dirname(source) for place, source, kind in analysis.binaries if kind != internals.SYMLINK
        },
        "sources": sorted(source_files(analysis)),
        "warnings": program.warnings,
        "opened": sorted(collector.opened),
        "charsets": sorted(collector.charsets),
        "strip": strip,
        "own": own_sources.OwnSources(request, distribution).of(analysis),
        "added": added_parts(collector),
        "groups": sorted(collector.inventory.groups),
        "hooks": collector.inventory.offers_hooks,
    }


def source_files(analysis: internals.Analysis) -> set[str]:
    """All files that went in. What is no file of its own, such as a namespace package, has no absolute path."""
    paths = {path for _, path, _ in [*analysis.pure, *analysis.scripts, *analysis.datas, *analysis.binaries]}
    return {path for path in paths if path and os.path.isabs(path)}


def module_names(analysis: internals.Analysis) -> set[str]:
    """All Python modules, wherever they are stored."""
    extensions = (
        installed.module_name(_module_parts(place))
        for place, _, kind in analysis.binaries
        if kind == internals.EXTENSION
    )
    pure = {name for name, _, _ in analysis.pure}
    return pure | set(modulegraph_internals.base_modules(analysis.graph)) | {name for name in extensions if name}


def _module_parts(destination: str) -> list[str]:
    parts = destination.split(os.sep)
    if "lib-dynload" in parts:
        parts = parts[parts.index("lib-dynload") + 1 :]
    return parts


def added_parts(collector: collect.Collector) -> list[AddedParts]:
    """What the collector gave, in the order of the distributions' names."""
    return [
        {
            "distribution": name,
            "files": len(files),
            "bytes": sum(os.path.getsize(path) for path in files),
            "modules": len(modules),
        }
        for name, (files, modules) in sorted(collector.given.items())
    ]
