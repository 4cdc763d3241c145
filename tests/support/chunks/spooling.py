"""A spool for tests: chunks made of lines, which can be cut anywhere and saved up to the last whole line."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edgecam.bucket.interface import Receipt
from edgecam.chunk import Chunk
from edgecam.clock import Clock, SystemClock
from edgecam.config.recording import ChunkFormat
from edgecam.config.storage import Spool as Settings
from edgecam.config.storage import WhenFull
from edgecam.formats.repair import RepairedFile
from edgecam.spool.spool import PendingChunk, Recover, Spool

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KB = 1000
MB = 1000 * KB
LINE = b"a picture, as far as this test is concerned\n"


def chunk(
    number: int = 0, camera_id: str = "lobby", duration_ms: int = 0, gap_before_ms: int | None = 0
) -> Chunk:
    """The chunk that begins `number` times ten seconds after noon."""
    return Chunk(
        camera_id=camera_id,
        start=NOON + timedelta(seconds=10 * number),
        duration_ms=duration_ms,
        format=ChunkFormat.MP4,
        codec="h264",
        width=1920,
        height=1080,
        gap_before_ms=gap_before_ms,
    )


def recover_lines(path: Path, form: ChunkFormat) -> RepairedFile | None:
    """Cuts a file after its last whole line; 40 ms a line, as 25 pictures a second."""
    assert form is ChunkFormat.MP4
    content = path.read_bytes()
    lines = content[: content.rfind(b"\n") + 1].count(LINE)
    if lines == 0 or not content.startswith(LINE[:1]):
        return None
    os.truncate(path, lines * len(LINE))
    return RepairedFile(lines * 40, lines * len(LINE), lines)


def opened(
    folder: Path,
    *,
    max_bytes: int = 16 * MB,
    keep_free_bytes: int = 0,
    when_full: WhenFull = WhenFull.EVICT,
    clock: Clock | None = None,
    recover: Recover = recover_lines,
) -> Spool:
    """A spool in `folder`, ready."""
    settings = Settings(
        path=str(folder), max_bytes=max_bytes, keep_free_bytes=keep_free_bytes, when_full=when_full
    )
    spool = Spool(settings, clock=clock or SystemClock(), recover=recover)
    spool.open()
    return spool


def record(
    spool: Spool, number: int = 0, camera_id: str = "lobby", content: bytes | None = None, size: int = 0
) -> Chunk:
    """One chunk, from its beginning to its end."""
    path = spool.begin(chunk(number, camera_id))
    if content is None:
        size = size or 4 * len(LINE)
        content = (LINE * (size // len(LINE) + 1))[:size]
    path.write_bytes(content)
    whole = chunk(number, camera_id, 10_000)
    spool.finish(path, whole)
    return whole


def receipt(pending: PendingChunk) -> Receipt:
    """The receipt of a bucket that has all of it."""
    return Receipt(pending.chunk.name, "1", pending.crc32c, pending.size_bytes)


def numbers(spool: Spool, camera_id: str = "lobby") -> list[int]:
    """Which of `chunk(number)` wait, the oldest first."""
    return [round((each.chunk.start - NOON).total_seconds() / 10) for each in spool.pending(camera_id)]
