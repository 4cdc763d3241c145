"""One client's connection to the bridge: what a device sends is judged before amqtt acknowledges it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.publish import PublishPacket

from sandbox.iot.errors import RefusedError, Why
from sandbox.iot.mqtt.admission import Admission, Gate
from sandbox.iot.registries import Registries

CANCEL_AGAIN_S = 0.05


class Host(Protocol):
    """What a connection has of its broker."""

    registries: Registries
    gate: Gate
    is_silent: bool

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it beside everything else."""


class Connection(BrokerProtocolHandler):  # type: ignore[misc]
    """One client's connection."""

    broker: Host
    admission: Admission
    _end: tuple[Why, str] | None = None
    _expiry: asyncio.TimerHandle | None = None

    def admitted(self, broker: Host, admission: Admission, now_s: float) -> None:
        """The client is a device that may connect; it is let go when its token is over."""
        self.broker = broker
        self.admission = admission
        self._expiry = asyncio.get_running_loop().call_later(
            admission.expires_s - now_s, self.end_soon, Why.TOKEN_EXPIRED, "The authorization token expired."
        )

    @property
    def ending(self) -> tuple[Why, str] | None:
        """Why we ended it, or None."""
        return self._end

    async def handle_publish(self, publish_packet: PublishPacket) -> None:
        """Before amqtt acknowledges it."""
        if self._end is not None or self.broker.is_silent:
            return
        try:
            self.broker.gate.publish(
                self.admission.name,
                publish_packet.topic_name,
                bytes(publish_packet.data or b""),
                qos=publish_packet.qos,
                retain=publish_packet.retain_flag,
            )
        except RefusedError as refusal:
            self.broker.gate.refused(self.admission.name, refusal)
            await self.end(refusal.why, refusal.message)
            return
        await super().handle_publish(publish_packet)

    async def handle_pingreq(self, pingreq: Any) -> None:
        """A sign of life."""
        self.broker.registries.heartbeat(self.admission.name)
        await super().handle_pingreq(pingreq)

    def handle_read_timeout(self) -> None:
        """amqtt waits on; the service does not."""
        self.end_soon(Why.IDLE, "The connection was idle for too long.")

    def end_soon(self, why: Why, message: str) -> None:
        """End it, from the event loop's thread."""
        self.broker.spawn(self.end(why, message))

    async def end(self, why: Why, message: str) -> None:
        """Close the connection; `message` is what `lastErrorStatus` says."""
        if self._end is None:
            self._end = (why, message)
            await self.handle_connection_closed()

    async def stop(self) -> None:
        """No timer of ours outlives it, and no reader of amqtt's."""
        if self._expiry is not None:
            self._expiry.cancel()
        reader = self._reader_task
        # Python before 3.12 forgets to cancel a `wait_for` whose data comes at the same moment; amqtt cancels
        # its reader once, and would wait for it for ever.
        while reader not in (None, asyncio.current_task()) and not self._reader_stopped.is_set():
            if reader.done():
                break
            reader.cancel()
            await asyncio.wait([reader], timeout=CANCEL_AGAIN_S)
        await super().stop()

    async def _send_packet(self, packet: Any) -> None:
        if not self.broker.is_silent:
            await super()._send_packet(packet)
