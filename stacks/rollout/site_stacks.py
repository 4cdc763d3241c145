"""The stacks that hold the deployments of sites: that of the variant, and further ones for a large fleet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import aws_cdk as cdk
from constructs import Construct

from fleet.devices import node_of
from fleet.settings.fleet import Fleet
from fleet.settings.site import Site
from fleet.stack_placement import MAIN, place_of
from stacks.greengrass.component import Component
from stacks.greengrass.deployment import SiteDeployment
from stacks.rollout.removal import Removals


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

    def remove_with_stack(self, sites: Mapping[str, Site], deployments: Mapping[str, SiteDeployment]) -> None:
        """In each stack, what takes the components of its sites from the cores when they go, where asked."""
        for stack in self._stacks.values():
            going = {
                name: site
                for name, site in sites.items()
                if site.rollout.remove_on_destroy and cdk.Stack.of(deployments[name]) is stack
            }
            if going:
                Removals(stack, "Removals", sites=going, deployments=deployments)

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
