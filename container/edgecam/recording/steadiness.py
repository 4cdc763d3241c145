"""How often a stream may end its chunks early: decisions over values, no pipeline.

A chunk ends early where the format changes (size, parameter sets), where the stream's time jumps back, and
where pictures are reordered further than before: a file cannot hold both sides. A camera that does so at
every picture would make a file, two syncs and a request of each, in the spool of all cameras. So there is a
token bucket: early ends take a token, recorded time adds them. When it is empty, nothing is recorded until
the format has been the same for `SETTLED_NS`; chunks of single pictures are of no more use than the gap.
"""

from __future__ import annotations

from collections.abc import Hashable

from edgecam.clock import NS_PER_S

LEAST_CHUNK_NS = NS_PER_S
"""One early end in each second of the stream is allowed for ever: a camera that changes its format at each
keyframe, a second apart, loses nothing, and `chunk_s: 2` makes half as many files anyway."""
EARLY_ENDS = 8
"""The burst that an adjustment makes: a person at the camera's page, day to night, an encoder that starts."""
SETTLED_NS = NS_PER_S
"""As long as the shortest chunk: a stream that keeps its format for that long makes a file of use."""


class Steadiness:
    """Of one camera, over all its connections. Not safe for threads.

    Attributes:
        lapses: How often the tokens were used up, since the start.
        is_lost: Whether they are used up, and nothing is to be recorded before `settles`.
    """

    def __init__(self) -> None:
        self._tokens = float(EARLY_ENDS)
        self._stream_format: Hashable = None
        self._since_ns: int | None = None
        self._newest_ns = 0
        self.lapses = 0
        self.is_lost = False

    def ended(self, length_ns: int, *, is_early: bool) -> None:
        """A chunk of `length_ns` has ended; `is_early`: the stream ended it."""
        earned = max(0, length_ns) / LEAST_CHUNK_NS
        self._tokens = min(EARLY_ENDS, self._tokens + earned) - is_early
        if self._tokens < 0:
            self._tokens = 0.0
            self.lapses += 1
            self.is_lost = True
            self.interrupt()

    def interrupt(self) -> None:
        """A discontinuity: the format has to be the same for `SETTLED_NS` from here on."""
        self._since_ns = None

    def settles(self, pts_ns: int, stream_format: Hashable) -> bool:
        """Whether the stream can be recorded again from the keyframe in `stream_format` at `pts_ns` on."""
        jumped = pts_ns < self._newest_ns - NS_PER_S
        if self._since_ns is None or stream_format != self._stream_format or jumped:
            self._stream_format, self._since_ns = stream_format, pts_ns
        self._newest_ns = pts_ns
        self.is_lost = pts_ns - self._since_ns < SETTLED_NS
        return not self.is_lost
