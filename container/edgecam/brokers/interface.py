"""What transports to brokers have in common: the state they publish, and what may be asked of a camera.

A transport pulls: it asks for the state when it may send one, so that nothing queues and nothing in the media
path ever waits for a broker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from edgecam.status.reports import LinkReport
from edgecam.status.schedule import ChangeKey


@dataclass(frozen=True)
class DeviceState:
    """One camera's state at one moment.

    Attributes:
        values: What is published, ready for JSON, redacted (`edgecam.brokers.state_document`).
        change_key: What it is compared by.
    """

    values: Mapping[str, Any]
    change_key: ChangeKey

    @property
    def state(self) -> str:
        """The state alone: `connecting`, `connected`, `stalled` or `disconnected`."""
        return str(self.values["state"])


class StateSource(Protocol):
    """Knows the cameras' states. Asked from any thread, cheap."""

    def state(self, camera_id: str) -> DeviceState:
        """The state as it is now; `disconnected` once the camera has ended."""


class DeviceControl(Protocol):
    """What a device may be asked to do remotely. From any thread; nothing here blocks."""

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


class Transport(Protocol):
    """A way to a broker."""

    def start(self) -> None:
        """Begin; returns at once."""

    def stop(self, timeout_s: float) -> None:
        """Within `timeout_s` seconds publish the final state of every camera, and end. What does not get
        through in that time is left."""

    def reports(self) -> Mapping[str, LinkReport]:
        """How each connection is doing, by camera id."""
