"""What takes part in the loop: one camera's side of a connection, called on the loop's thread alone."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Participant(ABC):
    """Takes the bytes of one connection, and says what to send.

    Attributes:
        look_period_s: How often to look for data, seconds; 0: whenever there are some.
        due_s: When `tick` is to be called, by the clock that never steps; None where it need not be.
    """

    look_period_s: float = 0.0
    due_s: float | None = None

    @abstractmethod
    def opened(self, peer: str, now_s: float) -> None:
        """The connection is there, encrypted where it is to be.

        Args:
            peer: The address of its other end, in numbers.
            now_s: By the clock that never steps.
        """

    @abstractmethod
    def received(self, data: bytes, now_s: float) -> None:
        """These bytes have come. May raise what ends the connection."""

    @abstractmethod
    def tick(self, now_s: float) -> None:
        """It is `due_s`. May raise what ends the connection."""

    @abstractmethod
    def take_outgoing(self) -> bytes:
        """What is to be sent now; called after each of the others."""

    @abstractmethod
    def ended(self, error: Exception) -> None:
        """The connection is over, and why; the last call. Not after `Loop.remove`."""
