"""The gate: which access units are decoded, and which become pictures."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import pytest

from edgecam.capture.access_unit import AccessUnit
from edgecam.config.camera import Decode
from edgecam.frames.decode_gate import DecodeBatch, DecodeGate
from edgecam.frames.pace import FramePacer, StreamTiming
from edgecam.status.reports import DecodeMode

S = 1_000_000_000
START = datetime(2026, 1, 1, tzinfo=UTC)


def unit(second: float, *, key: bool = False, size: int = 1000) -> AccessUnit:
    return AccessUnit(round(second * S), key, size, START, second, None)


def stream(
    seconds: float, *, fps: int = 30, keyframe_s: float = 2.0, jitter: bool = False
) -> Iterator[AccessUnit]:
    gop = round(keyframe_s * fps)
    for number in range(round(seconds * fps)):
        late_s = 0.004 * (number % 3) if jitter else 0.0
        yield unit(number / fps + late_s, key=number % gop == 0)


def run(gate: DecodeGate, units: Iterable[AccessUnit]) -> list[DecodeBatch]:
    return [batch for item in units if (batch := gate.offer(item)) is not None]


def decoded(batches: list[DecodeBatch]) -> int:
    return sum(len(batch.units) for batch in batches)


def shown(batches: list[DecodeBatch]) -> list[float]:
    return [batch.shown.pts_ns / S for batch in batches if batch.shown is not None]


def test_keyframes_alone_are_decoded_where_their_interval_satisfies_max_fps() -> None:
    gate = DecodeGate(max_fps=0.5, decode=Decode.AUTO)
    batches = run(gate, stream(60))
    assert gate.mode is DecodeMode.KEYFRAMES
    assert shown(batches) == pytest.approx([float(second) for second in range(0, 60, 2)])
    assert decoded(batches) == 30


def test_keyframes_that_are_not_due_are_not_decoded() -> None:
    batches = run(DecodeGate(max_fps=0.5, decode=Decode.KEYFRAMES), stream(20, keyframe_s=0.5))
    assert shown(batches) == pytest.approx([float(second) for second in range(0, 20, 2)])
    assert decoded(batches) == 10


def test_keyframes_hand_out_all_pictures_at_once() -> None:
    batches = run(DecodeGate(max_fps=1, decode=Decode.KEYFRAMES), stream(6))
    assert all(batch.is_complete for batch in batches)


def test_one_picture_a_second_from_two_second_keyframes_decodes_half_of_the_stream() -> None:
    gate = DecodeGate(max_fps=1, decode=Decode.AUTO)
    batches = run(gate, stream(60))
    assert gate.mode is DecodeMode.CATCH_UP
    assert shown(batches) == pytest.approx([float(second) for second in range(60)])
    # The keyframe, and the thirty pictures up to the one in its middle.
    assert decoded(batches) == 30 * 31


def test_uneven_arrival_does_not_change_the_number_of_pictures() -> None:
    batches = run(DecodeGate(max_fps=1, decode=Decode.AUTO), stream(60, jitter=True))
    assert len(shown(batches)) == 60
    assert decoded(batches) <= 30 * 33


def test_what_is_decoded_in_catch_up_always_begins_at_a_keyframe_or_where_the_last_release_ended() -> None:
    units = list(stream(30, fps=25, keyframe_s=1.6))
    expected = 0
    for batch in run(DecodeGate(max_fps=3, decode=Decode.AUTO), units):
        first = units.index(batch.units[0])
        assert first == expected or batch.units[0].is_keyframe
        assert list(batch.units) == units[first : first + len(batch.units)]
        expected = first + len(batch.units)


def test_a_keyframe_drops_what_is_held() -> None:
    gate = DecodeGate(max_fps=0.4, decode=Decode.AUTO)
    run(gate, [unit(0, key=True), unit(0.5), unit(1), unit(1.5)])
    batch = gate.offer(unit(3, key=True))
    assert batch is not None
    assert [item.pts_ns // S for item in batch.units] == [3]
    assert gate.mode is DecodeMode.CATCH_UP


def test_held_bytes_are_bounded_and_the_early_release_is_not_shown() -> None:
    gate = DecodeGate(max_fps=0.1, decode=Decode.AUTO, held_bytes_limit=5000)
    batches = run(gate, [unit(0, key=True), *(unit(number / 10) for number in range(1, 60))])
    assert shown(batches) == [0.0]
    assert max(len(batch.units) for batch in batches) == 6


def test_held_time_is_bounded() -> None:
    gate = DecodeGate(max_fps=0.1, decode=Decode.AUTO, held_ns_limit=2 * S)
    batches = run(gate, [unit(0, key=True), *(unit(number / 10) for number in range(1, 90))])
    spans = [batch.units[-1].pts_ns - batch.units[0].pts_ns for batch in batches]
    assert max(spans) <= 2.2 * S
    assert len(spans) > 3


def test_everything_is_decoded_when_asked_for_and_only_due_pictures_are_shown() -> None:
    gate = DecodeGate(max_fps=5, decode=Decode.ALL)
    batches = run(gate, stream(10))
    assert gate.mode is DecodeMode.ALL
    assert decoded(batches) == 300
    assert len(shown(batches)) == 50


@pytest.mark.parametrize(("fps", "max_fps"), [(30, 30), (25, 30), (30, 10), (15, 4), (30, 7)])
def test_pictures_come_as_often_as_asked_for_and_evenly(fps: int, max_fps: int) -> None:
    times = shown(run(DecodeGate(max_fps=max_fps, decode=Decode.ALL), stream(20, fps=fps)))
    assert len(times) == pytest.approx(20 * min(fps, max_fps), abs=1)
    steps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert max(steps) - min(steps) <= 1.01 / fps


def test_a_rate_as_high_as_the_streams_is_called_all() -> None:
    gate = DecodeGate(max_fps=30, decode=Decode.AUTO)
    assert decoded(run(gate, stream(6))) == 180
    assert gate.mode is DecodeMode.ALL


def test_a_stream_that_reorders_is_decoded_whole() -> None:
    order = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8]
    units = [unit(number / 10, key=number == 0) for number in order]
    units += [unit(1 + number / 10, key=number == 0) for number in order]
    gate = DecodeGate(max_fps=2, decode=Decode.AUTO)
    batches = run(gate, units)
    assert gate.mode is DecodeMode.ALL
    assert decoded(batches) == len(units)


def test_a_reordering_stream_with_frequent_keyframes_still_needs_only_these() -> None:
    order = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8]
    units = [unit(second + number / 10, key=number == 0) for second in range(9) for number in order]
    gate = DecodeGate(max_fps=1, decode=Decode.AUTO)
    run(gate, units)
    assert gate.mode is DecodeMode.KEYFRAMES


def test_nothing_is_decoded_before_the_first_keyframe() -> None:
    for decode in Decode:
        gate = DecodeGate(max_fps=30, decode=decode)
        assert run(gate, [unit(0), unit(0.1)]) == []
        assert len(run(gate, [unit(0.2, key=True)])) == 1


def test_nothing_is_decoded_after_a_restart_until_the_next_keyframe() -> None:
    gate = DecodeGate(max_fps=30, decode=Decode.ALL)
    run(gate, [unit(0, key=True), unit(0.1)])
    gate.restart()
    assert run(gate, [unit(0.2), unit(0.3)]) == []
    assert decoded(run(gate, [unit(0.4, key=True)])) == 1


def test_the_mode_follows_a_camera_that_changes_its_keyframe_interval() -> None:
    gate = DecodeGate(max_fps=1, decode=Decode.AUTO)
    run(gate, stream(8, keyframe_s=1))
    assert gate.mode is DecodeMode.KEYFRAMES
    slower = [item._replace(pts_ns=item.pts_ns + 8 * S) for item in stream(12, keyframe_s=4)]
    run(gate, slower)
    assert gate.mode is DecodeMode.CATCH_UP


def test_a_stream_whose_time_begins_again_goes_on_giving_pictures() -> None:
    gate = DecodeGate(max_fps=1, decode=Decode.AUTO)
    run(gate, stream(100))
    assert len(shown(run(gate, stream(10)))) == 10
    assert not gate.timing.reorders


def test_a_rate_that_is_raised_holds_from_the_next_picture_on() -> None:
    gate = DecodeGate(max_fps=0.1, decode=Decode.ALL)
    units = list(stream(20))
    before = shown(run(gate, units[:150]))
    gate.follow(10)
    after = shown(run(gate, units[150:]))
    assert before == [0]
    assert after[0] == pytest.approx(5)
    assert len(after) == 150
    steps = [later - earlier for earlier, later in itertools.pairwise(after)]
    assert max(steps) - min(steps) <= 1.01 / 30


def test_a_rate_that_is_lowered_brings_no_picture_early() -> None:
    gate = DecodeGate(max_fps=10, decode=Decode.ALL)
    units = list(stream(20))
    last = shown(run(gate, units[:150]))[-1]
    gate.follow(0.5)
    after = shown(run(gate, units[150:]))
    assert [later - earlier for earlier, later in itertools.pairwise([last, *after])] == pytest.approx(
        [2] * 7, abs=0.04
    )


def test_the_same_rate_again_moves_nothing() -> None:
    gate = DecodeGate(max_fps=1, decode=Decode.ALL)
    times = []
    for item in stream(20):
        gate.follow(1)
        times += shown(run(gate, [item]))
    assert times == pytest.approx(shown(run(DecodeGate(max_fps=1, decode=Decode.ALL), stream(20))))


def test_the_mode_follows_the_rate_from_the_next_keyframe_on() -> None:
    gate = DecodeGate(max_fps=0.5, decode=Decode.AUTO)
    units = list(stream(20))
    run(gate, units[:300])
    assert gate.mode is DecodeMode.KEYFRAMES
    gate.follow(5)
    assert run(gate, units[301:359]) == []  # nothing to decode them from
    assert len(shown(run(gate, units[360:]))) == 40
    assert gate.mode is DecodeMode.CATCH_UP
    gate.follow(0.5)
    run(gate, stream(4))
    assert gate.mode is DecodeMode.KEYFRAMES


@pytest.mark.parametrize("decode", [Decode.ALL, Decode.AUTO])
def test_a_picture_asked_for_comes_at_once_with_all_it_needs(decode: Decode) -> None:
    gate = DecodeGate(max_fps=1, decode=decode)
    units = list(stream(30))
    before = run(gate, units[:75])
    batch = gate.offer(units[75], at_once=True)
    assert batch is not None
    assert batch.shown is units[75]
    needed = [item for given in (*before, batch) for item in given.units]
    assert needed[-16:] == units[60:76]
    # And those after it come when they would have come anyway.
    assert shown(run(gate, units[76:])) == pytest.approx(list(range(3, 30)))


def test_a_picture_asked_for_is_the_next_keyframe_where_only_these_are_decoded() -> None:
    gate = DecodeGate(max_fps=0.1, decode=Decode.KEYFRAMES)
    run(gate, [unit(0, key=True)])
    assert gate.offer(unit(1), at_once=True) is None
    assert gate.offer(unit(2, key=True)) is None
    batch = gate.offer(unit(4, key=True), at_once=True)
    assert batch is not None
    assert batch.is_complete
    assert gate.offer(unit(6, key=True)) is None
    assert gate.offer(unit(10, key=True)) is not None


def test_pacer_takes_the_next_grid_point_after_a_gap() -> None:
    pacer = FramePacer(1)
    pacer.take(0)
    assert not pacer.is_due(S // 2, 0)
    assert pacer.is_due(7 * S + S // 2, 0)
    pacer.take(7 * S + S // 2)
    assert not pacer.is_due(8 * S, 0)
    assert pacer.is_due(8 * S + S // 2, 0)


def test_timing_shows_intervals() -> None:
    timing = StreamTiming()
    for item in stream(6.1, fps=20, keyframe_s=1.5):
        timing.observe(item)
    assert timing.keyframe_interval_ns == 1.5 * S
    assert timing.frame_interval_ns == pytest.approx(S / 20, rel=0.01)


def refresh(seconds: float, *, fps: int = 10, round_s: float = 2.0, begins: int = 0) -> list[AccessUnit]:
    """A stream with a recovery point every `round_s`, whole a round after it, from picture `begins` on."""
    size = round(round_s * fps)
    return [
        unit(number / fps)._replace(to_recovery=0 if number % size else size - 1)
        for number in range(begins, round(seconds * fps))
    ]


@pytest.mark.parametrize("decode", list(Decode))
@pytest.mark.parametrize("max_fps", [5, 0.3])
def test_nothing_of_an_intra_refresh_is_shown_before_a_whole_round_was_decoded(
    decode: Decode, max_fps: float
) -> None:
    gate = DecodeGate(max_fps=max_fps, decode=decode)
    units = refresh(20, begins=7)
    batches = run(gate, units)
    assert gate.mode is DecodeMode.REFRESH
    assert shown(batches)[0] == pytest.approx(2 + 1.9)
    assert [item for batch in batches for item in batch.units] == units[13:]


def test_what_comes_after_a_keyframe_is_whole_and_what_is_held_at_a_recovery_point_is_decoded() -> None:
    gate = DecodeGate(max_fps=0.5, decode=Decode.AUTO)
    units = [unit(0, key=True), *refresh(10)[1:]]
    batches = run(gate, units)
    assert shown(batches) == pytest.approx([0, 2, 4, 6, 8])
    assert [item for batch in batches for item in batch.units] == units[: decoded(batches)]


def test_between_keyframes_that_alone_were_decoded_a_refresh_begins_again() -> None:
    gate = DecodeGate(max_fps=1, decode=Decode.KEYFRAMES)
    batches = run(gate, [unit(0, key=True), *refresh(10)[1:]])
    assert shown(batches)[:2] == pytest.approx([0, 2 + 1.9], abs=0.11)


@pytest.mark.parametrize("decode", list(Decode))
def test_a_refresh_is_awaited_like_a_keyframe_until_a_round_of_it_is_whole(decode: Decode) -> None:
    gate = DecodeGate(max_fps=10, decode=decode)
    awaited = [(gate.offer(item), gate.awaits_keyframe)[1] for item in refresh(60, round_s=20)]
    assert awaited == [True] * 199 + [False] * 401


def test_a_decoder_that_lost_units_begins_again_at_a_recovery_point() -> None:
    gate = DecodeGate(max_fps=10, decode=Decode.AUTO)
    run(gate, refresh(6))
    gate.restart()
    assert shown(run(gate, refresh(12, begins=65)))[0] == pytest.approx(8 + 1.9)


def test_a_refresh_that_reorders_is_shown_a_round_later() -> None:
    gate = DecodeGate(max_fps=10, decode=Decode.AUTO)
    units = refresh(12)
    swapped = [item for pair in zip(units[1::2], units[2::2], strict=False) for item in reversed(pair)]
    assert min(shown(run(gate, [units[0], *swapped]))) >= 2
