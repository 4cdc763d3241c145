"""The retry policy of uploads: when to try again, and with which object. Plain decisions; the uploader waits.

An outage of the store and a fault of one object look alike at first. So a failure sends the object to the
back and lets one attempt at a time through, with another object if there is one, and of another group
(camera) after a refusal. Any success ends the outage; only an object that fails while others succeed is
deferred for a growing delay.

A refusal that concerns one object alone (a hold), or a group while others are stored (a condition on names),
keeps nobody else waiting: the object waits, and of a group one object at a time is tried.
"""

from __future__ import annotations

import math
import random
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from edgecam.backoff import doubled_s, jittered
from edgecam.bucket.interface import LONGEST_ASKED_DELAY_S
from edgecam.errors import ObjectRefused, StoreRefused, StoreUnavailable

FIRST_DELAY_S = 0.5
"""Most failures are those of one server behind a load balancer."""
LONGEST_DELAY_S = 30.0
"""The end of an outage is noticed within half a minute; two requests a minute cost nothing."""
SECOND_LOOK_S = 5.0
"""A first refusal may be about one object, or a token that has just expired."""
FIRST_REFUSED_DELAY_S = 60.0
LONGEST_REFUSED_DELAY_S = 300.0
"""A person has to act first; uploads resume soon after that."""
LONGEST_OBJECT_DELAY_S = 900.0
"""For one object that keeps failing while others are stored."""
MOST_REMEMBERED = 256
"""Objects whose failures are remembered: during an outage each fails in turn, and there may be tens of
thousands."""
MOST_REFUSED_IN_A_ROW = 8
"""Objects of one group, each refused for itself, after which the group waits as a whole: thousands of them
must not be sent over and over."""

T = TypeVar("T", bound=Hashable)


@dataclass
class _Record:
    """The failures of one object.

    Attributes:
        failures: Those that were its own: something else had been stored since the one before.
        until_s: When it may be tried again, by the monotonic clock.
        stored_before: How many objects had been stored at its last failure.
    """

    failures: int
    until_s: float
    stored_before: int


@dataclass
class _Group:
    """The refusals of one group while others were stored.

    Attributes:
        in_a_row: Objects of it that were refused since one was stored.
        failures: How often it was held back as a whole.
        until_s: Until when it is, by the monotonic clock.
    """

    in_a_row: int = 0
    failures: int = 0
    until_s: float = -math.inf


