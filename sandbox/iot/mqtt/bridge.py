"""The MQTT bridge: goes up and down, and carries configurations and commands to devices."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from amqtt.broker import BrokerContext
from amqtt.contexts import Action, BrokerConfig, ListenerConfig, ListenerType
from amqtt.errors import AMQTTError, BrokerError, ProtocolHandlerError
from amqtt.plugins.base import BaseTopicPlugin
from amqtt.session import Session

from sandbox.iot import names
from sandbox.iot.errors import (
    ApiError,
    RefusedError,
    Status,
    Why,
)
from sandbox.iot.mqtt.admission import QOS_MOST, Gate
from sandbox.iot.mqtt.broker import CloudIotBroker
from sandbox.iot.registries import Registries

HOST = "127.0.0.1"
LISTENER = "default"
GONE = (AMQTTError, ProtocolHandlerError, asyncio.CancelledError)
"""What amqtt raises when a client goes while something is sent to it."""


class CloudIotRules(BaseTopicPlugin):  # type: ignore[misc]
    """The plug-in: what may be subscribed to, and what a new subscription brings."""

    @dataclass
    class Config:
        """What the broker's configuration gives it."""

        bridge: Any

    def __init__(self, context: BrokerContext) -> None:
        super().__init__(context)
        self._bridge: Bridge = self.config.bridge

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """Whether a device may subscribe; what it publishes was judged before, and goes to nobody."""
        if action is not Action.SUBSCRIBE or session is None:
            return True
        device = names.device_name(session.client_id)
        if names.may_subscribe(device.id, topic or ""):
            return True
        expected = f"{names.config_topic(device.id)} or {names.command_topic(device.id)}/#"
        self._bridge.gate.refused(
            session.client_id, RefusedError(Why.TOPIC, f"expected {expected}, found {topic!r}")
        )
        return False

    async def on_broker_client_subscribed(self, *, client_id: str, topic: str, qos: int) -> None:
        """Who subscribes to the configuration gets it."""
        if topic == names.config_topic(names.device_name(client_id).id):
            await self._bridge.send_config(client_id, min(qos, QOS_MOST))


class Bridge:
    """The bridge as the API uses it: from any thread, but for what says otherwise."""

    def __init__(self, port: int, tls: ssl.SSLContext, registries: Registries, gate: Gate) -> None:
        """To be made in a running event loop, which it then lives in."""
        self.port = port
        self.gate = gate
        self._registries = registries
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._broker: CloudIotBroker | None = None
        registries.on_end = lambda name, why: self._soon(self._end(name, why))
        registries.on_config = lambda name: self._soon(self._config_changed(name))

    async def up(self) -> None:
        """Listen, and answer. In the event loop.

        Raises:
            OSError: the port is taken.
        """
        if self._broker is not None:
            self._broker.is_silent = False
            return
        plugins = {f"{CloudIotRules.__module__}.{CloudIotRules.__qualname__}": {"bridge": self}}
        listener = ListenerConfig(type=ListenerType.TCP, bind=f"{HOST}:{self.port}", ssl=True)
        config = BrokerConfig(listeners={LISTENER: listener}, plugins=plugins)
        broker = CloudIotBroker(config, self._tls, self._registries, self.gate)
        try:
            await broker.start()
        except BrokerError as error:
            raise OSError(f"MQTT port {self.port}: {error.__cause__}") from error
        self._broker = broker

    async def down(self) -> None:
        """Close the port and every connection. In the event loop."""
        if self._broker is not None:
            broker, self._broker = self._broker, None
            await broker.stop(Why.BRIDGE_DOWN)

    async def silent(self) -> None:
        """Leave connections open, take new ones, and answer nothing any more. In the event loop."""
        if self._broker is not None:
            self._broker.is_silent = True

    def command(self, name: str, data: bytes, subfolder: str, timeout_s: float) -> None:
        """Send a command, and wait until the device has it.

        Raises:
            ApiError: it is not connected, or not subscribed, or says nothing.
        """
        sending = asyncio.run_coroutine_threadsafe(self._command(name, data, subfolder), self._loop)
        try:
            sending.result(timeout_s)
        except TimeoutError:
            sending.cancel()
            raise ApiError(
                Status.DEADLINE_EXCEEDED, f"The device {name!r} did not acknowledge the command."
            ) from None

    async def send_config(self, name: str, qos: int) -> None:
        """Send the newest configuration, and note its acknowledgement. In the event loop."""
        connection = self._broker.connection(name) if self._broker else None
        if connection is None:
            return
        # The device may be deleted, or go, while this waits for it.
        with contextlib.suppress(ApiError, *GONE, TimeoutError):
            newest = self._registries.configs(name)[0]
            self._registries.config_sent(name)
            topic = names.config_topic(names.device_name(name).id)
            await connection.mqtt_publish(topic, newest.binary_data, qos, retain=False)
            if qos:
                self._registries.config_acknowledged(name, newest.version)

    async def _config_changed(self, name: str) -> None:
        topic = names.config_topic(names.device_name(name).id)
        qos = self._broker.is_subscribed(name, topic) if self._broker else None
        if qos is not None:
            await self.send_config(name, qos)

    async def _command(self, name: str, data: bytes, subfolder: str) -> None:
        device_id = names.device_name(name).id
        connection = self._broker.connection(name) if self._broker else None
        topic_filter = f"{names.command_topic(device_id)}/#"
        qos = self._broker.is_subscribed(name, topic_filter) if self._broker else None
        if connection is None or qos is None:
            found = "not connected" if connection is None else f"not subscribed to {topic_filter}"
            raise ApiError(Status.FAILED_PRECONDITION, f"The device {name!r} is {found}.")
        try:
            await connection.mqtt_publish(names.command_topic(device_id, subfolder), data, qos, retain=False)
        except GONE as error:
            raise ApiError(Status.UNAVAILABLE, f"The device {name!r} has gone.") from error

    async def _end(self, name: str, why: Why) -> None:
        if self._broker is not None and (connection := self._broker.connection(name)) is not None:
            await connection.end(why, f"The device is {why.word}.")

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop)
