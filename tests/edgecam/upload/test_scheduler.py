"""Whose turn it is."""

from __future__ import annotations

from collections import Counter

import pytest

from edgecam.config.storage import Order
from edgecam.upload.scheduler import Schedule, Turn


def take(schedule: Schedule, sizes: dict[str, int], count: int) -> list[Turn]:
    """`count` turns, while chunks of these sizes wait of these cameras without end."""
    taken = []
    for _ in range(count):
        turn = schedule.turns(sizes.keys())[0]
        schedule.took(turn, sizes[turn.camera_id])
        taken.append(turn)
    return taken


def cameras(turns: list[Turn]) -> Counter[str]:
    return Counter(turn.camera_id for turn in turns)


def newest_first() -> Schedule:
    return Schedule(order=Order.NEWEST, backlog_share=0.25)


def test_cameras_with_equal_chunks_take_turns() -> None:
    turns = take(newest_first(), {"a": 10, "b": 10, "c": 10}, 30)
    assert cameras(turns) == {"a": 10, "b": 10, "c": 10}
    assert all({turn.camera_id for turn in turns[at : at + 3]} == {"a", "b", "c"} for at in range(0, 30, 3))


def test_a_camera_with_large_chunks_gets_no_more_bytes_than_the_others() -> None:
    sizes = {"large": 40_000_000, "small": 10_000_000}
    assert cameras(take(newest_first(), sizes, 50)) == {"large": 10, "small": 40}


def test_a_camera_with_thousands_of_tiny_chunks_does_not_take_the_others_time() -> None:
    taken = cameras(take(newest_first(), {"good": 2_000_000, "tiny": 3000}, 100))
    assert taken["good"] >= 10


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5, 0.95])
def test_the_backlog_gets_its_share_and_the_newest_the_rest(share: float) -> None:
    schedule = Schedule(order=Order.NEWEST, backlog_share=share)
    orders = Counter(turn.order for turn in take(schedule, {"a": 1}, 400))
    assert orders[Order.OLDEST] == pytest.approx(400 * share, abs=1)


def test_the_first_turn_after_an_outage_takes_the_newest() -> None:
    assert take(newest_first(), {"a": 1}, 4)[0].order is Order.NEWEST


def test_every_camera_has_a_backlog_share_of_its_own() -> None:
    turns = take(newest_first(), {"a": 1, "b": 1}, 80)
    backlog = [turn for turn in turns if turn.order is Order.OLDEST]
    assert cameras(backlog) == {"a": 10, "b": 10}


def test_oldest_first_takes_the_oldest_always() -> None:
    schedule = Schedule(order=Order.OLDEST, backlog_share=0.25)
    assert {turn.order for turn in take(schedule, {"a": 1}, 20)} == {Order.OLDEST}


def test_a_camera_that_had_nothing_to_send_has_saved_nothing_up() -> None:
    schedule = newest_first()
    take(schedule, {"busy": 10}, 1000)
    assert cameras(take(schedule, {"busy": 10, "back": 10}, 20)) == {"busy": 10, "back": 10}
    take(schedule, {"back": 10}, 500)
    schedule.turns(())
    assert cameras(take(schedule, {"busy": 10, "back": 10}, 20)) == {"busy": 10, "back": 10}


def test_who_cannot_use_his_turn_keeps_it() -> None:
    schedule = newest_first()
    first, second = schedule.turns(["a", "b"])
    schedule.took(second, 10)
    assert schedule.turns(["a", "b"])[0].camera_id == first.camera_id
