"""Payloads with NAL units: single, several in one, in fragments (RFC 6184 for H.264, RFC 7798 for H.265)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from edgecam.rtp.errors import Unreadable
from edgecam.rtp.pictures import PictureBuilder
from edgecam.rtp.syntax import Role, Syntax

BEGINS, ENDS = 0x80, 0x40
"""Flags of a fragment's header (RFC 6184, 5.8; RFC 7798, 4.4.3)."""
_H264_KIND, _H265_KIND = 0x1F, 0x3F
_DON_BYTES = 2
_HALF_OF_DONS = 0x8000


class NalPayload(Protocol):
    """Reads one codec's payloads.

    Attributes:
        fragment_bytes: What stands before a fragment's bytes, how many.
        middle: That, of the next fragment of the unit that is open.
        unreadable: Why the stream cannot be read on here; None while it can.
    """

    fragment_bytes: int
    middle: bytes
    unreadable: str | None

    def take(self, payload: bytes) -> None:
        """Hand its units to the builder; `payload` has a byte at least."""


class H264Payload:
    """RFC 6184 in the modes without interleaving.

    Args:
        builder: Takes the units.
        syntax: Of H.264.
        options: The description's format parameters.

    Raises:
        Unreadable: units are interleaved, which nobody does.
    """

    fragment_bytes = 2

    def __init__(self, builder: PictureBuilder, syntax: Syntax, options: Mapping[str, str]) -> None:
        if options.get("packetization-mode", "0").strip() == "2":
            raise Unreadable("H.264 with interleaved units (packetization-mode=2)")
        self._builder = builder
        self._roles = syntax.roles
        self.middle = b""
        self.unreadable: str | None = None

    def take(self, payload: bytes) -> None:
        """See `NalPayload`."""
        role = self._roles[payload[0]]
        if role is Role.FRAGMENT:
            self._fragment(payload)
        elif role is Role.AGGREGATE:
            self._aggregate(payload)
        else:
            self._builder.unit(payload)

    def _fragment(self, payload: bytes) -> None:
        if len(payload) <= self.fragment_bytes:
            self._builder.malformed()
            return
        indicator, flags = payload[0], payload[1]
        kind = flags & _H264_KIND
        middle = bytes((indicator, kind))
        if flags & BEGINS:
            self.middle = middle
            self._builder.open_fragment(bytes((indicator & 0xE0 | kind,)), payload[2:])
        else:
            self._builder.continue_fragment(payload[2:], belongs=middle == self.middle)
        if flags & ENDS:
            self._builder.close_fragment()

    def _aggregate(self, payload: bytes) -> None:
        """STAP-A (RFC 6184, 5.7.1)."""
        at, end = 1, len(payload)
        while end - at > 2:
            size = payload[at] << 8 | payload[at + 1]
            at += 2
            if not 0 < size <= end - at:
                self._builder.malformed()
                return
            self._builder.unit(payload[at : at + size])
            at += size


class H265Payload:
    """RFC 7798. Where units have decoding order numbers, these have to grow: units out of order are what no
    camera sends.

    Args:
        builder: Takes the units.
        syntax: Of H.265.
        options: The description's format parameters.
    """

    fragment_bytes = 3

    def __init__(self, builder: PictureBuilder, syntax: Syntax, options: Mapping[str, str]) -> None:
        difference = options.get("sprop-max-don-diff", "0").strip()
        self._has_don = difference.isdecimal() and int(difference[:6]) > 0
        self._don: int | None = None
        self._builder = builder
        self._roles = syntax.roles
        self.middle = b""
        self.unreadable: str | None = None

    def take(self, payload: bytes) -> None:
        """See `NalPayload`."""
        role = self._roles[payload[0]]
        if len(payload) <= 2:
            self._builder.malformed()
        elif role is Role.FRAGMENT:
            self._fragment(payload)
        elif role is Role.AGGREGATE:
            self._aggregate(payload)
        elif not self._has_don:
            self._builder.unit(payload)
        elif self._is_in_order(payload[2:4]):
            self._builder.unit(payload[:2] + payload[4:])

    def _fragment(self, payload: bytes) -> None:
        flags = payload[2]
        at = self.fragment_bytes
        if self._has_don and flags & BEGINS:
            if not self._is_in_order(payload[at : at + _DON_BYTES]):
                return
            at += _DON_BYTES
        if len(payload) <= at:
            self._builder.malformed()
            return
        kind = flags & _H265_KIND
        middle = bytes((payload[0], payload[1], kind))
        if flags & BEGINS:
            self.middle = middle
            self._builder.open_fragment(bytes((payload[0] & 0x81 | kind << 1, payload[1])), payload[at:])
        else:
            self._builder.continue_fragment(payload[at:], belongs=middle == self.middle)
        if flags & ENDS:
            self._builder.close_fragment()

    def _aggregate(self, payload: bytes) -> None:
        """AP (RFC 7798, 4.4.2)."""
        at, end = 2, len(payload)
        if self._has_don:
            if not self._is_in_order(payload[at : at + _DON_BYTES]):
                return
            at += _DON_BYTES
        while end - at > 2:
            size = payload[at] << 8 | payload[at + 1]
            at += 2
            if not 0 < size <= end - at:
                self._builder.malformed()
                return
            self._builder.unit(payload[at : at + size])
            at += size
            if self._has_don and at < end:
                self._don = ((self._don or 0) + payload[at] + 1) % (2 * _HALF_OF_DONS)
                at += 1

    def _is_in_order(self, don: bytes) -> bool:
        """Whether a unit with this decoding order number is the next."""
        if len(don) < _DON_BYTES:
            self._builder.malformed()
            return False
        number, former = int.from_bytes(don), self._don
        if former is not None and (number - former) % (2 * _HALF_OF_DONS) >= _HALF_OF_DONS:
            self.unreadable = (
                "H.265 with units that are not sent in the order of decoding (sprop-max-don-diff)"
            )
            self._builder.malformed()
            return False
        self._don = number
        return True
