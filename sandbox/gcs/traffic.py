"""What the embedded store has seen: how flow control is measured where it counts, at the server."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass

KEPT_REQUESTS = 50_000
TICK_S = 0.01
"""How fine the arrival of bytes is known."""


@dataclass(frozen=True)
class Seen:
    """One request.

    Attributes:
        at_s: When its header had come, on `time.monotonic`.
        method: `GET`, `POST`, `PUT` …
        path: Without the query, so that no session is in it.
        size_bytes: Of its body, as far as it came.
        status: What was answered; 0 for nothing.
        bucket_object: `BUCKET/NAME` that it was about, where that is known.
    """

    at_s: float
    method: str
    path: str
    size_bytes: int
    status: int
    bucket_object: str


class Traffic:
    """Counts requests and bytes. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: deque[Seen] = deque(maxlen=KEPT_REQUESTS)
        self._bytes: Counter[int] = Counter()

    def arrived(self, size_bytes: int) -> None:
        """Count bytes of a body that have come just now."""
        with self._lock:
            self._bytes[int(time.monotonic() / TICK_S)] += size_bytes

    def answered(self, seen: Seen) -> None:
        """A request is done with."""
        with self._lock:
            self._requests.append(seen)

    @property
    def requests(self) -> list[Seen]:
        """The newest requests, in the order of their answers."""
        with self._lock:
            return list(self._requests)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._requests.clear()
            self._bytes.clear()

    def total_bytes(self) -> int:
        """All bytes of bodies."""
        with self._lock:
            return self._bytes.total()

    def most_bytes_in(self, window_s: float) -> int:
        """The most bytes that came within any `window_s` seconds."""
        with self._lock:
            ticks = sorted(self._bytes.items())
        return _most([(tick * TICK_S, size) for tick, size in ticks], window_s)

    def most_requests_in(self, window_s: float) -> int:
        """The most requests that came within any `window_s` seconds."""
        return _most(sorted((seen.at_s, 1) for seen in self.requests), window_s)


def _most(events: list[tuple[float, int]], window_s: float) -> int:
    most = inside = first = 0
    for at_s, amount in events:
        inside += amount
        while events[first][0] <= at_s - window_s:
            inside -= events[first][1]
            first += 1
        most = max(most, inside)
    return most
