"""The recording's branch of a connection that the own receiver serves."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edgecam.capture.access_unit import AccessUnit
from edgecam.capture.tap import HELD_BYTES_LIMIT, Tap


class UnitTap(Tap):
    """Access units between the receiver's thread and the recorder's.

    Args:
        on_end: Called when the stream has ended: what waits is to be taken now.
    """

    def __init__(self, *, on_end: Callable[[], None]) -> None:
        super().__init__()
        self._on_end = on_end
        self._lock = threading.Lock()
        self._units: list[AccessUnit] = []
        self._held_bytes = 0
        self._is_closed = self._is_shut = False
        self._was_closed = False

    @property
    def held_bytes(self) -> int:
        return self._held_bytes

    def put(self, units: list[AccessUnit]) -> None:
        """On the receiver's thread: these have come."""
        size_bytes = sum(unit.size_bytes for unit in units)
        with self._lock:
            if self._is_shut or self._is_closed:
                return
            if self._held_bytes + size_bytes > HELD_BYTES_LIMIT:
                self._is_closed = True
                self.lost += 1
                return
            self._units += units
            self._held_bytes += size_bytes

    def end(self) -> None:
        """On the receiver's thread: nothing more comes."""
        self._on_end()

    def limit(self) -> None:
        """The bound is kept by `put`."""

    def take(self) -> list[AccessUnit]:
        with self._lock:
            taken, self._units = self._units, []
            self._held_bytes = 0
            self._was_closed = self._is_closed
        return taken

    def reopen(self) -> bool:
        if self._is_shut or not self._was_closed:
            return False
        self._was_closed = False
        with self._lock:
            self._is_closed = False
        return True

    def reject_rest(self) -> None:
        with self._lock:
            self._is_shut = True
            self._units, self._held_bytes = [], 0
