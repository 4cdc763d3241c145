"""One camera's recording: coded pictures in, chunks out. Never decodes.

About once a second the recorder comes by, takes what waits in the connection's tap, and hands it to the chunk
that is being written. Whatever happens here (a full disk, a muxer that refuses) stays here: connection and
frames never notice. It is counted, told until a chunk has been kept whole (`recording_standing.py`), and
recording goes on with the next chunk.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edgecam.capture.tap import Coded, Tap, taken_ns
from edgecam.chunk import Chunk, ChunkSink
from edgecam.clock import NS_PER_S, Clock
from edgecam.codecs.jpeg import size_of
from edgecam.codecs.video import Codec, by_media_type
from edgecam.config.camera import Camera
from edgecam.config.recording import ChunkFormat
from edgecam.errors import EdgecamError, SpoolError, SpoolFull
from edgecam.formats import repair as media
from edgecam.gstreamer.gst import structure_of
from edgecam.recording.chunk_cutter import (
    REORDER_NS,
    Cutter,
    Form,
    Step,
)
from edgecam.recording.chunk_writer import (
    ChunkFile,
    Plan,
    Timed,
)
from edgecam.recording.content_time import ContentTime, Sighting
from edgecam.recording.decode_times import (
    DEPTH_LIMIT,
    DecodeTimes,
    Shown,
    reorder_depth,
)
from edgecam.recording.status import (
    DISK_REASON,
    FULL_REASON,
    HANGING,
    HANGS_AFTER_S,
    KEYFRAME_REASON,
    SLOW_REASON,
    UNSTEADY_REASON,
    UNSUPPORTED_REASON,
    DiskWatch,
    recording_outages,
)
from edgecam.recording.steadiness import EARLY_ENDS, LEAST_CHUNK_NS, SETTLED_NS
from edgecam.redaction import LONGEST_MESSAGE, SECRETS
from edgecam.status.outage import FAULT_REASON, Outage
from edgecam.status.reports import RecordingReport

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""How often the recorder comes by: this much more is lost when the node is killed, and each time costs."""
LEAVE_TIMEOUT_S = 2.0
"""How long the end of a connection waits for the recorder to take the last pictures."""
KEYFRAME_WITHIN_S = 60.0
"""How long pictures may come of which no chunk can begin; cameras send a keyframe every 20 s at the least."""
_ROOM_BYTES = 16_000_000
"""What is asked for when the disk is full: some chunks' worth, or it would be full again at once."""
_JPEG_HEAD_BYTES = 65_536
_UNSTEADY = (
    f"expected a stream that changes its size, parameter sets or time at most {EARLY_ENDS} times at once "
    f"and then once in {LEAST_CHUNK_NS / NS_PER_S:g} s, found more: it is left out until it has kept to one "
    f"form for {SETTLED_NS / NS_PER_S:g} s; look at the camera's profile and adaptive settings, "
    "or whether two coders share the address"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class _Open:
    """The chunk that is being written."""

    chunk: Chunk
    path: Path
    file: ChunkFile
    zero_ns: int
    times: DecodeTimes
    waiting: list[Timed] = field(default_factory=list)
    newest_ns: int = 0


class Recorder:
    """Records one camera over all its connections, on a thread of its own.

    Args:
        camera: The camera; its recording is enabled.
        sink: Takes the chunks.
        clock: Time.
    """

    def __init__(self, camera: Camera, *, sink: ChunkSink, clock: Clock) -> None:
        self._camera_id = camera.id
        self._settings = camera.recording
        self._sink = sink
        self._clock = clock
        self._time = ContentTime(camera.id)
        self._cutter = Cutter(
            chunk_s=camera.recording.chunk_s, max_chunk_bytes=camera.recording.max_chunk_bytes
        )
        self._shown = Shown()
        self._depth = 0
        self._codec: Codec | None = None
        self._early: list[Coded] | None = None
        self._newest_ns: int | None = None
        self._open: _Open | None = None
        self._recorded_until: datetime | None = None
        self._chunks = self._bytes = self._lost = 0
        self._outages = recording_outages(camera.id)
        self._disk = DiskWatch(camera.id)
        self._behind_since_s: float | None = None
        self._chunkless_since_s: float | None = None
        self._lapses = 0
        self._tap: Tap | None = None
        self._followed: Tap | None = None
        self._left = threading.Event()
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"recording-{camera.id}", daemon=True)

    def start(self) -> None:
        """Begin, on a thread of its own."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End; whether that was done within `timeout_s` seconds. A connection is to be left before."""
        self._stopping.set()
        self._woken.set()
        self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def join(self, tap: Tap) -> None:
        """A connection has begun: record what it delivers."""
        self._tap = tap
        self._woken.set()

    def change(self, chunk_s: float) -> None:
        """From any thread: how long chunks are to be from now on, seconds. They join as before."""
        self._cutter.change(chunk_s)

    def hurry(self) -> None:
        """From any thread: come by now."""
        self._woken.set()

    def leave(self) -> None:
        """The connection is about to be closed: take its last pictures and finish the chunk. Returns after
        `LEAVE_TIMEOUT_S` at the latest."""
        self._left.clear()
        self._tap = None
        self._woken.set()
        if not self._left.wait(LEAVE_TIMEOUT_S):
            log.warning(
                "expected the recording to finish its chunk within %g s, found it waiting for the disk",
                LEAVE_TIMEOUT_S,
                extra={"camera": self._camera_id},
            )

    def report(self) -> RecordingReport:
        """How the recording is doing; from any thread."""
        outage = self._disk.outage(self._clock.monotonic_s()) or self._outages.outage
        return RecordingReport(
            chunks_total=self._chunks,
            bytes_total=self._bytes,
            lost_total=self._lost,
            problem=None if outage is None else outage.message,
            newest_end=self._recorded_until,
            reason=None if outage is None else outage.reason,
        )

    def watch(self) -> None:
        """From the camera's thread, now and then: say that the disk hangs, which the recorder cannot."""
        self._disk.watch(self._clock.monotonic_s())

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._clock.wait(self._woken, LOOK_EVERY_S)
            self._woken.clear()
            self._disk.begins(self._clock.monotonic_s())
            try:
                self._come_by()
                self._look_for_trouble()
            except Exception as error:
                self._say(FAULT_REASON, SECRETS.shown(f"unexpected fault: {error}", LONGEST_MESSAGE), error)
                self._abandon()
            self._disk.ends()
        self._end_chunk()

    def _come_by(self) -> None:
        tap, followed = self._tap, self._followed
        self._rescue_if_broken()
        if followed is not None:
            is_behind = self._open is not None and self._open.file.is_behind
            if not is_behind:
                self._behind_since_s = None
            if tap is not followed or not is_behind:
                self._take(followed)
        if tap is not followed:
            self._part(followed)
            self._followed = tap
        if tap is None:
            self._left.set()

    def _look_for_trouble(self) -> None:
        """What shows by nothing happening: a disk that takes nothing, pictures of which no chunk begins."""
        now_s, present = self._clock.monotonic_s(), self._open
        if present is not None and present.file.is_behind:
            if self._behind_since_s is None:
                self._behind_since_s = now_s
            if now_s - self._behind_since_s >= HANGS_AFTER_S:
                self._say(HANGING.reason, HANGING.message)
        if present is not None or self._followed is None or self._newest_ns is None:
            self._chunkless_since_s = None
        elif self._chunkless_since_s is None:
            self._chunkless_since_s = now_s
        elif now_s - self._chunkless_since_s >= KEYFRAME_WITHIN_S and self._outages.outage is None:
            self._say(
                KEYFRAME_REASON,
                f"expected a keyframe within {KEYFRAME_WITHIN_S:g} s, found pictures that need one; "
                "set a shorter keyframe interval at the camera",
            )
        self._outages.passes(now_s)

    def _part(self, tap: Tap | None) -> None:
        """The connection ends, and with it everything that was known of its stream."""
        try:
            if tap is not None:
                self._release_early(tap)
                self._end_chunk()
        finally:
            self._forget_stream()

    def _forget_stream(self) -> None:
        self._cutter.end()
        self._time.connect()
        self._shown = Shown()
        self._codec = self._early = self._newest_ns = None

    def _take(self, tap: Tap) -> None:
        for pictures in self._stretches(tap.take()):
            if self._early is None and self._codec is None:
                self._early = []
            if self._early is not None:
                self._early += pictures
                self._sight(pictures)
                if self._knows_order(self._early):
                    self._release_early(tap)
            else:
                self._sight(pictures)
                self._record(pictures, tap)
        if tap.reopen():
            self._release_early(tap)
            self._lose_stretch()
        if self._cutter.lapses != self._lapses:
            self._lose_unsteady(self._cutter.lapses)

    def _stretches(self, pictures: list[Coded]) -> Iterator[list[Coded]]:
        """`pictures` in parts, each of one time line: a file that is looped begins anew."""
        part: list[Coded] = []
        for picture in pictures:
            if picture.pts_ns is not None:
                if self._newest_ns is not None and picture.pts_ns < self._newest_ns - REORDER_NS:
                    yield part
                    self._end_chunk()
                    self._cutter.end(is_early=True)
                    self._forget_stream()
                    part = []
                self._newest_ns = max(picture.pts_ns, self._newest_ns or 0)
            part.append(picture)
        if part:
            yield part

    def _knows_order(self, early: list[Coded]) -> bool:
        """Whether so much of a new connection has come that its reordering shows."""
        return len(early) > DEPTH_LIMIT or sum(picture.is_keyframe for picture in early) > 1

    def _release_early(self, tap: Tap) -> None:
        if self._early:
            early, self._early = self._early, None
            from_keyframe = [picture.pts_ns for picture in early if picture.pts_ns is not None]
            self._depth = max(self._depth, reorder_depth(from_keyframe))
            self._record(early, tap)

    def _sight(self, pictures: list[Coded]) -> None:
        """The newest picture has arrived just now."""
        newest = next((picture for picture in reversed(pictures) if picture.pts_ns is not None), None)
        if newest is None or newest.pts_ns is None:
            return
        taken = taken_ns(newest.buffer)
        self._time.observe(
            Sighting(
                newest.pts_ns,
                self._clock.now(),
                self._clock.monotonic_s(),
                None if taken is None else _EPOCH + timedelta(microseconds=taken // 1000),
            )
        )
        present = self._open
        if present is not None and present.chunk.start != self._time.start:
            start = self._time.start
            present.chunk = replace(present.chunk, start=start, gap_before_ms=self._gap_before(start))

    def _record(self, pictures: list[Coded], tap: Tap) -> None:
        for picture in pictures:
            pts_ns = self._shown.mended(picture.pts_ns)
            if pts_ns is None:
                continue
            form = self._form_of(picture) if picture.is_keyframe else None
            if picture.is_keyframe and (form is None or self._codec is None):
                tap.shut()
                return
            step = self._cutter.offer(
                pts_ns, is_keyframe=picture.is_keyframe, size_bytes=picture.size_bytes, form=form
            )
            if step is Step.STOP:
                self._end_chunk()
            elif step is Step.BEGIN and form is not None and self._codec is not None:
                self._begin_chunk(pts_ns, picture, form, self._codec)
            if step in (Step.BEGIN, Step.ADD):
                self._add(pts_ns, picture)
        self._flush()

    def _form_of(self, keyframe: Coded) -> Form | None:
        """What kind of picture this is; None where it cannot be recorded."""
        structure = structure_of(keyframe.caps)
        codec = by_media_type(structure.get_name())
        name = codec.chunk_name if codec is not None else None
        if codec is None or name is None or self._settings.format not in codec.formats:
            kind = codec.name if codec is not None else structure.get_name()
            self._say(
                UNSUPPORTED_REASON,
                f"expected video that can be recorded as {self._settings.format.value} without coding it "
                f"anew, found {kind}; choose H.264 in the camera's settings",
            )
            return None
        self._codec = codec
        width, height = structure.get_int("width"), structure.get_int("height")
        size = (int(width[1]), int(height[1])) if width[0] and height[0] else self._size_in(keyframe)
        return Form(name, *size, self._sets_beside(keyframe))

    def _sets_beside(self, keyframe: Coded) -> bytes:
        """The parameter sets that MP4 holds once, in its head. In MPEG-TS each keyframe has its own,
        which may change within a chunk."""
        beside = structure_of(keyframe.caps).get_value("codec_data")
        if beside is None or self._settings.format is not ChunkFormat.MP4:
            return b""
        return bytes(beside.extract_dup(0, beside.get_size()))

    def _size_in(self, keyframe: Coded) -> tuple[int, int]:
        head = keyframe.buffer.extract_dup(0, min(_JPEG_HEAD_BYTES, keyframe.size_bytes))
        return size_of(head) or (0, 0)

    def _begin_chunk(self, pts_ns: int, keyframe: Coded, form: Form, codec: Codec) -> None:
        end, start = self._time.turn_at(pts_ns)
        self._end_chunk(end)
        chunk = Chunk(
            camera_id=self._camera_id,
            start=start,
            duration_ms=0,
            format=self._settings.format,
            codec=form.codec,
            width=form.width,
            height=form.height,
            gap_before_ms=self._gap_before(start),
        )
        plan = Plan(
            self._settings.format,
            codec,
            keyframe.caps,
            self._cutter.span_ns / NS_PER_S,
            NS_PER_S / self._shown.interval_ns,
            reorders=self._depth > 0,
        )
        interval_ns = self._shown.interval_ns
        times = DecodeTimes(depth=self._depth, first_ns=pts_ns, interval_ns=interval_ns)
        # Containers count from zero, and decoding begins before showing does.
        zero_ns = pts_ns - self._depth * interval_ns
        try:
            path = self._sink.begin(chunk)
            self._open = _Open(chunk, path, ChunkFile(path, plan), zero_ns, times, newest_ns=pts_ns)
        except EdgecamError as error:
            self._lose(error)

    def _gap_before(self, start: datetime) -> int | None:
        until = self._recorded_until
        return None if until is None else max(0, _ms(start - until))

    def _add(self, pts_ns: int, picture: Coded) -> None:
        present = self._open
        if present is None:
            return
        dts_ns = present.times.decoded_ns(pts_ns)
        if dts_ns is None:
            # The stream reorders more than it did: what follows fits no chunk until the next keyframe.
            self._depth = min(DEPTH_LIMIT, self._depth + 1)
            self._end_chunk()
            self._cutter.end(is_early=True)
            return
        present.waiting.append(Timed(pts_ns - present.zero_ns, dts_ns - present.zero_ns, picture.buffer))
        present.newest_ns = max(present.newest_ns, pts_ns)

    def _flush(self) -> None:
        present = self._open
        if present is not None and present.waiting:
            present.file.push(present.waiting)
            present.waiting = []

    def _end_chunk(self, end: datetime | None = None, *, proves_well: bool = True) -> None:
        """Finish the present chunk; it lasts until `end`, or as long as its last picture."""
        present, self._open = self._open, None
        if present is None:
            return
        if present.waiting:
            present.file.push(present.waiting)
        at_keyframe = end is not None
        if end is None:
            end = self._time.end_at(present.newest_ns + self._shown.interval_ns)
        if not present.file.finish(at_keyframe=at_keyframe):
            self._salvage(present)
        elif self._keep(present, max(1, _ms(end - present.chunk.start))) and proves_well:
            self._outages.recovered(self._clock.monotonic_s())

    def _keep(self, present: _Open, duration_ms: int) -> bool:
        chunk = present.chunk.lasting(duration_ms)
        try:
            size_bytes = present.path.stat().st_size
            self._sink.finish(present.path, chunk)
        except (EdgecamError, OSError) as error:
            self._lose(error)
            return False
        self._recorded_until = chunk.end
        self._chunks += 1
        self._bytes += size_bytes
        return True

    def _rescue_if_broken(self) -> None:
        present = self._open
        if present is None or present.file.fault is None:
            return
        self._open = None
        present.file.finish()
        self._salvage(present)

    def _salvage(self, present: _Open) -> None:
        """The file cannot be written on: keep what of it plays."""
        found = present.file.fault
        found_text = found.summary if found else "?"
        self._lose(SpoolError(f"{present.path.name}: expected to write it, found: {found_text}"))
        has_room = present.file.is_disk_full and self._sink.make_room(_ROOM_BYTES)
        try:
            saved = media.recover(present.path, self._settings.format)
        except EdgecamError as error:
            self._say(DISK_REASON, str(error))
            return
        if saved is None:
            self._sink.discard(present.path)
        else:
            self._keep(present, saved.duration_ms)
        if has_room:
            self._cutter.end()

    def _lose(self, error: Exception) -> None:
        """The present chunk, or its rest, cannot be had."""
        self._lost += 1
        self._cutter.give_up()
        self._say(FULL_REASON if isinstance(error, SpoolFull) else DISK_REASON, str(error))

    def _abandon(self) -> None:
        present, self._open = self._open, None
        self._lost += 1
        self._cutter.end()
        if present is not None:
            try:
                present.file.finish()
                self._salvage(present)
            except Exception:  # whatever it is: the recorder has to come by again
                log.exception("a broken chunk cannot be saved", extra={"camera": self._camera_id})

    def _lose_stretch(self) -> None:
        """The disk was too slow, and pictures were dropped: what follows fits the present chunk no more."""
        self._end_chunk(proves_well=False)
        self._cutter.end()
        self._lost += 1
        self._say(
            SLOW_REASON,
            "the disk is too slow for this recording: pictures are left out, up to a keyframe each time",
        )

    def _lose_unsteady(self, lapses: int) -> None:
        """The stream changed too often, it is left out until it has settled; the next chunk names the gap."""
        self._lost += lapses - self._lapses
        self._lapses = lapses
        self._say(UNSTEADY_REASON, _UNSTEADY)

    def _say(self, reason: str, problem: str, error: Exception | None = None) -> None:
        self._outages.lasts(Outage(reason, problem), self._clock.monotonic_s(), error)


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
