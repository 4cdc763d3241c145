"""Faults of a store, each with synthetic cameras that go on recording meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from sandbox.faults.harness import Harness
from sandbox.faults.ledger import Outcome
from sandbox.gcs.faults import Fault, Kind

MIB = 1024**2
LEAD_S = 1.0
"""How long nothing fails, first."""

Strike = Callable[[Harness, float], int | None]


@dataclass(frozen=True)
class StoreFault:
    """One fault.

    Attributes:
        name: As the table has it.
        strike: Injects it for a number of seconds, and heals it; returns how often it struck, where that
            is known.
        harness: Settings of the `Harness`.
    """

    name: str
    strike: Strike
    harness: Mapping[str, Any] = field(default_factory=dict)

    def run(self, folder: Path, outage_s: float) -> Outcome:
        """Let it happen, and see what came of it.

        Raises:
            TimeoutError: the node does not get over it.
        """
        with Harness(folder, **self.harness) as harness:
            harness.pause(LEAD_S)
            struck = self.strike(harness, outage_s)
            return harness.settled(self.name, **({} if struck is None else {"struck": struck}))


class ExpiringTokens:
    """A login whose tokens the store no longer takes after a while; a new one follows each refused one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 1

    def token(self) -> str:
        """See `Login.token`."""
        return f"token-{self._number}"

    def refused(self, token: str) -> None:
        """See `Login.refused`."""
        with self._lock:
            if token == self.token():
                self._number += 1

    def identity(self) -> str:
        """See `Login.identity`."""
        return "the expiring login"


def _down(harness: Harness, outage_s: float) -> None:
    harness.gcs.down()
    harness.pause(outage_s)
    harness.gcs.up()


def _injected(*faults: Fault) -> Strike:
    def strike(harness: Harness, outage_s: float) -> int:
        mine = [Fault(each.kind, **_settings(each)) for each in faults]
        harness.gcs.faults.inject(*mine)
        harness.pause(outage_s)
        harness.gcs.faults.heal()
        return sum(each.happened for each in mine)

    return strike


def _settings(fault: Fault) -> dict[str, Any]:
    names = ("every", "times", "status", "retry_after", "part", "method")
    return {name: getattr(fault, name) for name in names}


def _slow(harness: Harness, outage_s: float) -> None:
    harness.gcs.faults.bytes_per_s = 100_000
    harness.pause(outage_s)
    harness.gcs.faults.heal()


def _tokens_expire(harness: Harness, outage_s: float) -> int:
    for number in range(1, 6):
        harness.gcs.faults.expire({f"token-{each}" for each in range(1, number + 1)})
        harness.pause(outage_s / 5)
    return sum(seen.status == HTTPStatus.UNAUTHORIZED for seen in harness.gcs.traffic.requests)


_SESSIONS = {"chunk_bytes": MIB, "period_s": 1.0, "upload": {"part_bytes": 256 * 1024, "stall_timeout_s": 2}}
"""Chunks of four parts each."""

FAULTS = (
    StoreFault("store down", _down),
    StoreFault("every third request 503", _injected(Fault(Kind.STATUS, every=3))),
    StoreFault("429 with Retry-After", _injected(Fault(Kind.STATUS, every=10, status=429, retry_after="1"))),
    StoreFault("resets in mid-upload", _injected(Fault(Kind.RESET, every=2))),
    StoreFault("resets in mid-upload, in sessions", _injected(Fault(Kind.RESET, every=3)), _SESSIONS),
    StoreFault(
        "uploads that stall without closing",
        _injected(Fault(Kind.STALL, every=4)),
        {"upload": {"stall_timeout_s": 1}},
    ),
    StoreFault("slow store", _slow, {"period_s": 0.5}),
    StoreFault("412 after a lost answer", _injected(Fault(Kind.LOST_ANSWER, every=2))),
    StoreFault(
        "412 after a lost answer, in sessions", _injected(Fault(Kind.LOST_ANSWER, every=3)), _SESSIONS
    ),
    StoreFault("token expired", _tokens_expire, {"login": ExpiringTokens}),
    StoreFault(
        "spool limit reached",
        _down,
        {"chunk_bytes": 2_000_000, "spool": {"max_bytes": 16_000_000}, "period_s": 0.5},
    ),
)
