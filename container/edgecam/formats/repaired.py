"""What the repair of a half-written chunk leaves, whatever its container."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Repaired:
    """What a repaired file holds.

    Attributes:
        duration_ms: How long it plays, milliseconds, rounded up.
        pictures: How many.
    """

    duration_ms: int
    pictures: int
