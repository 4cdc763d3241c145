"""TCP connections that an element of GStreamer makes in this process: how much they brought, and their end.

rtspsrc does not expose its socket, takes answers of any size, and restarts its time-out with every byte. A
camera that trickles would hold its thread for ever, one that floods would fill the memory. So the socket is
found among the process's descriptors (proc(5), /proc/self/fd) and a duplicate is kept: the kernel counts what
comes (tcp(7), TCP_INFO), and `cut` ends every read from it.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

_DESCRIPTORS = Path("/proc/self/fd")
_TCP_INFO_BYTES = 160
_BYTES_RECEIVED_AT, _DATA_SEGMENTS_OUT_AT = 128, 156  # of struct tcp_info: linux/tcp.h, both there since 4.6
_TURN_TIMEOUT_S = 2.0
"""Longer would delay the close of a pipeline; the connection is then not watched."""

_claimed: set[int] = set()
_claimed_lock = threading.Lock()
_turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


class _Held:
    """A duplicate of one connection's descriptor, until `close`."""

    def __init__(self, held: socket.socket, inode: int, number: int) -> None:
        self._held = held
        self._inode = inode
        self._number = number

    @property
    def is_in_use(self) -> bool:
        """Whether the element still has the connection open."""
        return _inode_of(self._number) == self._inode

    @property
    def received_bytes(self) -> int:
        return _counted(self._held, "Q", _BYTES_RECEIVED_AT)

    def cut(self) -> None:
        with suppress(OSError):  # the peer was first
            self._held.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with _claimed_lock:
            _claimed.discard(self._inode)
        self._held.close()


class OwnSockets:
    """The connections that one element makes to one host, one after another. Safe to use from any thread.

    Which of the process's sockets is the element's shows when it sends its first request: of those to the
    same address that nobody has claimed, no other has sent anything, since others that are as far wait their
    turn. Through TLS they have all sent something by then, and cameras that connect to one host at the same
    moment may be taken for one another: what one of them does then counts for both.

    Args:
        host: Name or address.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._turn: threading.Lock | None = None
        self._port = 0
        self._addresses: frozenset[str] = frozenset()
        self._connections = 0
        self._earlier_bytes = 0

    def about_to_send(self, port: int) -> int:
        """To be called on the element's thread before it sends anything; returns how many connections it has
        made."""
        self._find()
        with self._lock:
            if self._held is not None and self._held.is_in_use:
                return self._connections
            self._let_go()
            self._connections += 1
        # Names are resolved once, and here: a slow name server holds up the element's thread, and not the
        # connection's, which checks the bounds several times a second.
        addresses, turn = _addresses(self._host, port), _turns[self._host]
        if turn.acquire(timeout=_TURN_TIMEOUT_S):
            with self._lock:
                self._turn, self._port, self._addresses = turn, port, addresses
        return self._connections

    def received_bytes(self) -> int:
        """What has come over all of them, bytes, read or not."""
        self._find()
        with self._lock:
            return self._earlier_bytes + (0 if self._held is None else self._held.received_bytes)

    def cut(self) -> None:
        """End the present connection for everybody who reads or writes it."""
        self._find()
        with self._lock:
            if self._held is not None:
                self._held.cut()

    def close(self) -> None:
        """Let go of what is held; a connection ends once the element has let go as well."""
        with self._lock:
            self._let_go()

    def _find(self) -> None:
        """Claim the present connection, if it is there by now and the turn is ours."""
        with self._lock:
            if self._turn is None:
                return
            self._held = _claim(self._addresses, self._port)
            if self._held is not None:
                self._turn.release()
                self._turn = None

    def _let_go(self) -> None:
        if self._turn is not None:
            self._turn.release()
            self._turn = None
        if self._held is not None:
            self._earlier_bytes += self._held.received_bytes
            self._held.close()
            self._held = None


def _claim(addresses: frozenset[str], port: int) -> _Held | None:
    """The socket to one of `addresses` (empty: any) and `port` over which something was sent and that nobody
    has claimed; None where there is none, for example without /proc."""
    with _claimed_lock, suppress(OSError):
        for entry in _DESCRIPTORS.iterdir():
            found = _candidate(int(entry.name), addresses, port)
            if found is not None:
                return found
    return None


def _candidate(number: int, addresses: frozenset[str], port: int) -> _Held | None:
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
            and _counted(held, "I", _DATA_SEGMENTS_OUT_AT) > 0
        )
    except OSError:
        is_it = False
    if not is_it:
        held.close()
        return None
    _claimed.add(inode)
    return _Held(held, inode, number)


def _inode_of(number: int) -> int | None:
    """The inode of the socket behind the descriptor `number`; None when it is no socket, or closed."""
    try:
        target = (_DESCRIPTORS / str(number)).readlink()
    except OSError:
        return None
    kind, _, rest = target.name.partition(":[")
    return int(rest.rstrip("]")) if kind == "socket" else None


def _counted(held: socket.socket, kind: str, offset: int) -> int:
    info = held.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    return int(struct.unpack_from(kind, info, offset)[0]) if len(info) >= _TCP_INFO_BYTES else 0


def _addresses(host: str, port: int) -> frozenset[str]:
    """Where `host` may be; empty when its name does not resolve, and then the port alone has to do."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return frozenset()
    return frozenset(str(address[0]) for *_, address in found)
