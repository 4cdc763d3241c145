"""One camera's recording without its thread: access units in, chunks out. Never decodes.

Whatever fails here (a full disk, a muxer that refuses) stays here: it is counted, reported until a chunk has
been kept whole (`status.py`), and recording goes on with the next chunk.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from edgecam.capture.access_unit import NO_PTS, AccessUnit
from edgecam.capture.time_line import TimeLine
from edgecam.chunk import Chunk, ChunkSink
from edgecam.clock import NS_PER_S, Clock
from edgecam.config.camera import Camera
from edgecam.errors import EdgecamError, SourceUnsupported, SpoolFull
from edgecam.recording.chunk_cutter import ChunkCutter, CutDecision, StreamFormat
from edgecam.recording.content_time import Arrival, ContentTime
from edgecam.recording.open_chunk import OpenChunk, gap_before_ms
from edgecam.recording.status import (
    DISK_REASON,
    FULL_REASON,
    SLOW_REASON,
    UNSUPPORTED_REASON,
    RecordingStatus,
)
from edgecam.recording.stream import Stream
from edgecam.status.outage import FAULT_REASON
from edgecam.status.reports import RecordingReport

log = logging.getLogger(__name__)

_ROOM_BYTES = 16_000_000
"""What is asked for when the disk is full: some chunks' worth, or it would be full again at once."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
POLLED_WITHIN_S = 1.5
"""A batch holds what has arrived since the last poll, a second ago, on a machine that is busy."""


