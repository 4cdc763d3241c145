"""One stream of pictures: what a recording has to know of it. Values, no pipeline.

A stream begins with its connection, and again where a keyframe's stamp goes back (a camera that restarts, a
file that is looped). Its first pictures are held back, the lookahead, until they show how far it reorders.
"""

from __future__ import annotations

from edgecam.capture.access_unit import NO_PTS, AccessUnit
from edgecam.codecs.avc_record import completed
from edgecam.codecs.jpeg import size_of
from edgecam.codecs.video import H264, Codec
from edgecam.config.recording import ChunkFormat
from edgecam.errors import SourceUnsupported
from edgecam.recording.chunk_cutter import StreamFormat
from edgecam.recording.chunk_writer import Plan
from edgecam.recording.decode_times import DEPTH_LIMIT, TICK_NS, OrderTracker, PtsTracker, reorder_depth

_JPEG_HEAD_BYTES = 65_536
_STEADY_PART = 8


class Stream:
    """Orders and describes the access units of one stream. Not safe for threads.

    Args:
        chunk_format: The container that is recorded to.

    Attributes:
        codec: How its pictures are coded; None before the first keyframe that can be recorded.
    """

    def __init__(self, chunk_format: ChunkFormat) -> None:
        self._chunk_format = chunk_format
        self._lookahead: list[AccessUnit] | None = None
        self._pts = PtsTracker()
        self._order = OrderTracker()
        self._steady_ns = 0
        self.codec: Codec | None = None

    @property
    def depth(self) -> int:
        """How far it reorders, or did in the chunk before, pictures."""
        return self._order.depth

    @property
    def interval_ns(self) -> int:
        """How far pictures are apart, on the average."""
        return self._pts.interval_ns

    def offer(self, units: list[AccessUnit]) -> list[AccessUnit]:
        """Take the next units, in the order of decoding; returns those that can be recorded now."""
        if self._lookahead is None:
            if self.codec is not None:
                return units
            self._lookahead = []
        self._lookahead += units
        shows_order = sum(unit.is_keyframe for unit in self._lookahead) > 1
        return self.flush() if shows_order or len(self._lookahead) > DEPTH_LIMIT else []

    def flush(self) -> list[AccessUnit]:
        """End the lookahead with what it holds: nothing more comes, or it shows the order."""
        held, self._lookahead = self._lookahead or [], None
        if held:
            times_ns = [unit.pts_ns for unit in held if unit.pts_ns != NO_PTS]
            self._order.expect(reorder_depth(times_ns))
            self._pts.expect(times_ns)
        return held

    def pts_of(self, unit: AccessUnit) -> int | None:
        """When `unit` is shown, repaired where it does not say; None where nothing came that tells.

        To be called once for each unit, in the order of decoding.
        """
        pts_ns = self._pts.repaired(None if unit.pts_ns == NO_PTS else unit.pts_ns)
        if pts_ns is not None:
            self._order.observe(pts_ns)
        return pts_ns

    def format_of(self, keyframe: AccessUnit) -> StreamFormat:
        """What has to stay the same while a chunk is written.

        Raises:
            SourceUnsupported: such pictures cannot be recorded.
        """
        found_format = keyframe.coded.format
        codec = found_format.codec
        name = codec.chunk_name if codec is not None else None
        if codec is None or name is None or self._chunk_format not in codec.formats:
            found = codec.name if codec is not None else found_format.media_type
            raise SourceUnsupported(
                f"expected video that can be recorded as {self._chunk_format.value} without transcoding, "
                f"found {found}; choose H.264 in the camera's settings"
            )
        self.codec = codec
        size = found_format.width, found_format.height
        return StreamFormat(
            name, *(size if all(size) else _size_in(keyframe)), self._parameter_sets(keyframe)
        )

    def plan(self, stream_format: StreamFormat) -> Plan:
        """What the file of a chunk is to hold that begins at a keyframe of `stream_format`.

        Raises:
            RuntimeError: there was no such keyframe, which is a mistake in this program.
        """
        if self.codec is None:
            raise RuntimeError("expected a keyframe that can be recorded")
        self._order.begin_chunk()
        return Plan(
            self._chunk_format,
            self.codec,
            stream_format.width,
            stream_format.height,
            self._record(stream_format),
            self._steady_interval_ns(),
            self.depth,
        )

    def _record(self, stream_format: StreamFormat) -> bytes:
        record = stream_format.parameter_sets
        return completed(record) if self.codec is H264 else record

    def _steady_interval_ns(self) -> int:
        """How far pictures are apart, the same for all chunks as long as it is about right: it stands in the
        head of their files, which are to be equal."""
        interval_ns = self.interval_ns
        if abs(interval_ns - self._steady_ns) * _STEADY_PART > interval_ns:
            self._steady_ns = max(TICK_NS, round(interval_ns / TICK_NS) * TICK_NS)
        return self._steady_ns

    def _parameter_sets(self, keyframe: AccessUnit) -> bytes:
        """Those that MP4 holds once, in its head. In MPEG-TS each keyframe has its own, which may change
        within a chunk."""
        return keyframe.coded.format.configuration if self._chunk_format is ChunkFormat.MP4 else b""


def _size_in(keyframe: AccessUnit) -> tuple[int, int]:
    """Width and height in pixels of a JPEG; 0 where it is none."""
    return size_of(keyframe.coded.data()[:_JPEG_HEAD_BYTES]) or (0, 0)
