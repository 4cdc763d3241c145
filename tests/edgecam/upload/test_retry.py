"""When to try again."""

from __future__ import annotations

import math
from random import Random

import pytest

from edgecam.errors import ChunkDamaged, ObjectRefused, StoreError, StoreRefused, StoreUnavailable
from edgecam.upload.retry import (
    FIRST_DELAY_S,
    LONGEST_ASKED_DELAY_S,
    LONGEST_DELAY_S,
    LONGEST_OBJECT_DELAY_S,
    LONGEST_REFUSED_DELAY_S,
    MOST_REFUSED_IN_A_ROW,
    MOST_REMEMBERED,
    SECOND_LOOK_S,
    RetryPolicy,
)

AWAY = StoreUnavailable("expected an answer, found 503")
REFUSED = StoreRefused("expected the right to write, found 403")
UNDER_HOLD = ObjectRefused("expected no hold, found one")


class Store:
    """A policy with a clock, given the outcome of attempts."""

    def __init__(self) -> None:
        self.policy = RetryPolicy[str](Random(1), group_of=lambda name: name.partition("/")[0])
        self.now_s = 1000.0

    def attempt(self, name: str, error: StoreError | None, *, takes_s: float = 0.1) -> float:
        """The seconds for which no other may begin."""
        self.policy.begin(name, self.now_s)
        self.now_s += takes_s
        if error is None:
            self.policy.succeeded(name)
        else:
            self.policy.failed(name, error, self.now_s)
        return self.policy.wait_s(self.now_s)

    def attempts(self, count: int, error: StoreError) -> list[float]:
        """The delays after each of `count` attempts with different objects, each begun as soon as allowed."""
        delays = []
        for number in range(count):
            delays.append(self.attempt(f"c/{number}", error))
            self.now_s += delays[-1]
        return delays


def test_delays_grow_are_capped_and_jittered() -> None:
    delays = Store().attempts(12, AWAY)
    assert 0.8 * FIRST_DELAY_S <= delays[0] <= 1.2 * FIRST_DELAY_S
    assert delays[0] < delays[1] < delays[2] < delays[3]
    assert all(0.8 * LONGEST_DELAY_S <= delay <= 1.2 * LONGEST_DELAY_S for delay in delays[8:])
    assert len(set(delays)) == len(delays)


def test_what_is_stored_ends_the_waiting_at_once() -> None:
    store = Store()
    store.attempts(8, AWAY)
    store.attempt("c/good", None)
    assert store.policy.wait_s(store.now_s) == 0
    assert store.attempt("c/bad", AWAY) <= 1.2 * FIRST_DELAY_S


def test_a_store_that_is_down_is_asked_by_one_upload_at_a_time() -> None:
    store = Store()
    store.now_s += store.attempt("c/1", AWAY)
    store.policy.begin("c/2", store.now_s)
    assert store.policy.wait_s(store.now_s + 1) == math.inf
    store.policy.failed("c/2", AWAY, store.now_s + 1)
    assert store.policy.wait_s(store.now_s + 60) == 0


def test_uploads_that_fail_together_count_as_one_failure() -> None:
    store = Store()
    for number in range(8):
        store.policy.begin(f"c/{number}", store.now_s)
    store.now_s += 1
    for number in range(8):
        store.policy.failed(f"c/{number}", AWAY, store.now_s + number / 1000)
    assert store.policy.wait_s(store.now_s) <= 1.2 * FIRST_DELAY_S
    assert store.policy.failures == 1


def test_an_upload_that_was_under_way_before_the_failure_does_not_keep_others_waiting() -> None:
    store = Store()
    store.policy.begin("c/slow", store.now_s)
    store.now_s += 1
    delay_s = store.attempt("c/1", AWAY)
    assert store.policy.wait_s(store.now_s + delay_s) == 0


def test_retry_after_holds_every_upload() -> None:
    store = Store()
    assert store.attempt("c/1", StoreUnavailable("429", retry_after_s=120)) == pytest.approx(120)
    assert store.policy.wait_s(store.now_s + 100) == pytest.approx(20)


def test_retry_after_of_an_upload_that_failed_together_with_others_counts_too() -> None:
    store = Store()
    for name in ("c/1", "c/2"):
        store.policy.begin(name, store.now_s)
    store.now_s += 1
    store.policy.failed("c/1", AWAY, store.now_s)
    store.now_s += 0.1
    store.policy.failed("c/2", StoreUnavailable("503", retry_after_s=30), store.now_s)
    assert store.policy.wait_s(store.now_s) == pytest.approx(30)


def test_an_unreasonable_retry_after_is_cut() -> None:
    delay_s = Store().attempt("c/1", StoreUnavailable("429", retry_after_s=1e9))
    assert delay_s == pytest.approx(LONGEST_ASKED_DELAY_S)


def test_a_refusal_is_looked_at_once_more_and_then_asked_again_every_few_minutes() -> None:
    delays = Store().attempts(8, REFUSED)
    assert delays[0] == SECOND_LOOK_S
    assert 45 < delays[1] < 75
    assert all(
        0.8 * LONGEST_REFUSED_DELAY_S <= delay <= 1.2 * LONGEST_REFUSED_DELAY_S for delay in delays[4:]
    )


