"""When a state is sent: on each change, in turn otherwise, and never too often."""

from __future__ import annotations

LEAST_EVERY_S = 1.0
"""Cloud IoT Core takes one state a second of a device, and buckets take about one write of an object."""

_EARLY = 0.1

_EARLY_S = 1.0

_MOST_EARLY = 0.3
"""A state is sent early by a tenth of its period, by a second where three tenths have room for it: transit
adds to its age, whatever the period."""

ChangeKey = tuple[object, ...]
"""What makes a state be sent at once when it changes; counters and ages do not."""


class StateSchedule:
    """When the state of one device is due: on change, never twice within `LEAST_EVERY_S`, and in time for
    none to grow older than `every_s` seconds. Not safe to use from several threads at once."""

    def __init__(self, every_s: float) -> None:
        early_s = max(_EARLY * every_s, min(_EARLY_S, _MOST_EARLY * every_s))
        self._every_s = max(LEAST_EVERY_S, every_s - early_s)
        self._sent_s: float | None = None
        self._change_key: ChangeKey = ()

    def due_in_s(self, change_key: ChangeKey, now_s: float) -> float:
        """Seconds until a state with this key is to be sent; 0 when it is now."""
        if self._sent_s is None:
            return 0.0
        wait_s = LEAST_EVERY_S if change_key != self._change_key else self._every_s
        return max(0.0, self._sent_s + wait_s - now_s)

    def sent(self, change_key: ChangeKey, now_s: float) -> None:
        """A state with this key was handed over."""
        self._sent_s, self._change_key = now_s, change_key

    def forget(self) -> None:
        """Whether the last one arrived is not known: the next is due at once, but for the rate."""
        self._change_key = ()
