"""The settings of the registry in which cameras are devices, by Cloud IoT Core's protocol.

`edgecam.config.brokers` has the node's side; these are the registry's provider and the devices' keys.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from edgecam.config.brokers import (
    BridgeCaFile,
    BridgeHost,
    BridgePort,
    BridgeTokenS,
    Payload,
    RegistryId,
    RegistryRegion,
    StateEveryS,
    StatePayload,
)
from edgecam.config.forms import form
from edgecam.config.hosts import parse_authority
from edgecam.config.secret_ids import SecretId
from edgecam.config.validation import Model
from edgecam.config.values import MOST_COUNTED

CLEARBLADE_REGIONS = ("asia-east1", "europe-west1", "us-central1")
"""Where ClearBlade IoT Core is (https://clearblade.atlassian.net/wiki/spaces/IC/pages/2203582552/Requirements)."""


def embedded(service: str) -> AfterValidator:
    """Check the address of an embedded service that replaces a provider; `service` names it."""

    def check(url: str) -> str:
        is_here = re.fullmatch(r"http://(localhost|127\.0\.0\.1):[^/?#@]*", url)
        if is_here is None:
            raise ValueError(f"expected http://localhost:PORT: it is for {service}, which asks for no login")
        parse_authority(url.removeprefix("http://"))
        return url

    return AfterValidator(check)


Topic = Annotated[
    str,
    form(
        r"projects/[a-z0-9.:-]+/topics/[A-Za-z][A-Za-z0-9._~+%-]{2,254}",
        "a topic of Pub/Sub, projects/PROJECT/topics/TOPIC",
    ),
]


class Registry(Model):
    """The registry of the devices, and their keys."""

    name: RegistryId
    region: RegistryRegion
    provider: Literal["clearblade", "google"] = Field(
        description="Whose API keeps the devices: ClearBlade IoT Core's, or Google's, whose own service "
        "ended in 2023."
    )
    secret: SecretId | None = Field(
        default=None,
        description="With `clearblade`: ARN or name of an AWS Secrets Manager secret that holds the JSON of "
        "its service account.",
    )
    create: bool = Field(
        default=True, description="false: the registry exists, and only devices are made in it."
    )
    event_topic: Topic | None = Field(
        default=None,
        description="Pub/Sub topic of the new registry, `projects/P/topics/T`, for what came of commands; "
        "without one, a device that publishes an event is disconnected.",
    )
    algorithm: Literal["ES256", "RS256"] = Field(
        default="ES256", description="The devices' keys: P-256 (`ES256`), or RSA with 2048 bits (`RS256`)."
    )
    key_version: int = Field(
        default=1,
        ge=1,
        le=MOST_COUNTED,
        description="Another number gives every device a new key, without a gap.",
    )
    key_days: int = Field(
        default=365,
        ge=1,
        le=3650,
        description="How long a key is valid, days; another key_version in time renews it.",
    )
    recovery_days: int = Field(
        default=30,
        ge=7,
        le=30,
        description="How long AWS Secrets Manager keeps the key of a device that is gone, days.",
    )
    host: BridgeHost | None = Field(
        default=None,
        description="The MQTT bridge of the nodes; default ClearBlade's of the region, none with `google`.",
    )
    port: BridgePort = 8883
    ca_file: BridgeCaFile = None
    token_s: BridgeTokenS = 3600
    every_s: StateEveryS = 60.0
    payload: Payload = StatePayload.JSON
    endpoint: Annotated[str, embedded("an embedded Cloud IoT")] | None = Field(
        default=None,
        description="For tests: an embedded Cloud IoT, `http://localhost:PORT`, in place of the provider's.",
    )

    @model_validator(mode="after")
    def _login(self) -> Self:
        if self.provider == "google" and self.secret is not None:
            raise ValueError("expected secret only with provider: clearblade (gcp.login is Google's)")
        if self.provider == "clearblade" and self.secret is None and self.endpoint is None:
            raise ValueError(
                "expected secret, the ARN or name of the secret that holds ClearBlade's service account, "
                "found none"
            )
        return self

    @model_validator(mode="after")
    def _bridge(self) -> Self:
        if self.host is not None:
            return self
        if self.provider == "google":
            raise ValueError("expected host, the MQTT bridge: Google's own ended in 2023, found none")
        if self.region not in CLEARBLADE_REGIONS:
            raise ValueError(
                f"expected region to be one of {', '.join(CLEARBLADE_REGIONS)}, where ClearBlade is (or "
                f"host), found {self.region}"
            )
        return self

    @property
    def bridge(self) -> str:
        """The host that nodes connect to."""
        return self.host or f"{self.region}-mqtt.clearblade.com"