def test_an_outage_after_a_refusal_is_tried_again_soon() -> None:
    store = Store()
    store.attempts(6, REFUSED)
    store.attempt("c/good", None)
    assert store.attempt("c/x", AWAY) <= 1.2 * FIRST_DELAY_S


def test_while_the_store_is_down_what_has_failed_is_left_for_the_end() -> None:
    store = Store()
    store.now_s += store.attempt("c/poisoned", AWAY)
    store.now_s += 3600
    assert store.policy.excluded(store.now_s) == {"c/poisoned"}
    store.now_s += store.attempt("c/2", AWAY)
    store.now_s += 3600
    assert store.policy.due(store.now_s) == ("c/poisoned", "c/2")


def test_an_object_that_fails_while_others_are_stored_is_put_off_longer_and_longer() -> None:
    store, defer = Store(), []
    for number in range(14):
        store.attempt("c/poisoned", AWAY)
        store.attempt(f"c/{number}", None)
        defer.append(store.policy.next_due_s(store.now_s))
        store.now_s += defer[-1] + 1
        assert store.policy.excluded(store.now_s) == frozenset()
    assert defer[0] < defer[3] < defer[6]
    assert defer[-1] >= 0.8 * LONGEST_OBJECT_DELAY_S - 1


def test_an_outage_puts_no_object_off_for_long() -> None:
    store = Store()
    for _ in range(20):
        store.now_s += store.attempt("c/only", AWAY)
    store.now_s += LONGEST_DELAY_S
    assert store.policy.due(store.now_s) == ("c/only",)


def test_an_object_that_is_put_off_does_not_hold_the_others() -> None:
    store = Store()
    store.policy.begin("c/1", store.now_s)
    store.policy.defer("c/1", store.now_s)
    assert store.policy.wait_s(store.now_s) == 0
    assert store.policy.excluded(store.now_s) == {"c/1"}
    assert store.policy.next_due_s(store.now_s) <= 1.2 * FIRST_DELAY_S


def test_damage_on_the_way_is_tried_again_soon() -> None:
    assert Store().attempt("c/1", ChunkDamaged("crc32c")) <= 1.2 * FIRST_DELAY_S


def test_what_is_remembered_of_failures_is_bounded() -> None:
    store = Store()
    store.attempts(MOST_REMEMBERED + 50, AWAY)
    assert len(store.policy.excluded(store.now_s)) == MOST_REMEMBERED


def test_an_object_under_hold_keeps_nobody_waiting_and_waits_longer_and_longer() -> None:
    store, waits = Store(), []
    for _ in range(6):
        assert store.attempt("c/held", UNDER_HOLD) == 0
        assert store.policy.excluded(store.now_s) == {"c/held"}
        waits.append(store.policy.next_due_s(store.now_s))
        store.now_s += waits[-1] + 1
        assert store.policy.due(store.now_s) == ("c/held",)
    assert 45 < waits[0] < waits[2] < waits[4] <= 1.2 * LONGEST_OBJECT_DELAY_S
    assert not store.policy.is_down


def test_an_object_that_is_refused_while_others_are_stored_keeps_nobody_waiting_again() -> None:
    store = Store()
    assert store.attempt("c/refused", REFUSED) == SECOND_LOOK_S
    store.attempt("c/1", None)
    store.now_s += 3600
    assert store.attempt("c/refused", REFUSED) == 0
    assert not store.policy.is_down


def test_a_group_that_is_refused_while_others_are_stored_waits_as_a_whole() -> None:
    store = Store()
    store.now_s += store.attempt("c/1", REFUSED)
    assert store.policy.doubtful == {"c"}
    store.attempt("d/1", None)
    assert store.policy.doubtful == frozenset()
    waits = []
    for number in range(2, 8):
        assert store.attempt(f"c/{number}", REFUSED) == 0
        assert store.policy.held(store.now_s) == {"c"}
        assert store.policy.due(store.now_s + 1) == ()
        begun_s = store.now_s
        while store.policy.held(store.now_s):
            assert 0 < store.policy.next_due_s(store.now_s) < math.inf
            store.now_s += store.policy.next_due_s(store.now_s)
        waits.append(store.now_s - begun_s)
    assert 45 < waits[0] < 75
    assert 0.8 * LONGEST_REFUSED_DELAY_S <= waits[-1] <= 1.2 * LONGEST_REFUSED_DELAY_S
    store.attempt("c/8", None)
    assert store.policy.held(store.now_s) == frozenset()
    assert store.attempt("c/9", REFUSED) == SECOND_LOOK_S


def test_thousands_of_objects_that_are_each_refused_are_not_sent_over_and_over() -> None:
    store, sent = Store(), 0
    while store.now_s < 1000 + 3600:
        if store.policy.held(store.now_s):
            store.now_s += 1
            continue
        store.attempt(f"c/{sent}", UNDER_HOLD, takes_s=0.01)
        sent += 1
    assert MOST_REFUSED_IN_A_ROW <= sent < MOST_REFUSED_IN_A_ROW + 25


def test_a_store_that_refuses_all_is_asked_rarely_also_where_one_group_was_refused_before() -> None:
    store = Store()
    store.now_s += store.attempt("c/1", REFUSED)
    store.attempt("d/1", None)
    assert store.attempt("d/2", REFUSED) == SECOND_LOOK_S
    store.now_s += SECOND_LOOK_S
    assert store.attempt("e/1", REFUSED) > SECOND_LOOK_S
    assert store.policy.is_down
