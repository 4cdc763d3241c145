"""A device of the embedded Cloud IoT as tests play it: paho-mqtt, and tokens that may be wrong on purpose."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from sandbox.iot.server import EmbeddedCloudIot

PROJECT = "my-project"
TIMEOUT_S = 20.0


class Key:
    """A key pair, P-256 or RSA."""

    def __init__(self, algorithm: str = "ES256") -> None:
        self.algorithm = algorithm
        self.format = "ES256_PEM" if algorithm == "ES256" else "RSA_PEM"
        self._private: Any = (
            ec.generate_private_key(ec.SECP256R1())
            if algorithm == "ES256"
            else rsa.generate_private_key(65537, 2048)
        )

    @property
    def public(self) -> str:
        """PEM of the public half."""
        return (
            self._private.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    def token(self, *, life_s: float = 3600, algorithm: str | None = None, **claims: Any) -> str:
        """A token from now on; `algorithm` and `claims` replace what belongs there."""
        now_s = int(time.time())
        head = {"alg": algorithm or self.algorithm, "typ": "JWT"}
        body = {"aud": PROJECT, "iat": now_s, "exp": now_s + life_s} | claims
        signed = b".".join(_encoded(json.dumps(part).encode()) for part in (head, body))
        return b".".join((signed, _encoded(self._signature(signed)))).decode()

    def _signature(self, signed: bytes) -> bytes:
        if self.algorithm == "RS256":
            signature: bytes = self._private.sign(signed, padding.PKCS1v15(), hashes.SHA256())
            return signature
        halves = decode_dss_signature(self._private.sign(signed, ec.ECDSA(hashes.SHA256())))
        return b"".join(half.to_bytes(32, "big") for half in halves)


class Device:
    """One connection, or the attempt at one.

    Attributes:
        connack: What CONNACK said, in paho's words: `Success`, `Not authorized` …; None before it came.
        gone: Set when the connection is over.
        messages: What came, as topic and payload.
    """

    def __init__(
        self,
        cloud: EmbeddedCloudIot,
        path: str,
        password: str | None,
        *,
        keep_alive_s: int = 60,
        before: Callable[[mqtt.Client], object] | None = None,
    ) -> None:
        """`before` may change paho's client before it connects."""
        self.id = path.rpartition("/")[2]
        self.connack: str | None = None
        self.gone = threading.Event()
        self.messages: list[tuple[str, bytes]] = []
        self.granted: list[int] = []
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=path, reconnect_on_failure=False
        )
        self.client.tls_set(str(cloud.ca_file))
        if password is not None:
            self.client.username_pw_set("unused", password)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_message = self._on_message
        self.client.on_subscribe = self._on_subscribe
        if before is not None:
            before(self.client)
        self.client.connect("127.0.0.1", cloud.mqtt_port, keepalive=keep_alive_s)
        self.client.loop_start()

    @property
    def is_connected(self) -> bool:
        """Whether it was accepted, once that is known."""
        self._until(lambda: self.connack is not None or self.gone.is_set())
        return self.connack == "Success"

    def publish(self, kind: str, data: bytes = b"{}", *, qos: int = 1, retain: bool = False) -> bool:
        """Publish below `/devices/D/`, or to a topic with a leading slash; whether it is confirmed."""
        topic = kind if kind.startswith("/") else f"/devices/{self.id}/{kind}"
        sent = self.client.publish(topic, data, qos=qos, retain=retain)

        def confirmed() -> bool:
            # A bridge that ends the connection at once may do so while paho still writes the message.
            return sent.rc == mqtt.MQTT_ERR_SUCCESS and sent.is_published()

        self._until(lambda: confirmed() or self.gone.is_set())
        return confirmed()

    def subscribe(self, topic: str, qos: int = 1) -> int:
        """Subscribe below `/devices/D/`; what was granted, 128 for a refusal, -1 if it ended."""
        self.granted = []
        self.client.subscribe(f"/devices/{self.id}/{topic}", qos)
        self._until(lambda: self.granted or self.gone.is_set())
        return self.granted[0] if self.granted else -1

    def heard(self, count: int) -> list[tuple[str, bytes]]:
        """What came, once `count` messages have."""
        self._until(lambda: len(self.messages) >= count)
        return self.messages

    def is_gone(self) -> bool:
        """Whether the connection ends, waiting for it."""
        return self.gone.wait(TIMEOUT_S)

    def stop(self) -> None:
        """Say goodbye."""
        self.client.disconnect()
        self.client.loop_stop()

    def _until(self, condition: Callable[[], object]) -> None:
        deadline_s = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline_s, f"{self.id} heard nothing for {TIMEOUT_S:g} s"
            time.sleep(0.01)

    def _on_connect(self, _client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _more: Any) -> None:
        self.connack = str(reason)

    def _on_disconnect(self, *_: Any) -> None:
        self.gone.set()

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.messages.append((message.topic, message.payload))

    def _on_subscribe(self, _client: mqtt.Client, _data: Any, _mid: int, reasons: Any, _more: Any) -> None:
        self.granted = [reason.value for reason in reasons]


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
