"""The desired state of a registry and of a device."""

from __future__ import annotations

from dataclasses import dataclass

from ..cloudformation import Event
from ..ownership import OWNER_LABEL, owner_of

RESOURCE_LABEL = "edgecam-resource"
"""The metadata with the resource that a device belongs to. When a site is renamed or moves to another stack,
the new resource adopts the device before the former one is deleted."""


@dataclass(frozen=True, kw_only=True)
class DesiredDevice:
    """The properties of the custom resource, and its owner.

    Attributes:
        name: The device's whole name.
        secret: Name of the secret of its private key.
        algorithm: ES256 or RS256.
        key_version: Another one makes another key.
        key_days: How long a key is valid.
        recovery_days: How long the secret of a device that is gone can be restored.
        owner: Which stack it belongs to.
        resource: Which of its resources it is.
    """

    name: str
    secret: str
    algorithm: str
    key_version: str
    key_days: int
    recovery_days: int
    owner: str
    resource: str

    @classmethod
    def of(cls, event: Event) -> DesiredDevice:
        """From CloudFormation, where every property is text."""
        properties = event["ResourceProperties"]
        return cls(
            name=name_of(event),
            secret=properties["Secret"],
            algorithm=properties["Algorithm"],
            key_version=properties["KeyVersion"],
            key_days=int(properties["KeyDays"]),
            recovery_days=int(properties["RecoveryDays"]),
            owner=owner_of(event, properties.get("OwnerStack")),
            resource=_resource(event),
        )

    @property
    def labels(self) -> dict[str, str]:
        """The metadata that names owner and resource."""
        return {OWNER_LABEL: self.owner, RESOURCE_LABEL: self.resource}


def _resource(event: Event) -> str:
    """Where several stacks are one owner, an id alone is not one resource."""
    resource = str(event["LogicalResourceId"])
    if "OwnerStack" not in event["ResourceProperties"]:
        return resource
    return f"{event['StackId'].split('/')[1]}.{resource}"


def name_of(event: Event) -> str:
    """The whole name of the registry or the device."""
    properties = event["ResourceProperties"]
    registry = (
        f"projects/{properties['Project']}/locations/{properties['Region']}"
        f"/registries/{properties['Registry']}"
    )
    return f"{registry}/devices/{properties['Device']}" if "Device" in properties else registry
