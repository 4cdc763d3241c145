"""What `make run` says: one line a step, and a sign of life on steps that take long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LIFE_SIGN_S = 10.0


def say(line: str) -> None:
    """One line to standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def step(what: str) -> Iterator[None]:
    """Announce a step, say every ten seconds that it still goes on, and how long it took."""
    say(f"· {what} …")
    started_s = time.monotonic()
    done = threading.Event()

    def tell() -> None:
        while not done.wait(LIFE_SIGN_S):
            say(f"    … {what}, {time.monotonic() - started_s:.0f} s")

    teller = threading.Thread(target=tell, name="progress", daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()
    say(f"  {what}: done in {time.monotonic() - started_s:.1f} s")
