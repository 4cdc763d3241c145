"""One encoded picture."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from edgecam.capture.coded import Coded

NO_PTS = 2**64 - 1
"""The `pts_ns` of a unit whose stream does not say when it is shown (GST_CLOCK_TIME_NONE)."""


class AccessUnit(NamedTuple):
    """The encoded form of one picture, whole.

    Attributes:
        pts_ns: When it is to be shown, nanoseconds of the connection's time line (`time_line.py`). From a
            recording's tap what the stream stamps it with, `NO_PTS` where it does not say.
        is_keyframe: Whether it can be decoded alone.
        size_bytes: Of the encoded picture.
        captured_at: When it arrived at the core, UTC; or when the tap was polled, for a recording whose
            pictures GStreamer receives.
        arrived_s: The same by the clock that never steps.
        coded: Its bytes, and their form; opaque to decisions.
        to_recovery: Of a recovery point (intra refresh): how many pictures after it the first whole one
            comes, if decoding begins here; it is no keyframe then. 0 of all others, and from a tap.
        taken_ns: When it was taken by the camera's clock, nanoseconds since 1970, UTC; None where the camera
            sends no reports, and, from a tap of GStreamer's, of all but the newest.
        is_damaged: Whether it has a hole, or depends on a picture that has.
    """

    pts_ns: int
    is_keyframe: bool
    size_bytes: int
    captured_at: datetime
    arrived_s: float
    coded: Coded
    to_recovery: int = 0
    taken_ns: int | None = None
    is_damaged: bool = False

    @property
    def begins_decoding(self) -> bool:
        """Whether a decoder that knows nothing may begin here."""
        return self.is_keyframe or self.to_recovery > 0

    @property
    def sample(self) -> Any:
        """The Gst.Sample that a decoder takes, with its caps and `pts_ns`."""
        return self.coded.sample(self.pts_ns, is_keyframe=self.begins_decoding)
