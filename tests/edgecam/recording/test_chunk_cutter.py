"""Where chunks begin and end, over values."""

from __future__ import annotations

from random import Random

import pytest

from edgecam.clock import NS_PER_S
from edgecam.recording.chunk_cutter import (
    FIRST_SPARE_NS,
    ChunkCutter,
    CutDecision,
    StreamFormat,
)

FORM = StreamFormat("h264", 1920, 1080, b"sps pps")


def cutter(chunk_s: float = 10, max_chunk_bytes: int = 1 << 30) -> ChunkCutter:
    return ChunkCutter(chunk_s=chunk_s, max_chunk_bytes=max_chunk_bytes)


def offer(
    cutting: ChunkCutter, at_s: float, *, key: bool = False, size: int = 1000, form: StreamFormat = FORM
) -> CutDecision:
    return cutting.offer(
        round(at_s * NS_PER_S), is_keyframe=key, size_bytes=size, stream_format=form if key else None
    )


def keyframes_of_chunks(cutting: ChunkCutter, times_s: list[float]) -> list[int]:
    """How many keyframes each whole chunk holds of a stream of keyframes and one picture between two."""
    counts: list[int] = []
    for at_s in times_s:
        if offer(cutting, at_s, key=True) is CutDecision.BEGIN:
            counts.append(0)
        counts[-1] += 1
        assert offer(cutting, at_s + 0.5) is CutDecision.ADD
    return counts[:-1]


def test_nothing_is_recorded_before_the_first_keyframe() -> None:
    cutting = cutter()
    assert offer(cutting, 0.0) is CutDecision.SKIP
    assert offer(cutting, 0.1, key=True) is CutDecision.BEGIN
    assert offer(cutting, 0.2) is CutDecision.ADD
    assert cutting.skipped == 1


def test_a_chunk_ends_at_the_first_keyframe_after_its_length() -> None:
    cutting = cutter(chunk_s=5)
    assert keyframes_of_chunks(cutting, [2.0 * n for n in range(10)]) == [3, 3, 3]


@pytest.mark.parametrize("seed", range(5))
def test_exactly_n_keyframe_intervals_give_n_whatever_the_jitter(seed: int) -> None:
    random = Random(seed)
    times = [2.0 * n + random.uniform(-0.04, 0.04) for n in range(200)]
    assert set(keyframes_of_chunks(cutter(chunk_s=10), times)) == {5}


def test_a_keyframe_that_is_clearly_early_does_not_end_the_chunk() -> None:
    cutting = cutter(chunk_s=10)
    for at_s in (0.0, 3.2, 6.4):
        offer(cutting, at_s, key=True)
    assert offer(cutting, 9.6, key=True) is CutDecision.ADD
    assert offer(cutting, 12.8, key=True) is CutDecision.BEGIN


def test_a_chunk_that_has_grown_too_large_ends_at_the_next_keyframe() -> None:
    cutting = cutter(max_chunk_bytes=5000)
    offer(cutting, 0, key=True, size=4000)
    assert offer(cutting, 1, size=4000) is CutDecision.ADD
    assert offer(cutting, 2, key=True) is CutDecision.BEGIN


@pytest.mark.parametrize(
    "form",
    [
        StreamFormat("h265", 1920, 1080, b"sps pps"),
        StreamFormat("h264", 1280, 720, b"sps pps"),
        StreamFormat("h264", 1920, 1080, b"others"),
    ],
)
def test_another_codec_size_or_parameter_set_begins_a_chunk(form: StreamFormat) -> None:
    cutting = cutter()
    offer(cutting, 0, key=True)
    assert offer(cutting, 2, key=True) is CutDecision.ADD
    assert offer(cutting, 4, key=True, form=form) is CutDecision.BEGIN
    assert offer(cutting, 6, key=True, form=form) is CutDecision.ADD


