"""The MQTT bridge: amqtt's broker, where the gate says who comes in and what is taken.

amqtt's plug-ins decide on topics and learn of events, but not before a message is acknowledged, and nothing
of theirs ends a connection. For that the broker's own steps are refined here; the lock pins the version.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import Any

from amqtt.adapters import ReaderAdapter, WriterAdapter
from amqtt.broker import Broker, BrokerContext, Server
from amqtt.contexts import Action, BrokerConfig, ListenerConfig, ListenerType
from amqtt.errors import AMQTTError, BrokerError, MQTTError, NoDataError, ProtocolHandlerError
from amqtt.mqtt.connack import ConnackPacket
from amqtt.mqtt.disconnect import DisconnectPacket
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.publish import PublishPacket
from amqtt.plugins.base import BaseTopicPlugin
from amqtt.session import Session

from sandbox.iot import names
from sandbox.iot.gate import QOS_MOST, Admission, Gate
from sandbox.iot.problems import ApiError, RefusedError, Status, Why
from sandbox.iot.registries import Registries

HOST = "127.0.0.1"
LISTENER = "default"
IDLE_S = 20 * 60
"""A client that says nothing for so long is gone, whatever keep-alive it asked for."""
KEEP_ALIVES = 1.5
"""MQTT 3.1.1, 3.1.2.10: the server waits one and a half times the client's keep-alive."""

GONE = (AMQTTError, ProtocolHandlerError, asyncio.CancelledError)
"""What amqtt raises when a client goes while something is sent to it."""


class Connection(BrokerProtocolHandler):  # type: ignore[misc]
    """One client's connection."""

    broker: CloudIotBroker
    admission: Admission
    _end: tuple[Why, str] | None = None
    _expiry: asyncio.TimerHandle | None = None

    def admitted(self, broker: CloudIotBroker, admission: Admission, now_s: float) -> None:
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
        """No timer of ours outlives it."""
        if self._expiry is not None:
            self._expiry.cancel()
        await super().stop()

    async def _send_packet(self, packet: Any) -> None:
        if not self.broker.is_silent:
            await super()._send_packet(packet)


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


class CloudIotBroker(Broker):  # type: ignore[misc]
    """amqtt's broker with the steps that the service does otherwise. Made and used in its event loop."""

    def __init__(self, config: BrokerConfig, tls: ssl.SSLContext, registries: Registries, gate: Gate) -> None:
        super().__init__(config)
        self.registries = registries
        self.gate = gate
        self.is_silent = False
        self._tls = tls
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Any) -> None:
        """Do it beside everything else."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self, why: Why) -> None:
        """Let every client go, and close the port."""
        for _, connection in list(self._sessions.values()):
            await connection.end(why, "The connection is closed because the server is shutting down.")
        await self.shutdown()
        for writer in list(self._writers):
            writer.transport.abort()

    def connection(self, name: str) -> Connection | None:
        """The open connection of a device."""
        found: Connection | None = self._sessions.get(name, (None, None))[1]
        return found

    def is_subscribed(self, name: str, topic_filter: str) -> int | None:
        """The QoS of a device's subscription, or None."""
        for session, qos in self._subscriptions.get(topic_filter, ()):
            if session.client_id == name:
                return int(qos)
        return None

    async def add_subscription(self, subscription: tuple[str, int], session: Session) -> int:
        """QoS 2 becomes QoS 1."""
        topic_filter, qos = subscription
        granted: int = await super().add_subscription((topic_filter, min(qos, QOS_MOST)), session)
        return granted

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        """A client, still without a name."""
        self._writers.add(writer)
        try:
            while self.is_silent:
                await asyncio.sleep(0.1)
            # A client that goes in the middle of a sentence is none of the server's errors.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await super().stream_connected(reader, writer, listener_name)
        finally:
            self._writers.discard(writer)
            writer.close()

    def _create_ssl_context(self, listener: ListenerConfig) -> ssl.SSLContext:  # noqa: ARG002 - amqtt's
        return self._tls

    async def _delete_session(self, client_id: str) -> None:
        """amqtt forgets a client's older session before it knows who asks: see `_take_over`."""

    async def _initialize_client_session(
        self,
        reader: ReaderAdapter,
        writer: WriterAdapter,
        remote_address: str,  # noqa: ARG002 - amqtt's names
        remote_port: int,  # noqa: ARG002
    ) -> tuple[Connection, Session]:
        try:
            connection, session = await Connection.init_from_connect(reader, writer, self.plugins_manager)
        except (AMQTTError, NoDataError) as error:
            raise MQTTError(str(error)) from error
        # Sessions do not outlive their connection, whatever the client asks for.
        session.clean_session = True
        session.parent = 0
        session.keep_alive = int(min(session.keep_alive * KEEP_ALIVES, IDLE_S) or IDLE_S)
        return connection, session

    async def _handle_client_session(
        self,
        reader: ReaderAdapter,
        writer: WriterAdapter,
        client_session: Session,
        handler: Connection,
        server: Server,
        listener_name: str,
    ) -> None:
        client_id, has_will = client_session.client_id or "", bool(client_session.will_flag)
        try:
            admission = self.gate.admit(client_id, client_session.password, has_will=has_will)
        except RefusedError as refusal:
            self.gate.refused(client_id, refusal)
            if refusal.why.connack is not None:
                await ConnackPacket.build(0, refusal.why.connack).to_stream(writer)
            await writer.close()
            return
        finally:
            client_session.password = None
        while client_id in self._sessions:
            await self._take_over(client_id)
        # From here to the entry in amqtt's sessions nothing is waited for: there is one connection a device.
        handler.admitted(self, admission, self.gate.now_s())
        self.gate.accepted(client_id)
        self.registries.heartbeat(client_id)
        await super()._handle_client_session(reader, writer, client_session, handler, server, listener_name)

    async def _authenticate(self, session: Session, _: ListenerConfig) -> bool:  # noqa: ARG002 - amqtt's
        return True  # whoever comes here was admitted

    async def _take_over(self, client_id: str) -> None:
        session, older = self._sessions.pop(client_id)
        await self._del_all_subscriptions(session)
        await older.end(
            Why.TAKEN_OVER,
            "The connection was closed because there is another active connection with the same device ID.",
        )

    async def _handle_disconnect(
        self, client_session: Session, handler: Connection, disconnect_waiter: asyncio.Future[Any]
    ) -> None:
        said_goodbye = isinstance(disconnect_waiter.result(), DisconnectPacket)
        await super()._handle_disconnect(client_session, handler, disconnect_waiter)
        client_id = client_session.client_id
        is_last = self.connection(client_id) in (None, handler)
        if self.connection(client_id) is handler:
            del self._sessions[client_id]
            await self._del_all_subscriptions(client_session)
        why, message = handler.ending or (
            (Why.BY_CLIENT, "The client has disconnected.")
            if said_goodbye
            else (Why.LOST, "The connection broke or was closed by the client.")
        )
        self.gate.closed(client_id, why, message, is_last=is_last)


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

    def _soon(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop)
