"""Tokens that run out soon: does the state at the bridge ever grow older than its period?

    python -m sandbox.faults.token_renewal [--token-s 30] [--minutes 5] [--every-s 5] [--devices 4]

Half of the devices sign with ES256, half with RS256. Prints one JSON object and ends with 1 when a state was
older than `every_s` at any moment, or the bridge had to end a connection. The age of a state is that of what
it says: from `sent_at` in it to the arrival of the next.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from sandbox.iot.device_harness import REGISTRY, DeviceHarness, made_pair
from sandbox.iot.server import Connections, EmbeddedCloudIot, State

_OURS = {"by-client", "taken-over"}
"""Endings that the device caused: its goodbye, or its next connection, whichever the bridge saw first."""


@dataclass(frozen=True)
class Outcome:
    """What the bridge has seen.

    Attributes:
        devices: How many.
        states: Of all devices.
        renewals: Connections after the first, of all devices.
        greatest_age_s: Of any device's state at any moment between its first and its last.
        every_s: What it should have stayed below.
        refusals: What the bridge refused, in a word each.
        ended_by_bridge: Connections that it ended, in a word each.
    """

    devices: int
    states: int
    renewals: int
    greatest_age_s: float
    every_s: float
    refusals: list[str]
    ended_by_bridge: list[str]

    @property
    def is_good(self) -> bool:
        """Whether no state was ever too old, and nothing was refused."""
        return self.greatest_age_s <= self.every_s and not self.refusals and not self.ended_by_bridge


def greatest_age_s(states: list[State]) -> float:
    """The most that a state has aged before the next arrived; `states` newest first."""
    return max(
        (after.time - datetime.fromisoformat(json.loads(before.data)["sent_at"])).total_seconds()
        for before, after in pairwise(reversed(states))
    )


def renew_tokens(folder: Path, *, token_s: int, every_s: float, seconds: float, devices: int) -> Outcome:
    """Devices that renew their tokens for `seconds`."""
    config = {"token_s": token_s, "every_s": every_s}
    ids = [f"camera-{number:02}" for number in range(devices)]
    halves = ids[::2], ids[1::2]
    with EmbeddedCloudIot(folder) as cloud:
        cloud.make_registry(REGISTRY)
        elliptic = DeviceHarness(cloud, *halves[0], pair=made_pair("ES256"), config=config)
        with elliptic, DeviceHarness(cloud, *halves[1], pair=made_pair("RS256"), config=config):
            time.sleep(seconds)
        states = {each: cloud.states(DeviceHarness.device(each)) for each in ids}
        connections = [cloud.connections(DeviceHarness.device(each)) for each in ids]
    return Outcome(
        devices=devices,
        states=sum(map(len, states.values())),
        renewals=sum(each.accepted - 1 for each in connections),
        greatest_age_s=round(max(map(greatest_age_s, states.values())), 3),
        every_s=every_s,
        refusals=[word for each in connections for word in each.refusals],
        ended_by_bridge=[word for each in connections for word in _foreign(each)],
    )


def _foreign(connections: Connections) -> list[str]:
    return [word for word in connections.endings if word not in _OURS]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.faults.token_renewal")
    parser.add_argument("--token-s", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--every-s", type=float, default=5)
    parser.add_argument("--devices", type=int, default=4)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgecam-renewal-") as folder:
        outcome = renew_tokens(
            Path(folder),
            token_s=arguments.token_s,
            every_s=arguments.every_s,
            seconds=arguments.minutes * 60,
            devices=arguments.devices,
        )
    sys.stdout.write(json.dumps(asdict(outcome)) + "\n")
    return 0 if outcome.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
