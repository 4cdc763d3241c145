"""Cameras whose chunks are made up: random bytes, or one film again and again, at any rate."""

from __future__ import annotations

import errno
import random
import struct
import threading
from datetime import timedelta
from pathlib import Path

from edgecam.chunk import Chunk, ChunkSink
from edgecam.clock import Clock
from edgecam.config.recording import ChunkFormat
from edgecam.errors import SpoolError

CHUNK_S = 10
_BOX_HEAD = struct.Struct(">I4s")


class SyntheticCamera:
    """Hands over one chunk every `period_s` seconds, on a thread of its own.

    Args:
        camera_id: Its id.
        sink: Takes its chunks.
        clock: Time; the first chunk starts now.
        period_s: Seconds from one to the next.
        chunk_bytes: How large one is, about.
        chunk_s: The duration that each has in its name, whatever `period_s` is.
        film: An MP4 file that each of them is, but for a number at its end that nobody plays.
    """

    def __init__(
        self,
        camera_id: str,
        *,
        sink: ChunkSink,
        clock: Clock,
        period_s: float,
        chunk_bytes: int = 0,
        chunk_s: int = CHUNK_S,
        film: bytes | None = None,
    ) -> None:
        self.camera_id = camera_id
        self.refused = 0
        self._sink = sink
        self._clock = clock
        self._period_s = period_s
        self._chunk_bytes = chunk_bytes
        self._chunk_s = chunk_s
        self._film = film
        self._start = clock.now()
        self._random = random.Random(f"{camera_id} {self._start}")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"synthetic-{camera_id}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what was begun is finished."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        due_s = self._clock.monotonic_s()
        while not self._stopping.is_set():
            self.record(number)
            number += 1
            due_s += self._period_s
            self._clock.wait(self._stopping, max(0.0, due_s - self._clock.monotonic_s()))

    def record(self, number: int) -> None:
        """One chunk; counted in `refused` when the spool does not take it."""
        chunk = Chunk(
            camera_id=self.camera_id,
            start=self._start + timedelta(seconds=number * self._chunk_s),
            duration_ms=self._chunk_s * 1000,
            format=ChunkFormat.MP4,
            codec="h264",
            width=1920,
            height=1080,
            gap_before_ms=0 if number else None,
        )
        try:
            path = self._sink.begin(chunk)
        except SpoolError:
            self.refused += 1
            return
        if not self._written(path, self._content()):
            self._sink.discard(path)
            self.refused += 1
            return
        try:
            self._sink.finish(path, chunk)
        except SpoolError:
            self.refused += 1

    def _content(self) -> bytes:
        """Different each time."""
        if self._film is None:
            least, most = self._chunk_bytes * 9 // 10, self._chunk_bytes * 11 // 10
            return self._random.randbytes(self._random.randint(least, most))
        number = self._random.randbytes(8)
        return self._film + _BOX_HEAD.pack(_BOX_HEAD.size + len(number), b"free") + number

    def _written(self, path: Path, content: bytes) -> bool:
        for _ in range(2):
            try:
                path.write_bytes(content)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                if not self._sink.make_room(len(content)):
                    return False
            else:
                return True
        return False
