"""Devices at the embedded Cloud IoT, fed by the node's own transport: for tests and faults of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from edgecam.brokers.interface import DeviceState
from edgecam.clock import Clock, SystemClock, utc_text
from edgecam.cloud_iot.connection import Limits
from edgecam.cloud_iot.transport import CloudIotTransport
from edgecam.config.brokers import CloudIot
from edgecam.config.camera import Camera
from edgecam.credentials.secrets import SecretSource
from edgecam.errors import CommandError, CredentialsError
from sandbox.iot.server import EmbeddedCloudIot
from sandbox.stoppable import Stoppable

PROJECT = "sandbox-project"
REGION = "europe-west1"
REGISTRY_ID = "sandbox-cameras"
REGISTRY = f"projects/{PROJECT}/locations/{REGION}/registries/{REGISTRY_ID}"
_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:edgecam/devices/thing"
_COMMANDS = ("restart", "snapshot")


@dataclass(frozen=True, repr=False)
class KeyPair:
    """Both halves as PEM: PKCS8, and what the registry takes; `format` is the registry's name for it."""

    private: str
    public: str
    format: str


def made_pair(algorithm: str = "ES256") -> KeyPair:
    """A new key, `ES256` or `RS256`."""
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if algorithm == "ES256":
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return KeyPair(
        private_pem(key),
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode(),
        "ES256_PEM" if algorithm == "ES256" else "RSA_PEM",
    )


def private_pem(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
) -> str:
    """The key as PEM without a passphrase."""
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


class HeldSecrets(SecretSource):
    """Secrets by ARN, as Secrets Manager would give them; counts how often each is asked for."""

    def __init__(self) -> None:
        super().__init__({})
        self.values: dict[str, str] = {}
        self.fetched: list[str] = []

    def fetch(self, arn: str, *, latest: bool = False) -> str:  # noqa: ARG002 - there is no older value
        """See `SecretSource.fetch`."""
        self.fetched.append(arn)
        if arn not in self.values:
            raise CredentialsError(f"secret {arn}: expected its value, found none")
        return self.values[arn]


class SaidStates:
    """A `StateSource` whose words are set from outside."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._words: dict[str, str] = {}

    def say(self, word: str, camera_id: str | None = None) -> None:
        """The state of one camera, or of all, is `word` from now on."""
        with self._lock:
            if camera_id is None:
                self._words = {"": word}
            else:
                self._words[camera_id] = word

    def state(self, camera_id: str) -> DeviceState:
        """See `StateSource.state`."""
        with self._lock:
            word = self._words.get(camera_id, self._words.get("", "connected"))
        document = {"id": camera_id, "state": word, "sent_at": utc_text(self._clock.now())}
        return DeviceState(document, (word,))


class HeardControl:
    """A `DeviceControl` that knows two commands and notes what it is asked."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, str]] = []
        self.configs: list[tuple[str, bytes]] = []

    def command(self, camera_id: str, name: str) -> None:
        """See `DeviceControl.command`."""
        self.commands.append((camera_id, name))
        if name not in _COMMANDS:
            raise CommandError(f"expected one of {', '.join(_COMMANDS)}, found {name}")

    def configure(self, camera_id: str, document: bytes) -> None:
        """See `DeviceControl.configure`."""
        self.configs.append((camera_id, document))


class DeviceHarness(Stoppable):
    """A transport and its devices; a context manager that starts and stops it.

    Args:
        cloud: Where the devices are, or are to be made.
        ids: Of cameras and devices.
        pair: The key of all of them.
        clock: The core's.
        limits: Timeouts of the bridge.
        registered: The public key that the registry is given, when it is another.
        config: Settings of `cloud_iot` that differ.
        end_s: How long the last words are waited for at the end; a second is usual, since they come a second
            after those before at the earliest.
    """

    def __init__(
        self,
        cloud: EmbeddedCloudIot,
        *ids: str,
        pair: KeyPair,
        clock: Clock | None = None,
        limits: Limits | None = None,
        registered: KeyPair | None = None,
        config: Mapping[str, Any] | None = None,
        end_s: float = 3.0,
    ) -> None:
        self._end_s = end_s
        self.cloud = cloud
        self.ids = ids
        self.clock = clock or SystemClock()
        self.states = SaidStates(self.clock)
        self.control = HeardControl()
        self.secrets = HeldSecrets()
        for each in ids:
            known = registered or pair
            cloud.make_device(self.device(each), known.public, format=known.format)
            self.keep(each, pair, version="1")
        self.settings = CloudIot.model_validate(
            {
                "project": PROJECT,
                "region": REGION,
                "registry": REGISTRY_ID,
                "host": "localhost",
                "port": cloud.mqtt_port,
                "ca_file": str(cloud.ca_file),
            }
            | dict(config or {})
        )
        self.transport = CloudIotTransport(
            self.settings,
            [self._camera(each) for each in ids],
            states=self.states,
            control=self.control,
            secrets=self.secrets,
            clock=self.clock,
            environment={},
            limits=limits,
        )

    @staticmethod
    def device(camera_id: str) -> str:
        """The full name of a camera's device."""
        return f"{REGISTRY}/devices/{camera_id}"

    @staticmethod
    def arn(camera_id: str) -> str:
        """Of the secret with its key."""
        return f"{_ARN}/{camera_id}/key-AbCdEf"

    def keep(self, camera_id: str, pair: KeyPair, *, version: str) -> None:
        """Put another key into the device's secret."""
        self.secrets.values[self.arn(camera_id)] = json.dumps(
            {"device": self.device(camera_id), "key_version": version, "private_key": pair.private}
        )

    def _camera(self, camera_id: str) -> Camera:
        key = {"secret": self.arn(camera_id)}
        return Camera.model_validate({"id": camera_id, "uri": "test://", "device": {"key": key}})

    def __enter__(self) -> Self:
        self.transport.start()
        return self

    def stop(self) -> None:
        """Publish the final states and disconnect."""
        self.states.say("disconnected")
        self.transport.stop(self._end_s)
