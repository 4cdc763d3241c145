"""What only a sandbox has: all that devices published, their connections, and faults."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any

from sandbox.iot.api.routes import Document, Request, Route
from sandbox.iot.clock import ServerClock
from sandbox.iot.errors import ApiError, Status
from sandbox.iot.faults import Fault, Faults
from sandbox.iot.mqtt.admission import Gate
from sandbox.iot.mqtt.bridge import Bridge
from sandbox.iot.registries import Registries

PREFIX = "/sandbox"
_BRIDGE_TIMEOUT_S = 20.0


class Control:
    """Answers requests, from any thread."""

    def __init__(
        self,
        registries: Registries,
        gate: Gate,
        bridge: Bridge,
        faults: Faults,
        clock: ServerClock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._registries = registries
        self._gate = gate
        self._bridge = bridge
        self._faults = faults
        self._clock = clock
        self._loop = loop

    def routes(self) -> list[Route]:
        """What it answers."""
        answers: dict[tuple[str, str], Callable[[Request], Document]] = {
            ("GET", "ready"): lambda _: {},
            ("GET", "states"): self._states,
            ("GET", "events"): self._events,
            ("GET", "connections"): lambda request: asdict(self._gate.account(request.value("device"))),
            ("GET", "requests"): lambda _: {"requests": [seen._asdict() for seen in self._faults.seen]},
            ("POST", "bridge"): self._set_bridge,
            ("POST", "clock"): self._set_clock,
            ("POST", "faults"): self._inject,
            ("DELETE", "faults"): self._heal,
        }
        return [Route(method, re.compile(f"{PREFIX}/{word}"), do) for (method, word), do in answers.items()]

    def _states(self, request: Request) -> Document:
        found = self._registries.states(request.value("device"))
        return {"states": [{"at_s": state.at_s, "data": _text(state.data)} for state in found]}

    def _events(self, request: Request) -> Document:
        found = self._registries.events(request.value("device"))
        return {"events": [event._asdict() | {"data": _text(event.data)} for event in found]}

    def _set_bridge(self, request: Request) -> Document:
        ways: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "up": self._bridge.up,
            "down": self._bridge.down,
            "silent": self._bridge.silent,
        }
        wanted = str(request.document.get("state"))
        if wanted not in ways:
            raise ApiError(Status.INVALID_ARGUMENT, f"state: expected up, down or silent, found {wanted!r}")
        try:
            asyncio.run_coroutine_threadsafe(ways[wanted](), self._loop).result(_BRIDGE_TIMEOUT_S)
        except OSError as error:
            raise ApiError(Status.UNAVAILABLE, str(error)) from error
        return {}

    def _set_clock(self, request: Request) -> Document:
        self._clock.ahead_s = float(request.document["ahead_s"])
        return {}

    def _inject(self, request: Request) -> Document:
        self._faults.inject(Fault(**request.document))
        return {}

    def _heal(self, _: Request) -> Document:
        self._faults.heal()
        return {}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
