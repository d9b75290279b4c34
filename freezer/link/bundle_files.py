"""The files of a closed bundle, as records; what is known of those that an earlier build has kept is not found out
again."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from typing import Optional

from freezer.application.inputs import toolchain_state
from freezer.base.publish import digest_file
from freezer.closure.close import ClosedApp
from freezer.freeze.drivers.content_memory import ContentMemory
from freezer.link.clones import FILE, FOLDER, LINK, listed_tree
from freezer.link.payload.beginning import KIND
from freezer.link.payload.choose import filters_of
from freezer.link.payload.filter import Filter, Kind
from freezer.link.payload.pack import Beginning, Record, Type, records_of
from freezer.link.start import MODULES

FILTERS = "filters"


def with_list(closed: ClosedApp) -> ClosedApp:
    """Return a closed bundle with the list of what is in it, which linking and keeping it both need."""
    return dataclasses.replace(closed, listed=listed_tree(closed.frozen.tree))


def files_of_bundle(closed: ClosedApp) -> list[Record]:
    """Return the records of a bundle's files, in the order that the launcher requires."""
    if not closed.listed:
        return records_of(closed.frozen.tree)
    top = os.fspath(closed.frozen.tree)
    found, links = [], []
    for name, (kind, *about) in closed.listed.items():
        if kind == FOLDER:
            found.append(Record(Type.DIRECTORY, name))
        elif kind == LINK:
            links.append(Record(Type.LINK, name, data=os.fsencode(about[0])))
        else:
            executable = int(about[1], 8) & 0o100
            source = closed.replaced.get(name, f"{top}/{name}")
            found.append(Record(Type.EXECUTABLE if executable else Type.FILE, name, source=source))
    return [*found, *sorted(links, key=lambda item: item.name)]


def beginning_of(records: Sequence[Record], closed: ClosedApp, memory: ContentMemory) -> Optional[Beginning]:
    """Return the beginning of the stream that the records of a tree make: all that comes before the modules, which
    change with each line. Nothing is read of files whose digests are known already."""
    count = next((number for number, item in enumerate(records) if item.name == MODULES), 0)
    if not count:
        return None
    top = f"{closed.frozen.tree}/"

    def content(item: Record) -> str:
        if item.source is None:
            return hashlib.sha256(item.data).hexdigest() if item.data else ""
        kind, *about = closed.listed.get(item.name, ("",))
        return about[0] if kind == FILE and str(item.source) == top + item.name else digest_file(item.source)

    items = [[int(item.type), item.name, content(item), item.fixups, item.cuts] for item in records[:count]]
    prepare = functools.partial(with_filters, closed=closed, memory=memory, part=KIND)
    return Beginning(json.dumps([toolchain_state(), items]), count, prepare)


def with_filters(records: Iterable[Record], closed: ClosedApp, memory: ContentMemory, part: str = "") -> list[Record]:
    """Return the records, which are a ``part`` of the tree's, with the filters of those files of a kept bundle that are
    as they were kept. To choose them again, for thousands of files, takes longer than all else that a build does with
    these."""
    found = list(records)
    if not closed.kept:
        return found
    top = f"{closed.frozen.tree}/"
    same = {item.name for item in found if str(item.source or "").startswith(top)}
    key = memory.key(FILTERS, f"{closed.kept} {part}")
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
