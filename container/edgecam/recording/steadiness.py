"""How much disorder of a stream its recording goes along with: decisions over values, no pipeline.

A chunk ends early where the pictures take another form (size, parameter sets), where the stream's time jumps
back, and where pictures come in another order than before: a file cannot hold both sides. A camera that
does so at every picture would make a file, two syncs and a request of each, in everybody's spool. So there is
an allowance: early ends use it up, recorded time refills it. Once it is used up nothing is recorded until the
stream has been the same for a while; chunks of single pictures would be of no more use than the gap.
"""

from __future__ import annotations

from collections.abc import Hashable

from edgecam.clock import NS_PER_S

LEAST_CHUNK_NS = NS_PER_S
"""One early end in each second of the stream is gone along with for ever: a camera that takes another form at
each keyframe, a second apart, loses nothing, and `chunk_s: 2` makes half as many files anyway."""
EARLY_ENDS = 8
"""So many at once are an adjustment: a person at the camera's page, day to night, a coder's first steps."""
SETTLED_NS = NS_PER_S
"""As long as the least chunk: whoever keeps to one form for that long may be worth a file again."""


class Steadiness:
    """Of one camera, over all its connections. Not safe for threads.

    Attributes:
        lapses: How often the allowance was used up, since the start.
        is_lost: Whether it is used up now, and nothing is to be recorded before `settles`.
    """

    def __init__(self) -> None:
        self._allowance = float(EARLY_ENDS)
        self._form: Hashable = None
        self._since_ns: int | None = None
        self._newest_ns = 0
        self.lapses = 0
        self.is_lost = False

    def ended(self, length_ns: int, *, is_early: bool) -> None:
        """A chunk has ended that was `length_ns` long; `is_early`: the stream's disorder has ended it."""
        earned = max(0, length_ns) / LEAST_CHUNK_NS
        self._allowance = min(EARLY_ENDS, self._allowance + earned) - is_early
        if self._allowance < 0:
            self._allowance = 0.0
            self.lapses += 1
            self.is_lost = True
            self.interrupt()

    def interrupt(self) -> None:
        """The stream goes on elsewhere in time: what it kept to until now says nothing."""
        self._since_ns = None

    def settles(self, pts_ns: int, form: Hashable) -> bool:
        """Whether, with the keyframe of `form` shown at `pts_ns`, the stream has kept to one form for long
        enough to be recorded again."""
        if self._since_ns is None or form != self._form or pts_ns < self._newest_ns - NS_PER_S:
            self._form, self._since_ns = form, pts_ns
        self._newest_ns = pts_ns
        self.is_lost = pts_ns - self._since_ns < SETTLED_NS
        return not self.is_lost
