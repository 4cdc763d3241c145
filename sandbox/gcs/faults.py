"""What the embedded store does wrong on purpose. Everything can be changed while it runs, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

HALF = 0.5


class Kind(StrEnum):
    """In which way a request for writing goes wrong."""

    STATUS = "status"
    """An answer with `Fault.status` instead of what was asked for."""
    RESET = "reset"
    """The connection is reset in the middle of the body."""
    STALL = "stall"
    """In the middle of the body nothing is read any more, and nothing is closed."""
    LOST_ANSWER = "lost-answer"
    """What was asked for is done, but the connection is cut instead of an answer."""
    ADDRESS = "address"
    """What was asked for is done, but the session's address in the answer is none."""


@dataclass
class Fault:
    """One thing that goes wrong with every `every`-th request for writing.

    Attributes:
        kind: In which way.
        every: 1 means every request, 3 every third (the third, the sixth …).
        times: How often in all; None for until it is healed.
        status: For `Kind.STATUS`: 503, 429, 403 …
        retry_after: For `Kind.STATUS`: the header of that name, seconds or a date.
        part: For `RESET` and `STALL`: which part of the body is taken before.
        method: Only requests of this method (`POST` begins an object, `PUT` continues a session).
    """

    kind: Kind
    every: int = 1
    times: int | None = None
    status: int = 503
    retry_after: str | None = None
    part: float = HALF
    method: str | None = None
    happened: int = field(default=0, init=False)
    _seen: int = field(default=0, init=False)

    def strikes(self, method: str) -> bool:
        """Whether this request goes wrong; counts it."""
        if self.method not in (None, method) or (self.times is not None and self.happened >= self.times):
            return False
        self._seen += 1
        if self._seen % self.every:
            return False
        self.happened += 1
        return True


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._expired: frozenset[str] = frozenset()
        self._healed = threading.Event()
        self.bytes_per_s: int | None = None
        """How fast bodies are read, all connections together; None for as fast as they come."""

    def inject(self, *faults: Fault) -> None:
        """From now on let these happen, besides those in force."""
        with self._lock:
            self._healed = threading.Event()
            self._faults.extend(faults)

    def expire(self, tokens: Iterable[str]) -> None:
        """Answer 401 to requests with these bearer tokens."""
        self._expired |= frozenset(tokens)

    def heal(self) -> None:
        """Nothing goes wrong any more; connections that stall are reset."""
        with self._lock:
            self._faults.clear()
            self._expired = frozenset()
            self.bytes_per_s = None
            self._healed.set()

    def strike(self, method: str) -> Fault | None:
        """What goes wrong with this request for writing, if anything."""
        with self._lock:
            return next((fault for fault in self._faults if fault.strikes(method)), None)

    def is_expired(self, authorization: str | None) -> bool:
        """Whether this Authorization header has a token that is no longer good."""
        return bool(authorization) and str(authorization).removeprefix("Bearer ") in self._expired

    def stall(self, stopping: threading.Event) -> None:
        """Return when everything is healed or the store is stopped."""
        healed = self._healed
        while not stopping.wait(0.05) and not healed.is_set():
            pass
