"""One connection to a camera that GStreamer receives: a pipeline, and a callback for every access unit."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from edgecam import heap
from edgecam.capture.access_unit import AccessUnit
from edgecam.capture.coded import SampleCoded, stamped
from edgecam.capture.connection import Connection, ignore_format
from edgecam.capture.gst_tap import GstTap
from edgecam.capture.time_line import TimeLine, signed
from edgecam.clock import NS_PER_S, Clock
from edgecam.codecs.media import MediaKind
from edgecam.codecs.recovery_point import HEAD_BYTES, pictures_to_recovery
from edgecam.codecs.video import CODECS, Codec, by_media_type
from edgecam.errors import SourceEnded, SourceError, SourceFlooded, SourceReplaced, SourceUnsupported
from edgecam.gstreamer.diagnosis import GstError
from edgecam.gstreamer.gst import (
    Gst,
    connect,
    guarded,
    link,
    link_pads,
    make,
    measured_buffers,
    measured_bytes,
    structure_of,
)
from edgecam.redaction import redact
from edgecam.sources.base import FAULT_MESSAGE, Source

log = logging.getLogger(__name__)

_CUT_AFTER_S = 1.0
"""A pipeline closes within 0.1 s; after this, the sockets of a camera that holds it up are cut."""
CLOSE_TIMEOUT_S = 3.0
"""A pipeline that hangs all the same is left behind after this."""
WITHOUT_PICTURE_BYTES_LIMIT = 16_000_000
"""Bytes that may come without a picture: four times the largest keyframe of an 8K camera. GStreamer's
depayloaders and parsers collect a picture in memory until it ends."""
_BOUNDS_PERIOD_S = 0.1  # while nothing whole comes: at 1 Gbit/s, 12 MB
_QUEUED_UNITS = 8  # the callback takes each at once; a bound for an overloaded machine
_WAKE_MESSAGE = "edgecam-wake"


class GstConnection(Connection):
    """Runs one source of GStreamer's.

    Args:
        source: Where the pictures come from.
        clock: For the times of arrival.
        on_format: Called with the codec before the first unit and whenever it changes.
        on_unit: Called with each access unit; None where the camera has no frames. Both are called on the
            source's streaming thread and must not block.
        tap: Where a recording takes the same units, or None.
    """

    def __init__(
        self,
        source: Source,
        *,
        clock: Clock,
        on_format: Callable[[Codec], None],
        on_unit: Callable[[AccessUnit], None] | None,
        tap: GstTap | None = None,
    ) -> None:
        super().__init__(tap)
        self._source = source
        self._clock = clock
        self._on_format = on_format
        self._on_unit = on_unit
        self._tap = tap
        self._fault: SourceError | None = None
        self._line = TimeLine(is_paced=source.is_paced)
        self._offset_ns = 0  # grows with each loop of a file, so that time never goes back
        self._last_end_ns = 0
        self._last_units, self._bytes_at_last_unit = 0, 0
        self._is_flooded = False
        self._pipeline = Gst.Pipeline.new(None)
        self._bus = self._pipeline.get_bus()
        self._sink: Any = None
        # Native elements: a callback in Python for each unit costs more than receiving it.
        self._meter = make("identity")
        self._sieve = make("identity")

    def start(self) -> None:
        source = self._source.build()
        for element in (source, self._meter):
            self._pipeline.add(element)
        link_pads(self._source.pads[MediaKind.VIDEO], self._meter.get_static_pad("sink"))
        # No tee where there are either frames or a recording: it costs little, but not nothing.
        way = self._meter
        if self._tap is not None and self._on_unit is not None:
            way = make("tee")
            self._pipeline.add(way)
            link(self._meter, way)
        if self._on_unit is not None:
            self._add_frames(way)
        if self._tap is not None:
            link(way, self._tap.add_to(self._pipeline, sets_pace=self._on_unit is None))
            self._sink = self._sink or self._tap.sink
        connect(self._sink.get_static_pad("sink"), "notify::caps", self._on_caps)
        self._play()

    def _add_frames(self, way: Any) -> None:
        """The frames' branch, with a sieve: a recording needs every unit."""
        self._sink = make(
            "appsink",
            caps=";".join(caps for codec in CODECS for caps in (codec.unit_caps, codec.file_caps) if caps),
            emit_signals=True,
            max_buffers=_QUEUED_UNITS,
            drop=True,
            sync=False,
            enable_last_sample=False,
        )
        connect(self._sink, "new-sample", self._on_sample, Gst.FlowReturn.OK)
        for element in (self._sieve, self._sink):
            self._pipeline.add(element)
        link(way, self._sieve, self._sink)

    def _play(self) -> None:
        """A live source sets its own pace; others are paced by their timestamps."""
        if not self._source.is_live:
            outcome = self._pipeline.set_state(Gst.State.PAUSED)
            self._sink.set_property("sync", outcome != Gst.StateChangeReturn.NO_PREROLL)
        if self._pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
            self.wait(0)
            raise SourceError(f"{self._source.name}: expected the pipeline to start, found that it does not")

    def wait(self, timeout_s: float) -> None:
        if self._fault is None:
            timeout_s = min(timeout_s, self._check_bounds())
        kinds = Gst.MessageType.ERROR | Gst.MessageType.EOS | Gst.MessageType.APPLICATION
        message = self._bus.timed_pop_filtered(max(0, round(timeout_s * NS_PER_S)), kinds)
        if message is not None:
            self._handle_message(message)
        if self._fault is not None:
            raise self._fault

    def _check_bounds(self) -> float:
        """Check the bounds of what comes; returns in how many seconds to check again.

        Raises:
            SourceFlooded: it is too much. The sender is cut off already: closing a pipeline takes time, in
                which it would send on.
            SourceError: nothing more can come.
        """
        try:
            self._source.check(self._clock.monotonic_s())
            return self._check_pictures()
        except SourceFlooded:
            self._source.cut()
            self._is_flooded = True
            raise

    def _check_pictures(self) -> float:
        units, received_bytes = self.received_units, self._source.received_bytes()
        if units != self._last_units:
            self._last_units, self._bytes_at_last_unit = units, received_bytes
            return math.inf
        without = received_bytes - self._bytes_at_last_unit
        if without > WITHOUT_PICTURE_BYTES_LIMIT:
            raise SourceFlooded(
                f"{self._source.name}: expected a picture within {WITHOUT_PICTURE_BYTES_LIMIT / 1e6:g} MB, "
                f"found {without / 1e6:.0f} MB without one"
            )
        return _BOUNDS_PERIOD_S if without else math.inf

    @property
    def received_units(self) -> int:
        return measured_buffers(self._meter)

    @property
    def received_bytes(self) -> int:
        return measured_bytes(self._meter)

    def let_through(self, *, keyframes_only: bool) -> None:
        self._sieve.set_property("drop-buffer-flags", Gst.BufferFlags.DELTA_UNIT if keyframes_only else 0)

    def wake(self) -> None:
        structure = Gst.Structure.new_empty(_WAKE_MESSAGE)
        self._bus.post(Gst.Message.new_application(self._pipeline, structure))

    def fail(self, error: SourceError) -> None:
        self._fault = self._fault or error
        self.wake()

    def close(self) -> None:
        closing = threading.Thread(target=self._pipeline.set_state, args=(Gst.State.NULL,), daemon=True)
        closing.start()
        closing.join(_CUT_AFTER_S)
        if closing.is_alive():
            self._source.cut()
            closing.join(CLOSE_TIMEOUT_S - _CUT_AFTER_S)
        if self._is_flooded:
            heap.trim()
        # Reference cycles: without these, all are freed now.
        self._on_format, self._on_unit, self._fault = ignore_format, None, None
        if closing.is_alive():
            log.warning(
                "%s: expected the connection to close, found it hanging: left behind", self._source.name
            )

    def _handle_message(self, message: Any) -> None:
        if message.type == Gst.MessageType.EOS:
            self._at_end()
        elif message.type == Gst.MessageType.ERROR:
            raise self._source.explain(GstError.of(message))
        elif message.get_structure().has_name(FAULT_MESSAGE) and self._source.fault is not None:
            raise self._source.fault

    def _at_end(self) -> None:
        if not self._source.is_looped:
            raise SourceEnded(
                f"{self._source.name}: expected the stream to go on, found its end (end of stream)"
            )
        if not self.received_units:
            raise SourceUnsupported(f"{self._source.name}: expected pictures, found none up to the end")
        if self._source.is_replaced():
            raise SourceReplaced(
                f"{self._source.name}: expected the file that was read, found another in its place"
            )
        self._offset_ns = self._last_end_ns
        flags = Gst.SeekFlags.FLUSH | Gst.SeekFlags.KEY_UNIT
        with self._tap.flushing() if self._tap is not None else nullcontext():
            if not self._pipeline.seek_simple(Gst.Format.TIME, flags, 0):
                # A raw stream has no index to seek in: read it again from its first byte.
                self._pipeline.set_state(Gst.State.READY)
                self._pipeline.set_state(Gst.State.PLAYING)

    def _on_callback_fault(self, error: Exception) -> None:
        if not isinstance(error, SourceError):
            log.error("%s: unexpected fault", self._source.name, exc_info=error)
            error = SourceError(f"{self._source.name}: unexpected fault: {redact(str(error))}")
        self.fail(error)

    @guarded("the form of the pictures was read", _on_callback_fault, None)
    def _on_caps(self, pad: Any, _property: Any) -> None:
        """On the source's streaming thread, before the first unit and at each change of form."""
        structure = structure_of(pad.get_current_caps())
        codec = by_media_type(structure.get_name()) if structure is not None else None
        if codec is not None and codec is not self.codec:
            self.codec = codec
            self._on_format(codec)

    @guarded("an access unit was taken", _on_callback_fault, Gst.FlowReturn.OK)
    def _on_sample(self, sink: Any) -> Any:
        """On the source's streaming thread, up to thirty times a second: short, and waits for nothing."""
        sample = sink.emit("pull-sample")
        if sample is None or self._on_unit is None:
            return Gst.FlowReturn.OK
        now, now_s = self._clock.now(), self._clock.monotonic_s()
        buffer = sample.get_buffer()
        if self._source.is_looped:
            sample = self._on_one_time_line(sample, buffer)
            buffer = sample.get_buffer()
        pts_ns = buffer.pts
        if pts_ns == Gst.CLOCK_TIME_NONE:
            self.dropped_units += 1
            return Gst.FlowReturn.OK
        if not self._source.is_looped:
            stamp_ns, pts_ns = pts_ns, self._line.place([signed(pts_ns)], arrived_s=now_s)[0].line_ns
            if pts_ns != stamp_ns:
                # The decoder answers by these times.
                sample = stamped(sample, buffer, pts_ns)
                buffer = sample.get_buffer()
        size_bytes = buffer.get_size()
        is_flagged = not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
        to_recovery = self._to_recovery(sample, buffer, size_bytes) if is_flagged else 0
        is_keyframe = is_flagged and not to_recovery
        self._on_unit(
            AccessUnit(pts_ns, is_keyframe, size_bytes, now, now_s, SampleCoded(sample), to_recovery)
        )
        return Gst.FlowReturn.OK

    def _to_recovery(self, sample: Any, buffer: Any, size_bytes: int) -> int:
        if self.codec is None or self.codec.is_intra:
            return 0
        head = buffer.extract_dup(0, min(size_bytes, HEAD_BYTES))
        form = structure_of(sample.get_caps()).get_string("stream-format")
        return pictures_to_recovery(self.codec, head, has_lengths=form != "byte-stream")

    def _on_one_time_line(self, sample: Any, buffer: Any) -> Any:
        """`sample` with the time of the earlier loops added; a raw stream has decoding times only."""
        time_ns = buffer.dts if buffer.pts == Gst.CLOCK_TIME_NONE else buffer.pts
        if time_ns == Gst.CLOCK_TIME_NONE:
            return sample
        pts_ns = time_ns + self._offset_ns
        duration_ns = 0 if buffer.duration == Gst.CLOCK_TIME_NONE else buffer.duration
        self._last_end_ns = max(self._last_end_ns, pts_ns + duration_ns)
        return stamped(sample, buffer, pts_ns)
