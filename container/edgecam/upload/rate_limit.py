"""The rate limiter: requests and bytes a second, smoothly, shared by all uploads.

Each rate is a token bucket with a queue: a reservation gets a place behind everything granted so far, and
waits until tokens for that much have come. So grants are first come, first served, and since an upload asks
for one piece at a time, uploads take turns piece by piece. A place is an amount, not a time, so a change of
the rate holds for those who wait, too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from edgecam.clock import Clock
from edgecam.errors import StoreUnavailable

LEAST_PER_S, MOST_PER_S = 1e-3, 1e12
"""The bounds of a rate: beyond them a wait lasts for ever, or floats overflow."""
MOST_HOLD_S = 3600.0
"""The longest hold: one response of a store may not stop a node for a year."""
_CREDIT_S = 0.1
"""The burst after idle time: enough to make up for a thread that woke late, little enough that no second
carries more than a tenth above the rate."""

_PIECE_S = 0.25
"""A piece is at most what the rate carries in this time, unless the rate is very low."""
_LEAST_PIECE_BYTES = 1024  # smaller ones would be more header than content on the wire
_LARGEST_PIECE_BYTES = 256 * 1024
_CLOSE_ENOUGH_S = 1e-6
"""A wait ends this much too early rather than last for less than a clock's resolution."""


class Rate:
    """One rate, a token bucket. Safe to use from any thread.

    In any stretch of `t` seconds at most `per_s * (t + 0.1)` are granted, or `per_s * t + 1` where the rate
    is below ten a second.

    Args:
        per_s: Tokens a second, `LEAST_PER_S` to `MOST_PER_S`.
        clock: Time.

    Raises:
        ValueError: no such rate.
    """

    def __init__(self, per_s: float, *, clock: Clock) -> None:
        self._per_s = _checked(per_s)
        self._clock = clock
        self._lock = threading.Lock()
        self._paid, self._paid_at_s = 0.0, clock.monotonic_s()
        self._granted = -self._credit

    def change(self, per_s: float) -> None:
        """Change the rate, for what was granted already as well.

        Raises:
            ValueError: no such rate; nothing has changed.
        """
        per_s = _checked(per_s)
        with self._lock:
            now_s = self._clock.monotonic_s()
            self._paid, self._paid_at_s = self._paid_by(now_s), now_s
            self._per_s = per_s

    def reserve(self, amount: float) -> float:
        """Reserve `amount` tokens; the place in the queue, for `due_in_s`."""
        with self._lock:
            paid = self._paid_by(self._clock.monotonic_s())
            self._granted = max(self._granted, paid - self._credit) + amount
            return self._granted

    def due_in_s(self, place: float) -> float:
        """The seconds until the tokens up to `place` have come at the present rate; 0 when they have."""
        with self._lock:
            return max(0.0, (place - self._paid_by(self._clock.monotonic_s())) / self._per_s)

    @property
    def _credit(self) -> float:
        return max(_CREDIT_S * self._per_s, 1.0)  # one request may always begin after a pause

    def _paid_by(self, now_s: float) -> float:
        return self._paid + (now_s - self._paid_at_s) * self._per_s


class RateLimiter:
    """The rate limit of one bucket, for any number of uploads at once. See `RateLimit`.

    Args:
        requests_per_s: Most requests a second.
        bytes_per_s: Most bytes of content a second.
        clock: Time.

    Raises:
        ValueError: no such rate.
    """

    def __init__(self, *, requests_per_s: float, bytes_per_s: float, clock: Clock) -> None:
        self._requests = Rate(requests_per_s, clock=clock)
        self._bytes = Rate(bytes_per_s, clock=clock)
        self._piece_bytes = _piece_bytes(bytes_per_s)
        self._clock = clock
        self._held_until_s = clock.monotonic_s()
        self._has_ended = False
        self._news = threading.Event()  # set by a change, and replaced by another

    @property
    def piece_bytes(self) -> int:
        """See `RateLimit.piece_bytes`."""
        return self._piece_bytes

    def change(self, *, requests_per_s: float, bytes_per_s: float) -> None:
        """Change the rates, for those who wait already as well. From any thread, one at a time.

        Raises:
            ValueError: no such rate; nothing has changed.
        """
        requests_per_s, bytes_per_s = _checked(requests_per_s), _checked(bytes_per_s)
        self._requests.change(requests_per_s)
        self._bytes.change(bytes_per_s)
        self._piece_bytes = _piece_bytes(bytes_per_s)
        before, self._news = self._news, threading.Event()
        before.set()

    def request(self) -> None:
        """Wait until a request may be made.

        Raises:
            StoreUnavailable: the node is ending.
        """
        place = self._requests.reserve(1)
        self._wait(
            lambda: max(self._requests.due_in_s(place), self._held_until_s - self._clock.monotonic_s())
        )

    def send(self, size_bytes: int) -> None:
        """Wait until `size_bytes` more bytes may be sent.

        Raises:
            StoreUnavailable: the node is ending.
        """
        place = self._bytes.reserve(size_bytes)
        self._wait(lambda: self._bytes.due_in_s(place))

    def hold(self, duration_s: float) -> None:
        """Let no request through for `duration_s` seconds, `MOST_HOLD_S` at most (`Retry-After`). From any
        thread."""
        duration_s = min(MOST_HOLD_S, duration_s) if duration_s > 0 else 0.0  # NaN is none
        self._held_until_s = max(self._held_until_s, self._clock.monotonic_s() + duration_s)

    def end(self) -> None:
        """Let nothing through any more; every waiting call raises at once. From any thread."""
        self._has_ended = True
        self._news.set()

    def _wait(self, due_in_s: Callable[[], float]) -> None:
        while True:
            news = self._news  # before reading the state, so that no later change is missed
            if self._has_ended:
                raise StoreUnavailable("expected to go on sending, found that the node is ending")
            delay_s = due_in_s()
            if delay_s <= _CLOSE_ENOUGH_S:
                return
            self._clock.wait(news, delay_s)


def _piece_bytes(bytes_per_s: float) -> int:
    return max(_LEAST_PIECE_BYTES, min(_LARGEST_PIECE_BYTES, round(bytes_per_s * _PIECE_S)))


def _checked(per_s: float) -> float:
    # Compared before anything is done with it: a whole number of 400 digits is no float.
    if not LEAST_PER_S <= per_s <= MOST_PER_S:
        found = f"{per_s:g}" if isinstance(per_s, float) else "a whole number outside of that"
        raise ValueError(f"rate: expected {LEAST_PER_S:g} to {MOST_PER_S:g} a second, found {found}")
    return float(per_s)
