"""What the API does wrong on purpose, and what it has been asked."""

from __future__ import annotations

import re
import threading
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from sandbox.iot.errors import Status

KEPT_REQUESTS = 10_000


@dataclass
class Fault:
    """Requests that go wrong.

    Attributes:
        path: Regular expression that is searched for in the path.
        method: Only requests of this method; None for all.
        status: Canonical code of the answer, by name: `UNAVAILABLE`, `PERMISSION_DENIED` …
        message: What the answer says.
        times: How often in all.
        answer_lost: What was asked for is done, and the connection cut instead of an answer.
    """

    path: str = ""
    method: str | None = None
    status: str = Status.UNAVAILABLE.name
    message: str = "This fault was asked for."
    times: int = 1
    answer_lost: bool = False

    def __post_init__(self) -> None:
        Status[self.status]


class Seen(NamedTuple):
    """A request that was answered; `status` 0 for an answer that was lost."""

    method: str
    path: str
    status: int


class Faults:
    """The faults in force. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._seen: deque[Seen] = deque(maxlen=KEPT_REQUESTS)

    def inject(self, fault: Fault) -> None:
        """From now on let it happen, besides those in force."""
        with self._lock:
            self._faults.append(fault)

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._faults.clear()

    def strike(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets; counts it."""
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and fault.method in (None, method) and re.search(fault.path, path):
                    fault.times -= 1
                    return fault
        return None

    def answered(self, seen: Seen) -> None:
        """A request is done with."""
        with self._lock:
            self._seen.append(seen)

    @property
    def seen(self) -> list[Seen]:
        """The newest requests, oldest first."""
        with self._lock:
            return list(self._seen)
