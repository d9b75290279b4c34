"""``freezer cache``: what is kept for the next build or start, and removing it."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from freezer.base.errors import EnvironmentFailure, ExitStatus, UsageError
from freezer.cli.options import add_output_options, log_of

if TYPE_CHECKING:
    from freezer.store.inventory import Item

KINDS = (
    "roots",
    "images",
    "environments",
    "toolchains",
    "analyses",
    "packed",
    "bundles",
    "facts",
    "pip",
    "work",
    "records",
    "logs",
    "apps",
    "snapshots",
)
"""``freezer.store.inventory.ItemKind``, which takes imports that a parser must do without."""

DESCRIPTION = """\
List or remove the items of freezer's cache: systems to build in, the roots of images that ran, build environments, the
PyInstaller that builds, what earlier builds have found and made, pip's downloads, records and logs, the files that
natively linked executables unpacked, and snapshots of the memory of such applications.
"""

LIST_DESCRIPTION = (
    "List the items of the cache, with their size on disk, the time of their last use, and whether they are in use."
)

PRUNE_DESCRIPTION = """\
Remove items that are of no use from the cache: leftovers of killed builds and starts, environments whose Python is
gone, records of executables that are gone; and the items that the options select. Items in use by a running build or
application are kept. The removed paths are printed.
"""

SNAPSHOTS_DESCRIPTION = """\
Say whether applications that were built with --start snapshot may be started from snapshots of their memory, or decide
it. Forbidding removes no snapshots: freezer cache prune --kind snapshots does.
"""

FILES = {"records": "records of finished builds", "logs": "the output of tools"}
"""Kinds of many small files, each shown in one line of the table."""

DIGITS = 24
"""Digits of an entry's name that the table shows, as many as other digests have."""

MINUTE, HOUR, DAY = 60, 3600, 86400


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its subcommands to the parser."""
    cache = commands.add_parser(
        "cache", help="show or prune the cache of builds and executables", description=DESCRIPTION
    )
    actions = cache.add_subparsers(title="commands", dest="action", metavar="COMMAND", required=True)
    listing = actions.add_parser("list", help="list the items of the cache", description=LIST_DESCRIPTION)
    add_output_options(listing)
    prune = actions.add_parser("prune", help="remove items that are not needed", description=PRUNE_DESCRIPTION)
    prune.add_argument(
        "--older-than", metavar="AGE", help="also remove items unused for longer than AGE (12h, 30d, 2w)"
    )
    prune.add_argument(
        "--max-size",
        metavar="SIZE",
        help="also remove the least recently used items until the rest fits into SIZE (500M, 5G)",
    )
    prune.add_argument("--all", action="store_true", help="remove everything that is not in use")
    prune.add_argument(
        "--kind",
        action="append",
        choices=KINDS,
        metavar="KIND",
        help=f"only remove items of this kind (repeat): {', '.join(KINDS)}",
    )
    prune.add_argument("--dry-run", action="store_true", help="remove nothing, and print what would be removed")
    add_output_options(prune)
    snapshots = actions.add_parser(
        "snapshots", help="allow or forbid memory snapshots", description=SNAPSHOTS_DESCRIPTION
    )
    choice = snapshots.add_mutually_exclusive_group()
    choice.add_argument("--forbid", action="store_true", help="have all applications of this user start plainly")
    choice.add_argument("--allow", action="store_true", help="undo --forbid")
    add_output_options(snapshots)


def run(arguments: argparse.Namespace, _rest: list[str]) -> int:
    """List or prune the user's cache."""
    from freezer.store.home import cache_root

    return {"list": _list, "prune": _prune, "snapshots": _snapshots}[arguments.action](arguments, cache_root())


def _everything(cache: Path) -> list[Item]:
    from freezer.link.payload.read import identities
    from freezer.store.entries import entries, homes
    from freezer.store.inventory import contents, outputs
    from freezer.store.snapshots import with_snapshots

    items = contents(cache)
    apps = entries(homes(os.environ, os.geteuid()), identities(outputs(cache)))
    return items + with_snapshots(apps)


def _list(arguments: argparse.Namespace, cache: Path) -> int:
    items = _everything(cache)
    if arguments.json:
        total = sum(item.size for item in items)
        print(json.dumps({"cache": str(cache), "size": total, "items": [item.as_json() for item in items]}))
    else:
        print(render_table(items, cache, time.time()), end="")
    sys.stdout.flush()
    return ExitStatus.DONE


