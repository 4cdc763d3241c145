"""Wait for something that a running system is to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sandbox.errors import CheckFailedError
from sandbox.process import tail
from sandbox.system import System

T = TypeVar("T")

_LOOK_EVERY_S = 0.2
_WORDS = 8


def wait_until(system: System, condition: Callable[[], T | None], what: str, timeout_s: float) -> T:
    """The first value of `condition` that is not None.

    Raises:
        CheckFailedError: there was none in time; with the last words of the cores and their components.
        StartError: a part of the system has ended meanwhile.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        system.check_processes()
        if (found := condition()) is not None:
            return found
        time.sleep(_LOOK_EVERY_S)
    raise CheckFailedError(f"not within {timeout_s:.0f} s: {what}\n{last_words(system)}")


def last_words(system: System) -> str:
    """The ends of the cores' and their components' logs."""
    cores = system.settings.cores
    paths = [system.settings.logs / f"{core.root.name}.log" for core in cores]
    paths += [path for core in cores for path in sorted((core.root / "logs").glob("*.log"))]
    return "\n".join(f"the last words in {path.name}:\n{tail(path, _WORDS)}" for path in paths)
