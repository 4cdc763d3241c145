"""Flow control: so many requests and so many bytes a second, smoothly, shared by all that is under way.

Each rate is a queue in time: whoever asks is told when everything granted so far is paid for, and waits until
then. So grants come first come, first served, and since an upload asks for one piece at a time, uploads take
turns piece by piece.
"""

from __future__ import annotations

import threading

from edgecam.clock import Clock
from edgecam.errors import StoreUnavailable

_CREDIT_S = 0.1
"""What may be saved up while nothing is sent. Enough to make up for a thread that woke late, little enough
that no second carries more than a tenth above the rate."""

_PIECE_S = 0.25
"""A piece goes at once, and is never more than this long a time's worth, unless the rate is very low."""
_LEAST_PIECE_BYTES = 1024  # smaller ones would be more header than content on the wire
_LARGEST_PIECE_BYTES = 256 * 1024


class Rate:
    """So many of something a second. Safe to use from any thread.

    In any stretch of `t` seconds at most `per_s * (t + 0.1)` are granted, or `per_s * t + 1` where the rate
    is below ten a second.

    Args:
        per_s: The rate.
        clock: Time.
    """

    def __init__(self, per_s: float, *, clock: Clock) -> None:
        self._per_s = per_s
        self._clock = clock
        self._credit_s = max(_CREDIT_S, 1 / per_s)  # one request may always begin after a pause
        self._lock = threading.Lock()
        self._paid_s = clock.monotonic_s() - self._credit_s

    def reserve(self, amount: float) -> float:
        """Take `amount` out of what is to come; the seconds until it is paid for, 0 when it is already."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            self._paid_s = max(self._paid_s, now_s - self._credit_s) + amount / self._per_s
            return max(0.0, self._paid_s - now_s)


class Flow:
    """The flow control of one bucket: a `Pace` that any number of uploads use at once.

    Args:
        requests_per_s: Most requests a second.
        bytes_per_s: Most bytes of content a second.
        clock: Time.
    """

    def __init__(self, *, requests_per_s: float, bytes_per_s: float, clock: Clock) -> None:
        self._requests = Rate(requests_per_s, clock=clock)
        self._bytes = Rate(bytes_per_s, clock=clock)
        self.piece_bytes = max(_LEAST_PIECE_BYTES, min(_LARGEST_PIECE_BYTES, round(bytes_per_s * _PIECE_S)))
        self._clock = clock
        self._held_until_s = clock.monotonic_s()
        self._ending = threading.Event()

    def request(self) -> None:
        """Wait until a request may be made.

        Raises:
            StoreUnavailable: the node is ending.
        """
        self._wait(self._requests.reserve(1))
        while (held_s := self._held_until_s - self._clock.monotonic_s()) > 0:
            self._wait(held_s)

    def send(self, size_bytes: int) -> None:
        """Wait until `size_bytes` more bytes may be sent.

        Raises:
            StoreUnavailable: the node is ending.
        """
        self._wait(self._bytes.reserve(size_bytes))

    def hold(self, duration_s: float) -> None:
        """No request may be made for so many seconds from now: the store asked for it. From any thread."""
        self._held_until_s = max(self._held_until_s, self._clock.monotonic_s() + duration_s)

    def end(self) -> None:
        """From now on nothing may be sent; who waits is told at once. From any thread."""
        self._ending.set()

    def _wait(self, delay_s: float) -> None:
        if self._ending.is_set() or (delay_s > 0 and self._clock.wait(self._ending, delay_s)):
            raise StoreUnavailable("expected to go on sending, found that the node is ending")
