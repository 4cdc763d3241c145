"""What came in one stream, counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Of one connection; they only grow.

    Attributes:
        packets: Packets that were handed over, whatever is in them.
        lost: Numbers of the sequence that never came, or too late.
        repeated: Packets that had come before.
        late: Those that came after they had been given up, or after a jump that was none.
        malformed: Packets, or units in them, that no RFC allows.
        foreign: Packets of another payload type, or of another source: a session that is dead.
        damaged: Pictures with a hole, and those that depend on them.
        oversized: Pictures beyond the bounds, which are dropped.
        without_sets: Pictures that came before their parameter sets.
        sources: How often the stream went on from another source (SSRC).
    """

    packets: int = 0
    lost: int = 0
    repeated: int = 0
    late: int = 0
    malformed: int = 0
    foreign: int = 0
    damaged: int = 0
    oversized: int = 0
    without_sets: int = 0
    sources: int = 0
