"""Exponential backoff: how long to wait before the next attempt."""

from __future__ import annotations

import random

FIRST_DELAY_S = 0.25
"""A camera that only hiccuped is back at once."""
LONGEST_DELAY_S = 2.0
"""A camera must be delivering again within 5 s of its return: this, with its jitter, leaves two and a half
for connecting and for the next keyframe, which comes every two seconds."""
LONGEST_REFUSED_DELAY_S = 30.0
"""Cameras lock an account after some wrong passwords (often 5 to 7, for minutes)."""
STABLE_AFTER_S = 30.0
"""A connection that lived this long was a good one: the next outage begins with the first delay again."""
_GROWTH = 2.0
_JITTER = 0.2
_MOST_STEPS = 30  # doubled this often it is beyond any cap, and still a number
_HASTY_REFUSALS = 2  # one for the password, one for the renewed password; then slowly


def doubled_s(failures: int, *, first_s: float, longest_s: float) -> float:
    """The delay after that many failures in a row (from 1): doubled each time, and capped."""
    return min(longest_s, first_s * _GROWTH ** min(failures - 1, _MOST_STEPS))


def jittered(delay_s: float, random_source: random.Random, jitter: float = _JITTER) -> float:
    """`delay_s`, by up to that part of it longer or shorter: it keeps those apart that failed together
    (cameras behind one switch, nodes of one bucket)."""
    return delay_s * random_source.uniform(1 - jitter, 1 + jitter)


class Backoff:
    """Delays that grow, are capped, jittered, and reset after stability; as a camera needs them, or others.

    Args:
        random_source: For the jitter.
        first_s: The first delay.
        longest_s: The cap.
        longest_refused_s: The cap where who we are is not accepted.
        jitter: By which part a delay is longer or shorter.
    """

    def __init__(
        self,
        random_source: random.Random | None = None,
        *,
        first_s: float = FIRST_DELAY_S,
        longest_s: float = LONGEST_DELAY_S,
        longest_refused_s: float = LONGEST_REFUSED_DELAY_S,
        jitter: float = _JITTER,
    ) -> None:
        self._first_s, self._longest_s, self._longest_refused_s = first_s, longest_s, longest_refused_s
        self._jitter = jitter
        self._random = random_source or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._failures = 0
        self._refusals = 0

    def after_failure(self, *, lived_s: float = 0.0, was_refused: bool = False) -> float:
        """Seconds to wait now.

        Args:
            lived_s: For how long it had worked (pictures had come) before it failed.
            was_refused: The other side did not accept who we are.
        """
        if lived_s >= STABLE_AFTER_S:
            self.reset()
        self._failures += 1
        self._refusals = self._refusals + 1 if was_refused else 0
        cap_s = self._longest_refused_s if self.is_slowed else self._longest_s
        steps = self._failures - 1 if self._refusals <= _HASTY_REFUSALS else self._failures + 1
        delay_s = doubled_s(steps + 1, first_s=self._first_s, longest_s=cap_s)
        return jittered(delay_s, self._random, self._jitter)

    @property
    def is_slowed(self) -> bool:
        """Whether refusals have made the attempts rare."""
        return self._refusals > _HASTY_REFUSALS

    def reset(self) -> None:
        """Begin with the first delay again."""
        self._failures = 0
        self._refusals = 0
