"""A TCP connection that an element of GStreamer has made in this process: how much it brought, and its end.

rtspsrc shows its socket to nobody, takes answers of any size, and begins its time-out anew with every byte. A
camera that trickles would hold its thread for ever, one that floods would fill the memory. So the socket is
found among the process's descriptors (proc(5), /proc/self/fd) and a duplicate is kept: the kernel counts what
comes (tcp(7), TCP_INFO), and `cut` ends every read from it.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path

_DESCRIPTORS = Path("/proc/self/fd")
_TCP_INFO_BYTES = 136
_BYTES_RECEIVED_AT = 128  # tcpi_bytes_received of struct tcp_info: linux/tcp.h, since 4.1

_claimed: set[int] = set()
_lock = threading.Lock()


class OwnSocket:
    """One established TCP connection of this process, until `close`."""

    def __init__(self, held: socket.socket, inode: int, number: int) -> None:
        self._held = held
        self._inode = inode
        self._number = number

    @property
    def is_in_use(self) -> bool:
        """Whether the element that made the connection still holds it."""
        return _inode_of(self._number) == self._inode

    @property
    def received_bytes(self) -> int:
        """What the peer has sent so far, bytes, read or not."""
        info = self._held.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        if len(info) < _TCP_INFO_BYTES:
            return 0
        return int(struct.unpack_from("Q", info, _BYTES_RECEIVED_AT)[0])

    def cut(self) -> None:
        """End the connection for everybody who reads or writes it."""
        with suppress(OSError):  # the peer was first
            self._held.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of it. The connection ends once the element has let go as well."""
        with _lock:
            _claimed.discard(self._inode)
        self._held.close()


def claim_fresh(host: str, port: int) -> OwnSocket | None:
    """The connection to `host` and `port` that nobody has claimed yet.

    To be called between connecting and the first request, for every connection. Where several cameras are
    connecting to one host at that moment, it may be another's: such cameras are one machine, and what one of
    them does counts for all.

    Returns:
        None where there is none, for example without /proc.
    """
    addresses = _addresses(host, port)
    with _lock, suppress(OSError):
        for entry in _DESCRIPTORS.iterdir():
            found = _fresh(int(entry.name), addresses, port)
            if found is not None:
                _claimed.add(found._inode)
                return found
    return None


def _fresh(number: int, addresses: frozenset[str], port: int) -> OwnSocket | None:
    inode = _inode_of(number)
    if inode is None or inode in _claimed:
        return None
    try:
        held = socket.socket(fileno=os.dup(number))
    except OSError:
        return None
    try:
        peer = held.getpeername()
        is_it = (
            held.type == socket.SOCK_STREAM
            and isinstance(peer, tuple)
            and peer[1] == port
            and (not addresses or peer[0].removeprefix("::ffff:") in addresses)
            # By then the descriptor could name another connection.
            and os.fstat(held.fileno()).st_ino == inode
        )
    except OSError:
        is_it = False
    if is_it:
        return OwnSocket(held, inode, number)
    held.close()
    return None


def _inode_of(number: int) -> int | None:
    """The inode of the socket behind the descriptor `number`; None when it is no socket, or closed."""
    try:
        target = (_DESCRIPTORS / str(number)).readlink()
    except OSError:
        return None
    kind, _, rest = target.name.partition(":[")
    return int(rest.rstrip("]")) if kind == "socket" else None


def _addresses(host: str, port: int) -> frozenset[str]:
    """Where `host` may be; empty when its name does not resolve, and then the port alone has to do."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return frozenset()
    return frozenset(str(address[0]) for *_, address in found)
