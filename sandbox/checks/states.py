"""What `ONCE=1` checks of the devices: their states reach Cloud IoT, and follow what the cameras do."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any

from edgecam.brokers.topics import topic_of
from sandbox import fleet
from sandbox.aws.environment import REPOSITORY
from sandbox.aws.topics import Topics
from sandbox.checks.waiting import wait_until
from sandbox.errors import CheckFailedError
from sandbox.iot.environment import interpreter
from sandbox.iot.server import EmbeddedCloudIot
from sandbox.system import System

STATE_TIMEOUT_S = 60.0
"""A camera that is silent is noticed after `stale_after_s`, and connects again after a growing delay."""

CLIENT_TIMEOUT_S = 60.0


class StatusChecks:
    """Checks of a running system, each a method that returns what it found or raises CheckFailedError."""

    def __init__(self, system: System) -> None:
        self._system = system

    def connected(self) -> str:
        """The deploy has made the devices, and the nodes report with the keys they were given."""
        self._await("connected")

        def states() -> dict[str, list[dict[str, Any]]] | None:
            """On a busy machine a camera may be silent for a while between one look and the next."""
            states_of = self._through_client()
            newest = [(found[0]["state"], found[0]["key_version"]) for found in states_of.values()]
            return states_of if newest == [("connected", fleet.KEY_VERSION)] * len(fleet.DEVICES) else None

        expected = f"{', '.join(fleet.DEVICES)} are connected by their first key, as the client reads it"
        states_of = wait_until(self._system, states, expected, STATE_TIMEOUT_S)
        return f"{', '.join(states_of)}: connected, version {next(iter(states_of.values()))[0]['version']}"

    def follow(self) -> str:
        """The cameras freeze with their connections up, and are released."""
        said = {device: len(self._words(device)) for device in fleet.DEVICES}
        self._system.running_cameras.freeze()

        def all_stalled() -> bool | None:
            """On a busy machine one camera is connected to again before another is noticed."""
            return True if all("stalled" in self._words(each)[said[each] :] for each in said) else None

        try:
            wait_until(self._system, all_stalled, "all devices have been stalled", STATE_TIMEOUT_S)
        finally:
            self._system.running_cameras.release()
        self._await("connected")
        for device, states in self._through_client().items():
            words = [str(state["state"]) for state in reversed(states)]
            if not _in_this_order(["connected", "stalled", "connected"], words):
                raise CheckFailedError(f"expected {device} connected, stalled, connected, found {words}")
        return "connected, then stalled while the cameras were frozen, then connected"

    def aws(self) -> str:
        """The recorder's states come out of the embedded AWS IoT Core, by way of its core's socket."""
        assert self._system.aws is not None
        wanted = [topic_of(fleet.RECORDER_THING, camera) for camera in ("lobby", "yard")]
        with Topics(self._system.aws.url, topic_of(fleet.RECORDER_THING, "+")) as topics:

            def all_connected() -> bool | None:
                found = [topics.newest(topic) for topic in wanted]
                words = [json.loads(payload)["state"] for payload in found if payload is not None]
                return True if words == ["connected"] * len(wanted) else None

            wait_until(self._system, all_connected, f"{', '.join(wanted)} say connected", STATE_TIMEOUT_S)
            heard = {message.topic for message in topics.messages}
        return f"connected, on {' and '.join(sorted(heard))}"

    @property
    def _iot(self) -> EmbeddedCloudIot:
        assert self._system.iot is not None
        return self._system.iot

    def _await(self, word: str) -> None:
        def all_say_so() -> bool | None:
            return True if all(self._words(each)[-1:] == [word] for each in fleet.DEVICES) else None

        wait_until(self._system, all_say_so, f"all devices are {word}", STATE_TIMEOUT_S)

    def _words(self, device: str) -> list[str]:
        """All states of this run, oldest first."""
        return [str(json.loads(state.data)["state"]) for state in reversed(self._iot.states(device))]

    def _through_client(self) -> dict[str, list[dict[str, Any]]]:
        """The last states of each device, newest first, as google-cloud-iot's client reads them."""
        done = subprocess.run(
            [str(interpreter()), "-m", "sandbox.iot.read_states", self._iot.url, *fleet.DEVICES],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=CLIENT_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise CheckFailedError(f"google-cloud-iot's client cannot read the states:\n{done.stderr}")
        read: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
        return {path.rpartition("/")[2]: [state["data"] for state in states] for path, states in read.items()}


def _in_this_order(wanted: Sequence[str], found: Sequence[str]) -> bool:
    """Whether `wanted` are all in `found`, one after the other, with or without others between."""
    rest = iter(found)
    return all(word in rest for word in wanted)
