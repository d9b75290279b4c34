"""The papers of an application in its container: the bill of materials, and the notices if they are wanted."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence

from freezer.base.bill import NOTICES, PAPERS, SBOM
from freezer.bill import notices
from freezer.bill.contained import contained, of_staticx
from freezer.bill.cyclonedx import reference, render, unowned
from freezer.closure.close import ClosedApp
from freezer.link.drivers.staticx_internals import LOADER, NAME_SERVICES
from freezer.link.drivers.staticx_internals import PROGRAM as STARTED
from freezer.link.launcher import launcher_path
from freezer.link.payload.pack import Record, Type
from freezer.link.start import INIT, INTERPRETER, PROGRAM, SAVER, SNAPSHOT_KEY, STARTER, Container
from freezer.plan.choices import MANIFEST

OF_FREEZER = (STARTER, SAVER, SNAPSHOT_KEY, INIT, MANIFEST, SBOM, NOTICES)
LINKS = (STARTED, LOADER)
"""The links that staticx adds to a tree."""
HOME = re.compile(r"lib/python[\d.]+/.*|modules(\.[a-z]+)?")
"""The files by which an interpreter finds its place, and the archives of modules, which are written by freezer."""


def papers(closed: ClosedApp, records: Sequence[Record], container: Container) -> list[Record]:
    """Return the papers of a tree with these records; none if the bundle has no bill.

    Every file of the tree belongs to a component: another one would be a fault of freezer's.
    """
    if closed.bill is None:
        return []
    names = [item.name for item in records if item.type is not Type.DIRECTORY]
    names += [SBOM, *([NOTICES] if closed.bill.notices else [])]
    own = {name: "freezer" for name in names if name in OF_FREEZER or HOME.fullmatch(name)}
    own.update({name: "program" for name in names if name in (PROGRAM, INTERPRETER)})
    programs = [launcher_path()] if container is Container.LAUNCHER else []
    bill = closed.bill.plus(of_staticx([NAME_SERVICES, *LINKS])) if container is Container.STATICX else closed.bill
    targets = {item.name: os.fsdecode(item.data) for item in records if item.type is Type.LINK}
    links = {name: target for name, target in targets.items() if "/" not in name}
    whole = contained(bill, [*names, NAME_SERVICES, *LINKS], own, programs, links)
    data = render(whole)
    document = json.loads(data)
    missing = unowned(document, names)
    assert not missing, f"nobody owns {missing}"
    made = [Record(Type.FILE, SBOM, data=data)]
    if closed.bill.notices:
        texts = {reference(item): item.notice for item in whole.components}
        text = notices.render(document, texts, whole.common)
        made.append(Record(Type.FILE, NOTICES, data=text.encode("utf-8", "replace")))
    return made


def papers_in(records: Iterable[Record]) -> dict[str, bytes]:
    """Return the papers among the files of a tree, by their names."""
    return {item.name: item.data for item in records if item.name in PAPERS}
