"""One encoded picture."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

NO_PTS = 2**64 - 1
"""The `pts_ns` of a unit whose stream does not say when it is shown (GST_CLOCK_TIME_NONE)."""


class AccessUnit(NamedTuple):
    """The encoded form of one picture, whole.

    Attributes:
        pts_ns: When it is to be shown, nanoseconds of the connection's time line (`time_line.py`). From a
            recording's tap what the stream stamps it with, `NO_PTS` where it does not say.
        is_keyframe: Whether it can be decoded alone.
        size_bytes: Of the encoded picture.
        captured_at: When it arrived at the core, UTC; when the tap was polled, for a recording.
        arrived_s: The same by the clock that never steps.
        sample: The Gst.Sample, with its caps; opaque to decisions.
        to_recovery: Of a recovery point (intra refresh): how many pictures after it the first whole one
            comes, if decoding begins here; it is no keyframe then. 0 of all others, and from a tap.
    """

    pts_ns: int
    is_keyframe: bool
    size_bytes: int
    captured_at: datetime
    arrived_s: float
    sample: Any
    to_recovery: int = 0

    @property
    def begins_decoding(self) -> bool:
        """Whether a decoder that knows nothing may begin here."""
        return self.is_keyframe or self.to_recovery > 0
