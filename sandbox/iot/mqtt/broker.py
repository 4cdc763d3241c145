"""amqtt's broker, where the gate says who comes in and what is taken.

amqtt's plug-ins decide on topics and learn of events, but not before a message is acknowledged, and nothing
of theirs ends a connection. For that the broker's own steps are refined here; the lock pins the version.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Coroutine
from typing import Any

from amqtt.adapters import ReaderAdapter, WriterAdapter
from amqtt.broker import Broker, Server
from amqtt.contexts import BrokerConfig, ListenerConfig
from amqtt.errors import AMQTTError, MQTTError, NoDataError
from amqtt.mqtt.connack import ConnackPacket
from amqtt.mqtt.disconnect import DisconnectPacket
from amqtt.session import Session

from sandbox.iot.errors import RefusedError, Why
from sandbox.iot.mqtt.admission import QOS_MOST, Gate
from sandbox.iot.mqtt.connection import Connection
from sandbox.iot.registries import Registries

IDLE_S = 20 * 60
"""A client that is silent for longer is gone, whatever keep-alive it asked for."""
KEEP_ALIVES = 1.5
"""MQTT 3.1.1, 3.1.2.10: the server waits one and a half times the client's keep-alive."""


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

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
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

    async def _initialize_client_session(
        self,
        reader: ReaderAdapter,
        writer: WriterAdapter,
        remote_address: str,  # noqa: ARG002 - amqtt's names
        remote_port: int,  # noqa: ARG002
    ) -> tuple[Connection, Session]:
        # Unlike amqtt's: an older session of this name stays until it is known who asks (`_take_over`).
        try:
            connection, session = await Connection.init_from_connect(reader, writer, self.plugins_manager)
        except (AMQTTError, NoDataError) as error:
            raise MQTTError(str(error)) from error
        # Sessions do not outlive their connection, whatever the client asks for.
        session.clean_session = True
        session.parent = 0
        session.keep_alive = min(session.keep_alive * KEEP_ALIVES, IDLE_S) or IDLE_S
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
        return True  # a client that comes here was admitted

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
        # Accounted for before it is closed: who sees the end can ask for the reason.
        self.gate.closed(client_id, why, message, is_last=is_last)
        await super()._handle_disconnect(client_session, handler, disconnect_waiter)