def test_a_stream_that_jumps_back_ends_the_chunk() -> None:
    cutting = cutter()
    offer(cutting, 100, key=True)
    assert offer(cutting, 1.0) is CutDecision.STOP
    assert offer(cutting, 1.1) is CutDecision.SKIP
    assert offer(cutting, 1.2, key=True) is CutDecision.BEGIN


def test_a_keyframe_that_jumps_back_begins_a_chunk() -> None:
    cutting = cutter()
    offer(cutting, 100, key=True)
    assert offer(cutting, 0, key=True) is CutDecision.BEGIN


def test_reordered_pictures_stay_in_their_chunk() -> None:
    cutting = cutter()
    offer(cutting, 10.0, key=True)
    assert [offer(cutting, at_s) for at_s in (10.3, 10.1, 10.2)] == [CutDecision.ADD] * 3


def test_what_is_shown_before_the_keyframe_it_follows_is_left_out() -> None:
    cutting = cutter()
    offer(cutting, 10.0, key=True)
    assert offer(cutting, 9.9) is CutDecision.SKIP
    assert offer(cutting, 10.1) is CutDecision.ADD


def test_a_chunk_without_another_keyframe_ends_where_its_room_does() -> None:
    cutting = cutter(chunk_s=10)
    offer(cutting, 0, key=True)
    assert cutting.span_ns == 10 * NS_PER_S + FIRST_SPARE_NS
    assert offer(cutting, 609) is CutDecision.ADD
    assert cutting.outgrown == 0
    assert offer(cutting, 611) is CutDecision.STOP
    assert cutting.outgrown == 1
    assert offer(cutting, 612) is CutDecision.SKIP
    assert offer(cutting, 1200, key=True) is CutDecision.BEGIN
    assert cutting.span_ns >= 1200 * NS_PER_S  # the interval is known now


def test_nothing_after_the_first_keyframe_is_left_out_with_one_in_two_minutes() -> None:
    cutting = cutter(chunk_s=10)
    decisions = [offer(cutting, float(at_s), key=at_s % 120 == 0) for at_s in range(1000)]
    assert set(decisions) == {CutDecision.BEGIN, CutDecision.ADD}
    assert decisions.count(CutDecision.BEGIN) == 9


def test_chunk_ends_early_at_the_next_keyframe_where_it_is_asked_to() -> None:
    cutting = cutter(chunk_s=10)
    cutting.end_at_keyframe()
    assert offer(cutting, 0, key=True) is CutDecision.BEGIN
    assert offer(cutting, 1, key=True) is CutDecision.ADD
    cutting.end_at_keyframe()
    assert offer(cutting, 1.5) is CutDecision.ADD
    assert offer(cutting, 2, key=True) is CutDecision.BEGIN
    assert offer(cutting, 3, key=True) is CutDecision.ADD


def test_a_chunk_that_cannot_be_written_is_tried_again_before_long() -> None:
    cutting = cutter(chunk_s=3600)
    offer(cutting, 0, key=True)
    cutting.retry_soon()
    assert offer(cutting, 5, key=True) is CutDecision.ADD
    assert offer(cutting, 10, key=True) is CutDecision.BEGIN
    assert offer(cutting, 20, key=True) is CutDecision.ADD


def test_a_shorter_length_ends_a_chunk_that_is_longer_already_at_the_next_keyframe() -> None:
    cutting = cutter(chunk_s=3600)
    offer(cutting, 0, key=True)
    assert offer(cutting, 20, key=True) is CutDecision.ADD
    cutting.change(6)
    assert offer(cutting, 21) is CutDecision.ADD
    assert offer(cutting, 22, key=True) is CutDecision.BEGIN
    assert keyframes_of_chunks(cutting, [28 + 2.0 * n for n in range(7)]) == [3, 3]


