"""What a camera reports about its clock (RFC 3550, 6.4.1)."""

from __future__ import annotations

from typing import NamedTuple


class SenderReport(NamedTuple):
    """By which a camera says what its clock showed at a time stamp.

    Attributes:
        ssrc: The source.
        unix_ns: The camera's clock, nanoseconds since 1970; None where it says that it has none.
        rtp_time: The time stamp of that moment, 32 bits.
        ntp_middle: The middle 32 bits of the clock, for the answer.
    """

    ssrc: int
    unix_ns: int | None
    rtp_time: int
    ntp_middle: int
