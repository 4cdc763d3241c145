"""RTCP of one stream (RFC 3550, 6): the camera's clock out of its reports, and reports of ours."""

from __future__ import annotations

import secrets

from edgecam.rtp.control import has_bye, receiver_report, sender_reports
from edgecam.rtp.depacketizer import Depacketizer
from edgecam.rtp.sender_clock import SenderClock
from edgecam.rtsp.framing import Span

_EVERY_S = 5.0
"""The least interval by the book (RFC 3550, 6.2); some cameras end after a minute without them."""
_FIRST_S = 1.0
_AFTER_BYE_S = 1.0
"""A camera that changes its source identifier says goodbye for the former; packets go on then."""


class Reports:
    """Belongs to the loop's thread.

    Args:
        read: The stream.
        clock_hz: Of its time stamps.

    Attributes:
        newest_rtp_time: Of the newest picture, counted on over 32 bits.
        newest_s: When packets of the stream, or reports, came last.
    """

    def __init__(self, read: Depacketizer, clock_hz: int) -> None:
        self._read = read
        self._clock = SenderClock(clock_hz)
        self._ssrc = secrets.randbits(32)
        # Says nothing about this core (RFC 7022, 4.2).
        self._name = secrets.token_hex(8)
        self._bye_s: float | None = None
        self._packets_at_bye = 0
        self._next_s = 0.0
        self.newest_rtp_time: int | None = None
        self.newest_s = 0.0

    def begin(self, now_s: float) -> float:
        """The first packet has come; returns when `due` is to be called."""
        self._next_s = now_s + _FIRST_S
        return self._next_s

    def take(self, data: bytes, spans: list[Span], now_s: float) -> float:
        """Packets of the stream's other channel have come; returns when `due` is to be called."""
        self.newest_s = now_s
        for begin, end in spans:
            packet = data[begin:end]
            for report in sender_reports(packet):
                self._clock.observe(report, self.newest_rtp_time)
                self._read.reception.observe_report(report, now_s)
            if has_bye(packet):
                self._bye_s, self._packets_at_bye = now_s, self._read.counts.packets
                self._next_s = min(self._next_s, now_s + _AFTER_BYE_S)
        return self._next_s

    def is_over(self, now_s: float) -> bool:
        """Whether the camera has said goodbye, and nothing has come since."""
        if self._bye_s is None or now_s < self._bye_s + _AFTER_BYE_S / 2:
            return False
        if self._read.counts.packets == self._packets_at_bye:
            return True
        self._bye_s = None
        return False

    def due(self, now_s: float) -> tuple[float, bytes | None]:
        """When this is to be called again, and what is to be sent now."""
        if now_s < self._next_s:
            return self._next_s, None
        self._next_s = now_s + _EVERY_S
        return self._next_s, receiver_report(self._ssrc, self._read.reception, now_s, self._name)

    def taken_ns(self, rtp_time: int) -> int | None:
        """When a picture was taken by the camera's clock, nanoseconds since 1970, UTC; None where unknown."""
        return self._clock.taken_ns(rtp_time)