def _prune(arguments: argparse.Namespace, cache: Path) -> int:
    from freezer.base.log import human_size
    from freezer.store.inventory import ItemKind
    from freezer.store.prune import Rules, choose, parse_age, parse_size, remove

    if arguments.all and (arguments.older_than is not None or arguments.max_size is not None):
        raise UsageError("--all leaves nothing for --older-than and --max-size to choose", hint="leave --all out")
    rules = Rules(
        older_than=None if arguments.older_than is None else parse_age(arguments.older_than),
        max_size=None if arguments.max_size is None else parse_size(arguments.max_size),
        everything=arguments.all,
        kinds=frozenset(ItemKind(name) for name in arguments.kind or KINDS),
    )
    log = log_of(arguments)
    items = _everything(cache)
    removed: list[Item] = []
    status = ExitStatus.DONE
    for item in choose(items, rules, time.time()):
        try:
            if not arguments.dry_run and not remove(cache, item):
                log.detail(f"{item.path} is in use now")
                continue
        except EnvironmentFailure as error:
            # An item that cannot be removed must not keep the others from being removed.
            status = error.status
            log.warning(f"{error.what}; {error.why}; {error.hint}")
            continue
        removed.append(item)
        if not arguments.json:
            print(item.path, flush=True)
    freed = sum(item.size for item in removed)
    left = sum(item.size for item in items if item.kind in rules.kinds) - freed
    if arguments.json:
        result = {
            "cache": str(cache),
            "dry_run": arguments.dry_run,
            "removed": [item.as_json() for item in removed],
            "freed": freed,
            "left": left,
            "warnings": log.warnings,
        }
    if rules.max_size is not None and left > rules.max_size:
        log.warning(f"{human_size(left)} are in use and were kept")
    log.line(f"{'would free' if arguments.dry_run else 'freed'} {human_size(freed)}, {human_size(left)} are left")
    if arguments.json:
        print(json.dumps(result))
    sys.stdout.flush()
    return status


def _snapshots(arguments: argparse.Namespace, _cache: Path) -> int:
    from freezer.store.entries import homes
    from freezer.store.snapshots import allow, forbid, forbidden

    places = homes(os.environ, os.geteuid())
    try:
        if arguments.forbid:
            forbid(places)
        elif arguments.allow:
            allow(places)
    except OSError as error:
        raise EnvironmentFailure(
            f"cannot write to {error.filename}", why=error.strerror, hint="set FREEZER_START=plain"
        ) from error
    found = list(map(str, forbidden(places)))
    if arguments.json:
        print(json.dumps({"forbidden": found}))
    else:
        for place in found:
            print(f"snapshots are forbidden in {place}")
        if not found:
            print("snapshots are allowed")
    sys.stdout.flush()
    return ExitStatus.DONE


def render_table(items: Sequence[Item], cache: Path, now: float) -> str:
    """Return a line for each item, and the total. ``now`` is in seconds since 1970."""
    from freezer.base.log import human_size

    rows = [("KIND", "NAME", "SIZE", "LAST USED", "STATE", "WHAT")]
    for item in items:
        if item.kind.value not in FILES:
            state = "in use" if item.in_use else "litter" if item.litter is not None else ""
            what = f"{item.what}: {item.litter}" if item.litter is not None else item.what
            size, age = human_size(item.size), human_age(now - item.last_used)
            if cache not in item.path.parents:
                what += f" (in {item.path.parent})"
            name = item.path.name[:DIGITS] if item.kind.value in ("apps", "snapshots") else item.path.name
            rows.append((item.kind.value, name, size, age, state, _printable(what)))
    for kind, what in FILES.items():
        files = [item for item in items if item.kind.value == kind]
        if files:
            size = human_size(sum(item.size for item in files))
            age = human_age(now - max(item.last_used for item in files))
            state = "in use" if any(item.in_use for item in files) else ""
            rows.append((kind, f"{len(files)} file{'s' * (len(files) > 1)}", size, age, state, what))
    total = human_size(sum(item.size for item in items))
    rows.append(("total", "", total, "", "", _printable(str(cache))))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if at == 2 else cell.ljust(width) for at, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join([*cells, row[5]]).rstrip() + "\n")
    return "".join(lines)


def human_age(seconds: float) -> str:
    """Return an age for people: "3 hours ago"."""
    for unit, length in (("day", DAY), ("hour", HOUR), ("minute", MINUTE)):
        count = int(seconds // length)
        # 47 hours is more precise than 1 day.
        if count >= 2:
            return f"{count} {unit}s ago"
    return "just now"


def _printable(text: str) -> str:
    """Replace the characters of a name that a terminal would interpret."""
    return "".join(character if character.isprintable() else "?" for character in text)
