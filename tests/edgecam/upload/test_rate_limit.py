"""Flow control: rates, smoothness, turns, ending."""

from __future__ import annotations

import threading
import time

import pytest

from edgecam.clock import SystemClock
from edgecam.errors import StoreUnavailable
from edgecam.upload.rate_limit import MOST_HOLD_S, RateLimiter
from sandbox.clocks import ManualClock

PIECE = 64 * 1024


def grants(
    limiter: RateLimiter, clock: ManualClock, count: int, size_bytes: int = PIECE
) -> list[tuple[float, int]]:
    """When each of `count` pieces in a row was granted, and how large it was."""
    found = []
    for _ in range(count):
        limiter.send(size_bytes)
        found.append((clock.monotonic_s(), size_bytes))
    return found


def most_in_a_window(found: list[tuple[float, int]], window_s: float) -> int:
    return max(sum(size for at, size in found if 0 <= at - begun < window_s) for begun, _ in found)


def test_bytes_flow_at_the_rate() -> None:
    clock = ManualClock()
    found = grants(RateLimiter(requests_per_s=1, bytes_per_s=10 * PIECE, clock=clock), clock, 200)
    assert found[-1][0] == pytest.approx(200 / 10, rel=0.02)


@pytest.mark.parametrize("pause_s", [0, 3600])
def test_no_second_carries_more_than_a_tenth_above_the_rate_even_after_a_pause(pause_s: float) -> None:
    clock = ManualClock()
    limiter = RateLimiter(requests_per_s=1, bytes_per_s=10 * PIECE, clock=clock)
    before = grants(limiter, clock, 20)
    clock.advance(pause_s)
    found = before + grants(limiter, clock, 60)
    assert most_in_a_window(found, 1.0) <= 11 * PIECE
    assert most_in_a_window(found, 0.25) <= 4 * PIECE


def test_requests_flow_at_the_rate_and_one_may_always_begin_after_a_pause() -> None:
    clock = ManualClock()
    limiter = RateLimiter(requests_per_s=0.5, bytes_per_s=1, clock=clock)
    times = []
    for _ in range(5):
        limiter.request()
        times.append(clock.monotonic_s())
    assert times == [0, 2, 4, 6, 8]
    clock.advance(100)
    limiter.request()
    assert clock.monotonic_s() == 108


