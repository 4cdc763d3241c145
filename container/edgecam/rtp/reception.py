"""What a receiver report says of one source (RFC 3550, 6.4.1, A.3 and A.8)."""

from __future__ import annotations

from edgecam.rtp.counts import Counts
from edgecam.rtp.packet import NUMBERS
from edgecam.rtp.sender_report import SenderReport

_MOST_LOST = (1 << 23) - 1
_UNITS_PER_S = 65_536
"""Of the middle of an NTP time stamp, 16 bits of seconds and 16 of fractions."""


class Reception:
    """Of one stream.

    Args:
        counts: What was lost.
        clock_rate_hz: Of the time stamps.

    Attributes:
        ssrc: The source, 32 bits; 0 before the first packet.
        highest: The highest number of the sequence, with how often it began again above 16 bits.
        jitter: Of the arrival, in ticks of the stream's clock, measured picture by picture.
    """

    def __init__(self, counts: Counts, clock_rate_hz: int) -> None:
        self._counts = counts
        self._clock_rate_hz = clock_rate_hz
        self.ssrc = 0
        self.highest = 0
        self.jitter = 0.0
        self._transit: float | None = None
        self._reported_lost = self._reported_highest = 0
        self._lost_before = 0
        self._sender_report: tuple[int, float] | None = None

    def begin(self, ssrc: int, number: int) -> None:
        """A source begins with this number."""
        self.ssrc = ssrc
        self.highest = self._reported_highest = number
        self._lost_before = self._reported_lost = self._counts.lost
        self._transit = self._sender_report = None

    def advance(self, number: int) -> None:
        """Everything up to this number, 16 bits, has come or is lost."""
        step = (number - self.highest) % NUMBERS
        if step < NUMBERS // 2:
            self.highest += step

    def observe(self, rtp_time: int, arrived_s: float) -> None:
        """A picture of this time has come at that time, of the clock that never steps."""
        transit = arrived_s * self._clock_rate_hz - rtp_time
        if self._transit is not None:
            self.jitter += (min(abs(transit - self._transit), self._clock_rate_hz) - self.jitter) / 16
        self._transit = transit

    def observe_report(self, report: SenderReport, arrived_s: float) -> None:
        """A sender report has come."""
        if report.ssrc == self.ssrc:
            self._sender_report = (report.ntp_middle, arrived_s)

    def take_block(self, now_s: float) -> bytes:
        """The block of a receiver report, 24 bytes, about the time since the last."""
        lost = self._counts.lost
        expected_since = self.highest - self._reported_highest
        lost_since = max(0, lost - self._reported_lost)
        fraction = min(255, (lost_since << 8) // expected_since) if expected_since > 0 else 0
        self._reported_highest, self._reported_lost = self.highest, lost
        last, delay = 0, 0
        if self._sender_report is not None:
            last = self._sender_report[0]
            delay = round(max(0.0, now_s - self._sender_report[1]) * _UNITS_PER_S)
        words = (
            self.ssrc,
            fraction << 24 | min(lost - self._lost_before, _MOST_LOST),
            self.highest & 0xFFFFFFFF,
            min(round(self.jitter), 0xFFFFFFFF),
            last,
            min(delay, 0xFFFFFFFF),
        )
        return b"".join(word.to_bytes(4) for word in words)
