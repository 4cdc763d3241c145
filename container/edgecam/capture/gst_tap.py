"""The recording's branch of a pipeline: access units wait in GStreamer's own queue, behind a valve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edgecam.capture.access_unit import NO_PTS, AccessUnit
from edgecam.capture.coded import SampleCoded
from edgecam.capture.tap import HELD_BYTES_LIMIT, Tap
from edgecam.capture.time_line import signed
from edgecam.clock import NS_PER_S, Clock
from edgecam.gstreamer.gst import (
    Gst,
    add_probe,
    link,
    make,
    measured_bytes,
)

_SENDER_CLOCK = Gst.Caps.from_string("timestamp/x-ntp")
_NTP_TO_UNIX_NS = 2_208_988_800 * NS_PER_S
"""NTP counts from 1900 (RFC 5905, 6)."""


class GstTap(Tap):
    """Elements of one pipeline; what is taken counts as arrived then.

    Args:
        on_end: Called, on the streaming thread, when the stream has ended: what waits is to be taken now.
        clock: For the times of arrival.
    """

    def __init__(self, *, on_end: Callable[[], None], clock: Clock) -> None:
        super().__init__()
        self._on_end = on_end
        self._clock = clock
        # The end of the stream passes a closed valve.
        self._valve = make("valve", drop_mode="forward-sticky-events")
        self._meter = make("identity")
        self.sink = make("appsink", sync=False, enable_last_sample=False)
        add_probe(self.sink.get_static_pad("sink"), Gst.PadProbeType.EVENT_DOWNSTREAM, self._on_event)
        self._taken_bytes = 0
        self._is_shut = False
        self._was_closed = False
        self._was_flushed_closed = False

    def add_to(self, pipeline: Any, *, sets_pace: bool) -> Any:
        """Put the elements into `pipeline`; returns the first, to be linked to what delivers the pictures.

        Args:
            pipeline: The connection's.
            sets_pace: Whether the pipeline prerolls, and synchronizes with its clock, by this sink; by the
                frames' otherwise: two would wait for each other.
        """
        self.sink.set_property("async", sets_pace)
        chain = [self._valve, self._meter, self.sink]
        for element in chain:
            pipeline.add(element)
        link(*chain)
        return self._valve

    @property
    def held_bytes(self) -> int:
        passed = measured_bytes(self._meter)
        return passed - self._taken_bytes

    def limit(self) -> None:
        if not self._valve.get_property("drop") and self.held_bytes > HELD_BYTES_LIMIT:
            self.lost += 1
            self._valve.set_property("drop", True)

    def take(self) -> list[AccessUnit]:
        self._was_closed = bool(self._valve.get_property("drop")) or self._was_flushed_closed
        self._was_flushed_closed = False
        samples = []
        pull = self.sink.emit
        while (sample := pull("try-pull-sample", 0)) is not None:
            samples.append(sample)
        now, now_s = self._clock.now(), self._clock.monotonic_s()
        units = []
        for sample in samples:
            buffer = sample.get_buffer()
            size_bytes = buffer.get_size()
            self._taken_bytes += size_bytes
            is_keyframe = not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
            pts_ns = buffer.pts if buffer.pts == NO_PTS else signed(buffer.pts)
            units.append(AccessUnit(pts_ns, is_keyframe, size_bytes, now, now_s, SampleCoded(sample)))
        newest = next((index for index in reversed(range(len(units))) if units[index].pts_ns != NO_PTS), None)
        if newest is not None:
            taken_ns = sender_time_ns(samples[newest].get_buffer())
            units[newest] = units[newest]._replace(taken_ns=taken_ns)
        return units

    def reopen(self) -> bool:
        if self._is_shut or not self._was_closed:
            return False
        self._was_closed = False
        self._valve.set_property("drop", False)
        return True

    @contextmanager
    def flushing(self) -> Iterator[None]:
        """While the pipeline is flushed: a closed valve drops the flush, and all behind it would stay at the
        stream's first end."""
        if self._valve.get_property("drop"):
            self._was_flushed_closed = not self._is_shut
            self._valve.set_property("drop", False)
        yield
        self._valve.set_property("drop", self._is_shut)

    def _on_event(self, _pad: Any, info: Any) -> Any:
        """On the streaming thread, a few times in a connection."""
        if info.get_event().type == Gst.EventType.EOS:
            self._on_end()
        return Gst.PadProbeReturn.OK

    def reject_rest(self) -> None:
        self._is_shut = True
        self._valve.set_property("drop", True)


def sender_time_ns(buffer: Any) -> int | None:
    """When the picture was taken by the camera's clock, nanoseconds since 1970, UTC; None when it sends none.

    From its RTCP sender reports (RFC 3550, 6.4.1), which rtpjitterbuffer attaches to each picture.
    """
    meta = buffer.get_reference_timestamp_meta(_SENDER_CLOCK)
    return None if meta is None else int(meta.timestamp) - _NTP_TO_UNIX_NS
