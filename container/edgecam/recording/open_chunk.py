"""The chunk that is being written: its place, its writer, and the times within it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from edgecam.capture.access_unit import AccessUnit
from edgecam.chunk import Chunk
from edgecam.config.recording import ChunkFormat
from edgecam.errors import SpoolError
from edgecam.formats import repair
from edgecam.recording.chunk_writer import ChunkWriter, Plan
from edgecam.recording.decode_times import TICK_NS, DtsGenerator
from edgecam.recording.mp4_writer import Mp4Writer
from edgecam.recording.ts_writer import TsWriter


class OpenChunk:
    """Writes one chunk. Belongs to the recorder's thread.

    Args:
        chunk: What is known of it.
        path: Where to, from `ChunkSink.begin`.
        plan: What the file is to hold.
        first_ns: When its keyframe is shown, nanoseconds of the stream's own time.
        previous_end: Where the camera's chunk before ended, UTC; None after a start.

    Attributes:
        chunk: As given; its start may move while the camera's clock is being learnt.
        path: As given.
        newest_ns: The latest time at which one of its pictures is shown, in the stream's own time.
    """

    def __init__(
        self, chunk: Chunk, path: Path, plan: Plan, *, first_ns: int, previous_end: datetime | None
    ) -> None:
        self.chunk = chunk
        self.path = path
        self.newest_ns = first_ns
        self._previous_end = previous_end
        self._dts = DtsGenerator(
            depth=plan.depth, first_ns=first_ns, interval_ns=plan.interval_ns, tick_ns=TICK_NS
        )
        # Containers count from zero, and decoding begins before showing does.
        self._zero_ns = first_ns - plan.lead_ns
        is_mp4 = plan.format is ChunkFormat.MP4
        self._writer: ChunkWriter = Mp4Writer(path, plan) if is_mp4 else TsWriter(path, plan)

    @property
    def is_behind(self) -> bool:
        """Whether the disk is too slow to be given more."""
        return self._writer.is_behind

    @property
    def is_broken(self) -> bool:
        """Whether the file cannot be written on: it is to be finished and salvaged."""
        return self._writer.fault is not None

    @property
    def is_disk_full(self) -> bool:
        """Whether that is because the disk is full."""
        return self._writer.fault is not None and self._writer.fault.is_disk_full

    @property
    def error(self) -> SpoolError:
        """Why the file cannot be written on."""
        found = self._writer.fault
        return SpoolError(f"{self.path.name}: expected to write it, found: {found.summary if found else '?'}")

    def start_at(self, start: datetime) -> None:
        """Correct the start, UTC: the camera's clock was learnt only now."""
        if start != self.chunk.start:
            gap_ms = gap_before_ms(start, self._previous_end)
            self.chunk = replace(self.chunk, start=start, gap_before_ms=gap_ms)

    def add(self, pts_ns: int, unit: AccessUnit) -> bool:
        """Take the next picture, in the order of decoding; written by `flush` or `finish`.

        Args:
            pts_ns: When it is shown, nanoseconds of the stream's own time.
            unit: The picture.

        Returns:
            False when the stream reorders further than it did: it is shown later than it should be, since
            leaving it out would break all pictures up to the next keyframe.
        """
        dts_ns = self._dts.dts_ns(pts_ns)
        fits = dts_ns is not None
        self.newest_ns = max(self.newest_ns, pts_ns)
        if dts_ns is None:
            pts_ns = dts_ns = self._dts.after_last_ns()
        self._writer.add(
            unit.coded.data(),
            pts_ns - self._zero_ns,
            dts_ns - self._zero_ns,
            is_keyframe=unit.is_keyframe,
            is_damaged=unit.is_damaged,
        )
        return fits

    def flush(self) -> None:
        """Write what was added, but for the last pictures."""
        self._writer.flush()

    def finish(self, *, end_ns: int | None = None) -> bool:
        """Write what is missing and close the file; whether it is whole.

        Args:
            end_ns: Until when the last picture is shown, nanoseconds of the stream's own time; an interval
                where that is not given.
        """
        return self._writer.finish(None if end_ns is None else end_ns - self._zero_ns)

    def close(self) -> None:
        """Close a file that cannot be written on; `salvage` may follow."""
        self._writer.finish()

    def salvage(self) -> Chunk | None:
        """Cut the closed file to what plays of it; None when nothing does.

        Raises:
            SpoolError: the disk cannot be read or written.
        """
        saved = repair.repair(self.path, self.chunk.format)
        return None if saved is None else self.chunk.lasting(saved.duration_ms)

    def until(self, end: datetime) -> Chunk:
        """The chunk as it is when it ends at `end`, UTC: a millisecond long at the least."""
        return self.chunk.lasting(max(1, _ms(end - self.chunk.start)))


def gap_before_ms(start: datetime, previous_end: datetime | None) -> int | None:
    """What is missing between two chunks of a camera, milliseconds; None where the one before is unknown."""
    return None if previous_end is None else max(0, _ms(start - previous_end))


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