def test_a_piece_larger_than_a_second_allows_waits_until_it_is_paid_for() -> None:
    clock = ManualClock()
    limiter = RateLimiter(requests_per_s=1, bytes_per_s=PIECE // 4, clock=clock)
    assert [round(at, 1) for at, _ in grants(limiter, clock, 2)] == [3.9, 7.9]


def test_concurrent_uploads_take_turns() -> None:
    limiter = RateLimiter(requests_per_s=1000, bytes_per_s=200 * PIECE, clock=SystemClock())
    limiter.send(30 * PIECE)  # what was saved up belongs to who comes first
    sent = [0, 0, 0]
    end_s = time.monotonic() + 0.6

    def upload(number: int) -> None:
        while time.monotonic() < end_s:
            limiter.send(PIECE)
            sent[number] += 1

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(sent) <= 1.3 * min(sent)


def test_who_waits_is_woken_at_once_when_the_node_ends() -> None:
    limiter = RateLimiter(requests_per_s=0.001, bytes_per_s=1, clock=SystemClock())
    limiter.request()
    raised: list[Exception] = []

    def ask() -> None:
        try:
            limiter.request()
        except StoreUnavailable as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    limiter.end()
    thread.join(10)
    assert len(raised) == 1
    with pytest.raises(StoreUnavailable, match="ending"):
        limiter.send(1)


def test_pieces_are_small_where_the_rate_is_low_and_never_more_than_uploads_take() -> None:
    def piece_bytes(bytes_per_s: int) -> int:
        return RateLimiter(requests_per_s=1, bytes_per_s=bytes_per_s, clock=ManualClock()).piece_bytes

    assert piece_bytes(64_000) == 16_000
    assert piece_bytes(4096) == 1024
    assert piece_bytes(20_000_000) == 256 * 1024


def test_a_changed_rate_holds_at_once_and_saves_nothing_up() -> None:
    clock = ManualClock()
    limiter = RateLimiter(requests_per_s=1, bytes_per_s=2 * PIECE, clock=clock)
    grants(limiter, clock, 20)
    for per_s in (20 * PIECE, 5 * PIECE):
        begun_s = clock.monotonic_s()
        limiter.change(requests_per_s=1, bytes_per_s=per_s)
        found = grants(limiter, clock, 100)
        assert found[-1][0] - begun_s == pytest.approx(100 * PIECE / per_s, rel=0.03)
        assert most_in_a_window(found, 1.0) <= 1.1 * per_s + PIECE


def test_who_waits_already_goes_by_the_changed_rate() -> None:
    limiter = RateLimiter(requests_per_s=0.001, bytes_per_s=1, clock=SystemClock())
    limiter.request()
    asked, served = threading.Semaphore(0), []

    def ask(number: int) -> None:
        asked.release()
        (limiter.request if number % 2 else lambda: limiter.send(PIECE))()
        served.append(number)

    threads = []
    for number in range(4):
        threads.append(threading.Thread(target=ask, args=(number,), daemon=True))
        threads[-1].start()
        asked.acquire()
    limiter.change(requests_per_s=100, bytes_per_s=100 * PIECE)
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert sorted(served) == [0, 1, 2, 3]


def test_a_lowered_rate_holds_for_what_was_granted_and_not_paid() -> None:
    clock = ManualClock()
    limiter = RateLimiter(requests_per_s=1, bytes_per_s=10 * PIECE, clock=clock)
    limiter.send(11 * PIECE)
    limiter.change(requests_per_s=1, bytes_per_s=PIECE)
    begun_s = clock.monotonic_s()
    assert [round(at - begun_s) for at, _ in grants(limiter, clock, 3)] == [1, 2, 3]


def test_pieces_follow_the_rate_and_the_end_holds_after_a_change() -> None:
    limiter = RateLimiter(requests_per_s=1, bytes_per_s=20_000_000, clock=ManualClock())
    limiter.change(requests_per_s=1, bytes_per_s=64_000)
    assert limiter.piece_bytes == 16_000
    limiter.end()
    limiter.change(requests_per_s=1, bytes_per_s=64_000)
    with pytest.raises(StoreUnavailable, match="ending"):
        limiter.send(1)


def test_a_hold_keeps_every_request_waiting_and_lets_what_is_under_way_go_on() -> None:
    clock = ManualClock()
    limiter = RateLimiter(requests_per_s=100, bytes_per_s=10 * PIECE, clock=clock)
    limiter.hold(60)
    limiter.send(PIECE)
    assert clock.monotonic_s() < 1
    limiter.request()
    assert clock.monotonic_s() >= 60


NO_RATES = [0, -1, 1e-300, 5e-324, 1e308, 10**400, float("inf"), float("nan")]


@pytest.mark.parametrize("rate", NO_RATES)
def test_rate_that_is_none_is_refused_and_changes_nothing(rate: float) -> None:
    clock = ManualClock()
    limiter = RateLimiter(requests_per_s=10, bytes_per_s=1000, clock=clock)
    for wrong in ({"requests_per_s": rate, "bytes_per_s": 1}, {"requests_per_s": 1, "bytes_per_s": rate}):
        with pytest.raises(ValueError, match=r"rate: expected 0\.001 to 1e\+12 a second, found"):
            limiter.change(**wrong)
        with pytest.raises(ValueError, match="rate: expected"):
            RateLimiter(**wrong, clock=clock)
    began_s = clock.monotonic_s()
    for _ in range(20):
        limiter.request()
    assert clock.monotonic_s() - began_s == pytest.approx(1.9, abs=0.01)


@pytest.mark.parametrize(
    ("asked_s", "waited_s"),
    [(60.0, 60.0), (1e12, MOST_HOLD_S), (float("inf"), MOST_HOLD_S), (float("nan"), 0.0), (-5.0, 0.0)],
)
def test_store_holds_a_node_for_an_hour_at_most(asked_s: float, waited_s: float) -> None:
    clock = ManualClock()
    limiter = RateLimiter(requests_per_s=10, bytes_per_s=1000, clock=clock)
    limiter.hold(asked_s)
    limiter.request()
    assert clock.monotonic_s() == pytest.approx(waited_s, abs=0.01)
