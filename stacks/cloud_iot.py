"""The third stack target: cameras as devices of a Cloud IoT registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import aws_cdk as cdk
from constructs import Construct

from container.image.inputs import image_tag
from fleet.devices import devices_of
from fleet.physical_names import names_of
from fleet.settings.fleet import Fleet
from fleet.stack_placement import MAIN, place_of
from stacks.delivery.container_image import content_of
from stacks.gcp.registry import DeviceRegistry
from stacks.greengrass.deployment import SiteDeployment


class CloudIotStack(cdk.Stack):
    """Registry → devices, each with a key in AWS Secrets Manager.

    The devices of a large fleet are in stacks beside this one, sharded as their sites are: the device of a
    camera is in `EdgecamCloudIot-Sites-07` where its deployment is in `EdgecamFrameGrabber-Sites-07`. Those
    come after this one, which has the registry and the function that makes all devices.

    The stacks that deploy nodes come after those of their devices; they share no values with them, since a
    node finds its key by name.
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
        self._arguments = stack
        self._stacks: dict[str, cdk.Stack] = {MAIN: self}
        self._of_site: dict[str, cdk.Stack] = {}
        registry = DeviceRegistry(
            self,
            "Devices",
            gcp=fleet.gcp,
            registry=settings,
            names=names_of(fleet),
            secret_keys=fleet.aws.secret_keys,
        )
        versions = _versions(fleet)
        for device in devices_of(fleet):
            site = fleet.sites[device.site]
            stack_of_site = self._stack_at(place_of(device.site, site, fleet.aws.site_stacks))
            self._of_site[device.site] = stack_of_site
            # A new version for a core is an occasion to see whether its devices still are as they should be.
            registry.device(device, checked_with=versions[site.variant], stack=stack_of_site)
        if fleet.aws.site_stacks is not None or len(self._stacks) > 1:
            # Also while no site is elsewhere: an export cannot be removed as long as a stack imports it.
            registry.export_function()
        cdk.CfnOutput(
            self,
            "Registry",
            value=f"projects/{fleet.gcp.project}/locations/{settings.region}/registries/{settings.name}",
            description="Where the devices are.",
        )

    def deploy_before(self, deployments: Mapping[str, SiteDeployment]) -> None:
        """The stack of each of these deployments comes after that of its site's devices.

        A node finds its key when it starts; but what has no devices need not wait.
        """
        waiting = {
            (cdk.Stack.of(deployed), self._of_site[name])
            for name, deployed in deployments.items()
            if name in self._of_site
        }
        for stack, needed in sorted(waiting, key=lambda pair: [each.stack_name for each in pair]):
            stack.add_stack_dependency(needed)

    def _stack_at(self, place: str) -> cdk.Stack:
        if place not in self._stacks:
            stack = cdk.Stack(
                cast("Construct", self.node.scope),
                f"{self.stack_name}-Sites-{place}",
                description="edgecam devices: those of a part of the sites",
                **self._arguments,
            )
            stack.add_stack_dependency(self)
            self._stacks[place] = stack
        return self._stacks[place]


def _versions(fleet: Fleet) -> dict[str, str]:
    """A value that changes with the component's version, by variant."""
    image = fleet.image
    variants = {site.variant for site in fleet.sites.values() if site.devices}
    return {variant: image_tag(content_of(image, variant, image.architectures[0])) for variant in variants}