class RetryPolicy(Generic[T]):
    """When an upload may begin. Not safe to use from several threads at once.

    `T` identifies an object.

    Args:
        random_source: For the jitter.
        group_of: Of what an object is one, such as its camera; by default all are one group.
    """

    def __init__(
        self, random_source: random.Random | None = None, *, group_of: Callable[[T], str] = lambda _: ""
    ) -> None:
        self._group_of = group_of
        self._groups: dict[str, _Group] = {}
        self._doubtful: dict[str, float] = {}
        self._random = random_source or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._under_way: dict[T, float] = {}
        self._records: OrderedDict[T, _Record] = OrderedDict()
        self._stored = 0
        self._failures = 0
        self._refusals = 0
        self._until_s = -math.inf
        self._counted_s = -math.inf

    @property
    def is_down(self) -> bool:
        """Whether the last attempt to reach the store failed."""
        return self._failures > 0

    @property
    def failures(self) -> int:
        """Of the store, in a row."""
        return self._failures

    def wait_s(self, now_s: float) -> float:
        """Seconds until another upload may begin; infinite while the one that probes a store that is down is
        under way."""
        if not self.is_down:
            return 0.0
        if any(begun_s >= self._counted_s for begun_s in self._under_way.values()):
            return math.inf
        return max(0.0, self._until_s - now_s)

    @property
    def doubtful(self) -> frozenset[str]:
        """The groups of which something was refused in the present outage: others are tried first."""
        return frozenset(self._doubtful)

    def held(self, now_s: float) -> frozenset[str]:
        """The groups that wait as a whole: what was tried of them is refused while others are stored."""
        return frozenset(name for name, group in self._groups.items() if group.until_s > now_s)

    def excluded(self, now_s: float) -> frozenset[T]:
        """The objects not to choose now: the deferred ones, and while the store is down all that have failed,
        so that one faulty object cannot pass for an outage."""
        return frozenset(
            item for item, record in self._records.items() if self.is_down or record.until_s > now_s
        )

    def due(self, now_s: float) -> tuple[T, ...]:
        """The failed objects that may be tried again, for when there are no others; the longest ago first."""
        held = self.held(now_s)
        return tuple(
            item
            for item, record in self._records.items()
            if record.until_s <= now_s and self._group_of(item) not in held
        )

    def next_due_s(self, now_s: float) -> float:
        """Seconds until the next deferred object or group is due; infinite without any."""
        untils_s = [record.until_s for record in self._records.values()]
        untils_s += [group.until_s for group in self._groups.values()]
        return min((until_s - now_s for until_s in untils_s if until_s > now_s), default=math.inf)

    def begin(self, item: T, now_s: float) -> None:
        """An upload of `item` begins."""
        self._under_way[item] = now_s

    def ended(self, item: T) -> None:
        """The upload of `item` is no longer under way."""
        self._under_way.pop(item, None)

    def forget(self, item: T) -> None:
        """Forget `item`: its upload ended for a reason that is neither the store's nor the object's."""
        self._under_way.pop(item, None)
        self._records.pop(item, None)

    def succeeded(self, item: T) -> None:
        """The store has answered for `item`: confirmed it, or reported another object of its name."""
        self.forget(item)
        self._stored += 1
        self._failures = self._refusals = 0
        self._until_s = -math.inf
        own = self._group_of(item)
        self._groups.pop(own, None)
        for group, until_s in self._doubtful.items():
            if group != own:  # so the store takes objects, and refuses those of this group
                self._groups[group] = _Group(failures=1, until_s=until_s)
        self._doubtful.clear()

    def failed(self, item: T, error: Exception, now_s: float) -> bool:
        """The upload of `item` failed with `error`, by the store's fault or an unknown one.

        Returns:
            Whether the store as a whole is in doubt: not where `item` or its group is refused while others
            are stored.
        """
        begun_s = self._under_way.get(item, now_s)
        was_refused = isinstance(error, StoreRefused)
        is_alone = was_refused and self._is_alone(item, error)
        self.defer(item, now_s, was_refused=was_refused, is_alone=is_alone)
        if is_alone:
            self._count_alone(self._group_of(item), now_s)
            return False
        if was_refused:
            self._doubtful.setdefault(self._group_of(item), now_s + SECOND_LOOK_S)
        if begun_s >= self._counted_s:  # else it failed together with one that has been counted
            self._count(error, now_s)
        if isinstance(error, StoreUnavailable) and error.retry_after_s is not None:
            asked_s = min(error.retry_after_s, LONGEST_ASKED_DELAY_S)
            self._until_s = max(self._until_s, now_s + asked_s)
        return True

    def defer(self, item: T, now_s: float, *, was_refused: bool = False, is_alone: bool = False) -> None:
        """Send `item` to the back. The store is not counted as down.

        Args:
            item: Its delay grows only when others have been stored since its last failure.
            now_s: By the monotonic clock.
            was_refused: A person has to act first.
            is_alone: Nothing but `item` is meant, so its delay grows in any case.
        """
        self._under_way.pop(item, None)
        record = self._records.pop(item, None)
        failures = (
            1 if record is None else record.failures + (is_alone or self._stored > record.stored_before)
        )
        is_first = failures == 1 and not is_alone
        first_s = FIRST_DELAY_S if is_first or not was_refused else FIRST_REFUSED_DELAY_S
        delay_s = self._grown_s(failures, first_s, LONGEST_OBJECT_DELAY_S)
        self._records[item] = _Record(failures, now_s + delay_s, self._stored)
        while len(self._records) > MOST_REMEMBERED:
            self._records.popitem(last=False)

    def _is_alone(self, item: T, error: Exception) -> bool:
        """Whether a refusal of `item` says nothing of the store."""
        record = self._records.get(item)
        failed_before = record is not None and self._stored > record.stored_before
        is_held = self._groups.get(self._group_of(item), _Group()).failures > 0
        return isinstance(error, ObjectRefused) or failed_before or is_held

    def _count_alone(self, name: str, now_s: float) -> None:
        """One more of group `name` was refused for itself."""
        group = self._groups.setdefault(name, _Group())
        group.in_a_row += 1
        if now_s < group.until_s or (not group.failures and group.in_a_row < MOST_REFUSED_IN_A_ROW):
            return  # others of it were under way together, or may still be stored
        group.failures += 1
        delay_s = self._grown_s(max(1, group.failures - 1), FIRST_REFUSED_DELAY_S, LONGEST_REFUSED_DELAY_S)
        group.until_s = now_s + delay_s

    def _count(self, error: Exception, now_s: float) -> None:
        self._failures += 1
        self._refusals = self._refusals + 1 if isinstance(error, StoreRefused) else 0
        self._counted_s = now_s
        self._until_s = now_s + self._store_delay_s()

    def _store_delay_s(self) -> float:
        if self._refusals == 1:
            return SECOND_LOOK_S
        if self._refusals:
            return self._grown_s(self._refusals - 1, FIRST_REFUSED_DELAY_S, LONGEST_REFUSED_DELAY_S)
        return self._grown_s(self._failures, FIRST_DELAY_S, LONGEST_DELAY_S)

    def _grown_s(self, failures: int, first_s: float, longest_s: float) -> float:
        return jittered(doubled_s(failures, first_s=first_s, longest_s=longest_s), self._random)
