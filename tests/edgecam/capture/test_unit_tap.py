"""The recording's branch of a connection of the own receiver: values, no camera."""

from __future__ import annotations

import threading

import pytest
from access_units import unit

from edgecam.capture import unit_tap as module
from edgecam.capture.unit_tap import UnitTap


def test_units_come_in_the_order_in_which_they_were_put() -> None:
    tap = UnitTap(on_end=lambda: None)
    first, second, third = (unit(at_s, content=bytes(at_s)) for at_s in (1, 2, 3))
    tap.put([first, second])
    tap.put([third])
    assert tap.held_bytes == 6
    assert tap.take() == [first, second, third]
    assert (tap.take(), tap.held_bytes) == ([], 0)
    assert not tap.reopen()


def test_what_comes_while_too_much_waits_is_dropped_until_that_was_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "HELD_BYTES_LIMIT", 10)
    tap = UnitTap(on_end=lambda: None)
    kept, dropped, small, later = (unit(n, content=bytes(size)) for n, size in enumerate((8, 8, 1, 4)))
    for each in (kept, dropped, small):
        tap.put([each])
    assert (tap.lost, tap.held_bytes) == (1, 8)
    assert tap.take() == [kept]
    tap.put([later])
    assert tap.take() == [], "what follows a gap comes after that was said"
    assert tap.reopen()
    assert not tap.reopen()
    tap.put([later])
    assert tap.take() == [later]


def test_what_cannot_be_recorded_is_not_kept() -> None:
    tap = UnitTap(on_end=lambda: None)
    tap.put([unit(1)])
    tap.reject_rest()
    tap.put([unit(2)])
    assert (tap.take(), tap.held_bytes, tap.reopen()) == ([], 0, False)


def test_the_end_of_the_stream_is_passed_on() -> None:
    ended = threading.Event()
    UnitTap(on_end=ended.set).end()
    assert ended.is_set()
