"""A recording's branch of a connection: the same access units as the frames get, taken in batches.

Waking a thread thirty times a second for each camera costs more than recording does. So access units wait
until the recorder polls, about once a second. When it does not (a slow disk), what waits grows up to a limit;
then what comes is dropped until the recorder polls again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from edgecam.capture.access_unit import AccessUnit

HELD_BYTES_LIMIT = 8_000_000
"""Sixteen seconds at 4 Mbit/s: longer than a memory card's garbage collection."""


class Tap(ABC):
    """The recording's branch of one connection. Made with the connection, used by the recorder's thread.

    Attributes:
        lost: How often it had to drop what came.
    """

    def __init__(self) -> None:
        self.lost = 0

    @property
    @abstractmethod
    def held_bytes(self) -> int:
        """Bytes that wait to be taken."""

    @abstractmethod
    def limit(self) -> None:
        """From any thread, now and then: drop what comes when more than `HELD_BYTES_LIMIT` waits."""

    @abstractmethod
    def take(self) -> list[AccessUnit]:
        """Everything that waits, in the order of decoding. Never blocks."""

    @abstractmethod
    def reopen(self) -> bool:
        """Let units in again, after `take`: what came before some were dropped has to be taken first.

        Returns:
            Whether units were dropped after those that were taken last.
        """

    @abstractmethod
    def reject_rest(self) -> None:
        """Drop the rest of this connection: it delivers what cannot be recorded."""
