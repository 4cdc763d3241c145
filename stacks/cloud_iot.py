"""The third stack target: cameras as devices of a Cloud IoT registry."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from container.image_inputs import image_hash, image_tag
from stacks.devices import devices_of
from stacks.gcp.registry import DeviceRegistry
from stacks.settings import Fleet


class CloudIotStack(cdk.Stack):
    """Registry → devices, each with a key in AWS Secrets Manager.

    The stacks that deploy nodes come after it; they share no values with it, since a node finds its key by
    name.
    """

    def __init__(self, scope: Construct, construct_id: str, *, fleet: Fleet, **stack: Any) -> None:
        super().__init__(
            scope,
            construct_id,
            description="edgecam devices: registry, devices and their keys",
            **stack,
        )
        if fleet.gcp is None or fleet.gcp.registry is None:
            raise ValueError("expected gcp.registry, found none")
        settings = fleet.gcp.registry
        registry = DeviceRegistry(self, "Devices", gcp=fleet.gcp, registry=settings)
        for device in devices_of(fleet):
            # A new version for a core is an occasion to see whether its devices still are as they should be.
            registry.device(device, checked_with=_version(fleet, device.site))
        cdk.CfnOutput(
            self,
            "Registry",
            value=f"projects/{fleet.gcp.project}/locations/{settings.region}/registries/{settings.name}",
            description="Where the devices are.",
        )


def _version(fleet: Fleet, site: str) -> str:
    """What stands for the version of the component that a site gets."""
    image = fleet.image
    digest = image_hash(fleet.sites[site].variant, image.architectures[0], image.base)
    return image_tag(digest)
