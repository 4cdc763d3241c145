"""The stacks that hold the deployments of sites: that of the variant, and further ones for a large fleet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import aws_cdk as cdk
from constructs import Construct

from fleet.devices import node_of
from fleet.physical_names import names_of
from fleet.settings.fleet import Fleet
from fleet.settings.site import Site
from fleet.stack_placement import MAIN, place_of
from fleet.wave_plan import waves_of
from stacks.greengrass.component import Component
from stacks.greengrass.deployment import SiteDeployment
from stacks.rollout.going_back import GoingBack, how_watched
from stacks.rollout.removal import Removals, end_before


class SiteStacks:
    """Makes stacks as sites need them, where `fleet/stack_placement.py` places the sites."""

    def __init__(self, main: cdk.Stack, *, fleet: Fleet, **stack: Any) -> None:
        """Begin with `main`, the stack of the variant; `stack` is what further ones are made with."""
        self._main = main
        self._fleet = fleet
        self._logs = fleet.cores.logs
        # Our IoT policy lets them (stacks/greengrass/core_role.py); another one may or may not.
        self._fetches_large = fleet.aws.token_exchange_role is None
        self._arguments = stack
        self._stacks = {MAIN: main}

    def deploy(self, name: str, site: Site, component: Component) -> SiteDeployment:
        """The deployment of a site, in its stack."""
        place = place_of(name, site, self._fleet.aws.site_stacks)
        stack = self._stacks.get(place) or self._new_stack(place)
        deployed = SiteDeployment(
            stack,
            f"Site-{name}",
            name=name,
            site=site,
            node=node_of(self._fleet, name, secrets=_secrets(stack)),
            component=component,
            names=names_of(self._fleet),
            logs=self._logs,
            fetches_large=self._fetches_large,
        )
        if place == MAIN:
            # Not in the others: there is room for more sites than for CloudFormation's 200 outputs.
            cdk.CfnOutput(
                stack,
                f"Deployment{''.join(part.capitalize() for part in name.split('-'))}",
                value=deployed.deployment.attr_deployment_id,
                description=f"Deployment of site {name} to {site.target}.",
            )
        return deployed

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


def _secrets(stack: cdk.Stack) -> str:
    """How the ARN of a secret begins, wherever `stack` is deployed to."""
    return stack.format_arn(
        service="secretsmanager",
        resource="secret",
        resource_name="",
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
