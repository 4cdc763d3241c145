"""A connection, and a recording's tap, for a source of either receiver."""

from __future__ import annotations

from collections.abc import Callable

from edgecam.capture.access_unit import AccessUnit
from edgecam.capture.connection import Connection
from edgecam.capture.gst_connection import GstConnection
from edgecam.capture.gst_tap import GstTap
from edgecam.capture.receiver_connection import ReceiverConnection
from edgecam.capture.tap import Tap
from edgecam.capture.unit_tap import UnitTap
from edgecam.clock import Clock
from edgecam.codecs.video import Codec
from edgecam.receiver.rtsp_receiver import RtspReceiver
from edgecam.sources.base import Source
from edgecam.sources.interface import CameraSource


def tap_for(source: CameraSource, *, on_end: Callable[[], None], clock: Clock) -> Tap:
    """A recording's branch of the connection that `connection_to` makes of the same source.

    Args:
        source: Where the pictures come from.
        on_end: Called when the stream has ended, on a thread that must not be held up.
        clock: For the times of arrival.
    """
    if isinstance(source, RtspReceiver):
        return UnitTap(on_end=on_end)
    return GstTap(on_end=on_end, clock=clock)


def connection_to(
    source: CameraSource,
    *,
    clock: Clock,
    on_format: Callable[[Codec], None],
    on_unit: Callable[[AccessUnit], None] | None,
    on_gap: Callable[[], None] = lambda: None,
    tap: Tap | None = None,
) -> Connection:
    """A connection that has not begun.

    Args:
        source: Where the pictures come from.
        clock: For the times of arrival.
        on_format: Called with the codec before the first unit and whenever it changes.
        on_unit: Called with each access unit; None where the camera has no frames.
        on_gap: Called before a unit that does not follow the one before, where that is known. None of the
            three may block.
        tap: Of `tap_for`, or None.
    """
    if isinstance(source, RtspReceiver):
        if not isinstance(tap, UnitTap | None):
            raise TypeError(f"expected a tap of the same source, found {tap}")
        return ReceiverConnection(
            source, clock=clock, on_format=on_format, on_unit=on_unit, on_gap=on_gap, tap=tap
        )
    if not isinstance(source, Source) or not isinstance(tap, GstTap | None):
        raise TypeError(f"expected a source of GStreamer's and its tap, found {source} and {tap}")
    return GstConnection(source, clock=clock, on_format=on_format, on_unit=on_unit, tap=tap)
