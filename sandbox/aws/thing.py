"""A thing's certificate, and what can be had with it from the embedded AWS IoT Core: credentials, and MQTT.

As on AWS the policies attached to the certificate decide about each step: to connect under a client id, to
subscribe, to publish, to take on the role of a role alias. What is refused by MQTT ends the connection.
"""

from __future__ import annotations

import http.client
import json
import logging
import ssl
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from sandbox.aws.clients import Credentials
from sandbox.aws.server import EmbeddedAws
from sandbox.errors import CloudError
from sandbox.stoppable import Stoppable

log = logging.getLogger(__name__)

HOST = "localhost"
HTTPS_PROTOCOL = "x-amzn-http-ca"
"""What a device says in the TLS handshake to speak HTTPS where MQTT is spoken too (AWS IoT Core developer
guide, device communication protocols)."""

ANSWER_S = 10.0
"""Everything is on this machine: an answer that does not come soon does not come."""

_POLL_S = 0.01
_CERTIFICATE, _KEY, _AUTHORITY = "certificate.pem", "private.key", "ca.pem"


@dataclass(frozen=True, kw_only=True)
class Device:
    """A thing with a certificate: its files in `folder`, the devices' port of the embedded AWS."""

    thing_name: str
    folder: Path
    port: int

    def credentials(self, role_alias: str) -> Credentials:
        """AWS credentials of the role that a role alias names; CloudError with AWS IoT's words."""
        connection = http.client.HTTPSConnection(
            HOST, self.port, timeout=ANSWER_S, context=self.context(HTTPS_PROTOCOL)
        )
        try:
            headers = {"x-amzn-iot-thingname": self.thing_name}
            connection.request("GET", f"/role-aliases/{role_alias}/credentials", headers=headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise CloudError(f"No credentials through the role alias {role_alias}: {error}") from error
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            words = content.decode(errors="replace")
            raise CloudError(f"No credentials through the role alias {role_alias}: {answer.status} {words}")
        found = json.loads(content)["credentials"]
        return Credentials(
            found["accessKeyId"], found["secretAccessKey"], found["sessionToken"], found["expiration"]
        )

    def context(self, *protocols: str) -> ssl.SSLContext:
        """TLS with the certificate, towards the embedded AWS alone."""
        context = ssl.create_default_context(cafile=str(self.folder / _AUTHORITY))
        context.load_cert_chain(self.folder / _CERTIFICATE, self.folder / _KEY)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context


def enrol(aws: EmbeddedAws, thing_name: str, policy: str, folder: Path) -> Device:
    """Make the certificate of a thing that exists, with an IoT policy of its own; or take that in `folder`.

    Args:
        aws: With a port for devices.
        thing_name: Whose certificate it is.
        policy: The policy document.
        folder: Where the files are.
    """
    device = Device(thing_name=thing_name, folder=folder, port=aws.iot_port)
    if (folder / _CERTIFICATE).exists():
        return device
    iot = aws.client("iot")
    made = iot.create_keys_and_certificate(setAsActive=True)
    iot.attach_thing_principal(thingName=thing_name, principal=made["certificateArn"])
    name = f"{thing_name}-{made['certificateId'][:8]}"
    iot.create_policy(policyName=name, policyDocument=policy)
    iot.attach_policy(policyName=name, target=made["certificateArn"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _KEY).touch(mode=0o600)
    (folder / _KEY).write_text(made["keyPair"]["PrivateKey"])
    with urlopen(f"{aws.url}/_ministack/iot/ca.pem", timeout=ANSWER_S) as answer:
        (folder / _AUTHORITY).write_bytes(answer.read())
    (folder / _CERTIFICATE).write_text(made["certificatePem"])
    return device


class DeviceConnection(Stoppable):
    """An MQTT connection of a device under a client id, subscribed to topics; a context manager.

    Args:
        device: Who connects.
        topics: What it wants to hear.
        client_id: By default the thing's name, as a nucleus has it.

    Raises:
        CloudError: it is not let in, or may not subscribe.
    """

    def __init__(self, device: Device, topics: Iterable[str] = (), *, client_id: str | None = None) -> None:
        self._device = device
        self._topics = tuple(topics)
        self._client_id = client_id or device.thing_name
        self._publishing = threading.Lock()
        self._client = self._connected()

    def publish(self, topic: str, payload: bytes, qos: int) -> None:
        """Hand over a message, from any thread; CloudError when it is not taken."""
        with self._publishing:
            client = self._client
            published = client.publish(topic, payload, qos=qos)
            if (
                _within(lambda: published.is_published() or not client.is_connected())
                and client.is_connected()
            ):
                return
            # A new client: the former one would repeat what ended its connection, again and again.
            _end(client)
            self._client = self._connected()
            raise CloudError(f"AWS IoT Core does not take a message for {topic} from {self._client_id}")

    def stop(self) -> None:
        """Disconnect."""
        _end(self._client)

    def _connected(self) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=self._client_id)
        client.tls_set_context(self._device.context())
        answers: list[bool] = []
        client.on_connect = lambda *found: answers.append(not found[3].is_failure)
        client.on_disconnect = lambda *_: answers.append(False)
        client.on_subscribe = lambda *found: answers.append(not any(code.is_failure for code in found[3]))
        try:
            client.connect(HOST, self._device.port)
        except OSError as error:
            raise CloudError(f"AWS IoT Core cannot be reached: {error}") from error
        client.loop_start()
        self._expect(client, answers, 1, f"does not let {self._client_id} in")
        for number, topic in enumerate(self._topics, start=2):
            client.subscribe(topic, qos=1)
            self._expect(client, answers, number, f"does not let {self._client_id} hear {topic}")
        client.on_connect = client.on_disconnect = client.on_subscribe = None
        return client

    def _expect(self, client: mqtt.Client, answers: list[bool], number: int, otherwise: str) -> None:
        if not _within(lambda: len(answers) >= number) or not all(answers):
            _end(client)
            raise CloudError(f"AWS IoT Core {otherwise}")


def _within(condition: Any) -> bool:
    deadline_s = time.monotonic() + ANSWER_S
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(_POLL_S)
    return True


def _end(client: mqtt.Client) -> None:
    client.disconnect()
    client.loop_stop()
