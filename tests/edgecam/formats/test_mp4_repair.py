"""Chunks in MP4, killed between any two writes: how little is lost, and interrupted repairs."""

from __future__ import annotations

import os
import subprocess
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from half_written import (
    FILM,
    FILM_WITH_B_FRAMES,
    PICTURES,
    Write,
    after,
    complaints_of,
    probed,
    write_mp4,
    writes_of,
)
from mp4_chunks import picture_count

from edgecam.config.recording import ChunkFormat
from edgecam.errors import SpoolError
from edgecam.formats.repair import repair

MP4 = ChunkFormat.MP4


@pytest.fixture(scope="module")
def writes(tmp_path_factory: pytest.TempPathFactory) -> list[Write]:
    return writes_of(MP4, tmp_path_factory.mktemp("mp4") / "whole.mp4")


def shown_at(path: Path) -> list[Fraction]:
    """When each picture is shown, seconds, in the order of decoding."""
    asked = ["ffprobe", "-v", "error", "-show_entries", "packet=pts_time", "-of", "csv=p=0", str(path)]
    return [Fraction(line.strip(",")) for line in subprocess.check_output(asked, text=True).split()]


def test_kill_between_two_writes_costs_nothing_of_what_was_written(
    writes: list[Write], tmp_path: Path
) -> None:
    path = tmp_path / "chunk.mp4"
    counts = []
    for upto in range(1, len(writes)):
        content = after(writes[:upto])
        path.write_bytes(content)
        recovered = repair(path, MP4)
        assert recovered is not None
        assert (recovered.pictures, recovered.size_bytes) == (picture_count(content), len(content))
        assert recovered.duration_ms == pytest.approx(recovered.pictures * 1000 / FILM.fps, abs=1)
        assert probed(path)[0] == recovered.pictures
        counts.append(recovered.pictures)
    assert counts[-1] == PICTURES
    assert max(later - earlier for earlier, later in pairwise([0, *counts])) < FILM.fps


def test_kill_in_the_middle_of_a_write_costs_that_one(writes: list[Write], tmp_path: Path) -> None:
    path = tmp_path / "chunk.mp4"
    content = after(writes[:5])
    begin = writes[4].offset
    for end in range(begin, len(content), 97):
        path.write_bytes(content[:end])
        recovered = repair(path, MP4)
        assert recovered is not None
        assert (recovered.pictures, recovered.size_bytes) == (picture_count(content[:begin]), begin)


@pytest.mark.parametrize("film", [FILM, FILM_WITH_B_FRAMES], ids=["plain", "with B-frames"])
def test_every_reader_finds_the_same_length_wherever_a_film_is_cut(film: object, tmp_path: Path) -> None:
    path = tmp_path / "chunk.mp4"
    whole = writes_of(MP4, path, film, poll=4)
    times = shown_at(path)
    for upto in range(1, len(whole), 3):
        path.write_bytes(after(whole[:upto]))
        recovered = repair(path, MP4)
        assert recovered is not None
        assert shown_at(path) == times[: recovered.pictures]
        assert probed(path)[1] * 1000 == pytest.approx(recovered.duration_ms, abs=1)
        assert complaints_of(path) == ""


def test_repair_that_is_interrupted_at_any_step_is_done_by_the_next(
    writes: list[Write], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chunk.mp4"
    content = after(writes[:5])[:-1]
    path.write_bytes(content)
    expected = repair(path, MP4)
    really_put = os.pwrite

    def half(file: int, data: bytes, offset: int) -> int:
        really_put(file, data[: len(data) // 2], offset)
        raise OSError(28, "No space left on device")

    def none(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for step, fails in (("pwrite", half), ("pwrite", none), ("ftruncate", none), ("fsync", none)):
        path.write_bytes(content)
        with monkeypatch.context() as broken:
            broken.setattr(f"edgecam.formats.mp4_repair.os.{step}", fails)
            with pytest.raises(SpoolError, match="No space left"):
                repair(path, MP4)
        assert repair(path, MP4) == expected
        assert complaints_of(path) == ""


def test_picture_that_never_reached_the_disk_ends_the_film_with_the_fragment_before(
    writes: list[Write], tmp_path: Path
) -> None:
    path = tmp_path / "chunk.mp4"
    content = bytearray(after(writes))
    begin = writes[4].offset
    lost = begin + len(writes[4].data) // 2
    content[lost : lost + 512] = bytes(512)
    path.write_bytes(content)
    recovered = repair(path, MP4)
    assert recovered is not None
    assert (recovered.pictures, recovered.size_bytes) == (picture_count(bytes(content[:begin])), begin)
    assert probed(path) == (recovered.pictures, pytest.approx(recovered.duration_ms / 1000, abs=0.001))


def test_finished_chunk_is_what_its_repair_would_make_of_it(tmp_path: Path) -> None:
    """Without the length and the index that the end fills in."""
    path = tmp_path / "chunk.mp4"
    writes = writes_of(MP4, path, FILM_WITH_B_FRAMES)
    finished = path.read_bytes()
    path.write_bytes(after(writes[:-1]))
    assert path.read_bytes() != finished
    assert repair(path, MP4) is not None
    assert path.read_bytes() == finished


def test_chunk_with_an_index_of_a_part_gets_another(tmp_path: Path) -> None:
    """A power cut between the end of a chunk and its sync."""
    path = tmp_path / "chunk.mp4"
    write_mp4(path, FILM)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    recovered = repair(path, MP4)
    assert recovered is not None
    assert recovered.duration_ms == pytest.approx(5933, abs=1)
    assert probed(path) == (recovered.pictures, pytest.approx(recovered.duration_ms / 1000, abs=0.001))
