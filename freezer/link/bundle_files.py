"""The files of a closed bundle, as records; those of one that an earlier build has kept are known already."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from freezer.closure.close import ClosedApp
from freezer.freeze.drivers.content_memory import ContentMemory
from freezer.link.payload.choose import filters_of
from freezer.link.payload.filter import Filter, Kind
from freezer.link.payload.pack import Record, records_of

FILTERS = "filters"


def files_of_bundle(closed: ClosedApp) -> list[Record]:
    """Return the records of a bundle's files, in the order that the launcher requires."""
    found = records_of(closed.frozen.tree)
    if not closed.replaced:
        return found
    return [dataclasses.replace(item, source=closed.replaced.get(item.name, item.source)) for item in found]


def with_filters(records: Iterable[Record], closed: ClosedApp, memory: ContentMemory) -> list[Record]:
    """Return the records with the filters of those files of a kept bundle that are as they were kept. To choose them
    again, for thousands of files, takes longer than all else that a build does with these."""
    found = list(records)
    if not closed.kept:
        return found
    top = f"{closed.frozen.tree}/"
    same = {item.name for item in found if str(item.source or "").startswith(top)}
    key = memory.key(FILTERS, closed.kept)
    known = memory.get(key)
    # What was replaced in the build that kept them is not among them.
    if not isinstance(known, dict):
        known = {
            item.name: [
                (int(each.kind), each.offset, each.size, each.entries)
                for each in filters_of(item.source, item.cuts, memory)
            ]
            for item in found
            if item.source is not None and item.name in same
        }
        memory.put(key, known)
    return [
        dataclasses.replace(item, filters=tuple(Filter(Kind(kind), *rest) for kind, *rest in known[item.name]))
        if item.name in same and item.name in known
        else item
        for item in found
    ]
