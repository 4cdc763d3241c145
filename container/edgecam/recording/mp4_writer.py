"""Writes a chunk as fragmented MP4: a fragment whenever the recorder has polled, about once a second.

A fragment is written whole, so a node that is killed leaves a file of whole fragments and at most one half,
and loses what came since the last poll. A keyframe begins a fragment, so that any group of pictures can be
taken out of the file as it lies there. Nothing is kept of what was written but the index, of a fixed size.

The recorder's own thread writes. There is one for each camera, it holds no lock, and what it writes goes into
the system's page cache: where a disk is slow it waits, before it the camera's tap fills, and no other waits.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from pathlib import Path

from edgecam.clock import NS_PER_S
from edgecam.formats.mp4_contents import Contents
from edgecam.formats.mp4_fragments import Run, Sample, checksum, fragment_head
from edgecam.formats.mp4_head import head, read_head
from edgecam.formats.mp4_tracks import VIDEO_TIMESCALE, SoundTrack, VideoTrack
from edgecam.recording.chunk_writer import Plan, WriteFault
from edgecam.recording.decode_times import TICK_NS

_LONGEST = 3 * VIDEO_TIMESCALE // 2
"""A recorder that polls a little late makes one fragment of it, not one and a rest."""
_LONGEST_PICTURE = 1 << 31
"""Six hours: its field has 32 bits."""
_MOST = 480
"""Samples of a track in a fragment: with two tracks all in one writev, which takes 1,024 pieces (IOV_MAX)."""
_VIDEO, _SOUND = 1, 2
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_PRIVATE = 0o600


class Mp4Writer:
    """See `ChunkWriter`.

    Args:
        path: The file; one that exists is replaced.
        plan: What it is to hold.
        sound: Its sound, if it is to have any; the file may then have some in any part of it, or none.
    """

    is_behind = False

    def __init__(self, path: Path, plan: Plan, *, sound: SoundTrack | None = None) -> None:
        self._lead = _ticks(plan.lead_ns)
        self._held = 1 + plan.depth
        self._interval = _ticks(plan.interval_ns)
        self._is_intra = plan.codec.is_intra
        self._pictures = _Waiting()
        self._sound = _Waiting()
        self._sound_rate = sound.timescale if sound is not None else 0
        self._sound_end = 0
        self._newest = 0
        self._sequence = 0
        video = VideoTrack(
            plan.codec.mp4_coding, plan.width, plan.height, plan.record, self._lead, is_intra=self._is_intra
        )
        self._head = head([video] if sound is None else [video, sound])
        self._contents = Contents(read_head(self._head))
        self._file: int | None = None
        self.fault: WriteFault | None = None
        try:
            self._file = os.open(path, _FLAGS, _PRIVATE)
        except OSError as error:
            self._fail(error)

    def add(
        self, data: bytes, pts_ns: int, dts_ns: int, *, is_keyframe: bool, is_damaged: bool = False
    ) -> None:
        """See `ChunkWriter.add`."""
        if self.fault is None:
            shown_at = _ticks(pts_ns)
            self._newest = max(self._newest, shown_at)
            sample = Sample(_ticks(dts_ns), shown_at, len(data), is_keyframe, is_damaged)
            self._pictures.add(sample, data)

    def add_sound(self, data: bytes, pts_ns: int, duration_ns: int) -> None:
        """Take the next piece of sound; written with the pictures that are decoded at its time.

        Args:
            data: The coded piece.
            pts_ns: When it begins, nanoseconds from when the first picture is shown.
            duration_ns: How long it is, nanoseconds.
        """
        if self.fault is None:
            begin = max(self._sound_end, self._in_sound_time(pts_ns))
            self._sound_end = max(begin + 1, self._in_sound_time(pts_ns + duration_ns))
            self._sound.add(Sample(begin, begin, len(data), is_keyframe=True), data, self._sound_end)

    def flush(self) -> None:
        """See `ChunkWriter.flush`."""
        samples = self._pictures.samples
        ready = len(samples) - self._held
        if ready > 0 and self.fault is None:
            self._write(ready, samples[ready].decoded_at)
        if len(self._sound.samples) > _MOST and self.fault is None:
            self._fragment(0, 0, _MOST)  # sound without pictures

    def finish(self, end_ns: int | None = None) -> bool:
        """See `ChunkWriter.finish`."""
        samples = self._pictures.samples
        if samples and self.fault is None:
            end = self._newest + self._interval if end_ns is None else _ticks(end_ns)
            end = min(max(end, self._newest + _ticks(TICK_NS)), self._newest + _LONGEST_PICTURE)
            self._write(len(samples), self._decode_late(end))
        if self._file is None:
            return False
        try:
            while self._sound.samples and self.fault is None:
                self._fragment(0, 0, _MOST)
            if self.fault is None and self._sequence:
                os.pwrite(self._file, self._contents.finished_head(), 0)
            os.close(self._file)
        except OSError as error:
            self._fail(error)
        self._file = None
        return self.fault is None

    def _decode_late(self, end: int) -> int:
        """Let the last pictures be decoded so that none lasts beyond `end`, where showing ends.

        Readers take a file to be as long as its pictures are by their durations, or as long as they are shown
        (ISO/IEC 14496-12, 8.6.1.2). Where some are sent ahead of others that never came, these differ: then
        the last ones are decoded as late as their showing allows.

        Returns:
            When decoding ends: as long after its begin as showing ends after its own.
        """
        samples = self._pictures.samples
        following = last = max(end - self._lead, samples[-1].decoded_at + _ticks(TICK_NS))
        for place in range(len(samples) - 1, -1, -1):
            sample = samples[place]
            earliest = following - (end - sample.shown_at)
            if sample.decoded_at < earliest:
                samples[place] = sample._replace(decoded_at=earliest)
            following = samples[place].decoded_at
        return last

    def _write(self, count: int, end: int) -> None:
        """Write the first `count` pictures, the last of which is decoded until `end`."""
        samples = self._pictures.samples
        begin, due = 0, samples[0].decoded_at + _LONGEST
        borders = []
        for place in range(1, count):
            sample = samples[place]
            begins_group = sample.is_keyframe and not samples[place - 1].is_keyframe
            if begins_group or sample.decoded_at >= due or place - begin >= _MOST:
                borders.append(place)
                begin, due = place, sample.decoded_at + _LONGEST
        done = 0
        for place in (*borders, count):
            until = end if place == count else samples[place - done].decoded_at
            self._fragment(place - done, until, self._sounds_until(until))
            done = place
            if self.fault is not None:
                return

    def _fragment(self, pictures: int, end: int, sounds: int) -> None:
        """Write the first of what waits as one fragment."""
        runs: list[Run] = []
        parts: list[bytes] = []
        if pictures:
            samples, data, _ = self._pictures.take(pictures)
            runs.append(Run(_VIDEO, samples, end, self._is_intra))
            parts += data
        if sounds:
            samples, data, sound_end = self._sound.take(sounds)
            runs.append(Run(_SOUND, samples, sound_end, is_intra=True))
            parts += data
        self._sequence += 1
        parts.insert(0, fragment_head(self._sequence, runs))
        parts.append(checksum(parts))
        self._put(parts if self._sequence > 1 else [self._head, *parts])
        self._contents.add(sum(map(len, parts)), runs)

    def _put(self, parts: Sequence[bytes]) -> None:
        """Write `parts` at once; where the disk takes less, what it takes of the rest."""
        if self._file is None:
            return
        try:
            written = os.writev(self._file, parts)
            if written < sum(map(len, parts)):
                rest = memoryview(b"".join(parts))[written:]
                while rest:
                    rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        """The file cannot be written on: what waits is lost, and nothing more is taken."""
        self.fault = WriteFault(error.strerror or str(error), error.errno in _FULL)
        self._pictures, self._sound = _Waiting(), _Waiting()
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.close(self._file)
        self._file = None

    def _sounds_until(self, end: int) -> int:
        """How many pieces of sound begin before `end`, in the pictures' time of decoding."""
        limit = end * self._sound_rate
        samples = self._sound.samples
        count = 0
        while count < min(len(samples), _MOST) and samples[count].decoded_at * VIDEO_TIMESCALE < limit:
            count += 1
        return count

    def _in_sound_time(self, at_ns: int) -> int:
        return (at_ns * self._sound_rate + NS_PER_S // 2) // NS_PER_S


class _Waiting:
    """What was added to a track and is not written yet."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._data: list[bytes] = []
        self._ends: list[int] = []

    def add(self, sample: Sample, data: bytes, end: int = 0) -> None:
        self.samples.append(sample)
        self._data.append(data)
        self._ends.append(end)

    def take(self, count: int) -> tuple[list[Sample], list[bytes], int]:
        """The first `count`, and the end of the last."""
        samples, data, end = self.samples[:count], self._data[:count], self._ends[:count][-1]
        del self.samples[:count], self._data[:count], self._ends[:count]
        return samples, data, end


def _ticks(at_ns: int) -> int:
    """In units of `VIDEO_TIMESCALE`, rounded."""
    return (at_ns * 9 + 50_000) // 100_000
