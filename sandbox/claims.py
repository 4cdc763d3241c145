"""Names that one process of this machine holds at a time: runs side by side do not take the same thing."""

from __future__ import annotations

import socket


def claim(name: str) -> socket.socket | None:
    """A claim to `name`, held until it is closed; None where another is held.

    It is one of the kernel's own name space (abstract sockets, unix(7)), which is as wide as that of ports: a
    process that dies gives it back, and no file is left.
    """
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        held.bind(f"\0{name}")
    except OSError:
        held.close()
        return None
    return held
