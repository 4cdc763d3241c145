"""One connection to a camera that our own receiver serves.

Pictures come on the receiver's thread, which all cameras share. A recording's are put into its tap there.
Those for frames wait for the camera's own thread, which is in `wait`: a decoder that is made, or a disk that
hangs, holds up that camera alone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from edgecam import heap
from edgecam.capture.access_unit import AccessUnit
from edgecam.capture.coded import BytesCoded
from edgecam.capture.connection import Connection, ignore_format
from edgecam.capture.own_format import OwnFormat
from edgecam.capture.time_line import TimeLine
from edgecam.capture.unit_tap import UnitTap
from edgecam.clock import Clock
from edgecam.codecs.video import Codec
from edgecam.errors import SourceError, SourceFlooded
from edgecam.receiver.rtsp_receiver import Received, RtspReceiver

QUEUED_BYTES_LIMIT = 16_000_000
"""For frames: twice what a gate holds. A camera's thread that is further behind hangs on a disk."""


class ReceiverConnection(Connection):
    """Runs one attempt of the own receiver.

    Args:
        source: Where the pictures come from.
        clock: For the times of arrival.
        on_format: Called with the codec before the first unit and whenever it changes.
        on_unit: Called with each access unit; None where the camera has no frames.
        on_gap: Called before a unit that does not follow the one before. All are called within `wait`.
        tap: Where a recording takes the same units, or None.
    """

    def __init__(
        self,
        source: RtspReceiver,
        *,
        clock: Clock,
        on_format: Callable[[Codec], None],
        on_unit: Callable[[AccessUnit], None] | None,
        on_gap: Callable[[], None],
        tap: UnitTap | None,
    ) -> None:
        super().__init__(tap)
        self._source = source
        self._clock = clock
        self._on_format = on_format
        self._on_unit = on_unit
        self._on_gap = on_gap
        self._unit_tap = tap
        self._form = OwnFormat(has_lengths=source.is_wanted_with_lengths)
        self._line = TimeLine(is_paced=True)
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._is_woken = False
        self._fault: SourceError | None = None
        self._queue: deque[tuple[AccessUnit, bool]] = deque()
        self._queued_bytes = 0
        self._keyframes_only = False
        self._awaits_begin = False
        self._announced: Codec | None = None
        self._units = self._bytes = 0

    @property
    def received_units(self) -> int:
        return self._units

    @property
    def received_bytes(self) -> int:
        return self._bytes

    def start(self) -> None:
        self._source.start(self)

    def wait(self, timeout_s: float) -> None:
        end_s = self._clock.monotonic_s() + timeout_s
        while True:
            self._hand_on()
            if self._fault is not None:
                raise self._source.explain(self._fault)
            left_s = end_s - self._clock.monotonic_s()
            if self._is_woken or left_s <= 0:
                self._is_woken = False
                return
            self._clock.wait(self._woken, left_s)
            self._woken.clear()

    def let_through(self, *, keyframes_only: bool) -> None:
        self._keyframes_only = keyframes_only

    def wake(self) -> None:
        self._is_woken = True
        self._woken.set()

    def fail(self, error: SourceError) -> None:
        self._fault = self._fault or error
        self.wake()

    def close(self) -> None:
        self._source.close()
        if isinstance(self._fault, SourceFlooded):
            heap.trim()
        # Reference cycles: without these, all are freed now.
        self._on_format, self._on_unit, self._fault = ignore_format, None, None
        self._on_gap = _ignore_gap
        self._queue.clear()

    def take(self, codec: Codec, received: list[Received], now_s: float) -> None:
        """On the receiver's thread: these have come."""
        now = self._clock.now()
        units = []
        for picture, stamp_ns, taken_ns in received:
            picture_format, data = self._form.of(codec, picture)
            units.append(
                AccessUnit(
                    stamp_ns,
                    picture.is_keyframe,
                    len(data),
                    now,
                    now_s,
                    BytesCoded(data, picture_format),
                    picture.to_recovery,
                    taken_ns,
                    picture.is_damaged,
                )
            )
            self._bytes += len(data)
        is_first = not self._units
        self._units += len(units)
        self.codec = codec
        if self._unit_tap is not None:
            self._unit_tap.put(units)
        if self._on_unit is not None:
            self._queue_for_frames(received, units)
        elif is_first:
            self.wake()

    def ended(self, error: SourceError) -> None:
        """On the receiver's thread, or on one that connects: nothing more comes."""
        if self._unit_tap is not None:
            self._unit_tap.end()
        self.fail(error)

    def _queue_for_frames(self, received: list[Received], units: list[AccessUnit]) -> None:
        """Those that a decoder can use: none with a hole, and none that needs one that is not queued."""
        is_added = False
        for came, unit in zip(received, units, strict=True):
            is_lost = came.picture.has_hole or self._queued_bytes > QUEUED_BYTES_LIMIT
            follows_gap = self._awaits_begin and not is_lost and unit.begins_decoding
            self._awaits_begin = is_lost or (self._awaits_begin and not follows_gap)
            if self._awaits_begin:
                self.dropped_units += 1
            elif unit.begins_decoding or not self._keyframes_only:
                with self._lock:
                    self._queue.append((unit, follows_gap))
                    self._queued_bytes += unit.size_bytes
                is_added = True
        if is_added:
            self._woken.set()

    def _hand_on(self) -> None:
        """On the camera's thread."""
        while self._queue and self._on_unit is not None and self._fault is None:
            with self._lock:
                unit, follows_gap = self._queue.popleft()
                self._queued_bytes -= unit.size_bytes
            codec = unit.coded.format.codec
            if codec is not None and codec is not self._announced:
                self._announced = codec
                self._on_format(codec)
            if follows_gap:
                self._on_gap()
            place = self._line.place([unit.pts_ns], arrived_s=unit.arrived_s)[0]
            self._on_unit(unit if place.line_ns == unit.pts_ns else unit._replace(pts_ns=place.line_ns))


def _ignore_gap() -> None:
    """The callback for a gap of a connection that is closed."""
