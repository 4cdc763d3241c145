"""One connection to a camera, by either receiver: a callback for every access unit that comes.

Frames get the access units by the callback; a recording takes the same units from a tap of its own, so that
neither's faults nor its pace can affect the other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from edgecam.capture.tap import Tap
from edgecam.codecs.video import Codec
from edgecam.errors import SourceError


class Connection(ABC):
    """Runs one source from connecting to its end. Made, started, waited for and closed by one thread.

    Args:
        tap: Where a recording takes the units, or None.

    Attributes:
        codec: What is coming, or None before anything came.
        dropped_units: Those that frames did not get: without a timestamp, damaged, or too many at once.
        tap: As given.
    """

    def __init__(self, tap: Tap | None) -> None:
        self.tap = tap
        self.codec: Codec | None = None
        self.dropped_units = 0

    @property
    @abstractmethod
    def received_units(self) -> int:
        """How many access units have come."""

    @property
    @abstractmethod
    def received_bytes(self) -> int:
        """The sum of their sizes."""

    @abstractmethod
    def start(self) -> None:
        """Begin to connect.

        Raises:
            SourceError: the source cannot work with its settings.
        """

    @abstractmethod
    def wait(self, timeout_s: float) -> None:
        """Sleep for `timeout_s` seconds at the most, until `wake`, or until the next check of the bounds.

        Raises:
            SourceError: the connection has ended, and why.
        """

    @abstractmethod
    def let_through(self, *, keyframes_only: bool) -> None:
        """From any thread: whether access units other than keyframes reach `on_unit` from now on."""

    @abstractmethod
    def wake(self) -> None:
        """From any thread: let `wait` return now."""

    @abstractmethod
    def fail(self, error: SourceError) -> None:
        """From any thread: let `wait` raise `error` now."""

    @abstractmethod
    def close(self) -> None:
        """End the connection; nothing is called back any more. Returns after some seconds at the latest."""


def ignore_format(_codec: Codec) -> None:
    """The format callback of a connection that is closed."""
