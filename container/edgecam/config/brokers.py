"""The settings of the brokers of the cameras' states: Cloud IoT Core's protocol, and AWS IoT Core."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from edgecam.config.forms import ProjectId, Variable, form
from edgecam.config.hosts import Host
from edgecam.config.secret_ids import SecretId
from edgecam.config.validation import Model
from edgecam.config.values import AbsolutePath, EveryS, Port, TokenS


def is_device_id(text: str) -> bool:
    """Whether Cloud IoT Core takes `text` for the name of a device
    (https://cloud.google.com/iot/docs/requirements#permitted_characters_and_size_requirements)."""
    return bool(re.fullmatch(r"[a-zA-Z][a-zA-Z0-9._+~%-]{2,254}", text)) and not text.startswith("goog")


def _device_id(text: str) -> str:
    if not is_device_id(text):
        raise ValueError("expected 3 to 255 letters, digits and . _ + ~ % -, a letter first, not goog…")
    return text


DeviceId = Annotated[str, AfterValidator(_device_id)]


def _bridge_host(host: str) -> str:
    if host.rstrip(".").lower() == "mqtt.googleapis.com":
        # What every guide to the protocol names; trying it for ever would help nobody.
        raise ValueError(
            "expected a bridge that is in service, such as europe-west1-mqtt.clearblade.com: Google ended "
            "Cloud IoT Core on 2023-08-16, ClearBlade goes on with its devices and protocol"
        )
    return host


BridgeHost = Annotated[Host, AfterValidator(_bridge_host)]


class StatePayload(StrEnum):
    """What a state message holds."""

    JSON = "json"
    WORD = "word"


RegistryId = Annotated[
    str,
    form(r"[a-zA-Z][a-zA-Z0-9._+~%-]{2,254}", "3 to 255 letters, digits and . _ + ~ % -, a letter first"),
    Field(description="Id of the registry of the devices."),
]
RegistryRegion = Annotated[
    str,
    form(r"[a-z]+-[a-z]+\d+", "the name of a region at Google, such as europe-west1"),
    Field(description="Where the registry is: `europe-west1`."),
]
BridgePort = Annotated[Port, Field(description="8883, or 443 where only that gets out.")]
BridgeCaFile = Annotated[
    AbsolutePath | None,
    Field(description="PEM file of who signed the bridge's certificate; default the system's."),
]
BridgeTokenS = Annotated[
    TokenS,
    Field(description="How long a token is valid, seconds; the node connects again before it ends."),
]
StateEveryS = Annotated[
    EveryS,
    Field(description="A state is published again after this many seconds, and at once when it changes."),
]
Payload = Annotated[
    StatePayload,
    Field(description="`json`, or `word`: the state alone (`connected`), as GCStreamer sent it."),
]


class DeviceKey(Model):
    """Where the private key of a device is: one of these."""

    secret: SecretId | None = Field(
        default=None,
        description="ARN or name of an AWS Secrets Manager secret, as the stack EdgecamCloudIot makes it.",
    )
    file: AbsolutePath | None = Field(default=None, description="PEM file on the core.")
    env: Variable | None = Field(
        default=None,
        description="Environment variable of the node that holds the PEM text (not on Greengrass).",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if [self.secret, self.file, self.env].count(None) != 2:
            raise ValueError("expected one of secret, file and env")
        return self


class Device(Model):
    """What a camera is to Cloud IoT Core."""

    id: DeviceId | None = Field(
        default=None, description="Its name in the registry; default the id of the camera."
    )
    key: DeviceKey = Field(description="Its private key, RSA (RS256) or P-256 (ES256).")


class CloudIot(Model):
    """A registry of Cloud IoT Core's protocol, at Google's successors or anywhere else."""

    project: ProjectId = Field(description="Id of the project.")
    region: RegistryRegion
    registry: RegistryId
    host: BridgeHost = Field(description="The MQTT bridge, such as `europe-west1-mqtt.clearblade.com`.")
    port: BridgePort = 8883
    ca_file: BridgeCaFile = None
    token_s: BridgeTokenS = 3600
    every_s: StateEveryS = 60.0
    payload: Payload = StatePayload.JSON

    def device_name(self, device_id: str) -> str:
        """The full name of a device, which is its client id at the bridge as well
        (https://cloud.google.com/iot/docs/how-tos/mqtt-bridge#device_authentication)."""
        registry = f"projects/{self.project}/locations/{self.region}/registries/{self.registry}"
        return f"{registry}/devices/{device_id}"


class AwsIot(Model):
    """AWS IoT Core, by way of the Greengrass nucleus: `edgecam/<thing>/<camera>/state`."""

    enabled: bool = Field(default=False, description="true publishes there.")
    every_s: StateEveryS = 60.0
    fleet: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]{1,20}$",
        description="Which fleet's watch takes the states, where several are in one account; the `name` of "
        "the fleet file fills it in.",
    )
