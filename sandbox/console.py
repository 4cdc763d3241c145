"""What `make run` says: one line a step, and a sign of life on steps that take long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LIFE_SIGN_S = 10.0
LOOK_S = 0.5
"""Between two looks at what a step says of itself."""


def say(line: str) -> None:
    """One line to standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _nothing() -> str:
    return ""


@contextmanager
def step(what: str, state: Callable[[], str] = _nothing) -> Iterator[None]:
    """Announce a step, say every ten seconds how it goes on, and how long it took.

    `state` says in a few words what the step is doing; what stands before the first colon of it is its stage,
    and another stage is printed at once.
    """
    say(f"· {what} …")
    started_s = time.monotonic()
    done = threading.Event()

    def print_stages() -> None:
        said_s, stage = started_s, ""
        while not done.wait(LOOK_S):
            now_s, doing = time.monotonic(), state()
            new = doing.partition(": ")[0]
            if (doing and new != stage) or now_s >= said_s + LIFE_SIGN_S:
                say(f"    … {doing or what}, {now_s - started_s:.0f} s")
                said_s, stage = now_s, new

    printer = threading.Thread(target=print_stages, name="progress", daemon=True)
    printer.start()
    try:
        yield
    finally:
        done.set()
        printer.join()
    say(f"  {what}: done in {time.monotonic() - started_s:.1f} s")
