"""Chunks in MP4: real files, which other programs read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import write_until_killed
from half_written import (
    FILM,
    FILM_WITH_B_FRAMES,
    PICTURES,
    complaints_of,
    journal,
    pictures_and_plan,
    probed,
    write_mp4,
)
from mp4_chunks import (
    PIECE_S,
    aac,
    boxes,
    fragments,
    init_segment,
    picture_count,
    playlist,
    segment,
    write_with_sound,
)

from edgecam.clock import NS_PER_S
from edgecam.codecs.video import H264
from edgecam.config.recording import ChunkFormat
from edgecam.formats.mp4_tracks import SoundTrack
from edgecam.formats.repair import repair
from edgecam.recording.chunk_writer import Plan
from edgecam.recording.decode_times import DtsGenerator
from edgecam.recording.mp4_writer import Mp4Writer
from sandbox.cameras.film import Film

PLAN = Plan(ChunkFormat.MP4, H264, 64, 48, bytes.fromhex("01640014ffe100"), NS_PER_S // 30)


def asked(path: Path, entries: str, *more: str) -> Any:
    command = ["ffprobe", "-v", "error", *more, "-show_entries", entries, "-of", "json", str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def times(path: Path, kind: str, stream: str = "v:0") -> list[Fraction]:
    found = asked(path, f"packet={kind}", "-select_streams", stream)["packets"]
    return [Fraction(packet[kind]) for packet in found]


def test_fragment_is_one_write_and_all_the_file_holds_besides_is_its_head(tmp_path: Path) -> None:
    path = tmp_path / "c.mp4"
    with journal() as writes:
        write_mp4(path, FILM)
    content = path.read_bytes()
    kinds = [kind for kind, _, _ in boxes(content)]
    assert kinds == ["ftyp", "moov", "sidx", "free", *["moof", "mdat", "free"] * 12]
    found = fragments(content)
    assert [write.offset for write in writes] == [0, *(each.begin for each in found[1:]), 0]
    assert found[0].begin < 2000
    assert picture_count(content) == PICTURES


def test_each_keyframe_begins_a_fragment_whenever_it_is_polled(tmp_path: Path) -> None:
    path = tmp_path / "c.mp4"
    write_mp4(path, Film(320, 180, 15, keyframe_s=2.0), poll=11)
    runs = [each.runs[0] for each in fragments(path.read_bytes())]
    keyframes = [run.samples[0].decoded_at for run in runs if run.samples[0].is_keyframe]
    assert keyframes == [0, 2 * 90_000, 4 * 90_000]
    assert not any(sample.is_keyframe for run in runs for sample in run.samples[1:])


def test_where_every_picture_is_a_keyframe_fragments_are_a_second_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "c.mp4"
    write_mp4(path, Film(320, 180, 15, codec="mjpeg"))
    assert [len(each.runs[0].samples) for each in fragments(path.read_bytes())] == [14, 15, 15, 15, 15, 15, 1]


def test_what_comes_all_at_once_is_cut_into_fragments(tmp_path: Path) -> None:
    """A film from a pipe, or a disk that has caught up."""
    path = tmp_path / "c.mp4"
    write_mp4(path, Film(320, 180, 15, keyframe_s=60.0), poll=1000)
    assert [len(each.runs[0].samples) for each in fragments(path.read_bytes())] == [23, 23, 23, 21]


@pytest.mark.parametrize("film", [FILM, FILM_WITH_B_FRAMES, Film(320, 180, 15, codec="h265", keyframe_s=1.0)])
def test_times_are_exact_and_times_of_decoding_grow(film: Film, tmp_path: Path) -> None:
    path = tmp_path / "c.mp4"
    write_mp4(path, film)
    shown, decoded = times(path, "pts_time"), times(path, "dts_time")
    assert sorted(shown) == [pytest.approx(number / film.fps, abs=1e-6) for number in range(PICTURES)]
    assert all(later > earlier for earlier, later in pairwise(decoded))
    assert all(before <= at for before, at in zip(decoded, shown, strict=True))
    assert probed(path) == (PICTURES, 6.0)
    assert complaints_of(path) == ""
    codec = asked(path, "stream=codec_tag_string")["streams"][0]["codec_tag_string"]
    assert codec == ("hvc1" if film.codec == "h265" else "avc1")


@pytest.mark.parametrize("left_out", range(1, 6))
def test_film_with_b_frames_that_ends_anywhere_is_as_long_by_any_measure(
    left_out: int, tmp_path: Path
) -> None:
    path = tmp_path / "c.mp4"
    pictures, plan = pictures_and_plan(FILM_WITH_B_FRAMES)
    cut = pictures[:-left_out]
    writer = written(path, plan, cut)
    last = max(picture.number for picture in cut)
    assert writer.finish((last + 1) * NS_PER_S // 15 + plan.lead_ns)
    assert probed(path) == (len(cut), pytest.approx((last + 1) / 15, abs=1e-5))
    runs = [each.runs[0] for each in fragments(path.read_bytes())]
    assert runs[-1].end == pytest.approx((last + 1) * 6000, abs=1)
    tail = runs[-1].samples
    ends = [later.decoded_at for later in tail[1:]] + [runs[-1].end]
    lead = plan.lead_ns * 9 // 100_000
    for sample, end in zip(tail, ends, strict=True):
        assert sample.decoded_at <= sample.shown_at
        assert sample.shown_at + end - sample.decoded_at <= runs[-1].end + lead + 1


def written(path: Path, plan: Plan, pictures: Sequence[Any]) -> Mp4Writer:
    """A writer that was given these pictures."""
    dts = DtsGenerator(depth=plan.depth, first_ns=0, interval_ns=plan.interval_ns)
    zero_ns = -plan.lead_ns
    writer = Mp4Writer(path, plan)
    for picture in pictures:
        at_ns = picture.number * NS_PER_S // 15
        decoded_ns = dts.dts_ns(at_ns)
        assert decoded_ns is not None
        writer.add(picture.data, at_ns - zero_ns, decoded_ns - zero_ns, is_keyframe=picture.is_keyframe)
    writer.flush()
    return writer


def test_heads_of_a_stream_s_chunks_are_equal_and_say_nothing_of_the_day(tmp_path: Path) -> None:
    paths = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for path, seconds in zip(paths, (2, 5), strict=True):
        write_mp4(path, FILM_WITH_B_FRAMES, seconds)
    first, second = (init_segment(path.read_bytes()) for path in paths)
    assert first == second
    assert b"btrt" not in first


def test_segments_for_hls_are_copies_but_for_numbers_and_times(tmp_path: Path) -> None:
    path = tmp_path / "c.mp4"
    write_mp4(path, FILM_WITH_B_FRAMES)
    content = path.read_bytes()
    found = fragments(content)
    # The fourth second's keyframe begins a fragment: a segment can begin there, too.
    firsts = [each.runs[0].samples[0] for each in found]
    border = next(at for at, it in enumerate(firsts) if it.is_keyframe and it.shown_at > 3 * 90_000)
    halves = [segment(content, 1, 0, found[:border]), segment(content, 1 + border, 0, found[border:])]
    following = segment(content, 100, 6 * 90_000)
    segments = [(halves[0], 3.0), (halves[1], 3.0), (following, 6.0)]
    assert sum(len(each) for each, _ in segments[:2]) == len(content) - found[0].begin
    shown = sorted(times(playlist(tmp_path, segments, init_segment(content)), "pts_time"))
    assert len(shown) == 2 * PICTURES
    assert [later - earlier for earlier, later in pairwise(shown)] == [
        pytest.approx(1 / 15, abs=1e-4) for _ in shown[1:]
    ]


SPANS = {"whole": (0.0, 6.0), "late": (2.0, 6.0), "early": (0.0, 3.0), "between": (2.0, 3.0), "none": (0, 0)}


@pytest.mark.parametrize("span", SPANS)
def test_sound_may_begin_late_and_end_early(span: str, tmp_path: Path) -> None:
    begin_s, end_s = SPANS[span]
    path = tmp_path / "c.mp4"
    write_with_sound(path, FILM, begin_s, end_s)
    assert len(times(path, "pts_time")) == PICTURES
    heard = times(path, "pts_time", "a:0")
    expected = [begin_s + number * PIECE_S for number in range(len(heard))]
    assert heard == [pytest.approx(at, abs=2e-5) for at in expected]
    assert len(heard) == pytest.approx((end_s - begin_s) / PIECE_S, abs=4)  # none after the last picture
    assert complaints_of(path) == ""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    saved = repair(path, ChunkFormat.MP4)
    assert saved is not None
    assert len(times(path, "pts_time")) == saved.pictures
    assert complaints_of(path) == ""


def test_sound_with_a_pause_keeps_its_times(tmp_path: Path) -> None:
    path = tmp_path / "c.mp4"
    pieces, record = aac(tmp_path, 6)
    pictures, plan = pictures_and_plan(FILM)
    writer = Mp4Writer(path, plan, sound=SoundTrack("mp4a", 2, 48_000, record))
    begins = [0.0, PIECE_S, 2.5, 2.5 + PIECE_S, 4.0]
    for at_s, piece in zip(begins, pieces, strict=False):
        writer.add_sound(piece, round(at_s * NS_PER_S), round(PIECE_S * NS_PER_S))
    for picture in pictures:
        at_ns = picture.number * NS_PER_S // 15
        writer.add(picture.data, at_ns, at_ns, is_keyframe=picture.is_keyframe)
    assert writer.finish(6 * NS_PER_S)
    assert times(path, "pts_time", "a:0") == [pytest.approx(at_s, abs=2e-5) for at_s in begins]


def test_picture_that_lacks_a_part_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "c.mp4"
    pictures, plan = pictures_and_plan(FILM)
    writer = Mp4Writer(path, plan)
    for picture in pictures[:15]:
        at_ns = picture.number * NS_PER_S // 15
        is_damaged = picture.number in (3, 4)
        writer.add(picture.data, at_ns, at_ns, is_keyframe=picture.is_keyframe, is_damaged=is_damaged)
    assert writer.finish()
    samples = [sample for each in fragments(path.read_bytes()) for sample in each.runs[0].samples]
    assert [number for number, sample in enumerate(samples) if sample.is_damaged] == [3, 4]


def test_kill_in_each_tenth_of_a_second_costs_a_second_and_leaves_what_plays(tmp_path: Path) -> None:
    killed = 30
    command = [sys.executable, write_until_killed.__file__, str(tmp_path), str(killed)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    given = json.loads(done.stdout)
    assert len(given) == killed
    assert max(given) > 2 * FILM.fps
    for number, pictures in enumerate(given):
        path = tmp_path / f"{number}.mp4"
        saved = repair(path, ChunkFormat.MP4)
        assert (0 if saved is None else saved.pictures) >= pictures - FILM.fps - 1
        if saved is not None and number % 5 == 0:
            assert complaints_of(path) == ""
            assert probed(path)[0] == saved.pictures


def test_disk_that_takes_a_part_of_a_fragment_is_given_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mp4(tmp_path / "whole.mp4", FILM)
    really_write = os.writev

    def write(file: int, parts: Sequence[bytes]) -> int:
        return really_write(file, [b"".join(parts)[:1000]])

    monkeypatch.setattr(os, "writev", write)
    write_mp4(tmp_path / "parts.mp4", FILM)
    assert (tmp_path / "parts.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_disk_that_is_full_is_said_and_nothing_more_is_kept() -> None:
    writer = Mp4Writer(Path("/dev/full"), PLAN)
    for number in range(100):
        writer.add(b"picture", number * NS_PER_S // 30, number * NS_PER_S // 30, is_keyframe=number == 0)
    assert writer.fault is None
    writer.flush()
    assert writer.fault is not None
    assert (writer.fault.summary, writer.fault.is_disk_full) == ("No space left on device", True)
    writer.add(b"picture", 5 * NS_PER_S, 5 * NS_PER_S, is_keyframe=True)
    assert not writer._pictures.samples
    assert not writer.finish()


def test_file_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    writer = Mp4Writer(tmp_path / "missing" / "c.mp4", PLAN)
    writer.add(b"picture", 0, 0, is_keyframe=True)
    writer.flush()
    assert not writer.finish()
    assert writer.fault is not None
    assert (writer.fault.summary, writer.fault.is_disk_full) == ("No such file or directory", False)


def test_chunk_without_a_picture_is_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "c.mp4"
    assert Mp4Writer(path, PLAN).finish()
    assert path.read_bytes() == b""


def test_memory_does_not_grow_with_the_length_of_a_chunk(tmp_path: Path) -> None:
    writer = Mp4Writer(tmp_path / "c.mp4", PLAN)
    held = []
    tracemalloc.start()
    for number in range(40_000):  # twenty minutes
        at_ns = number * NS_PER_S // 30
        writer.add(b"p", at_ns, at_ns, is_keyframe=number % 30 == 0)
        if number % 30 == 29:
            writer.flush()
        if number in (20_009, 39_989):
            held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert writer.finish()
    assert held[1] - held[0] < 2000
