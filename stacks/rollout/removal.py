"""`rollout.remove_on_destroy`: our components are removed from the cores of a site that is removed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import aws_cdk as cdk
from constructs import Construct

from fleet.settings.site import Site
from fleet.settings.target import GroupOfOne
from stacks.functions.code import FunctionCode
from stacks.functions.custom_resource_function import FunctionSpec, HandlerFunction
from stacks.greengrass.deployment import SiteDeployment
from stacks.rollout.grants import SiteRights

_TIMEOUT = cdk.Duration.minutes(15)
"""Longer than the handler waits for cores."""


class Removals(Construct):
    """A custom resource for each site, which deploys a revision without our components when the site goes.

    Attributes:
        resources: By the site's name.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        sites: Mapping[str, Site],
        deployments: Mapping[str, SiteDeployment],
    ) -> None:
        """Make them for `sites`, whose `deployments` are in this stack."""
        super().__init__(scope, construct_id)
        rights = SiteRights(self, sites.values(), makes_groups=True)
        function = HandlerFunction(
            self,
            "Remover",
            FunctionSpec(
                description="Takes components from the cores of a site before its deployment is deleted.",
                code=FunctionCode(module="greengrass.removal"),
                timeout=_TIMEOUT,
                statements=rights.statements,
            ),
        )
        rights.acknowledge(function.policy)
        self.resources: dict[str, cdk.CustomResource] = {}
        for name, site in sites.items():
            deployment = deployments[name].deployment
            resource = cdk.CustomResource(
                self,
                f"Site-{name}",
                resource_type="Custom::EdgecamRemoval",
                service_token=function.function.attr_arn,
                service_timeout=_TIMEOUT,
                properties={
                    "Site": name,
                    "TargetArn": deployment.target_arn,
                    "DeploymentId": deployment.attr_deployment_id,
                    "Keep": sorted(site.components),
                    **({"OnlyThing": site.thing} if isinstance(site.target, GroupOfOne) else {}),
                },
            )
            resource.node.add_dependency(function)
            self.resources[name] = resource


def end_before(
    gate: cdk.CustomResource, removing: Mapping[str, cdk.CustomResource], names: Iterable[str]
) -> None:
    """`gate`, which takes back what it has deployed to these sites, ends before their removal begins.

    Side by side it would take the removal for its own.
    """
    gate.node.add_dependency(*(removing[name] for name in names if name in removing))
