"""Where chunks begin and end, over values."""

from __future__ import annotations

from random import Random

import pytest

from edgecam.cutting import FIRST_SPARE_NS, NS_PER_S, Cutter, Form, Step
from edgecam.parameter_sets import parameter_sets

FORM = Form("h264", 1920, 1080, b"sps pps")


def cutter(chunk_s: float = 10, max_chunk_bytes: int = 1 << 30) -> Cutter:
    return Cutter(chunk_s=chunk_s, max_chunk_bytes=max_chunk_bytes)


def offer(cutting: Cutter, at_s: float, *, key: bool = False, size: int = 1000, form: Form = FORM) -> Step:
    return cutting.offer(round(at_s * NS_PER_S), is_keyframe=key, size_bytes=size, form=form if key else None)


def keyframes_of_chunks(cutting: Cutter, times_s: list[float]) -> list[int]:
    """How many keyframes each whole chunk holds of a stream of keyframes and one picture between two."""
    counts: list[int] = []
    for at_s in times_s:
        if offer(cutting, at_s, key=True) is Step.BEGIN:
            counts.append(0)
        counts[-1] += 1
        assert offer(cutting, at_s + 0.5) is Step.ADD
    return counts[:-1]


def test_nothing_is_recorded_before_the_first_keyframe() -> None:
    cutting = cutter()
    assert offer(cutting, 0.0) is Step.SKIP
    assert offer(cutting, 0.1, key=True) is Step.BEGIN
    assert offer(cutting, 0.2) is Step.ADD
    assert cutting.skipped == 1


def test_a_chunk_ends_at_the_first_keyframe_after_its_length() -> None:
    cutting = cutter(chunk_s=5)
    assert keyframes_of_chunks(cutting, [2.0 * n for n in range(10)]) == [3, 3, 3]


@pytest.mark.parametrize("seed", range(5))
def test_exactly_n_keyframe_intervals_give_n_however_the_times_tremble(seed: int) -> None:
    random = Random(seed)
    times = [2.0 * n + random.uniform(-0.04, 0.04) for n in range(200)]
    assert set(keyframes_of_chunks(cutter(chunk_s=10), times)) == {5}


def test_a_keyframe_that_is_clearly_early_does_not_end_the_chunk() -> None:
    cutting = cutter(chunk_s=10)
    for at_s in (0.0, 3.2, 6.4):
        offer(cutting, at_s, key=True)
    assert offer(cutting, 9.6, key=True) is Step.ADD
    assert offer(cutting, 12.8, key=True) is Step.BEGIN


def test_a_chunk_that_has_grown_too_large_ends_at_the_next_keyframe() -> None:
    cutting = cutter(max_chunk_bytes=5000)
    offer(cutting, 0, key=True, size=4000)
    assert offer(cutting, 1, size=4000) is Step.ADD
    assert offer(cutting, 2, key=True) is Step.BEGIN


@pytest.mark.parametrize(
    "form",
    [
        Form("h265", 1920, 1080, b"sps pps"),
        Form("h264", 1280, 720, b"sps pps"),
        Form("h264", 1920, 1080, b"others"),
    ],
)
def test_another_codec_size_or_parameter_set_begins_a_chunk(form: Form) -> None:
    cutting = cutter()
    offer(cutting, 0, key=True)
    assert offer(cutting, 2, key=True) is Step.ADD
    assert offer(cutting, 4, key=True, form=form) is Step.BEGIN
    assert offer(cutting, 6, key=True, form=form) is Step.ADD


def test_a_stream_that_jumps_back_ends_the_chunk() -> None:
    cutting = cutter()
    offer(cutting, 100, key=True)
    assert offer(cutting, 1.0) is Step.STOP
    assert offer(cutting, 1.1) is Step.SKIP
    assert offer(cutting, 1.2, key=True) is Step.BEGIN


def test_a_keyframe_that_jumps_back_begins_a_chunk() -> None:
    cutting = cutter()
    offer(cutting, 100, key=True)
    assert offer(cutting, 0, key=True) is Step.BEGIN


def test_reordered_pictures_stay_in_their_chunk() -> None:
    cutting = cutter()
    offer(cutting, 10.0, key=True)
    assert [offer(cutting, at_s) for at_s in (10.3, 10.1, 10.2)] == [Step.ADD] * 3


def test_what_is_shown_before_the_keyframe_it_follows_is_left_out() -> None:
    cutting = cutter()
    offer(cutting, 10.0, key=True)
    assert offer(cutting, 9.9) is Step.SKIP
    assert offer(cutting, 10.1) is Step.ADD


def test_a_chunk_without_another_keyframe_ends_where_its_room_does() -> None:
    cutting = cutter(chunk_s=10)
    offer(cutting, 0, key=True)
    assert cutting.span_ns == 10 * NS_PER_S + FIRST_SPARE_NS
    assert offer(cutting, 69) is Step.ADD
    assert offer(cutting, 71) is Step.STOP
    assert offer(cutting, 72) is Step.SKIP
    assert offer(cutting, 80, key=True) is Step.BEGIN


def test_a_chunk_that_cannot_be_written_is_tried_again_before_long() -> None:
    cutting = cutter(chunk_s=3600)
    offer(cutting, 0, key=True)
    cutting.give_up()
    assert offer(cutting, 5, key=True) is Step.ADD
    assert offer(cutting, 10, key=True) is Step.BEGIN
    assert offer(cutting, 20, key=True) is Step.ADD


def test_a_shorter_length_ends_a_chunk_that_is_longer_already_at_the_next_keyframe() -> None:
    cutting = cutter(chunk_s=3600)
    offer(cutting, 0, key=True)
    assert offer(cutting, 20, key=True) is Step.ADD
    cutting.change(6)
    assert offer(cutting, 21) is Step.ADD
    assert offer(cutting, 22, key=True) is Step.BEGIN
    assert keyframes_of_chunks(cutting, [28 + 2.0 * n for n in range(7)]) == [3, 3]


def test_a_greater_length_holds_from_the_next_chunk_on_with_room_for_it() -> None:
    cutting = cutter(chunk_s=4)
    offer(cutting, 0, key=True)
    room_ns = cutting.span_ns
    cutting.change(8)
    assert cutting.span_ns == room_ns
    assert offer(cutting, 4, key=True) is Step.BEGIN
    assert cutting.span_ns > 8 * NS_PER_S
    assert offer(cutting, 8, key=True) is Step.ADD
    assert offer(cutting, 12, key=True) is Step.BEGIN


def test_parameter_sets_are_found_before_the_first_slice_each_once() -> None:
    sps, pps, slice_ = b"\x67\x64\x00\x28", b"\x68\xee", b"\x65\x88\x80"
    start, long_start = b"\x00\x00\x01", b"\x00\x00\x00\x01"
    head = b"".join([long_start, b"\x09\xf0", long_start, sps, start, pps, start, sps, start, slice_])
    assert parameter_sets("h264", head + start + b"\x68\x11") == sps + pps
    h265 = b"".join(start + bytes([kind << 1, 1, kind]) for kind in (32, 33, 34, 39, 19, 33))
    assert parameter_sets("h265", h265) == bytes([64, 1, 32, 66, 1, 33, 68, 1, 34])
    assert parameter_sets("mjpeg", head) == b""
    assert parameter_sets("h264", b"") == b""
