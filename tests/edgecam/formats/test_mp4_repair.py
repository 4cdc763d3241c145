"""MP4 files of mp4mux, killed between any two writes: how little is lost, and interrupted repairs."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest
from half_written import FILM, FILM_WITH_B_FRAMES, MP4, Write, after, complaints_of, probed, writes_of

from edgecam.config.recording import ChunkFormat
from edgecam.errors import SpoolError
from edgecam.formats.mp4_boxes import read_box
from edgecam.formats.mp4_index import Index, Sample, read_index
from edgecam.formats.repair import repair


@pytest.fixture(scope="module")
def writes(tmp_path_factory: pytest.TempPathFactory) -> list[Write]:
    return writes_of(MP4, tmp_path_factory.mktemp("mp4") / "whole.mp4")


def pictures_begin(content: bytes) -> int:
    return content.index(b"mdat") + 4


def written(writes: Sequence[Write], upto: int) -> int:
    """How many pictures are in the file after `upto` writes."""
    begin = pictures_begin(after(writes))
    return sum(write.offset >= begin for write in writes[:upto])


def index_of(content: bytes) -> Index:
    """Of the index of a whole file that names the most, as the last one written does."""
    places = [match.start() - 4 for match in re.finditer(b"moov", content)]
    indexes = [read_index(read_box(content, at, len(content))[0]) for at in places]
    return max(indexes, key=lambda index: len(index.samples))


def test_kill_costs_one_picture_once_the_first_second_is_over(writes: list[Write], tmp_path: Path) -> None:
    path = tmp_path / "chunk.mp4"
    for upto in range(1, len(writes) + 1):
        path.write_bytes(after(writes[:upto]))
        recovered = repair(path, ChunkFormat.MP4)
        there = written(writes, upto)
        if there > FILM.fps + 1:
            assert recovered is not None
            assert recovered.pictures >= there - 1
            assert recovered.duration_ms == pytest.approx(recovered.pictures * 1000 / FILM.fps, abs=1)


def test_kill_costs_little_more_than_a_second_where_there_are_b_frames(
    tmp_path: Path,
) -> None:
    path = tmp_path / "chunk.mp4"
    writes = writes_of(MP4, path, FILM_WITH_B_FRAMES)
    for upto in range(1, len(writes) + 1):
        path.write_bytes(after(writes[:upto]))
        recovered = repair(path, ChunkFormat.MP4)
        there = written(writes, upto)
        if there > FILM.fps + 3:
            assert recovered is not None
            assert recovered.pictures >= there - FILM.fps - 3
    assert complaints_of(path) == ""


def test_every_reader_finds_the_same_length_wherever_a_film_with_b_frames_is_cut(tmp_path: Path) -> None:
    """Some go by the times of decoding alone (stts), some by the edit list, some by what is shown last. Where
    the pictures between were lost, what was decoded ahead of them is shown later than its turn comes."""
    path = tmp_path / "chunk.mp4"
    content = after(writes_of(MP4, path, FILM_WITH_B_FRAMES))
    samples = index_of(content).samples
    for kept in range(1, len(samples)):
        damaged = bytearray(content)
        lost = samples[kept]
        damaged[lost.offset : lost.end] = bytes(lost.size)
        path.write_bytes(damaged)
        recovered = repair(path, ChunkFormat.MP4)
        assert recovered is not None
        assert recovered.pictures == kept
        index = index_that_counts(path.read_bytes())
        assert sum(sample.duration for sample in index.samples) == index.shown
        assert shown_at(index.samples) == shown_at(samples)[:kept]
        assert all(sample.composition_offset >= 0 and sample.duration > 0 for sample in index.samples)
        assert recovered.duration_ms == -(-index.shown * 1000 // index.timescale)
        assert kept == 1 or probed(path)[1] * 1000 == pytest.approx(recovered.duration_ms, abs=1)


@pytest.mark.parametrize("kept", range(1, 10))
def test_b_frames_that_others_are_built_on_change_nothing_about_that(kept: int, tmp_path: Path) -> None:
    """A pyramid, cut where what is missing cannot be made up by decoding later alone."""
    frame = 100
    path = tmp_path / "b-frames.mp4"
    index = index_of(after(writes_of(MP4, path, FILM_WITH_B_FRAMES)))  # for its edit: two pictures of delay
    pyramid = [
        replace(index.samples[turn], duration=frame, composition_offset=(shown - turn + 2) * frame)
        for turn, shown in enumerate([0, 4, 2, 1, 3, 8, 6, 5, 7])
    ][:kept]
    held = index.with_samples(pyramid)
    assert shown_at(held.samples) == shown_at(pyramid)
    assert sum(sample.duration for sample in held.samples) == held.shown
    assert held.shown == max(shown_at(pyramid)) - 2 * frame + frame
    assert all(sample.composition_offset >= 0 for sample in held.samples)
    assert held.with_samples(held.samples).samples == held.samples


def index_that_counts(content: bytes) -> Index:
    """The one that a reader comes upon, box by box."""
    at = 0
    while content[at + 4 : at + 8] != b"moov":
        at += int.from_bytes(content[at : at + 4], "big")
    return read_index(read_box(content, at, len(content))[0])


def shown_at(samples: Sequence[Sample]) -> list[int]:
    """When each is shown, in the track's time."""
    decoded = accumulate((sample.duration for sample in samples[:-1]), initial=0)
    return [at + sample.composition_offset for at, sample in zip(decoded, samples, strict=True)]


