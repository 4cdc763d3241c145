"""The stacks that hold the deployments of sites: that of the variant, and further ones for a large fleet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from fleet.settings.fleet import Fleet
from fleet.settings.site import Site
from fleet.site_components import SiteSettings, site_settings
from fleet.stack_placement import MAIN, place_of
from fleet.wave_plan import waves_of
from stacks.greengrass.component import Component
from stacks.greengrass.deployment import SiteDeployment
from stacks.greengrass.settings_objects import SettingsObjects
from stacks.rollout.going_back import GoingBack, how_watched
from stacks.rollout.removal import Removals, end_before


class SiteStacks:
    """Makes stacks as sites need them, where `fleet/stack_placement.py` places the sites."""

    def __init__(self, main: cdk.Stack, *, fleet: Fleet, bucket: s3.IBucket, **stack: Any) -> None:
        """Begin with `main`, the stack of the variant; `stack` is what further ones are made with."""
        self._main = main
        self._fleet = fleet
        self._bucket = bucket
        self._arguments = stack
        self._stacks = {MAIN: main}

    def deploy(self, sites: Mapping[str, Site], component: Component) -> dict[str, SiteDeployment]:
        """The deployment of each of the sites, in its stack."""
        places = {name: place_of(name, site, self._fleet.aws.site_stacks) for name, site in sites.items()}
        settings = {name: site_settings(self._fleet, name) for name in sites}
        deployed = {name: self._deploy(name, places[name], settings[name], component) for name in sites}
        for place, stack in self._stacks.items():
            large = [name for name in sites if places[name] == place and settings[name].pieces is None]
            if large:
                self._put_objects(stack, {name: settings[name] for name in large}, deployed)
        return deployed

    def _deploy(self, name: str, place: str, settings: SiteSettings, component: Component) -> SiteDeployment:
        stack = self._stacks.get(place) or self._new_stack(place)
        deployed = SiteDeployment(
            stack,
            f"Site-{name}",
            name=name,
            fleet=self._fleet,
            settings=settings,
            component=component,
            bucket_name=self._bucket.bucket_name,
        )
        if place == MAIN:
            # Not in the others: there is room for more sites than for CloudFormation's 200 outputs.
            cdk.CfnOutput(
                stack,
                f"Deployment{''.join(part.capitalize() for part in name.split('-'))}",
                value=deployed.deployment.attr_deployment_id,
                description=f"Deployment of site {name} to {self._fleet.sites[name].target}.",
            )
        return deployed

    def _put_objects(
        self,
        stack: cdk.Stack,
        settings: Mapping[str, SiteSettings],
        deployed: Mapping[str, SiteDeployment],
    ) -> None:
        """Settings that fit into no deployment, ahead of the deployments that name them."""
        variant = self._fleet.sites[next(iter(settings))].variant
        objects = SettingsObjects(
            stack,
            "Settings",
            settings=[each.packed for each in settings.values()],
            variant=variant,
            bucket=self._bucket,
            key=self._fleet.aws.artifact_key,
        )
        for name in settings:
            deployed[name].deployment.node.add_dependency(objects.resource)

    def remove_with_stack(
        self, sites: Mapping[str, Site], deployments: Mapping[str, SiteDeployment]
    ) -> dict[str, cdk.CustomResource]:
        """In each stack, what takes the components of its sites from the cores when they go, where asked.

        Returns:
            What does so, by the site's name.
        """
        removing: dict[str, cdk.CustomResource] = {}
        for stack, here in self._by_stack(sites, deployments):
            if going := {name: site for name, site in here.items() if site.rollout.remove_on_destroy}:
                removing |= Removals(stack, "Removals", sites=going, deployments=deployments).resources
        return removing

    def go_back(
        self,
        sites: Mapping[str, Site],
        deployments: Mapping[str, SiteDeployment],
        removing: Mapping[str, cdk.CustomResource],
    ) -> None:
        """In each stack, what lets its sites with Nucleus Lite go back, but for those in waves.

        Behind waves, or a fleet could not be deployed as long as one of its cores is broken, a site goes back
        alone; without them the stack rolls back and says why.
        """
        planned = waves_of(self._fleet)
        unplanned = {name: site for name, site in sites.items() if name not in planned}
        for stack, here in self._by_stack(unplanned, deployments):
            if any(how_watched(site) != "no" for site in here.values()):
                watching = GoingBack(
                    stack,
                    "GoingBack",
                    sites=here,
                    deployments=deployments,
                    fails_stack=not self._fleet.waves,
                )
                end_before(watching.resource, removing, here)

    def _by_stack(
        self, sites: Mapping[str, Site], deployments: Mapping[str, SiteDeployment]
    ) -> Iterator[tuple[cdk.Stack, dict[str, Site]]]:
        for stack in self._stacks.values():
            yield stack, {name: sites[name] for name in sites if cdk.Stack.of(deployments[name]) is stack}

    def _new_stack(self, place: str) -> cdk.Stack:
        scope = cast("Construct", self._main.node.scope)
        stack = cdk.Stack(scope, f"{self._main.stack_name}-Sites-{place}", **self._arguments)
        self._stacks[place] = stack
        return stack
