"""What the ways to a broker have in common: what they tell of a camera, when, and what may be asked of it.

A transport pulls: it asks for the state when it may send one, so that nothing queues and nothing in the media
path ever waits for a broker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

LEAST_EVERY_S = 1.0
"""Cloud IoT Core takes one state a second of a device, and buckets take about one write of an object."""

_EARLY = 0.1
_EARLY_S = 1.0
_MOST_EARLY = 0.3
"""A state is sent early by that part of its period, but by a second where the period has room for it: on its
way it grows older, by as much whatever the period, and it must not be too old."""

Worth = tuple[object, ...]
"""What makes a state worth sending at once when it changes; counters and ages do not."""


@dataclass(frozen=True)
class DeviceState:
    """One camera's state at one moment.

    Attributes:
        values: What is told, ready for JSON, redacted (`edgecam.device_state` says what is in it).
        worth: What it is compared by.
    """

    values: Mapping[str, Any]
    worth: Worth

    @property
    def word(self) -> str:
        """The state alone: `connecting`, `connected`, `stalled` or `disconnected`."""
        return str(self.values["state"])


class StateSource(Protocol):
    """Knows the cameras' states. Asked from any thread, cheap."""

    def state(self, camera_id: str) -> DeviceState:
        """The state as it is now; `disconnected` once the camera has ended."""


class DeviceControl(Protocol):
    """What a device may be asked to do from afar. From any thread; nothing here blocks."""

    def command(self, camera_id: str, name: str) -> None:
        """Do it.

        Raises:
            CommandError: what was expected, what was found.
        """

    def configure(self, camera_id: str, document: bytes) -> None:
        """Take a `config` message: JSON of what may change at run time, or nothing for what was deployed.

        A document that is refused changes nothing; the state says why (`config.refused`).
        """


class RuntimeSettings(Protocol):
    """Knows what holds of the settings that may change at run time. Asked from any thread, cheap; what does
    `DeviceControl` is one."""

    def in_force(self, camera_id: str) -> Mapping[str, Any]:
        """What holds now, in the form of a `config` message, ready for JSON."""

    def refused(self, camera_id: str) -> str | None:
        """Why the last `config` message was refused, redacted; None when it was not."""


@dataclass(frozen=True)
class LinkReport:
    """The connection of one device at one moment.

    Attributes:
        is_connected: Whether the broker would take a state now.
        sent_total: States that the broker has confirmed, since the node started.
        reconnects_total: Connections begun after the first, renewals of the token included.
        reason: One word for what is wrong, or None.
        message: A sentence for a person about it, redacted, or None.
        since: When the connection came up, or was lost, UTC; None where nothing is known yet.
    """

    is_connected: bool
    sent_total: int
    reconnects_total: int
    reason: str | None = None
    message: str | None = None
    since: datetime | None = None


Links = Mapping[str, Mapping[str, LinkReport]]
"""How the connections are doing, by the broker's name (`aws-iot`, `cloud-iot`), then by camera id."""


class Transport(Protocol):
    """A way to a broker."""

    def start(self) -> None:
        """Begin; returns at once."""

    def stop(self, timeout_s: float) -> None:
        """Within `timeout_s` seconds tell the last state of every camera, and end. What does not get through
        in that time is left."""

    def reports(self) -> Mapping[str, LinkReport]:
        """How each connection is doing, by camera id."""


class StateSchedule:
    """When the state of one device is due: on change, never twice within `LEAST_EVERY_S`, and in time for
    none to grow older than `every_s` seconds. Not safe to use from several threads at once."""

    def __init__(self, every_s: float) -> None:
        early_s = max(_EARLY * every_s, min(_EARLY_S, _MOST_EARLY * every_s))
        self._every_s = max(LEAST_EVERY_S, every_s - early_s)
        self._sent_s: float | None = None
        self._worth: Worth = ()

    def due_in_s(self, worth: Worth, now_s: float) -> float:
        """Seconds until a state of this worth is to be sent; 0 when it is now."""
        if self._sent_s is None:
            return 0.0
        wait_s = LEAST_EVERY_S if worth != self._worth else self._every_s
        return max(0.0, self._sent_s + wait_s - now_s)

    def sent(self, worth: Worth, now_s: float) -> None:
        """A state of this worth was handed over."""
        self._sent_s, self._worth = now_s, worth

    def forget(self) -> None:
        """Whether the last one arrived is not known: the next is due at once, but for the rate."""
        self._worth = ()