def test_repair_that_is_interrupted_at_any_write_is_done_by_the_next(
    writes: list[Write], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chunk.mp4"
    content = after(writes[: len(writes) * 3 // 4])
    path.write_bytes(content)
    expected = repair(path, ChunkFormat.MP4)
    really_write = os.pwrite
    for fails_at in range(3):
        path.write_bytes(content)
        left = [fails_at]

        def write(file: int, data: bytes, offset: int, left: list[int] = left) -> int:
            if not left[0]:
                really_write(file, data[: len(data) // 2], offset)
                raise OSError(28, "No space left on device")
            left[0] -= 1
            return really_write(file, data, offset)

        monkeypatch.setattr("edgecam.formats.mp4_repair.os.pwrite", write)
        with pytest.raises(SpoolError, match="No space left"):
            repair(path, ChunkFormat.MP4)
        monkeypatch.setattr("edgecam.formats.mp4_repair.os.pwrite", really_write)
        assert repair(path, ChunkFormat.MP4) == expected
        assert complaints_of(path) == ""


def test_index_written_again_is_the_same(writes: list[Write]) -> None:
    index = index_of(after(writes))
    again = index.with_samples(index.samples)
    assert again.samples == index.samples
    assert again.moov.to_bytes() == index.moov.to_bytes()


def test_picture_that_never_reached_the_disk_ends_the_film(writes: list[Write], tmp_path: Path) -> None:
    path = tmp_path / "chunk.mp4"
    content = bytearray(after(writes))
    lost = index_of(bytes(content)).samples[40]
    content[lost.offset + 100 : lost.end - 100] = bytes(lost.size - 200)
    path.write_bytes(content)
    recovered = repair(path, ChunkFormat.MP4)
    assert recovered is not None
    assert recovered.pictures == 40
    assert probed(path)[0] == 40
    assert complaints_of(path) == ""


def test_chunk_of_more_than_four_gigabytes_is_repaired(writes: list[Write], tmp_path: Path) -> None:
    """The second half of the pictures is moved far away; the room between takes no disk."""
    far = 5 * 1024**3
    path = tmp_path / "chunk.mp4"
    content = after(writes)
    index = index_of(content)
    behind = (replace(sample, offset=sample.offset + far) for sample in index.samples[45:])
    moved = [*index.samples[:45], *behind]
    moov = index.with_samples(moved).moov.to_bytes()
    at = content.index(b"moov") - 4
    mdat = pictures_begin(content) - 16
    head = content[:at] + moov
    head += (mdat - len(head)).to_bytes(4, "big") + b"free"
    with path.open("wb") as file:
        file.write(head.ljust(mdat, b"\0") + content[mdat : mdat + 8] + bytes(4) + b"mdat")
        file.write(content[mdat + 16 : moved[44].end])
        file.seek(moved[45].offset)
        file.write(content[index.samples[45].offset : -10])
    recovered = repair(path, ChunkFormat.MP4)
    assert recovered is not None
    assert recovered.pictures == 89
    assert recovered.size_bytes == moved[88].end
    assert repair(path, ChunkFormat.MP4) == recovered
    assert complaints_of(path) == ""
    assert probed(path)[0] == 89
