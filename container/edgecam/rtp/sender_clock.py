"""When a picture was taken, by the camera's own clock: its time stamps and its sender reports together."""

from __future__ import annotations

from edgecam.clock import NS_PER_S
from edgecam.rtp.packet import time_step
from edgecam.rtp.sender_report import SenderReport


class SenderClock:
    """Of one stream.

    Args:
        clock_rate_hz: Of the time stamps.
    """

    def __init__(self, clock_rate_hz: int) -> None:
        self._clock_rate_hz = clock_rate_hz
        self._at: tuple[int, int] | None = None

    def observe(self, report: SenderReport, newest_rtp_time: int | None) -> None:
        """Take a report.

        Args:
            report: It.
            newest_rtp_time: The time of the newest picture, counted on over 32 bits, which the report is
                near; None before the first.
        """
        if report.unix_ns is None:
            return
        near = report.rtp_time if newest_rtp_time is None else newest_rtp_time
        self._at = near + time_step(near, report.rtp_time), report.unix_ns

    def taken_ns(self, rtp_time: int) -> int | None:
        """What the camera's clock showed when a picture of this time was taken, nanoseconds since 1970; None
        before the first report, and where a camera claims a time before 1970.

        Args:
            rtp_time: Counted on over 32 bits.
        """
        if self._at is None:
            return None
        at_time, unix_ns = self._at
        taken_ns = unix_ns + (rtp_time - at_time) * NS_PER_S // self._clock_rate_hz
        return taken_ns if taken_ns >= 0 else None
