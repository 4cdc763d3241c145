"""How a camera's stream is received: by whom, and what of it did not come."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

BY_SETTING = "receiver: gstreamer"
"""Why GStreamer receives a camera for which that is set."""


class ReceiverName(StrEnum):
    """Who receives."""

    OWN = "edgecam"
    GSTREAMER = "gstreamer"


class Losses(NamedTuple):
    """Counted over connections; they only grow.

    Attributes:
        packets: Numbers of the sequence that never came.
        pictures: Those with a hole, and those that depend on them.
        skipped_bytes: That stood between packets and belonged to none.
    """

    packets: int = 0
    pictures: int = 0
    skipped_bytes: int = 0

    def plus(self, other: Losses) -> Losses:
        """Both together."""
        return Losses(*(one + more for one, more in zip(self, other, strict=True)))


NO_LOSSES = Losses()
