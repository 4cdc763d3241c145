"""Where pictures stand whatever their stream stamps, over values."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from edgecam.capture.time_line import SETTLING_NS, TimeLine, signed
from edgecam.clock import NS_PER_S

FPS = 10
INTERVAL_NS = NS_PER_S // FPS
HOUR_S = 3600.0
Stamp = Callable[[int], float]


def placed(
    stamps_s: list[float], *, batch: int = FPS, sent_s: Stamp = lambda n: n / FPS, reports: bool = False
) -> list[float]:
    """Where pictures stand that are stamped so and sent ten a second, polled once a second; seconds."""
    line, found = TimeLine(), []
    for first in range(0, len(stamps_s), batch):
        taken = stamps_s[first : first + batch]
        now_s = sent_s(first + len(taken) - 1)
        places = line.place(
            [round(stamp_s * NS_PER_S) for stamp_s in taken],
            arrived_s=1000 + now_s,
            within_s=batch / FPS * 1.5 if batch > 1 else 0.0,
            taken_s=now_s if reports else None,
        )
        found += [place.line_ns / NS_PER_S for place in places]
    return found


def stamped(count: int, fault: Callable[[int, float], float] = lambda _, at_s: at_s) -> list[float]:
    return [fault(number, number / FPS) for number in range(count)]


def off_s(places_s: list[float], sent_s: Stamp = lambda n: n / FPS) -> list[float]:
    """How far pictures stand from when they were taken."""
    return [place_s - places_s[0] - sent_s(number) for number, place_s in enumerate(places_s)]


BATCHES = pytest.mark.parametrize("batch", [1, FPS, 7])


@BATCHES
def test_stream_without_faults_is_passed_on_to_the_nanosecond(batch: int) -> None:
    stamps_s = stamped(1000, lambda _, at_s: 77 + at_s)
    assert placed(stamps_s, batch=batch) == stamps_s


@BATCHES
def test_reordered_pictures_keep_their_times(batch: int) -> None:
    order = [group + place for group in range(0, 300, 3) for place in (2, 0, 1)]
    stamps_s = [number / FPS for number in order]
    assert placed(stamps_s, batch=batch) == stamps_s


@BATCHES
@pytest.mark.parametrize("stray_s", [9800.0, -9800.0, 2.5, -3.5, 2**33, -(2**33)])
def test_stray_stamp_costs_its_picture_and_no_other(batch: int, stray_s: float) -> None:
    stamps_s = stamped(600, lambda number, at_s: at_s + stray_s * (number % 30 == 17))
    places_s = placed(stamps_s, batch=batch)
    assert max(map(abs, off_s(places_s))) <= 1 / FPS
    assert [place_s for n, place_s in enumerate(places_s) if n % 30 != 17] == [
        stamp_s for n, stamp_s in enumerate(stamps_s) if n % 30 != 17
    ]


@BATCHES
@pytest.mark.parametrize("leap_s", [HOUR_S, -HOUR_S, 2**32 / 90_000, -(2**32) / 90_000])
def test_leap_of_the_streams_clock_is_bridged(batch: int, leap_s: float) -> None:
    stamps_s = stamped(600, lambda number, at_s: at_s + leap_s * (number >= 205))
    assert max(map(abs, off_s(placed(stamps_s, batch=batch)))) < 0.001


@BATCHES
def test_stamps_that_go_back_again_and_again_are_bridged_each_time(batch: int) -> None:
    stamps_s = stamped(900, lambda number, at_s: 100 + at_s - 3.5 * (number // 80))
    places_s = placed(stamps_s, batch=batch)
    assert max(map(abs, off_s(places_s))) < 0.01
    assert all(later > earlier for earlier, later in pairwise(places_s))


@BATCHES
def test_stamps_that_mean_nothing_leave_a_line_at_the_pace_of_arrival(batch: int) -> None:
    stamps_s = stamped(1200, lambda number, _: (number * 7919 % 1013) * 1000.0)
    places_s = placed(stamps_s, batch=batch)
    assert all(0 < later - earlier < 0.5 for earlier, later in pairwise(places_s))
    assert max(map(abs, off_s(places_s)[-100:])) < 2


@BATCHES
def test_pause_that_arrival_confirms_is_one(batch: int) -> None:
    stamps_s = stamped(600, lambda number, at_s: at_s + 6 * (number >= 300))
    assert placed(stamps_s, batch=batch, sent_s=lambda n: n / FPS + 6 * (n >= 300)) == stamps_s


@BATCHES
def test_stall_and_its_burst_leave_no_trace(batch: int) -> None:
    stamps_s = stamped(900)
    late = placed(stamps_s, batch=batch, sent_s=lambda n: max(n / FPS, 38.0 if 300 <= n < 380 else 0.0))
    assert late == stamps_s


@BATCHES
@pytest.mark.parametrize("real_fps", [8, 12])
def test_clock_at_another_pace_than_pictures_is_followed_with_the_report(batch: int, real_fps: int) -> None:
    def sent_s(number: int) -> float:
        return number / real_fps

    off = off_s(placed(stamped(900), batch=batch, sent_s=sent_s, reports=True), sent_s)
    assert max(map(abs, off)) < 2.0
    assert max(map(abs, off[-200:])) < 1.5


@BATCHES
@pytest.mark.parametrize("real_fps", [8, 12])
def test_clock_at_another_pace_is_followed_without_a_report_within_a_minute(
    batch: int, real_fps: int
) -> None:
    def sent_s(number: int) -> float:
        return number / real_fps

    off = off_s(placed(stamped(1000), batch=batch, sent_s=sent_s), sent_s)
    assert max(map(abs, off)) < 6.0
    assert max(map(abs, off[60 * real_fps :])) < 2.0


def test_clock_that_is_well_again_is_believed_again() -> None:
    def sent_s(number: int) -> float:
        return number / 8 if number < 400 else 50 + (number - 400) / FPS

    places_s = placed(stamped(2400), sent_s=sent_s, reports=True)
    assert all(later - earlier == pytest.approx(0.1) for earlier, later in pairwise(places_s[-200:]))
    assert abs(off_s(places_s, sent_s)[-1]) < 1.2


def test_drift_of_a_crystal_is_no_fault() -> None:
    stamps_s = stamped(5000, lambda _, at_s: round(at_s * 1.0001, 6))
    assert placed(stamps_s) == stamps_s


def test_pipe_that_is_read_faster_than_real_time_keeps_its_times() -> None:
    line = TimeLine(is_paced=False)
    stamps_ns = [number * INTERVAL_NS for number in range(600)]
    found = [place.line_ns for place in line.place(stamps_ns, arrived_s=1.0)]
    assert found == stamps_ns


def test_keyframe_that_goes_back_is_named_and_a_stray_ahead_is_not() -> None:
    line = TimeLine()
    stamps_s = [100.0, 100.1, 9999.0, 100.3, 5.0, 5.1]
    places = line.place([round(stamp_s * NS_PER_S) for stamp_s in stamps_s], arrived_s=1.0)
    assert [place.is_back for place in places] == [False, False, False, False, True, False]


def test_burst_at_the_beginning_is_learnt_and_not_held_against_the_stream() -> None:
    assert SETTLING_NS >= 2 * NS_PER_S
    stamps_s = stamped(600)
    assert placed(stamps_s, sent_s=lambda n: 2 + max(0.0, n / FPS - 2)) == stamps_s


def test_time_below_zero_is_read_as_such() -> None:
    assert signed(2**64 - 9800 * NS_PER_S) == -9800 * NS_PER_S
    assert signed(5) == 5
    line = TimeLine()
    assert [place.line_ns for place in line.place([-9800 * NS_PER_S, INTERVAL_NS], arrived_s=1.0)] == [
        0,
        NS_PER_S // 30,
    ]
