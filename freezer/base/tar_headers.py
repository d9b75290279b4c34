"""The headers of tar archives that freezer writes, with explicit metadata: nothing comes from the file system.

USTAR (POSIX.1-1988) has the same bytes on every version of Python. What it cannot state - names over 255 bytes, targets
of links over 100, files of 8 GiB, owners over 2097151 - goes to an extended header of pax (POSIX.1-2001) in front.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping

from freezer.base.tar import DamagedTar, Limits, Member, check_member, padding

MAX_SIZE, MAX_OWNER = (8 << 30) - 1, 0o7777777
"""The largest numbers in a header of USTAR: 11 and 7 octal digits."""


def header(member: Member) -> bytes:
    """Return the header of an entry: a block of USTAR, with an extended header before it if USTAR cannot state the
    name, the target, the size or the owner.

    Raises ValueError for an entry that ``read_members`` would refuse: a name that is too long or too deep, a negative
    number, an owner above 2147483647.
    """
    try:
        check_member(member, 0, Limits())
    except DamagedTar as error:
        raise ValueError(str(error)) from error
    info = tarfile.TarInfo(member.name)
    info.type, info.size, info.linkname = member.kind.value, member.size, member.target
    info.mode, info.uid, info.gid, info.mtime = member.mode, member.uid, member.gid, member.mtime
    records: dict[str, bytes] = {}
    for key, field, most in (("size", "size", MAX_SIZE), ("uid", "uid", MAX_OWNER), ("gid", "gid", MAX_OWNER)):
        value = getattr(info, field)
        if value > most:
            records[key] = b"%d" % value
            # A reader that knows no pax must not take another number for the right one.
            setattr(info, field, 0)
    if not _fits(info):
        records["path"] = os.fsencode(member.name)
        info.name = _beginning(member.name)
    if len(os.fsencode(member.target)) > tarfile.LENGTH_LINK:
        records["linkpath"] = os.fsencode(member.target)
        info.linkname = _beginning(member.target)
    return _extended(records) + info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape")


def _fits(info: tarfile.TarInfo) -> bool:
    """Return whether USTAR can state a name: in 100 bytes, or 155 more before one of its slashes."""
    name = tarfile.TarInfo(info.name)
    try:
        name.tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape")
    except ValueError:
        return False
    return True


def _beginning(text: str) -> str:
    """Return what a reader that knows no pax sees of a text that is too long."""
    return os.fsencode(text)[: tarfile.LENGTH_NAME].decode("utf-8", "surrogateescape")


def _extended(records: Mapping[str, bytes]) -> bytes:
    """Return an extended header of pax with its block; nothing without records."""
    if not records:
        return b""
    if any(not _is_utf8(value) for value in records.values()):
        # pax(1): without it, names are UTF-8.
        records = {"hdrcharset": b"BINARY", **records}
    data = b"".join(_record(key, value) for key, value in records.items())
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, len(data)
    return info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape") + data + padding(len(data))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _record(key: str, value: bytes) -> bytes:
    """Return a record "LENGTH KEY=VALUE\\n"; the length counts its own digits."""
    rest = b" " + key.encode() + b"=" + value + b"\n"
    length = len(rest)
    while length != len(rest) + len(str(length)):
        length = len(rest) + len(str(length))
    return str(length).encode() + rest
