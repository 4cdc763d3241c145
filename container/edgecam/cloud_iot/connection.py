"""One connection of a device to the MQTT bridge, from its token to its end: paho-mqtt, driven by its caller.

Each connection has a paho client of its own, so that nothing of an earlier one is sent again behind the
caller's back: paho would repeat an old state where the present one is wanted.
"""

from __future__ import annotations

import select
import ssl
import struct
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from edgecam.clock import Clock
from edgecam.cloud_iot.faults import ConnectionErrors
from edgecam.cloud_iot.key_source import MIN_REFRESH_S
from edgecam.cloud_iot.tls import TrustStore
from edgecam.config.brokers import CloudIot
from edgecam.config.hosts import parse_host
from edgecam.config.runtime import MOST_BYTES

if TYPE_CHECKING:
    from paho.mqtt.client import Client

_QOS = 1  # 2 is refused, and 0 would leave open what has arrived
_USER = "unused"  # the bridge asks for one and looks at the token alone
_LONGEST_POLL_S = 1.0
_MOST_PACKETS = 100
"""Of one poll: a bridge that sends without end may not keep the device from its own messages."""
_FAILURE = 0x80
_KEEP_ALIVE_TIMEOUT = 0x8D
"""Reason codes as paho gives them: MQTT 5's, also for MQTT 3.1.1."""


class Limits(NamedTuple):
    """Timeouts of a connection.

    Attributes:
        connect_s: For TCP and TLS, each.
        answer_s: For what the bridge has to confirm. A frozen bridge is noticed after it.
        keepalive_s: After this long without a message the bridge is pinged, and its answer awaited for as
            long. Google's ends a connection that is idle for 20 min, routers on the way forget one after five
            or so; a ping a minute is 100 kB a day.
        key_s: Between two fetches of a secret that the bridge takes.
    """

    connect_s: float = 10.0
    answer_s: float = 10.0
    keepalive_s: int = 60
    key_s: float = MIN_REFRESH_S


class Message(NamedTuple):
    """What came from the bridge; `topic` without `/devices/D/`, `payload` cut where it would be refused."""

    topic: str
    payload: bytes


