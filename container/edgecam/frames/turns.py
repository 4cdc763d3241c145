"""Whose keyframe is decoded now: as many at a time as there are processors, over all cameras.

A keyframe is decodable alone: a decoder that sees nothing else needs frames and thread only while it
decodes. Between two keyframes it rests: then a hundred cameras take the memory of a few.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from typing import Protocol

from edgecam.redaction import redact

log = logging.getLogger(__name__)

TURN_TIMEOUT_S = 5.0
"""A keyframe of 8K takes less than a second; whatever takes longer, a disk that hangs, keeps nobody else
waiting."""


class Turn(Protocol):
    """What is to be done, by one who waits."""

    def take_turn(self) -> None:
        """Do it; within `TURN_TIMEOUT_S`."""


class Turns:
    """One after the other, on threads of its own. Safe to use from any thread.

    Args:
        count: How many at a time.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._threads = 0
        self._waiting: queue.SimpleQueue[Turn] = queue.SimpleQueue()

    def request(self, turn: Turn) -> None:
        """Take `turn` when those before have had theirs; never blocks."""
        self._waiting.put(turn)
        with self._lock:
            if self._threads < self._count:
                self._threads += 1
                name = f"keyframes-{self._threads}"
                threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        while True:
            turn = self._waiting.get()
            try:
                turn.take_turn()
            except Exception as error:
                log.error("unexpected fault: %s", redact(str(error)), exc_info=error)
            # A turn refers to its camera, which may be gone by the time the next comes.
            del turn


KEYFRAME_TURNS = Turns(os.cpu_count() or 1)
