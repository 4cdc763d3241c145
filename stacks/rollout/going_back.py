"""Sites whose cores run Nucleus Lite go back by the stack: their nucleus has no rollback of its own.

Waves look after their own sites. For the others there is a custom resource in each stack that comes after
their deployments (stacks/handlers/greengrass/going_back.py watches).
"""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from constructs import Construct

from fleet.settings.rollout import Rollout
from fleet.settings.site import Site
from fleet.settings.target import GroupOfOne
from stacks.greengrass.deployment import SiteDeployment
from stacks.rollout.waiting_function import RESOURCE_TIMEOUT, make_waiting_function, property_of


class GoingBack(Construct):
    """Watches the new deployments of sites, and deploys the former ones again.

    Attributes:
        resource: The custom resource.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        sites: Mapping[str, Site],
        deployments: Mapping[str, SiteDeployment],
        fails_stack: bool,
    ) -> None:
        """Watch those of `sites` that cannot go back by themselves.

        Args:
            scope: The stack of their deployments.
            construct_id: The construct's id.
            sites: Sites of no wave.
            deployments: Theirs, by name.
            fails_stack: Whether a site that goes back makes the stack roll back, and with it the others.
        """
        super().__init__(scope, construct_id)
        watched = {name: how_watched(site) for name, site in sites.items()}
        members = sites if fails_stack else {name: sites[name] for name in sites if watched[name] != "no"}
        function = make_waiting_function(
            self,
            description="Deploys again what sites with Nucleus Lite had, when a new deployment fails there.",
            module="greengrass.going_back",
            sites=list(members.values()),
        )
        self.resource = cdk.CustomResource(
            self,
            "Sites",
            resource_type="Custom::EdgecamGoingBack",
            service_token=function.function.attr_arn,
            service_timeout=RESOURCE_TIMEOUT,
            properties={
                "FailsStack": str(fails_stack).lower(),
                "Sites": [
                    {
                        **property_of(name, deployments[name]),
                        "Watched": watched[name],
                        **({} if watched[name] == "no" else _rate_of(members[name].rollout)),
                    }
                    for name in sorted(members)
                ],
            },
        )
        self.resource.node.add_dependency(function, function.goes_on)
        if not fails_stack:
            cdk.CfnOutput(
                self,
                "SitesGoneBack",
                value=self.resource.get_att_string("GoneBack"),
                description="Sites with Nucleus Lite that run their former version again, and why.",
            ).override_logical_id("SitesGoneBack")


def how_watched(site: Site) -> str:
    """`no`, `first-failure`, or `abort` for a group whose `rollout.abort` says how many cores may fail."""
    if site.nucleus != "lite" or site.rollout.failure_handling != "rollback":
        return "no"
    return "first-failure" if isinstance(site.target, GroupOfOne) or not site.rollout.abort else "abort"


def _rate_of(rollout: Rollout) -> dict[str, str]:
    """How many cores the rollout reaches a minute, at first where it speeds up; nothing without a rate."""
    rate = rollout.exponential.base_per_minute if rollout.exponential else rollout.per_minute
    return {} if rate is None else {"PerMinute": str(rate)}