class BridgeConnection:
    """For one thread. Its methods raise `BrokerError` as soon as the connection is known to be over.

    Args:
        config: Which bridge.
        device: The device's full name.
        trust: Whom to trust.
        errors: Words for what goes wrong.
        clock: Durations.
        limits: Timeouts.
    """

    def __init__(
        self,
        config: CloudIot,
        device: str,
        *,
        trust: TrustStore,
        errors: ConnectionErrors,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._config = config
        self._device = device
        self._topics = f"/devices/{device.rpartition('/')[2]}/"
        self._trust = trust
        self._errors = errors
        self._clock = clock
        self._limits = limits
        self._client: Client | None = None
        self._socket: Any = None
        self._answer: tuple[int, str] | None = None
        self._has_ended = False
        self._fell_silent = False
        self._confirmed: set[int] = set()
        self._messages: deque[Message] = deque()
        self._began_s = clock.monotonic_s()
        self.refused_subscription = False

    def open(self, token: str, key_name: str, timeout_s: float) -> None:
        """Connect, authenticate, subscribe to `config` and `commands`.

        Args:
            token: The password; stays out of every error.
            key_name: Of the key that signed it, for errors.
            timeout_s: Less than the limits, when little time is left.

        Raises:
            BrokerError: who is at fault.
        """
        client = self._client = self._new_client(token, timeout_s)
        try:
            host = parse_host(self._config.host).host
            client.connect(host, self._config.port, keepalive=self._limits.keepalive_s)
        except (OSError, UnicodeError) as error:  # the latter: a host that cannot be put into a question
            if isinstance(error, ssl.SSLCertVerificationError):
                self._trust.forget()
            raise self._errors.not_connected(error) from error
        deadline_s = self._clock.monotonic_s() + min(timeout_s, self._limits.answer_s)
        while self._answer is None and not self._has_ended:
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s <= 0:
                raise self._errors.timed_out("the token to be taken", min(timeout_s, self._limits.answer_s))
            self._serve(left_s)
        if self._answer is None:
            self._check_ways_to_end()
            raise self._errors.closed_before_connack(key_name)
        code, text = self._answer
        if code:
            raise self._errors.from_connack(code, text, key_name)
        self._began_s = self._clock.monotonic_s()
        client.subscribe([(f"{self._topics}config", _QOS), (f"{self._topics}commands/#", _QOS)])

    @property
    def lived_s(self) -> float:
        """Seconds since the bridge has taken the token."""
        return self._clock.monotonic_s() - self._began_s

    def publish(self, topic: str, payload: str) -> int:
        """Hand over a message for `/devices/D/<topic>`; the number by which `is_confirmed` knows it."""
        assert self._client is not None  # noqa: S101 - opened before
        number = self._client.publish(f"{self._topics}{topic}", payload.encode(), qos=_QOS).mid
        self._check()
        return number

    def is_confirmed(self, number: int) -> bool:
        """Whether the bridge has confirmed that message; True once."""
        if number in self._confirmed:
            self._confirmed.remove(number)
            return True
        return False

    def messages(self) -> list[Message]:
        """What has come since the last call."""
        taken = list(self._messages)
        self._messages.clear()
        return taken

    def poll(self, timeout_s: float) -> None:
        """Serve the connection: returns when something has happened, or after `timeout_s` seconds."""
        self._serve(timeout_s)
        self._check()

    def close(self) -> None:
        """Disconnect as the protocol has it where that is possible, and end."""
        client, self._client = self._client, None
        if client is None:
            return
        socket = client.socket()
        client.disconnect()
        if socket is not None:
            socket.close()

    def _check(self) -> None:
        if self._has_ended:
            self._check_ways_to_end()
            raise self._errors.closed(self.lived_s)

    def _check_ways_to_end(self) -> None:
        if self._socket is not None and self._socket.too_long is not None:
            raise self._errors.packet_too_long(self._socket.too_long)
        if self._fell_silent:
            raise self._errors.timed_out("a sign of life", self._limits.keepalive_s)

    def _serve(self, timeout_s: float) -> None:
        """Not paho's own `loop`: that waits with select(), which knows no file above number 1023."""
        client = self._client
        socket = None if client is None else client.socket()
        if client is None or socket is None:
            self._has_ended = True
            return
        self._socket = socket  # paho drops it when it ends, and it holds the reason
        poller = select.poll()
        poller.register(socket, select.POLLIN | (select.POLLOUT if client.want_write() else 0))
        waits_s = 0.0 if _pending(socket) else min(timeout_s, _LONGEST_POLL_S)
        for _, event in poller.poll(waits_s * 1000):
            if event & ~select.POLLOUT:
                self._read(client)
        for _ in range(_MOST_PACKETS):
            if client.socket() is not socket or not _pending(socket):  # TLS has several packets in a record
                break
            self._read(client)
        if client.want_write():
            client.loop_write()
        client.loop_misc()

    def _read(self, client: Client) -> None:
        try:
            client.loop_read()
        except (ValueError, LookupError, struct.error) as error:  # what paho raises for packets cut short
            raise self._errors.unreadable() from error

    def _new_client(self, token: str, timeout_s: float) -> Client:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._device,
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.username_pw_set(_USER, token)
        client.tls_set_context(self._context())
        client.connect_timeout = max(0.1, min(timeout_s, self._limits.connect_s))
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _context(self) -> Any:
        try:
            return self._trust.context()
        except OSError as error:
            raise self._errors.unusable_ca_file(str(self._trust.ca_file), error) from error

    # What paho calls, always from within `_serve` or `open`, on the caller's own thread.

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        self._answer = (code.value, str(code))

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        self._has_ended = True
        self._fell_silent = code.value == _KEEP_ALIVE_TIMEOUT

    def _on_publish(self, _client: Any, _data: Any, number: int, _code: Any, _properties: Any) -> None:
        self._confirmed.add(number)

    def _on_subscribe(self, _client: Any, _data: Any, _number: int, codes: Any, _properties: Any) -> None:
        self.refused_subscription = any(code.value >= _FAILURE for code in codes)

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        payload = bytes(message.payload[: MOST_BYTES + 1])  # by the one more it is refused as too long
        self._messages.append(Message(message.topic.removeprefix(self._topics), payload))


def _pending(socket: Any) -> bool:
    """Whether TLS has decrypted something that nobody has read; the system's poll knows nothing of it."""
    return bool(socket.fileno() >= 0 and socket.pending() > 0)
