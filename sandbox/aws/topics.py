"""Listen to topics of the embedded AWS IoT Core as a program in the cloud does: MQTT over a WebSocket."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from paho.mqtt.enums import CallbackAPIVersion

from sandbox.aws.clients import ACCOUNT_CREDENTIALS, REGION
from sandbox.errors import CloudError
from sandbox.stoppable import Stoppable

_CONNECT_TIMEOUT_S = 10.0
_VALID_S = 300
_SERVICE = "iotdevicegateway"
"""What a WebSocket's address is signed for (AWS IoT Core developer guide, device communication protocols)."""


@dataclass(frozen=True)
class Message:
    """One message."""

    topic: str
    payload: bytes


class Topics(Stoppable):
    """Subscribed to `topic_filter` within `with`; what came is in `messages`, the oldest first.

    Args:
        url: The embedded AWS.
        topic_filter: Which topics.

    Raises:
        CloudError: it does not take the connection.
    """

    def __init__(self, url: str, topic_filter: str) -> None:
        self.messages: list[Message] = []
        self._filter = topic_filter
        self._subscribed = threading.Event()
        address = urlsplit(url)
        host = f"data.iot.{REGION}.localhost:{address.port}"
        self._client = client = mqtt.Client(CallbackAPIVersion.VERSION2, transport="websockets")
        client.ws_set_options(path=_signed_path(host), headers={"Host": host})
        client.on_connect = self._on_connect
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_message = self._on_message
        self._address = (address.hostname or "localhost", address.port or 80)

    def newest(self, topic: str) -> bytes | None:
        """The last message on a topic."""
        return next((each.payload for each in reversed(self.messages) if each.topic == topic), None)

    def __enter__(self) -> Self:
        try:
            self._client.connect(*self._address)
        except OSError as error:
            raise CloudError(f"The embedded AWS IoT Core cannot be listened to: {error}") from error
        self._client.loop_start()
        if not self._subscribed.wait(_CONNECT_TIMEOUT_S):
            self.stop()
            raise CloudError(f"The embedded AWS IoT Core does not take a subscription to {self._filter}")
        return self

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe(self._filter, qos=1)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.messages.append(Message(message.topic, bytes(message.payload)))


def _signed_path(host: str) -> str:
    request = AWSRequest(method="GET", url=f"http://{host}/mqtt")
    key = Credentials(ACCOUNT_CREDENTIALS.access_key_id, ACCOUNT_CREDENTIALS.secret_access_key)
    SigV4QueryAuth(key, _SERVICE, REGION, expires=_VALID_S).add_auth(request)
    signed = urlsplit(str(request.url))
    return f"{signed.path}?{signed.query}"
