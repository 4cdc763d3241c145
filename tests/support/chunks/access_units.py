"""Access units made by hand, for decisions over values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from edgecam.capture.access_unit import NO_PTS, AccessUnit
from edgecam.capture.coded import SampleCoded
from edgecam.clock import NS_PER_S
from edgecam.gstreamer.gst import Gst

ARRIVED = datetime(2026, 1, 1, 12, tzinfo=UTC)
AVC = "video/x-h264,stream-format=avc,alignment=au,width=64,height=48,codec_data=(buffer)01640014"


def unit(
    at_s: float | None, *, key: bool = False, content: bytes = b"picture", caps: str = AVC
) -> AccessUnit:
    """A picture shown at `at_s` seconds of the stream; None: the stream does not say."""
    pts_ns = NO_PTS if at_s is None else round(at_s * NS_PER_S)
    return AccessUnit(pts_ns, key, len(content), ARRIVED, 100.0, SampleCoded(sample(content, caps)))


def sample(content: bytes, caps: str = AVC) -> Any:
    """A Gst.Sample of `content`."""
    return Gst.Sample.new(Gst.Buffer.new_wrapped(content), Gst.Caps.from_string(caps), None, None)
