"""Times of decoding, over values."""

from __future__ import annotations

import pytest

from edgecam.recording.decode_times import DtsGenerator, PtsTracker, reorder_depth

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
    assert tracker.repaired(120 * MS) == 160 * MS  # two pictures cannot be shown at once


def test_the_interval_is_that_of_showing_not_of_sending() -> None:
    tracker = PtsTracker()
    for place in (0, 3, 1, 2, 6, 4, 5, 9, 7, 8):
        tracker.repaired(place * 40 * MS)
    assert tracker.interval_ns == 40 * MS
