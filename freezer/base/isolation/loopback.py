"""The loopback device of a network namespace, which is down at first (netdevice(7))."""

from __future__ import annotations

import fcntl
import socket
import struct

# <linux/sockios.h>
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1


def raise_loopback() -> list[str]:
    """Bring ``lo`` up, because a program without network can still talk to itself."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            reply = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sH22x", b"lo", 0))
            flags: int = struct.unpack("16sH22x", reply)[1]
            fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))
    except OSError as error:
        return [f"the loopback interface is down: {error}"]
    return []
