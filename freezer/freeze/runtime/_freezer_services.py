"""Answers for names of network services and protocols, from the bundle's files, where the system has none.

The C library reads them from /etc alone. What the system has, even if that is not complete, is all there is.
"""

import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Optional

SYSTEM = "/etc"
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def answer(folder: str, original: "Callable[..., Any]", arguments: "tuple[Any, ...]") -> "Any":
    """What a function of the module ``socket`` that has failed returns with the bundle's names; None if it fails all
    the same. ``folder`` has the files "services" and "protocols"."""
    name = original.__name__
    file = "protocols" if name == "getprotobyname" else "services"
    if os.path.exists(SYSTEM + "/" + file):
        return None
    entries = _entries(folder + "/" + file)
    if name == "getaddrinfo":
        return _addresses(original, entries, *arguments)
    for entry, number, kind in entries:
        if name == "getprotobyname" and arguments[0] in entry:
            return number
        if len(arguments) > 1 and kind != arguments[1]:
            continue
        if name == "getservbyname" and arguments[0] in entry:
            return number
        if name == "getservbyport" and arguments[0] == number:
            return entry[0]
    return None


def _entries(path: str) -> "list[tuple[list[str], int, str]]":
    """(names, number, protocol) of each line of a file."""
    found = []
    with open(path, encoding="ascii") as file:
        for line in file:
            name, place, *aliases = line.split()
            number, _, kind = place.partition("/")
            found.append(([name, *aliases], int(number), kind))
    return found


def _addresses(
    original: "Callable[..., Any]",
    entries: "list[tuple[list[str], int, str]]",
    host: "Any",
    port: "Any",
    family: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
) -> "Optional[list[Any]]":
    if isinstance(port, bytes):
        port = port.decode("ascii", "replace")
    ports = {KINDS[kind]: number for names, number, kind in entries if kind in KINDS and port in names}
    ports = {kind: number for kind, number in ports.items() if type in (0, kind)}
    if not ports:
        return None
    # A number stands for services of all kinds, a name for those that have it.
    found = original(host, str(min(ports.values())), family, type, proto, flags)
    return [
        (*item[:4], (item[4][0], ports[item[1]], *item[4][2:])) if len(item[4]) > 1 else item
        for item in found
        if item[1] in ports
    ]
