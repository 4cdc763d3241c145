"""Where a recording joins a connection: the same coded pictures as the frames get, taken in batches.

Waking Python thirty times a second for each camera costs more than recording does. So pictures wait in
GStreamer's own queue until a recorder comes by, about once a second. When it does not come (a slow disk), the
queue grows up to a limit; then a valve closes, and all that comes is dropped until the recorder is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecam.capture.access_unit import AccessUnit
from edgecam.clock import NS_PER_S, Clock
from edgecam.gstreamer.gst import (
    Gst,
    add_probe,
    link,
    make,
    measured_bytes,
)

HELD_BYTES_LIMIT = 8_000_000
"""Sixteen seconds at 4 Mbit/s: longer than a memory card takes to tidy itself up."""
_SENDER_CLOCK = Gst.Caps.from_string("timestamp/x-ntp")
_NTP_TO_UNIX_NS = 2_208_988_800 * NS_PER_S
"""NTP counts from 1900 (RFC 5905, 6)."""


class Tap:
    """The recording's end of one connection. Made with the connection, used by the recorder's thread.

    Args:
        on_end: Called, on the streaming thread, when the stream has ended: what waits is to be taken now.
        clock: For the times of arrival.

    Attributes:
        lost: How often the valve had to close.
    """

    def __init__(self, *, on_end: Callable[[], None], clock: Clock) -> None:
        self._on_end = on_end
        self._clock = clock
        self._valve = make("valve")
        self._meter = make("identity")
        self.sink = make("appsink", sync=False, enable_last_sample=False)
        add_probe(self.sink.get_static_pad("sink"), Gst.PadProbeType.EVENT_DOWNSTREAM, self._on_event)
        self._taken_bytes = 0
        self._is_shut = False
        self._was_closed = False
        self.lost = 0

    def add_to(self, pipeline: Any, *, sets_pace: bool) -> Any:
        """Put the elements into `pipeline`; returns the first, to be linked to what delivers the pictures.

        Args:
            pipeline: The connection's.
            sets_pace: Whether the pipeline starts, and keeps in step with its clock, by this end of it: by
                the frames' otherwise, and two of them would wait for each other.
        """
        self.sink.set_property("async", sets_pace)
        chain = [self._valve, self._meter, self.sink]
        for element in chain:
            pipeline.add(element)
        link(*chain)
        return self._valve

    @property
    def held_bytes(self) -> int:
        """What waits to be taken."""
        passed = measured_bytes(self._meter)
        return passed - self._taken_bytes

    def limit(self) -> None:
        """From any thread, every now and then: close the valve when too much waits."""
        if not self._valve.get_property("drop") and self.held_bytes > HELD_BYTES_LIMIT:
            self.lost += 1
            self._valve.set_property("drop", True)

    def take(self) -> list[AccessUnit]:
        """Everything that waits, in the order of decoding; it counts as arrived now. Never blocks."""
        units = []
        self._was_closed = bool(self._valve.get_property("drop"))
        now, now_s = self._clock.now(), self._clock.monotonic_s()
        pull = self.sink.emit
        while (sample := pull("try-pull-sample", 0)) is not None:
            buffer = sample.get_buffer()
            size_bytes = buffer.get_size()
            self._taken_bytes += size_bytes
            is_keyframe = not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
            units.append(AccessUnit(buffer.pts, is_keyframe, size_bytes, now, now_s, sample))
        return units

    def reopen(self) -> bool:
        """To be called after `take`: whether something was dropped after what was taken last. What the valve
        let in before it closed has to be taken first."""
        if self._is_shut or not self._was_closed:
            return False
        self._was_closed = False
        self._valve.set_property("drop", False)
        return True

    def _on_event(self, _pad: Any, info: Any) -> Any:
        """On the streaming thread, a few times in a connection."""
        if info.get_event().type == Gst.EventType.EOS:
            self._on_end()
        return Gst.PadProbeReturn.OK

    def reject_rest(self) -> None:
        """Take nothing more from this connection: it delivers what cannot be recorded."""
        self._is_shut = True
        self._valve.set_property("drop", True)


def sender_time_ns(buffer: Any) -> int | None:
    """When the camera says that the picture was taken, nanoseconds since 1970, UTC; None when it does not.

    From its RTCP sender reports (RFC 3550, 6.4.1), which rtpjitterbuffer attaches to each picture.
    """
    meta = buffer.get_reference_timestamp_meta(_SENDER_CLOCK)
    return None if meta is None else int(meta.timestamp) - _NTP_TO_UNIX_NS
