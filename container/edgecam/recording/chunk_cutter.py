"""Where a chunk begins and ends: decisions over values, no pipeline.

A chunk begins at a keyframe and ends where the next begins: at the first keyframe after `chunk_s`, earlier
when it has grown too large, when the format changes, or at a discontinuity of the stream's time. Network
jitter: a keyframe up to `KEYFRAME_JITTER_NS` early counts as on time, or chunks of exactly N keyframe
intervals would hold N or N + 1 of them at random. A stream that ends its chunks early too often is not
recorded until it has settled (`Steadiness`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edgecam.clock import NS_PER_S
from edgecam.recording.steadiness import Steadiness

KEYFRAME_JITTER_NS = NS_PER_S // 5
"""How early a keyframe may be; more than any jitter buffer lets through."""
_JITTER_PART = 4  # and never more than a quarter of the keyframe interval
RETRY_NS = 10 * NS_PER_S
"""Retry delay after a chunk that could not be written, at the most."""
REORDER_NS = NS_PER_S
"""A reordered picture is this far back at the most; more is a discontinuity."""
FIRST_SPARE_NS = 600 * NS_PER_S
"""How much longer than `chunk_s` a chunk may become that waits for a keyframe, while the keyframe interval is
not known: cameras with H.264+ or H.265+ send one in up to 400 pictures, at a few a second. A camera that
sends no more of them is found by that, and its chunk is bounded."""
_LONGEST_INTERVAL_NS = 3600 * NS_PER_S
SPARE_NS = 20 * NS_PER_S
_SPARE_INTERVALS = 3
"""The same when it is known: cameras that lengthen the interval while nothing moves do so step by step."""


@dataclass(frozen=True)
class StreamFormat:
    """What has to stay the same within a chunk.

    Attributes:
        codec: `h264`, `h265` or `mjpeg`.
        width: Pixels.
        height: Pixels.
        parameter_sets: Of the decoder, where the file has them once; empty where there are none.
    """

    codec: str
    width: int
    height: int
    parameter_sets: bytes = b""


class CutDecision(Enum):
    """What is to be done with a picture."""

    SKIP = "skip"
    """It belongs to no chunk."""
    BEGIN = "begin"
    """A chunk begins with it; the one before ends."""
    ADD = "add"
    """It belongs to the present chunk."""
    STOP = "stop"
    """The present chunk ends before it, and it belongs to none: nothing until the next keyframe."""


class ChunkCutter:
    """Cuts one camera's stream. Not safe for threads, except `change`: it belongs to the recorder.

    Args:
        chunk_s: How long a chunk is to be, seconds.
        max_chunk_bytes: The size from which on it ends at the next keyframe.

    Attributes:
        skipped: Pictures that belong to no chunk, since the start.
        outgrown: How often a chunk has ended since no keyframe came in time.
        span_ns: How long the present chunk may become.
    """

    def __init__(self, *, chunk_s: float, max_chunk_bytes: int) -> None:
        self._chunk_ns = round(chunk_s * NS_PER_S)
        self._max_bytes = max_chunk_bytes
        self._target_ns = self._chunk_ns
        self._stream_format: StreamFormat | None = None
        self._start_ns: int | None = None
        self._newest_ns = 0
        self._bytes = 0
        self._last_keyframe_ns: int | None = None
        self._interval_ns: int | None = None
        self._longest_interval_ns = 0
        self._steadiness = Steadiness()
        self._ends_at_keyframe = False
        self.skipped = self.outgrown = 0
        self.span_ns = 0

    @property
    def lapses(self) -> int:
        """How often recording has paused because the stream ended its chunks early too often."""
        return self._steadiness.lapses

    def offer(
        self, pts_ns: int, *, is_keyframe: bool, size_bytes: int, stream_format: StreamFormat | None = None
    ) -> CutDecision:
        """Take the next picture, in the order of decoding.

        Args:
            pts_ns: When it is to be shown, nanoseconds of the stream's own time.
            is_keyframe: Whether it can be decoded alone.
            size_bytes: Of the coded picture.
            stream_format: Of a keyframe; a picture between keyframes has that of the keyframe.
        """
        start_ns = self._start_ns
        jumped = start_ns is not None and pts_ns < self._newest_ns - REORDER_NS
        if is_keyframe and stream_format is not None:
            self._learn_interval(pts_ns)
            if start_ns is None or jumped or self._is_due(pts_ns - start_ns, stream_format):
                return self._at_keyframe(pts_ns, size_bytes, stream_format, jumped=jumped)
        elif start_ns is None:
            self.skipped += 1
            return CutDecision.SKIP
        elif jumped or pts_ns - start_ns > self.span_ns:
            self.outgrown += not jumped
            self.end(is_early=jumped)
            self.skipped += 1
            return CutDecision.STOP
        elif pts_ns < start_ns:
            # Sent after the keyframe, shown before it: decoding it needs the chunk before, which has ended.
            self.skipped += 1
            return CutDecision.SKIP
        self._newest_ns = max(self._newest_ns, pts_ns)
        self._bytes += size_bytes
        return CutDecision.ADD

    def change(self, chunk_s: float) -> None:
        """From any thread: how long chunks are to be from now on. The present one ends at the next keyframe
        if it is longer already; it never grows."""
        self._chunk_ns = round(chunk_s * NS_PER_S)

    def end_at_keyframe(self) -> None:
        """The present chunk ends at the next keyframe, early: another stream begins there, or its pictures
        are reordered further."""
        self._ends_at_keyframe = self._start_ns is not None

    def end(self, *, is_early: bool = False) -> None:
        """The present chunk has ended; the next begins at the next keyframe.

        Args:
            is_early: The stream has ended it: its time jumped.
        """
        if self._start_ns is not None:
            self._steadiness.ended(self._newest_ns - self._start_ns, is_early=is_early)
        elif is_early:
            self._steadiness.interrupt()
        self._start_ns = None

    def retry_soon(self) -> None:
        """The present chunk cannot be written: skip its pictures, and try again within `RETRY_NS`."""
        self._target_ns = min(self._chunk_ns, RETRY_NS)

    def _at_keyframe(
        self, pts_ns: int, size_bytes: int, stream_format: StreamFormat, *, jumped: bool
    ) -> CutDecision:
        """At a keyframe at which the present chunk, if there is one, ends."""
        start_ns = self._start_ns
        if start_ns is not None:
            end_ns = self._newest_ns if jumped else pts_ns
            is_early = jumped or self._ends_at_keyframe or stream_format != self._stream_format
            self._steadiness.ended(end_ns - start_ns, is_early=is_early)
        if not self._steadiness.is_lost or self._steadiness.settles(pts_ns, stream_format):
            return self._begin(pts_ns, size_bytes, stream_format)
        self._start_ns = None
        self.skipped += 1
        return CutDecision.SKIP if start_ns is None else CutDecision.STOP

    def _is_due(self, length_ns: int, stream_format: StreamFormat) -> bool:
        tolerance_ns = min(KEYFRAME_JITTER_NS, (self._interval_ns or 0) // _JITTER_PART)
        is_long = length_ns >= min(self._target_ns, self._chunk_ns) - tolerance_ns
        if self._ends_at_keyframe:
            return True
        return is_long or self._bytes >= self._max_bytes or stream_format != self._stream_format

    def _begin(self, pts_ns: int, size_bytes: int, stream_format: StreamFormat) -> CutDecision:
        self._target_ns = chunk_ns = self._chunk_ns  # read once: it may change meanwhile
        self._start_ns, self._newest_ns = pts_ns, pts_ns
        self._bytes, self._stream_format, self._ends_at_keyframe = size_bytes, stream_format, False
        longest_ns = self._longest_interval_ns
        spare_ns = max(SPARE_NS, _SPARE_INTERVALS * longest_ns) if longest_ns else FIRST_SPARE_NS
        self.span_ns = chunk_ns + spare_ns
        return CutDecision.BEGIN

    def _learn_interval(self, pts_ns: int) -> None:
        if self._last_keyframe_ns is not None and pts_ns > self._last_keyframe_ns:
            self._interval_ns = pts_ns - self._last_keyframe_ns
            self._longest_interval_ns = max(
                self._longest_interval_ns, min(self._interval_ns, _LONGEST_INTERVAL_NS)
            )
        self._last_keyframe_ns = pts_ns
