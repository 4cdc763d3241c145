"""A line through the looks says what grows, and an account says what is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.soak_figures import Look, account, minutes, slope_per_min
from sandbox.gcs.server import StoredObject

LOOK = Look(0, 50.0, 30.0, 40.0, 20, 10, 0.5, 5.0, 0.0)
METRICS = {
    "edgecam_chunks_recorded_total": 5,
    "edgecam_spool_evicted_chunks_total": 1,
    "edgecam_spool_quarantined_chunks": 1,
    "edgecam_chunks_lost_total": 2,
}


def stored(number: int) -> StoredObject:
    name = f"door/2026/01/01/20260101T00000{number}.000Z_1000ms.mp4"
    return StoredObject(name, 100, f"{number:08x}", "1", "video/mp4", {})


def test_a_leak_shows_through_what_comes_and_goes() -> None:
    looks = [
        replace(LOOK, at_s=float(second), rss_mb=50 + 0.3 * second / 60 + second % 7)
        for second in range(3600)
    ]
    assert slope_per_min(looks, lambda each: each.rss_mb) == pytest.approx(0.3, abs=0.01)


def test_what_is_flat_has_no_slope() -> None:
    looks = [replace(LOOK, at_s=float(second)) for second in range(100)]
    assert slope_per_min(looks, lambda each: each.rss_mb) == 0


def test_every_chunk_is_somewhere() -> None:
    found = account(METRICS, [stored(1), stored(2), stored(3)])
    assert (found.recorded, found.listed, found.lost) == (5, 3, 2)
    assert (found.unaccounted, found.doubled) == (0, 0)


def test_a_chunk_that_is_nowhere_is_unaccounted() -> None:
    assert account(METRICS, [stored(1), stored(2)]).unaccounted == 1


def test_a_chunk_under_two_names_is_doubled_and_one_too_many() -> None:
    again = replace(stored(1), name="door/2026/01/01/20260101T000001.002Z_1000ms.mp4")
    found = account(METRICS, [stored(1), stored(2), stored(3), again])
    assert (found.unaccounted, found.doubled) == (-1, 1)


def test_the_same_film_of_another_camera_or_in_its_next_round_is_not_doubled() -> None:
    again = replace(stored(1), name="door/2026/01/01/20260101T000101.000Z_1000ms.mp4")
    other = replace(stored(1), name="gate/2026/01/01/20260101T000001.000Z_1000ms.mp4")
    assert account(METRICS, [stored(1), again, other]).doubled == 0


def test_pictures_and_status_are_no_chunks() -> None:
    assert account({}, [replace(stored(1), name="latest/door.jpg")]).listed == 0


def test_a_minute_is_shown_by_its_worst() -> None:
    looks = [replace(LOOK, at_s=float(second), oldest_s=second % 60 / 10) for second in range(61)]
    assert [row["oldest_s"] for row in minutes(looks)] == [5.9, 0.0]
