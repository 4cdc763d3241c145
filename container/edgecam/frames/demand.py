"""What is wanted of one camera's pictures: it may change as they come, and one may be asked for out of turn.

It is read for every access unit, so nothing here is locked: each field is replaced whole, and which picture
answers what was asked is told by its time of arrival.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from edgecam.clock import Clock
from edgecam.config.camera import Frames


class Wishes:
    """Belongs to a camera, over all its connections.

    Args:
        frames: What is wanted at first.
        clock: Time.

    Attributes:
        frames: What is wanted now; to be replaced, from any thread.
    """

    def __init__(self, frames: Frames, clock: Clock) -> None:
        self.frames = frames
        self._clock = clock
        self._then: Callable[[], None] = _nothing
        self._asked_s = self._taken_s = self._written_s = -math.inf

    def ask(self, then: Callable[[], None]) -> None:
        """From any thread: a picture at once, of what arrives from now on.

        Args:
            then: Called on the decoder's thread when it is written. Whoever asks again before that shares it.
        """
        self._then = then
        self._asked_s = self._clock.monotonic_s()

    def wants_now(self, arrived_s: float) -> bool:
        """On the source's streaming thread: whether what arrived then is to become the picture asked for."""
        return self._taken_s < self._asked_s <= arrived_s

    def taken(self, arrived_s: float) -> None:
        """On the source's streaming thread: what arrived then goes to the decoder, and will be a picture."""
        self._taken_s = arrived_s

    def written(self, arrived_s: float) -> None:
        """On the decoder's thread: the picture of what arrived then stands in its file."""
        if self._written_s < self._asked_s <= arrived_s:
            self._written_s = arrived_s
            self._then()


def _nothing() -> None:
    """Nobody has asked for anything."""
