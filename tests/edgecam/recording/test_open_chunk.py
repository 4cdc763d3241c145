"""One chunk being written: real files, no thread of a recorder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from access_units import ARRIVED
from coded_pictures import coded
from recorded import probe

from edgecam.capture.access_unit import AccessUnit
from edgecam.capture.coded import SampleCoded
from edgecam.chunk import Chunk
from edgecam.clock import NS_PER_S
from edgecam.codecs.video import H264
from edgecam.config.recording import ChunkFormat
from edgecam.gstreamer.gst import Gst
from edgecam.recording.chunk_writer import Plan
from edgecam.recording.open_chunk import OpenChunk, gap_before_ms

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BEGIN_NS = 500 * NS_PER_S
AVC = "video/x-h264,stream-format=avc,alignment=au"
X264 = "video/x-raw,width=64,height=48,framerate=10/1 ! x264enc speed-preset=ultrafast"


def pictures(options: str = "tune=zerolatency", count: int = 20) -> list[AccessUnit]:
    """Two seconds of H.264, as a connection delivers it 500 seconds after its start."""
    units = []
    for sample in coded(f"{X264} {options} ! h264parse", AVC, count):
        buffer = sample.get_buffer()
        is_keyframe = not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
        units.append(
            AccessUnit(buffer.pts, is_keyframe, buffer.get_size(), ARRIVED, 0.0, SampleCoded(sample))
        )
    first_ns = units[0].pts_ns
    return [unit._replace(pts_ns=unit.pts_ns - first_ns + BEGIN_NS) for unit in units]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Any]:
    """Makes an `OpenChunk` for units."""
    made: list[OpenChunk] = []

    def open_for(units: list[AccessUnit], *, depth: int = 0, place: str = "c.mp4", **more: Any) -> OpenChunk:
        chunk = Chunk(
            camera_id="c0",
            start=NOON,
            duration_ms=0,
            format=ChunkFormat.MP4,
            codec="h264",
            width=64,
            height=48,
            gap_before_ms=None,
        )
        record = units[0].coded.format.configuration
        plan = Plan(ChunkFormat.MP4, H264, 64, 48, record, NS_PER_S // 10, depth)
        previous_end = more.get("previous_end")
        made.append(
            OpenChunk(chunk, tmp_path / place, plan, first_ns=units[0].pts_ns, previous_end=previous_end)
        )
        return made[-1]

    yield open_for
    for each in made:
        each.close()


def test_units_become_a_file_that_plays_from_zero(opened: Any) -> None:
    units = pictures()
    chunk = opened(units)
    assert all(chunk.add(unit.pts_ns, unit) for unit in units)
    assert chunk.newest_ns == units[-1].pts_ns
    assert chunk.finish()
    found = probe(chunk.path)
    assert (found.packets, found.begins_with_keyframe, found.first_s) == (20, True, 0)
    assert chunk.until(NOON + timedelta(seconds=2)).duration_ms == 2000


def test_reordered_units_are_decoded_before_they_are_shown(opened: Any) -> None:
    units = pictures("bframes=2 b-adapt=false rc-lookahead=5 key-int-max=30")
    chunk = opened(units, depth=2)
    assert [unit.pts_ns for unit in units] != sorted(unit.pts_ns for unit in units)
    assert all(chunk.add(unit.pts_ns, unit) for unit in units)
    assert chunk.newest_ns == max(unit.pts_ns for unit in units)
    assert chunk.finish()
    assert probe(chunk.path).packets == 20


def test_unit_that_is_reordered_further_than_the_stream_was_is_not_taken(opened: Any) -> None:
    units = pictures()
    chunk = opened(units)
    shown_at_s = (0.0, 0.3, 0.1)
    taken = [chunk.add(BEGIN_NS + round(at_s * NS_PER_S), units[0]) for at_s in shown_at_s]
    assert taken == [True, True, False]
    assert chunk.newest_ns == BEGIN_NS + round(0.3 * NS_PER_S)


def test_newest_is_the_last_one_shown_not_the_last_one_sent(opened: Any) -> None:
    units = pictures()
    chunk = opened(units, depth=1)
    assert all(chunk.add(BEGIN_NS + round(at_s * NS_PER_S), units[0]) for at_s in (0.0, 0.3, 0.1))
    assert chunk.newest_ns == BEGIN_NS + round(0.3 * NS_PER_S)


def test_nothing_is_written_before_it_is_flushed(opened: Any) -> None:
    units = pictures()
    chunk = opened(units)
    for unit in units:
        chunk.add(unit.pts_ns, unit)
    assert chunk.path.stat().st_size == 0
    chunk.flush()
    assert chunk.path.stat().st_size > sum(unit.size_bytes for unit in units[:-1])


def test_start_that_is_learnt_late_moves_the_gap_with_it(opened: Any) -> None:
    chunk = opened(pictures(), previous_end=NOON - timedelta(seconds=5))
    chunk.start_at(NOON)
    assert chunk.chunk.gap_before_ms is None  # the start is the one that was given
    chunk.start_at(NOON + timedelta(seconds=2))
    assert (chunk.chunk.start, chunk.chunk.gap_before_ms) == (NOON + timedelta(seconds=2), 7000)


def test_file_that_cannot_be_written_names_the_chunk_and_why(opened: Any) -> None:
    units = pictures()
    chunk = opened(units, place="missing/c.mp4")
    for unit in units:
        chunk.add(unit.pts_ns, unit)
    assert not chunk.finish()
    assert chunk.is_broken
    assert not chunk.is_disk_full
    assert str(chunk.error).startswith("c.mp4: expected to write it, found: ")


def test_chunk_that_is_cut_short_is_kept_as_far_as_it_plays(opened: Any, tmp_path: Path) -> None:
    units = pictures()
    chunk = opened(units)
    for unit in units:
        chunk.add(unit.pts_ns, unit)
    assert chunk.finish()
    saved = chunk.salvage()
    assert saved is not None
    assert (saved.start, saved.duration_ms) == (NOON, 2000)
    (tmp_path / "c.mp4").write_bytes(b"")
    assert chunk.salvage() is None


@pytest.mark.parametrize(
    ("previous_end", "gap_ms"),
    [(None, None), (NOON, 0), (NOON - timedelta(milliseconds=1500), 1500), (NOON + timedelta(seconds=1), 0)],
)
def test_gap_is_what_is_missing_since_the_chunk_before(
    previous_end: datetime | None, gap_ms: int | None
) -> None:
    assert gap_before_ms(NOON, previous_end) == gap_ms
