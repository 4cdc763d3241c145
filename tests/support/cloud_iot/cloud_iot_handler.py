"""The handler of registry and devices where its libraries are, and the clouds it works in."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives import serialization

from edgecam.clock import SystemClock
from edgecam.cloud_iot.jwt import make_token
from edgecam.cloud_iot.private_key import parse_private_key
from sandbox.errors import CloudError
from sandbox.iot.environment import install
from sandbox.iot.server import EmbeddedCloudIot

PROJECT, REGION = "our-project", "europe-west1"
PROVIDERS = ("google", "clearblade")
DEVICES = {"google": r"/devices", "clearblade": "/cloudiot_devices$"}
"""Where each API's devices are."""

STACK = "arn:aws:cloudformation:eu-central-1:123456789012:stack/EdgecamCloudIot/1"
OTHER_STACK = STACK.replace("EdgecamCloudIot", "Another")
WORKER = Path(__file__).with_name("cloud_iot_worker.py")
ANSWER_S = 60.0

Event = dict[str, Any]


class DiedError(Exception):
    """The handler's process ended in the middle, as a test asked for."""


class Handler:
    """The handler as a process; another one is started when it has died."""

    def __init__(self, provider: str, *, folder: Path, environment: dict[str, str]) -> None:
        self.provider = provider
        self.scratch = folder / "tmp"
        self.scratch.mkdir()
        self._log = folder / "worker.log"
        self._environment = {
            **environment,
            "PATH": os.environ["PATH"],
            "TMPDIR": str(self.scratch),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._answers: list[str] = []
        self._process = self._started()

    def __call__(
        self, event: Event, *, die_after: str | None = None, fail_at: str | None = None
    ) -> dict[str, Any]:
        """What it answers: `id` and `attributes`, or `refused`. The worker says what may happen to it.

        Raises:
            DiedError: it did not answer.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"event": event, "die_after": die_after, "fail_at": fail_at}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        self._answers.append(line)
        if not line:
            code = self._end()
            self._process = self._started()
            if code == 9:
                raise DiedError
            raise AssertionError(self._log.read_text()[-4000:])
        answer: dict[str, Any] = json.loads(line)
        return answer

    def said(self) -> str:
        """All that it has answered and logged."""
        return "".join(self._answers) + self._log.read_text()

    def stop(self) -> None:
        """End it."""
        self._end()

    def _end(self) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        code = self._process.wait(ANSWER_S)
        self._process.stdout.close()
        return code

    def _started(self) -> subprocess.Popen[str]:
        with self._log.open("a") as log:
            return subprocess.Popen(
                [str(install()), str(WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environment,
            )


@dataclass(kw_only=True)
class Camera:
    """A camera that is to be a device of a registry of its own.

    Attributes:
        handler: Makes it.
        cloud: Where it is made.
        secrets: The client of AWS Secrets Manager.
        login: The property of that name.
    """

    handler: Handler
    cloud: EmbeddedCloudIot
    secrets: Any
    login: dict[str, str] = field(default_factory=dict)
    name: str = field(default_factory=lambda: f"c{uuid.uuid4().hex[:8]}")

    @property
    def registry(self) -> str:
        """Its whole name."""
        return f"projects/{PROJECT}/locations/{REGION}/registries/registry-{self.name}"

    @property
    def device(self) -> str:
        """Its whole name."""
        return f"{self.registry}/devices/{self.name}"

    @property
    def secret(self) -> str:
        """The name of its secret."""
        return f"edgecam/devices/core-1/{self.name}/key"

    def of_registry(
        self, kind: str = "Create", *, physical_id: str | None = None, **properties: Any
    ) -> Event:
        """A request for the registry, as CloudFormation sends it."""
        return self._event(kind, "Registry", physical_id or self.registry, properties)

    def of_device(self, kind: str = "Create", *, physical_id: str | None = None, **properties: Any) -> Event:
        """A request for the device, as CloudFormation sends it."""
        wanted = {
            "Device": self.name,
            "Secret": self.secret,
            "Algorithm": "ES256",
            "KeyVersion": "1",
            "KeyDays": "365",
            "RecoveryDays": "7",
            **properties,
        }
        return self._event(kind, f"Device{self.name}", physical_id or self.device, wanted)

    def _event(self, kind: str, resource: str, physical_id: str, properties: dict[str, Any]) -> Event:
        event = {
            "RequestType": kind,
            "StackId": properties.pop("stack", STACK),
            "LogicalResourceId": properties.pop("resource", resource),
            "OldResourceProperties": properties.pop("old", {}),
            "ResourceProperties": {
                "Project": PROJECT,
                "Region": REGION,
                "Registry": f"registry-{self.name}",
                "Provider": self.handler.provider,
                "Login": self.login,
                **properties,
            },
        }
        return event if kind == "Create" else {**event, "PhysicalResourceId": physical_id}

    def make(self, **properties: Any) -> None:
        """Make registry and device."""
        assert self.handler(self.of_registry())["id"] == self.registry
        assert self.handler(self.of_device(**properties))["id"] == self.device

    def rotate(self, version: str) -> None:
        """Ask for this version of its key; the same again is a check."""
        assert self.handler(self.of_device("Update", KeyVersion=version))["id"] == self.device

    def is_device(self) -> bool:
        """Whether the registry has it."""
        try:
            self.cloud.device(self.device)
        except CloudError as error:
            if "NOT_FOUND" not in str(error):
                raise
            return False
        return True

    def public_keys(self) -> list[str]:
        """Those of the device, as they are registered."""
        return [each["publicKey"]["key"] for each in self.cloud.device(self.device).get("credentials", [])]

    def text(self, label: str = "AWSCURRENT") -> str:
        """What its secret holds."""
        text: str = self.secrets.get_secret_value(SecretId=self.secret, VersionStage=label)["SecretString"]
        return text

    def document(self, label: str = "AWSCURRENT") -> dict[str, str]:
        """The same, parsed."""
        document: dict[str, str] = json.loads(self.text(label))
        return document

    def secret_state(self) -> str:
        """`none`, `kept` or `deleted`: waiting for its end."""
        try:
            found = self.secrets.describe_secret(SecretId=self.secret)
        except self.secrets.exceptions.ResourceNotFoundException:
            return "none"
        return "deleted" if found.get("DeletedDate") else "kept"

    def versions(self) -> list[list[str]]:
        """The labels of the secret's versions, sorted."""
        found = self.secrets.describe_secret(SecretId=self.secret)["VersionIdsToStages"]
        return sorted(found.values())

    def tell(self, document: object) -> None:
        """Send a state, with the key in the secret, as a node does."""
        key = parse_private_key(self.text(), "the secret", self.device)
        token = make_token(key, project=PROJECT, valid_s=600, clock=SystemClock())
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=self.device)
        client.tls_set(str(self.cloud.ca_file))
        client.username_pw_set("unused", token.text)
        client.connect("127.0.0.1", self.cloud.mqtt_port)
        client.loop_start()
        text = document if isinstance(document, str) else json.dumps(document)
        client.publish(f"/devices/{self.name}/state", text, qos=1).wait_for_publish(ANSWER_S)
        client.disconnect()
        client.loop_stop()
        assert self.cloud.states(self.device)[0].data == text.encode()


def secret_lines(text: str) -> list[str]:
    """What of a key must not be seen anywhere: its lines, and the key in other forms."""
    pem = json.loads(text)["private_key"]
    lines = [line for line in pem.splitlines() if line and not line.startswith("-----")]
    raw = base64.b64decode("".join(lines))
    return [*lines, raw.hex(), base64.b64encode(pem.encode()).decode()[4:44]]


def refused(answer: dict[str, Any]) -> str:
    """The sentence of a refusal."""
    assert list(answer) == ["refused"], answer
    sentence: str = answer["refused"]
    return sentence


def public_key_of(text: str) -> str:
    """The public half of the key in a secret's text."""
    private = serialization.load_pem_private_key(json.loads(text)["private_key"].encode(), None)
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.public_key().public_bytes(*form).decode()
