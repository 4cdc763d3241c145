"""One time line of pictures: what a recording has to know of a connection's stream. Values, no pipeline.

A stream begins with its connection, and again where its time jumps back (a camera that restarts, a file that
is looped). Its first pictures are held back, the lookahead, until they show how far it reorders.
"""

from __future__ import annotations

from typing import Any

from edgecam.capture.access_unit import NO_PTS, AccessUnit
from edgecam.codecs.jpeg import size_of
from edgecam.codecs.video import Codec, by_media_type
from edgecam.config.recording import ChunkFormat
from edgecam.errors import SourceUnsupported
from edgecam.gstreamer.gst import structure_of
from edgecam.recording.chunk_cutter import REORDER_NS, StreamFormat
from edgecam.recording.chunk_writer import Plan
from edgecam.recording.decode_times import DEPTH_LIMIT, PtsTracker, reorder_depth

_JPEG_HEAD_BYTES = 65_536


class Stream:
    """Orders and describes the access units of one time line. Not safe for threads.

    Args:
        chunk_format: The container that is recorded to.
        depth: How far the camera's streams reordered until now, pictures.

    Attributes:
        depth: How far this one reorders; it never shrinks.
        codec: How its pictures are coded; None before the first keyframe that can be recorded.
    """

    def __init__(self, chunk_format: ChunkFormat, *, depth: int = 0) -> None:
        self._chunk_format = chunk_format
        self._lookahead: list[AccessUnit] | None = None
        self._newest_ns: int | None = None
        self._pts = PtsTracker()
        self.depth = depth
        self.codec: Codec | None = None

    @property
    def has_begun(self) -> bool:
        """Whether a picture with a time has come."""
        return self._newest_ns is not None

    @property
    def interval_ns(self) -> int:
        """How far pictures are apart, on the average."""
        return self._pts.interval_ns

    def split(self, units: list[AccessUnit]) -> tuple[list[AccessUnit], list[AccessUnit]]:
        """`units` up to a discontinuity, a jump back in time, and those from there on: another stream's."""
        for index, unit in enumerate(units):
            if unit.pts_ns == NO_PTS:
                continue
            if self._newest_ns is not None and unit.pts_ns < self._newest_ns - REORDER_NS:
                return units[:index], units[index:]
            self._newest_ns = max(unit.pts_ns, self._newest_ns or 0)
        return units, []

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
            depth = reorder_depth(unit.pts_ns for unit in held if unit.pts_ns != NO_PTS)
            self.depth = max(self.depth, depth)
        return held

    def reorders_further(self) -> None:
        """A picture was reordered further than `depth`."""
        self.depth = min(DEPTH_LIMIT, self.depth + 1)

    def pts_of(self, unit: AccessUnit) -> int | None:
        """When `unit` is shown, repaired where it does not say; None where nothing came that tells.

        To be called once for each unit, in the order of decoding.
        """
        return self._pts.repaired(None if unit.pts_ns == NO_PTS else unit.pts_ns)

    def format_of(self, keyframe: AccessUnit) -> StreamFormat:
        """What has to stay the same while a chunk is written.

        Raises:
            SourceUnsupported: such pictures cannot be recorded.
        """
        structure = structure_of(keyframe.sample.get_caps())
        codec = by_media_type(structure.get_name())
        name = codec.chunk_name if codec is not None else None
        if codec is None or name is None or self._chunk_format not in codec.formats:
            found = codec.name if codec is not None else structure.get_name()
            raise SourceUnsupported(
                f"expected video that can be recorded as {self._chunk_format.value} without transcoding, "
                f"found {found}; choose H.264 in the camera's settings"
            )
        self.codec = codec
        width, height = structure.get_int("width"), structure.get_int("height")
        size = (int(width[1]), int(height[1])) if width[0] and height[0] else _size_in(keyframe)
        return StreamFormat(name, *size, self._parameter_sets(structure))

    def plan(self, keyframe: AccessUnit, *, span_s: float) -> Plan:
        """What the file of a chunk is to hold that begins at `keyframe`, after `format_of` it.

        Args:
            keyframe: The first picture.
            span_s: How long the chunk may become, seconds.

        Raises:
            RuntimeError: there was no such keyframe, which is a mistake in this program.
        """
        if self.codec is None:
            raise RuntimeError("expected a keyframe that can be recorded")
        caps = keyframe.sample.get_caps()
        return Plan(self._chunk_format, self.codec, caps, span_s, self.interval_ns, self.depth)

    def _parameter_sets(self, structure: Any) -> bytes:
        """Those that MP4 holds once, in its head. In MPEG-TS each keyframe has its own, which may change
        within a chunk."""
        beside = structure.get_value("codec_data")
        if beside is None or self._chunk_format is not ChunkFormat.MP4:
            return b""
        return bytes(beside.extract_dup(0, beside.get_size()))


def _size_in(keyframe: AccessUnit) -> tuple[int, int]:
    """Width and height in pixels of a JPEG; 0 where it is none."""
    head = keyframe.sample.get_buffer().extract_dup(0, min(_JPEG_HEAD_BYTES, keyframe.size_bytes))
    return size_of(head) or (0, 0)
