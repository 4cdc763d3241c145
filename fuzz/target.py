"""What a target of the fuzzing is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hypothesis.strategies import SearchStrategy

MB = 1_000_000


class Subject(Protocol):
    """What is fed."""

    @property
    def pid(self) -> int:
        """The process whose memory and descriptors have to stay."""

    def check(self, inputs: Sequence[bytes]) -> None:
        """Feed it.

        Raises:
            Exception: whatever it is, it should not have happened.
        """


@dataclass(frozen=True)
class Target:
    """Something that reads from outside.

    Attributes:
        name: On the command line, and its folder in `found`.
        inputs: Makes the strategy; called once, in the target's own process.
        opened: The subject, working in a folder that is empty.
        known: Makes the inputs that broke something once, or nearly did: fed first. Those that cannot be
            written down lie in `found/<name>/`.
        batch: How many inputs are fed at a time: a node has several cameras.
        watchdog_s: One feeding that takes longer is a hang. Generous: the machine may be lent to several.
        growth_bytes: By so much its memory may be larger at the end than when it had warmed up.
    """

    name: str
    inputs: Callable[[], SearchStrategy[bytes]]
    opened: Callable[[Path], AbstractContextManager[Subject]]
    known: Callable[[], Sequence[bytes]] = tuple
    batch: int = 1
    watchdog_s: float = 30.0
    growth_bytes: int = 64 * MB