def test_a_greater_length_holds_from_the_next_chunk_on_with_room_for_it() -> None:
    cutting = cutter(chunk_s=4)
    offer(cutting, 0, key=True)
    room_ns = cutting.span_ns
    cutting.change(8)
    assert cutting.span_ns == room_ns
    assert offer(cutting, 4, key=True) is CutDecision.BEGIN
    assert cutting.span_ns > 8 * NS_PER_S
    assert offer(cutting, 8, key=True) is CutDecision.ADD
    assert offer(cutting, 12, key=True) is CutDecision.BEGIN


OTHER = StreamFormat("h264", 1280, 720, b"others")


def flips(cutting: ChunkCutter, period_s: float, count: int, begin_s: float = 0.0) -> list[CutDecision]:
    """The decisions about `count` keyframes, each in another format than the one before."""
    return [
        offer(cutting, begin_s + n * period_s, key=True, form=OTHER if n % 2 else FORM) for n in range(count)
    ]


def test_a_format_that_changes_with_each_picture_makes_few_chunks_and_then_none() -> None:
    cutting = cutter()
    steps = flips(cutting, 0.01, 3000)
    assert steps[:10] == [CutDecision.BEGIN] * 9 + [CutDecision.STOP]
    assert set(steps[10:]) == {CutDecision.SKIP}
    assert cutting.lapses == 1
    assert cutting.skipped == 3000 - 9


def test_a_format_that_changes_with_each_keyframe_a_second_apart_loses_nothing() -> None:
    cutting = cutter()
    assert set(flips(cutting, 1.0, 500)) == {CutDecision.BEGIN}
    assert cutting.lapses == cutting.skipped == 0


def test_a_slow_camera_whose_chunks_are_single_pictures_loses_nothing() -> None:
    assert set(flips(cutter(chunk_s=2), 5.0, 100)) == {CutDecision.BEGIN}


def test_a_person_who_changes_the_settings_several_times_in_a_second_loses_nothing() -> None:
    cutting = cutter()
    assert set(flips(cutting, 0.1, 9)) == {CutDecision.BEGIN}
    assert offer(cutting, 5.0, key=True) is CutDecision.ADD


def test_a_stream_that_has_settled_is_recorded_again() -> None:
    cutting = cutter()
    flips(cutting, 0.01, 100)
    assert offer(cutting, 2.0, key=True) is CutDecision.SKIP
    assert offer(cutting, 2.5, key=True) is CutDecision.SKIP
    assert offer(cutting, 2.7) is CutDecision.SKIP
    assert offer(cutting, 3.0, key=True) is CutDecision.BEGIN
    assert offer(cutting, 3.1) is CutDecision.ADD


def test_chunks_of_an_unsteady_stream_are_never_more_than_one_a_second_of_it() -> None:
    cutting = cutter()
    begun, at_s = 0, 0.0
    for _ in range(50):
        for at in range(25):  # steady for slightly longer than needed, then another format at each picture
            begun += offer(cutting, at_s + 0.05 * at, key=True) is CutDecision.BEGIN
        begun += flips(cutting, 0.01, 20, at_s + 1.25).count(CutDecision.BEGIN)
        at_s += 1.5
    assert begun <= 9 + at_s
    assert cutting.lapses > 10


def test_time_that_jumps_back_again_and_again_makes_few_chunks_and_then_none() -> None:
    cutting = cutter()
    begun = 0
    for n in range(200):
        begun += offer(cutting, 1000 - 3 * n, key=True) is CutDecision.BEGIN
        offer(cutting, 1000.1 - 3 * n)
    assert begun == 9
    cutting.end(is_early=True)
    assert [offer(cutting, at_s, key=True) for at_s in (0.0, 0.6, 1.2)] == [
        CutDecision.SKIP,
        CutDecision.SKIP,
        CutDecision.BEGIN,
    ]


def test_disorder_that_the_recorder_sees_counts_as_well() -> None:
    cutting = cutter()
    begun = 0
    for n in range(100):
        begun += offer(cutting, n / 30, key=True) is CutDecision.BEGIN
        cutting.end(is_early=True)
    assert begun == 9
