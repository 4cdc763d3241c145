"""Names and metadata of chunks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from edgecam.chunk import Chunk
from edgecam.config.recording import ChunkFormat

CHUNK = Chunk(
    camera_id="yard",
    start=datetime(2026, 11, 21, 14, 59, 4, 97_321, tzinfo=UTC),
    duration_ms=10_000,
    format=ChunkFormat.MP4,
    codec="h264",
    width=1920,
    height=1080,
    gap_before_ms=0,
)


def test_the_name_says_camera_start_and_length() -> None:
    assert CHUNK.name == "yard/2026/11/21/20261121T145904.097Z_10000ms.mp4"
    assert replace(CHUNK, format=ChunkFormat.MPEGTS).file_name == "20261121T145904.097Z_10000ms.ts"


def test_a_start_is_written_in_utc_and_whole_milliseconds() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    local = datetime(2026, 1, 1, 2, 0, 0, 1999, tzinfo=india)
    assert replace(CHUNK, start=local).name == "yard/2025/12/31/20251231T203000.001Z_10000ms.mp4"


@pytest.mark.parametrize(
    "chunk",
    [
        CHUNK,
        replace(CHUNK, gap_before_ms=None),
        replace(CHUNK, gap_before_ms=1234, recovered=True, version="0.0.9"),
        replace(CHUNK, format=ChunkFormat.MPEGTS, codec="h265", duration_ms=0),
    ],
)
def test_name_and_metadata_tell_everything(chunk: Chunk) -> None:
    assert Chunk.from_object(chunk.name, chunk.metadata) == chunk


@pytest.mark.parametrize("gap_ms", [10**15, -(10**15)])
def test_leap_of_the_stream_s_clock_is_bounded_so_that_it_can_be_read_again(gap_ms: int) -> None:
    chunk = replace(CHUNK, gap_before_ms=gap_ms).lasting(10**12)
    assert Chunk.from_object(chunk.name, chunk.metadata) == chunk


@pytest.mark.parametrize("name", ["yard/20261121T145904.097Z_10000ms.mp4", "latest/yard.jpg", "", "../x.mp4"])
def test_other_objects_are_no_chunks(name: str) -> None:
    with pytest.raises(ValueError, match="expected <camera>/"):
        Chunk.from_object(name, CHUNK.metadata)


def test_missing_metadata_is_named() -> None:
    without = {key: value for key, value in CHUNK.metadata.items() if key != "codec"}
    with pytest.raises(ValueError, match="'codec'"):
        Chunk.from_object(CHUNK.name, without)


def test_names_of_one_camera_sort_by_time() -> None:
    chunks = [replace(CHUNK, start=CHUNK.start + timedelta(seconds=977 * n)) for n in range(300)]
    assert sorted(chunk.name for chunk in chunks) == [chunk.name for chunk in chunks]


def test_a_chunk_ends_where_the_next_would_start() -> None:
    assert CHUNK.end == datetime(2026, 11, 21, 14, 59, 14, 97_000, tzinfo=UTC)
    cut = CHUNK.lasting(500, recovered=True)
    assert (cut.duration_ms, cut.recovered, cut.start) == (500, True, CHUNK.start)
