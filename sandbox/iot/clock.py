"""What time it is for the embedded Cloud IoT: this machine's, or so much ahead."""

from __future__ import annotations

import time


class ServerClock:
    """Safe to use from any thread."""

    ahead_s = 0.0
    """How far it is ahead of the devices' clocks; tests of skewed clocks set it."""

    def now_s(self) -> float:
        """Seconds since 1970."""
        return time.time() + self.ahead_s
