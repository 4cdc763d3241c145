"""How recordings are judged: what is fine passes, and what is not is found."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgecam.chunk import Chunk
from edgecam.config.recording import ChunkFormat
from edgecam.spool.names import kept_name
from sandbox.checks import chunk_files as recordings
from sandbox.checks.chunk_files import Played, Unplayable


def chunk(second: int, *, duration_ms: int = 4000, gap_before_ms: int | None = 0) -> Chunk:
    return Chunk(
        camera_id="lobby",
        start=datetime(2026, 1, 2, 3, 4, second, 250_000, tzinfo=UTC),
        duration_ms=duration_ms,
        format=ChunkFormat.MP4,
        codec="h264",
        width=320,
        height=240,
        gap_before_ms=gap_before_ms,
    )


def seen(*chunks: Chunk) -> list[recordings.Recorded]:
    found = [recordings.of_object(each.name, each.metadata) for each in chunks]
    return [each for each in found if each is not None]


def test_an_object_is_read_by_its_name_and_metadata() -> None:
    (found,) = seen(chunk(0, gap_before_ms=12))
    assert (found.camera, found.duration_ms, found.gap_before_ms) == ("lobby", 4000, 12)
    assert (found.end - found.start).total_seconds() == 4


@pytest.mark.parametrize("name", ["latest/lobby.jpg", "status/lobby.json", "lobby/notes.txt"])
def test_an_object_that_is_no_chunk_is_none(name: str) -> None:
    assert recordings.of_object(name, {}) is None


def test_metadata_that_contradicts_the_name_is_found() -> None:
    with pytest.raises(ValueError, match="the metadata says"):
        recordings.of_object(chunk(0).name, {**chunk(0).metadata, "duration_ms": "3999"})


def test_chunks_that_join_have_no_hole() -> None:
    assert recordings.holes(seen(chunk(4), chunk(0, gap_before_ms=None), chunk(8))) == []


def test_a_gap_that_is_named_is_no_hole() -> None:
    assert recordings.holes(seen(chunk(0), chunk(9, gap_before_ms=5000))) == []


def test_a_chunk_that_is_missing_or_doubled_is_a_hole() -> None:
    (missing,) = recordings.holes(seen(chunk(0), chunk(8)))
    assert missing.startswith("4000 ms before lobby/2026/01/02/20260102T030408.250Z")
    (doubled,) = recordings.holes(seen(chunk(0), chunk(3)))
    assert doubled.startswith("-1000 ms before")


def test_a_chunk_in_the_middle_that_knows_nothing_of_what_came_before_is_a_hole() -> None:
    (unknown,) = recordings.holes(seen(chunk(0), chunk(4, gap_before_ms=None)))
    assert "does not know" in unknown


@pytest.mark.parametrize("gap_before_ms", [None, 0, 700])
def test_what_waits_in_a_spool_is_read_by_its_name(tmp_path: Path, gap_before_ms: int | None) -> None:
    waiting = chunk(0, gap_before_ms=gap_before_ms)
    (tmp_path / "lobby").mkdir()
    (tmp_path / "lobby" / kept_name(waiting, 100, "0123abcd")).touch()
    (tmp_path / "lobby" / f"{kept_name(waiting, 100, '0123abcd')}.session").touch()
    (tmp_path / ".incoming").mkdir()
    (found,) = recordings.in_spool(tmp_path)
    assert (found.camera, found.start, found.duration_ms) == ("lobby", waiting.start, 4000)
    assert found.gap_before_ms == gap_before_ms


def test_a_whole_file_plays_and_its_pictures_are_counted(tmp_path: Path) -> None:
    played = recordings.play(film(tmp_path))
    assert (played.codec, played.width, played.height, played.pictures) == ("h264", 64, 48, 20)
    assert played.first_is_keyframe
    assert played.longest_step_s == pytest.approx(0.1)


WHOLE = Played(
    codec="h264",
    width=64,
    height=48,
    pictures=120,
    keyframes=(0, 60),
    shown_s=3.967,
    longest_step_s=0.034,
)


def _lacks(played: Played, duration_ms: int = 4000, *, ends_early: bool = False) -> str:
    return recordings.lacks(played, duration_ms, fps=30, keyframe_s=2, ends_early=ends_early)


def test_a_chunk_with_every_picture_lacks_nothing_at_any_pace_of_arrival() -> None:
    assert not _lacks(WHOLE)
    assert not _lacks(replace(WHOLE, shown_s=4.712, longest_step_s=0.044), 4755)
    assert not _lacks(replace(WHOLE, shown_s=2.1, longest_step_s=0.034), 2134)
    last = replace(WHOLE, pictures=130, keyframes=(0, 60, 120), shown_s=4.3)
    assert not _lacks(last, 4333, ends_early=True)
    assert _lacks(last, 4333)


@pytest.mark.parametrize(
    ("played", "duration_ms"),
    [
        (replace(WHOLE, pictures=119), 4000),
        (replace(WHOLE, keyframes=(0, 59)), 4000),
        (replace(WHOLE, keyframes=(0,)), 4000),
        (replace(WHOLE, pictures=60, keyframes=(0,), longest_step_s=2.033), 4000),
        (replace(WHOLE, shown_s=5.967, longest_step_s=2.033), 6000),
        (WHOLE, 4755),
        (WHOLE, 3900),
    ],
)
def test_a_chunk_that_lacks_a_picture_or_an_interval_or_is_named_wrongly_is_found(
    played: Played, duration_ms: int
) -> None:
    assert _lacks(played, duration_ms)


def test_a_file_that_was_cut_does_not_play(tmp_path: Path) -> None:
    content = film(tmp_path)
    with pytest.raises(Unplayable):
        recordings.play(content[: len(content) // 2])
    with pytest.raises(Unplayable):
        recordings.play(b"")


def film(folder: Path) -> bytes:
    path = folder / "film.mp4"
    made = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=10"]
    subprocess.run([*made, "-frames:v", "20", "-c:v", "libx264", str(path)], check=True, capture_output=True)
    return path.read_bytes()
