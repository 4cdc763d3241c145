"""What the embedded Cloud IoT reports of its devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class State:
    """A state as it arrived at the bridge."""

    time: datetime
    data: bytes


@dataclass(frozen=True)
class Event:
    """An event that a device published."""

    time: datetime
    subfolder: str
    data: bytes


@dataclass(frozen=True)
class Ending:
    """A connection, message or subscription that was refused, or a connection that ended.

    Attributes:
        why: One word: `signature`, `token-expired`, `taken-over`, `by-client` … (`sandbox.iot.errors.Why`).
        message: A sentence for a person.
    """

    time: datetime
    why: str
    message: str


@dataclass(frozen=True)
class Connections:
    """The connections of one client id in this run, oldest first.

    Attributes:
        accepted: How many were opened.
        is_open: Whether one is open now.
        refused: Connections, messages and subscriptions that were refused.
        closed: Connections that were open and are over, for whatever reason.
    """

    accepted: int
    is_open: bool
    refused: tuple[Ending, ...]
    closed: tuple[Ending, ...]

    @property
    def refusals(self) -> list[str]:
        """The word of each refusal."""
        return [ending.why for ending in self.refused]

    @property
    def endings(self) -> list[str]:
        """The word of each connection's end."""
        return [ending.why for ending in self.closed]


def endings_of(found: Sequence[dict[str, Any]]) -> tuple[Ending, ...]:
    """From what the process says of them."""
    return tuple(Ending(time_of(ending["at_s"]), ending["why"], ending["message"]) for ending in found)


def time_of(at_s: float) -> datetime:
    """From seconds since 1970."""
    return datetime.fromtimestamp(at_s, UTC)
