"""Statements for functions that follow deployments, and that deploy to targets of sites.

Greengrass asks AWS IoT in the name of its caller: the actions of `iot` are those that the service
authorization reference lists as dependent on these of `greengrass`.
"""

from __future__ import annotations

from collections.abc import Collection

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from fleet.settings.site import Site
from fleet.settings.target import GroupOfOne
from stacks.functions.nag import acknowledge_wildcard
from stacks.greengrass.thing_groups import acknowledge_groups_of_one, join_groups_of_one

_NAMED_TARGETS = 40
"""Most that are named one by one; a role's policies may have 10,240 characters in all."""

_ALL_TARGETS = {"thing/*", "thinggroup/*"}


def follow_deployments(scope: Construct, sites: Collection[Site]) -> list[iam.PolicyStatement]:
    """Let a function see the deployments of `sites`, and their outcome on each core."""
    cores, groups = _cores(sites), {target for target in _targets(sites) if target.startswith("thinggroup/")}
    statements = [
        # Takes no resource.
        iam.PolicyStatement(sid="ListDeployments", actions=["greengrass:ListDeployments"], resources=["*"]),
        iam.PolicyStatement(
            sid="SeeDeployments",
            actions=["greengrass:GetDeployment"],
            resources=[_greengrass_arn(scope, "deployments", "*")],
        ),
        iam.PolicyStatement(
            sid="SeeCores",
            actions=["greengrass:ListEffectiveDeployments"],
            resources=sorted(_greengrass_arn(scope, "coreDevices", core) for core in cores),
        ),
        iam.PolicyStatement(
            sid="SeeJobs",
            actions=["iot:DescribeJob", "iot:DescribeJobExecution"],
            resources=_iot_arns(scope, {"job/*"} | {f"thing/{core}" for core in cores}),
        ),
        iam.PolicyStatement(
            sid="SeeThings",
            actions=["iot:DescribeThing", "iot:GetThingShadow"],
            resources=_iot_arns(scope, {f"thing/{core}" for core in cores}),
        ),
        # A core may be in groups of others as well, whose deployments are listed among its own.
        iam.PolicyStatement(
            sid="DescribeGroups",
            actions=["iot:DescribeThingGroup"],
            resources=_iot_arns(scope, {"thinggroup/*"}),
        ),
    ]
    if groups:
        statements.append(
            iam.PolicyStatement(
                sid="SeeGroups",
                actions=["iot:ListThingsInThingGroup"],
                resources=_iot_arns(scope, groups),
            )
        )
    return statements


def deploy_to(scope: Construct, sites: Collection[Site]) -> list[iam.PolicyStatement]:
    """Let a function deploy to the targets of `sites`, and cancel such a deployment."""
    targets = _targets(sites)
    things = {target for target in targets if target.startswith("thing/")}
    statements = [
        # Takes no resource; the jobs and shadows that it makes do.
        iam.PolicyStatement(sid="Deploy", actions=["greengrass:CreateDeployment"], resources=["*"]),
        iam.PolicyStatement(
            sid="TagAndTakeBack",
            actions=["greengrass:CancelDeployment", "greengrass:DeleteDeployment", "greengrass:TagResource"],
            resources=[_greengrass_arn(scope, "deployments", "*")],
        ),
        iam.PolicyStatement(
            sid="MakeJobs",
            actions=["iot:CancelJob", "iot:CreateJob", "iot:UpdateJob"],
            resources=_iot_arns(scope, targets | {"job/*"}),
        ),
    ]
    if things:
        statements.append(
            iam.PolicyStatement(
                sid="WriteShadows",
                actions=["iot:DeleteThingShadow", "iot:UpdateThingShadow"],
                resources=_iot_arns(scope, things),
            )
        )
    return statements


def make_groups_of_one(scope: Construct, sites: Collection[Site]) -> list[iam.PolicyStatement]:
    """Let a function make and remove the groups of those of `sites` that are one core with Nucleus Lite."""
    alone = _alone(sites)
    return join_groups_of_one(scope, alone, makes_groups=True) if alone else []


def acknowledge_made_groups(policy: iam.Policy, sites: Collection[Site]) -> None:
    """Acknowledge the wildcards of `make_groups_of_one`."""
    acknowledge_groups_of_one(policy, _alone(sites))


def acknowledge_rights(policy: iam.Policy, sites: Collection[Site]) -> None:
    """Acknowledge the wildcards of `policy`, which is made of these statements."""
    scope = policy
    acknowledge_wildcard(policy, "*", "CreateDeployment and ListDeployments take no resource.")
    for arn in (_greengrass_arn(scope, "deployments", "*"), *_iot_arns(scope, {"job/*"})):
        acknowledge_wildcard(policy, arn, "Greengrass makes up the ids of deployments and of their jobs.")
    (arn,) = _iot_arns(scope, {"thinggroup/*"})
    acknowledge_wildcard(
        policy, arn, "In which groups a core is shows at run time, and a policy has no room for many targets."
    )
    if _cores(sites) == {"*"}:
        for arn in (_greengrass_arn(scope, "coreDevices", "*"), *_iot_arns(scope, {"thing/*"})):
            acknowledge_wildcard(policy, arn, "Which cores are in a thing group shows at run time only.")


def _alone(sites: Collection[Site]) -> set[str]:
    """Things that are in a group of one."""
    return {site.target.name for site in sites if isinstance(site.target, GroupOfOne)}


def _targets(sites: Collection[Site]) -> set[str]:
    return {str(site.target) for site in sites} if len(sites) <= _NAMED_TARGETS else set(_ALL_TARGETS)


def _cores(sites: Collection[Site]) -> set[str]:
    """Names of the cores; all where they are too many, or in a group: who is in it shows at run time only."""
    things = {site.thing for site in sites if site.thing is not None}
    if len(sites) > _NAMED_TARGETS or any(site.thing is None for site in sites):
        return {"*"}
    return things


def _greengrass_arn(scope: Construct, kind: str, name: str) -> str:
    return cdk.Stack.of(scope).format_arn(
        service="greengrass",
        resource=kind,
        resource_name=name,
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )


def _iot_arns(scope: Construct, targets: Collection[str]) -> list[str]:
    return [
        cdk.Stack.of(scope).format_arn(service="iot", resource=kind, resource_name=name)
        for kind, name in sorted(target.split("/", 1) for target in targets)
    ]
