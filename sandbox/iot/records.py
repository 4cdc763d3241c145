"""What is known of one device."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from sandbox.iot.messages import Message


class Event(NamedTuple):
    """An event that a device published; `at_s` in seconds since 1970."""

    at_s: float
    subfolder: str
    data: bytes


class StateRecord(NamedTuple):
    """A state that a device published; `at_s` in seconds since 1970."""

    at_s: float
    data: bytes


@dataclass
class Record:
    """A device: its resource, the versions of its configuration (newest first), all states (newest first) and
    all events (oldest first)."""

    device: Message
    configs: list[Message]
    states: list[StateRecord] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
