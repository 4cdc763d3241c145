"""Times of decoding, over values."""

from __future__ import annotations

from itertools import pairwise

import pytest

from edgecam.recording.decode_times import TICK_NS, DtsGenerator, PtsTracker, reorder_depth

MS = 1_000_000


@pytest.mark.parametrize(
    ("shown", "depth"),
    [
        ([0, 1, 2, 3], 0),
        ([0, 3, 1, 2, 6, 4, 5], 1),
        ([0, 4, 2, 1, 3, 8, 6, 5, 7], 2),
        ([], 0),
    ],
)
def test_the_depth_is_how_far_pictures_are_sent_ahead(shown: list[int], depth: int) -> None:
    assert reorder_depth(shown) == depth


@pytest.mark.parametrize("shown", [[0, 1, 2, 3], [0, 3, 1, 2, 6, 4, 5], [0, 4, 2, 1, 3, 8, 6, 5, 7]])
def test_pictures_are_decoded_in_order_and_before_they_are_shown(shown: list[int]) -> None:
    times = DtsGenerator(depth=reorder_depth(shown), first_ns=0, interval_ns=1)
    decoded = [times.dts_ns(pts) for pts in shown]
    assert None not in decoded
    assert decoded == sorted(set(decoded), key=lambda value: value or 0)
    assert all((dts or 0) <= pts for dts, pts in zip(decoded, shown, strict=True))


def test_a_stream_that_reorders_more_than_was_seen_is_noticed() -> None:
    times = DtsGenerator(depth=0, first_ns=0, interval_ns=1)
    assert [times.dts_ns(pts) for pts in (0, 3, 1)] == [0, 3, None]


def test_a_picture_without_a_time_gets_the_next_one() -> None:
    tracker = PtsTracker()
    assert tracker.repaired(None) is None
    assert [tracker.repaired(pts) for pts in (0, 40 * MS, 80 * MS)] == [0, 40 * MS, 80 * MS]
    assert tracker.repaired(None) == 120 * MS


def test_pictures_of_one_time_are_a_tick_apart_and_the_next_has_its_own_time() -> None:
    tracker = PtsTracker()
    assert [tracker.repaired(pts * MS) for pts in (0, 40, 40, 80, 120)] == [
        0,
        40 * MS,
        40 * MS + TICK_NS,
        80 * MS,
        120 * MS,
    ]


def test_decoding_times_grow_by_a_tick_at_least_also_where_pictures_are_reordered() -> None:
    times = DtsGenerator(depth=3, first_ns=0, interval_ns=40 * MS, tick_ns=TICK_NS)
    decoded = [times.dts_ns(pts * MS) for pts in (0, 120, 40, 40, 80, 240, 160, 160, 200)]
    assert None not in decoded
    assert all((later or 0) - (earlier or 0) >= TICK_NS for earlier, later in pairwise(decoded))


def test_picture_that_is_reordered_further_has_the_next_decoding_time() -> None:
    times = DtsGenerator(depth=0, first_ns=0, interval_ns=40 * MS, tick_ns=TICK_NS)
    assert [times.dts_ns(pts * MS) for pts in (0, 120, 40)] == [0, 120 * MS, None]
    assert times.after_last_ns() == 120 * MS + TICK_NS
    assert times.dts_ns(160 * MS) == 160 * MS


def test_pause_is_no_interval() -> None:
    tracker = PtsTracker()
    for pts in (0, 40, 80, 120, 8000, 8040):
        tracker.repaired(pts * MS)
    assert tracker.interval_ns == 40 * MS


def test_the_interval_is_that_of_showing_not_of_sending() -> None:
    tracker = PtsTracker()
    for place in (0, 3, 1, 2, 6, 4, 5, 9, 7, 8):
        tracker.repaired(place * 40 * MS)
    assert tracker.interval_ns == 40 * MS
