"""What the log says of an outage: its beginning, once an hour while it lasts, its end. Not every attempt."""

from __future__ import annotations

SAID_AGAIN_AFTER_S = 3600.0
"""Often enough to be found in a day's log, and 24 lines of it."""


class Outage:
    """Knows when a line is due; whoever has the outage writes it. Not safe to use from several threads."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._said_s: dict[str, float] = {}
        self._owes_end = False

    def lasts(self, now_s: float) -> None:
        """Something is wrong: from now on, or still."""
        if self._since_s is None:
            self._since_s = now_s

    def due(self, reason: str, now_s: float) -> str | None:
        """What is to be said now together with `reason`: `for 61 min now` or, the first time, nothing.

        Args:
            reason: One word of a few; reasons that take turns are each said once an hour.

        Returns:
            None when nothing is to be said, since it was within the hour.
        """
        said_s = self._said_s.get(reason)
        if said_s is not None and now_s - said_s < SAID_AGAIN_AFTER_S:
            return None
        lasted_s = now_s - (now_s if self._since_s is None else self._since_s)
        lasting = f"for {lasted_s / 60:.0f} min now" if self._said_s else ""
        self._said_s[reason], self._owes_end = now_s, True
        return lasting

    def ended(self, now_s: float) -> float | None:
        """It is over. What comes next is the same outage to the log, until `settled` is called.

        Returns:
            After how many seconds; None when nothing was said of it.
        """
        since_s, owes_end = self._since_s, self._owes_end
        self._since_s, self._owes_end = None, False
        return now_s - since_s if owes_end and since_s is not None else None

    def settled(self) -> None:
        """All has been well for long enough: whatever comes next is another outage."""
        self._said_s = {}
