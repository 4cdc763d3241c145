"""What is demanded of one camera's frames: settings that may change as they come, and snapshots.

It is read for every access unit, so nothing here is locked: each field is replaced whole, and which picture
answers a request is decided by its time of arrival.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from edgecam.clock import Clock
from edgecam.config.camera import Frames


class FrameDemand:
    """Belongs to a camera, over all its connections.

    Args:
        frames: The settings at first.
        clock: Time.

    Attributes:
        frames: The settings now; to be replaced, from any thread.
    """

    def __init__(self, frames: Frames, clock: Clock) -> None:
        self.frames = frames
        self._clock = clock
        self._on_written: Callable[[], None] = _nothing
        self._requested_s = self._submitted_s = self._written_s = -math.inf

    def request_snapshot(self, on_written: Callable[[], None]) -> None:
        """From any thread: a picture at once, of what arrives from now on.

        Args:
            on_written: Called on the decoder's thread when it is written. A second request before that shares
                the picture, and only its callback is called.
        """
        self._on_written = on_written
        self._requested_s = self._clock.monotonic_s()

    def is_snapshot_due(self, arrived_s: float) -> bool:
        """On the source's streaming thread: whether the unit that arrived at `arrived_s` is to become the
        picture that was requested."""
        return self._submitted_s < self._requested_s <= arrived_s

    def mark_submitted(self, arrived_s: float) -> None:
        """On the source's streaming thread: the unit that arrived then was submitted to the decoder."""
        self._submitted_s = arrived_s

    def mark_written(self, arrived_s: float) -> None:
        """On the decoder's thread: the picture of the unit that arrived at `arrived_s` is in its file."""
        if self._written_s < self._requested_s <= arrived_s:
            self._written_s = arrived_s
            self._on_written()


def _nothing() -> None:
    """No snapshot was requested yet."""
