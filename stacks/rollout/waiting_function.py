"""The function behind a custom resource that waits for cores, and deploys again what they had before."""

from __future__ import annotations

from collections.abc import Collection

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from fleet.settings.site import Site
from stacks.functions.code import FunctionCode
from stacks.functions.custom_resource_function import FunctionSpec, HandlerFunction
from stacks.greengrass.deployment import SiteDeployment
from stacks.rollout.grants import SiteRights

_CALL_TIMEOUT = cdk.Duration.minutes(15)
"""Lambda's longest; the function calls itself again when the cores take longer."""

RESOURCE_TIMEOUT = cdk.Duration.hours(1)
"""The longest that CloudFormation waits for a custom resource, and more than any of ours waits for cores."""


class WaitingFunction(HandlerFunction):
    """A function that may follow the deployments of sites, deploy to their targets, and call itself.

    Attributes:
        goes_on: The policy that lets it call itself; what needs the function depends on it.
    """

    goes_on: iam.Policy


def make_waiting_function(
    scope: Construct, *, description: str, module: str, sites: Collection[Site]
) -> WaitingFunction:
    """Make it, named `Waiter` in `scope`, for these sites and no others."""
    rights = SiteRights(scope, sites)
    function = WaitingFunction(
        scope,
        "Waiter",
        FunctionSpec(
            description=description,
            code=FunctionCode(module=module),
            timeout=_CALL_TIMEOUT,
            statements=rights.statements,
        ),
    )
    rights.acknowledge(function.policy)
    # A policy of its own, since this one names the function, which is made after its rights.
    again = iam.PolicyStatement(
        sid="GoOnWaiting", actions=["lambda:InvokeFunction"], resources=[function.function.attr_arn]
    )
    function.goes_on = iam.Policy(scope, "GoesOn", roles=[function.role], statements=[again])
    return function


def property_of(name: str, deployed: SiteDeployment) -> dict[str, str]:
    """A site as the handlers have it."""
    return {
        "Name": name,
        "TargetArn": deployed.deployment.target_arn,
        "DeploymentId": deployed.deployment.attr_deployment_id,
    }
