"""The TLS socket below a connection to the MQTT bridge: no packet that is too long gets through it.

paho-mqtt takes a packet of 268 MB into memory before it hands it over, of any sender. The lengths are in
the stream (MQTT 3.1.1, 2.2: one byte of type and flags, one to four of remaining length), so the socket reads
along and ends the connection in place of handing over the first byte of such a packet.
"""

from __future__ import annotations

import ssl

MOST_PACKET_BYTES = 512 * 1024
"""Twice the largest message of Cloud IoT Core's protocol, a command of 256 KB
(https://cloud.google.com/iot/quotas)."""
_READ_BYTES = 64 * 1024
"""At a time: as much memory is taken for each read, whatever comes."""
_LONGEST_LENGTH = 4  # bytes; a fifth is against the protocol


class PacketTooLong(OSError):  # noqa: N818 - what happened; paho ends the connection for any OSError
    """The other end announces a packet that is not read. `found` says what it announced."""

    def __init__(self, found: str) -> None:
        super().__init__(f"expected a packet of at most {MOST_PACKET_BYTES} bytes, found {found}")
        self.found = found


class PacketLengths:
    """Follows a stream of MQTT packets from its first byte on, by their lengths alone."""

    def __init__(self) -> None:
        self._left = 0
        self._head = b""

    def follow(self, received: bytes) -> None:
        """The stream goes on with `received`.

        Raises:
            PacketTooLong: a packet is announced in it that is longer than `MOST_PACKET_BYTES`.
        """
        at = 0
        while at < len(received):
            if self._left:
                step = min(self._left, len(received) - at)
                self._left -= step
                at += step
                continue
            self._head += received[at : at + 1]
            at += 1
            if len(self._head) > 1 and not self._head[-1] & 0x80:
                self._begin()
            elif len(self._head) > _LONGEST_LENGTH:
                raise PacketTooLong("a length of more than four bytes")

    def _begin(self) -> None:
        length = sum((digit & 0x7F) << (7 * place) for place, digit in enumerate(self._head[1:]))
        if length > MOST_PACKET_BYTES:
            raise PacketTooLong(f"one of {length}")
        self._left, self._head = length, b""


class BridgeSocket(ssl.SSLSocket):
    """What `ssl.SSLContext.sslsocket_class` makes in place of the usual socket.

    Attributes:
        too_long: The packet that ended the connection, if one did.
    """

    too_long: PacketTooLong | None = None
    _lengths: PacketLengths | None = None

    def do_handshake(self, block: bool = False) -> None:
        """Closed at once when there can be no TLS: paho leaves that to chance."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """As the usual socket's, with little memory and `PacketTooLong`."""
        received = super().recv(min(buflen, _READ_BYTES), flags)
        if self._lengths is None:
            self._lengths = PacketLengths()
        try:
            self._lengths.follow(received)
        except PacketTooLong as error:
            self.too_long = error
            raise
        return received