class CameraRecording:
    """Cuts one camera's pictures into chunks, over all its connections. Belongs to one thread.

    Args:
        camera: The camera; its recording is enabled.
        sink: Takes the chunks.
        clock: Time.
    """

    def __init__(self, camera: Camera, *, sink: ChunkSink, clock: Clock) -> None:
        self._camera_id = camera.id
        self._format = camera.recording.format
        self._is_paced = camera.scheme.is_paced
        self._line = TimeLine(is_paced=self._is_paced)
        self._has_reported_pace = False
        self._sink = sink
        self._time = ContentTime(camera.id)
        self._cutter = ChunkCutter(
            chunk_s=camera.recording.chunk_s, max_chunk_bytes=camera.recording.max_chunk_bytes
        )
        self._stream = Stream(self._format)
        self._has_pictures = False
        self._misfits = 0
        self._open: OpenChunk | None = None
        self._status = RecordingStatus(camera.id, clock)

    @property
    def is_behind(self) -> bool:
        """Whether the disk is too slow to be given more."""
        return self._open is not None and self._open.is_behind

    def report(self) -> RecordingReport:
        """How the recording is doing; from any thread."""
        return self._status.report()

    def change(self, chunk_s: float) -> None:
        """From any thread: how long chunks are to be from now on, seconds. They join as before."""
        self._cutter.change(chunk_s)

    def take(self, units: list[AccessUnit]) -> bool:
        """Record `units`, the next of the connection, in the order of decoding.

        Returns:
            False when the connection delivers what cannot be recorded.
        """
        is_recordable = True
        units, restarts = self._placed(units)
        for begin, end in pairwise(sorted({0, *restarts, len(units)})):
            if begin in restarts:
                # A camera that starts again, or a file: another order, perhaps another form. Nothing is lost.
                is_recordable &= self._record(self._stream.flush())
                self._stream = Stream(self._format)
                self._cutter.end_at_keyframe()
            is_recordable &= self._record(self._stream.offer(units[begin:end]))
        return is_recordable

    def record_gap(self) -> bool:
        """The disk was too slow, and pictures were dropped: what follows no longer fits the present chunk.

        Returns:
            False when the connection delivers what cannot be recorded.
        """
        is_recordable = self._record(self._stream.flush())
        self._end_chunk(proves_well=False)
        self._cutter.end()
        self._status.lost(
            SLOW_REASON,
            "the disk is too slow for this recording: pictures are left out, up to a keyframe each time",
        )
        return is_recordable

    def disconnect(self) -> None:
        """The connection has ended, and with it everything that was learnt of its stream."""
        try:
            self._record(self._stream.flush())
            self._end_chunk()
        finally:
            self._cutter.end()
            self._next_stream()

    def end_chunk(self) -> None:
        """Finish the present chunk with its last picture."""
        self._end_chunk()

    def salvage_if_broken(self) -> None:
        """Keep what plays of a chunk whose file cannot be written on."""
        if self._open is not None and self._open.is_broken:
            broken, self._open = self._open, None
            broken.close()
            self._salvage(broken)

    def abandon(self, error: Exception) -> None:
        """`error`, which nobody foresaw, came up: give up the present chunk."""
        self._status.lost(FAULT_REASON, f"unexpected fault: {error}", error)
        broken, self._open = self._open, None
        self._cutter.end()
        if broken is not None:
            try:
                broken.close()
                self._keep_rest(broken)
            except Exception:  # whatever it is: the recorder has to poll again
                log.exception("a broken chunk cannot be salvaged", extra={"camera": self._camera_id})

    def observe_backlog(self) -> None:
        """Learn, before each `take`, whether the disk has caught up."""
        self._status.observe_backlog(self.is_behind)

    def check(self) -> None:
        """Report what shows by nothing happening: a disk that hangs, pictures of which no chunk begins."""
        is_chunkless = self._open is None and self._has_pictures
        self._status.check(is_behind=self.is_behind, is_chunkless=is_chunkless)

    def report_lapses(self) -> None:
        """Report that the stream is left out until it has settled, or up to a keyframe; the next chunk names
        the gap."""
        self._status.observe_lapses(self._cutter.lapses)
        self._status.observe_outgrown(self._cutter.outgrown)

    def _next_stream(self) -> None:
        self._time.connect()
        self._has_pictures = False
        self._line = TimeLine(is_paced=self._is_paced)
        self._has_reported_pace = False
        self._stream = Stream(self._format)

    def _placed(self, units: list[AccessUnit]) -> tuple[list[AccessUnit], list[int]]:
        """`units` with their places on the time line, and which are keyframes whose stamps go back."""
        stamped = [index for index, unit in enumerate(units) if unit.pts_ns != NO_PTS]
        if not stamped:
            return units, []
        self._has_pictures = True
        newest = units[stamped[-1]]
        sent_ns = newest.taken_ns
        places = self._line.place(
            [units[index].pts_ns for index in stamped],
            arrived_s=newest.arrived_s,
            within_s=POLLED_WITHIN_S,
            taken_s=None if sent_ns is None else sent_ns / NS_PER_S,
        )
        placed, restarts = list(units), []
        for index, place in zip(stamped, places, strict=True):
            if place.line_ns != units[index].pts_ns:
                placed[index] = units[index]._replace(pts_ns=place.line_ns)
            if place.is_back and units[index].is_keyframe:
                restarts.append(index)
        self._observe_arrival(placed[stamped[-1]], sent_ns)
        self._report_pace()
        return placed, restarts

    def _report_pace(self) -> None:
        """Report, once a connection, that pictures come at another pace than they are stamped."""
        if self._line.rate != 1.0 and not self._has_reported_pace:
            self._has_reported_pace = True
            log.info(
                "expected pictures to come at the pace of their time stamps, found them %s for a while: the "
                "recording's times follow their arrival; the camera counts at another rate than it sends, or "
                "this machine or the network has no time for it",
                "slower" if self._line.rate > 1.0 else "faster",
                extra={"camera": self._camera_id},
            )

    def _observe_arrival(self, newest: AccessUnit, sent_ns: int | None) -> None:
        """The newest picture tells what time it is at the camera."""
        taken = None if sent_ns is None else _EPOCH + timedelta(microseconds=sent_ns // 1000)
        self._time.observe(Arrival(newest.pts_ns, newest.captured_at, newest.arrived_s, taken))
        if self._open is not None:
            self._open.start_at(self._time.start)

    def _record(self, units: list[AccessUnit]) -> bool:
        """Write `units` to the present chunk and the next; False at one that cannot be recorded."""
        for unit in units:
            pts_ns = self._stream.pts_of(unit)
            if pts_ns is None:
                continue
            stream_format = self._format_of(unit) if unit.is_keyframe else None
            if unit.is_keyframe and stream_format is None:
                return False
            decision = self._cutter.offer(
                pts_ns,
                is_keyframe=unit.is_keyframe,
                size_bytes=unit.size_bytes,
                stream_format=stream_format,
            )
            if decision is CutDecision.STOP:
                self._end_chunk()
            elif decision is CutDecision.BEGIN and stream_format is not None:
                self._begin_chunk(pts_ns, stream_format)
            if decision in (CutDecision.BEGIN, CutDecision.ADD):
                self._add(pts_ns, unit)
        if self._open is not None:
            self._open.flush()
        return True

    def _format_of(self, keyframe: AccessUnit) -> StreamFormat | None:
        try:
            return self._stream.format_of(keyframe)
        except SourceUnsupported as error:
            self._status.failed(UNSUPPORTED_REASON, str(error))
            return None

    def _begin_chunk(self, pts_ns: int, stream_format: StreamFormat) -> None:
        end, start = self._time.boundary_at(pts_ns)
        self._end_chunk(end, pts_ns)
        previous_end = self._status.newest_end
        chunk = Chunk(
            camera_id=self._camera_id,
            start=start,
            duration_ms=0,
            format=self._format,
            codec=stream_format.codec,
            width=stream_format.width,
            height=stream_format.height,
            gap_before_ms=gap_before_ms(start, previous_end),
        )
        plan = self._stream.plan(stream_format)
        try:
            self._misfits = 0
            path = self._sink.begin(chunk)
            self._open = OpenChunk(chunk, path, plan, first_ns=pts_ns, previous_end=previous_end)
        except EdgecamError as error:
            self._lose(error)

    def _add(self, pts_ns: int, unit: AccessUnit) -> None:
        if self._open is not None and not self._open.add(pts_ns, unit):
            # One may be a stamp that is a little off; the second shows an order of its own.
            self._misfits += 1
            if self._misfits > 1:
                self._cutter.end_at_keyframe()

    def _end_chunk(
        self, end: datetime | None = None, end_ns: int | None = None, *, proves_well: bool = True
    ) -> None:
        """Finish the present chunk; it lasts until `end`, `end_ns` on the time line, or as long as its last
        picture."""
        ending, self._open = self._open, None
        if ending is None:
            return
        if end is None or end_ns is None:
            end_ns = ending.newest_ns + self._stream.interval_ns
            end = self._time.end_at(end_ns)
        if not ending.finish(end_ns=end_ns):
            self._salvage(ending)
        elif self._keep(ending, ending.until(end)) and proves_well:
            self._status.recovered()

    def _keep(self, ended: OpenChunk, chunk: Chunk) -> bool:
        try:
            size_bytes = ended.path.stat().st_size
            self._sink.finish(ended.path, chunk)
        except (EdgecamError, OSError) as error:
            self._lose(error)
            return False
        self._status.kept(chunk, size_bytes)
        return True

    def _salvage(self, broken: OpenChunk) -> None:
        """Keep what plays of a chunk that cannot be written on."""
        self._lose(broken.error)
        has_room = broken.is_disk_full and self._sink.make_room(_ROOM_BYTES)
        self._keep_rest(broken)
        if has_room:
            self._cutter.end()

    def _keep_rest(self, broken: OpenChunk) -> None:
        try:
            saved = broken.salvage()
        except EdgecamError as error:
            self._status.failed(DISK_REASON, str(error))
            return
        if saved is None:
            self._sink.discard(broken.path)
        else:
            self._keep(broken, saved)

    def _lose(self, error: Exception) -> None:
        """The present chunk, or its rest, is lost."""
        self._cutter.retry_soon()
        self._status.lost(FULL_REASON if isinstance(error, SpoolFull) else DISK_REASON, str(error))
