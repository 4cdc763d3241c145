"""One encoded picture."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple


class AccessUnit(NamedTuple):
    """One coded picture, whole.

    Attributes:
        pts_ns: When it is to be shown, nanoseconds of the stream's own time.
        is_keyframe: Whether it can be decoded alone.
        size_bytes: Of the coded picture.
        captured_at: When it arrived at the core, UTC.
        arrived_s: The same by the clock that never steps.
        sample: The Gst.Sample; opaque here.
    """

    pts_ns: int
    is_keyframe: bool
    size_bytes: int
    captured_at: datetime
    arrived_s: float
    sample: Any
