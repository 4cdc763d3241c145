"""Statements for functions that follow deployments, and that deploy to targets of sites.

Greengrass asks AWS IoT in the name of its caller: the actions of `iot` are those that the service
authorization reference lists as dependent on these of `greengrass`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from fleet.settings.site import Site
from fleet.settings.target import GroupOfOne, Thing, group_of_one
from stacks.functions.nag import acknowledge_wildcards
from stacks.functions.role_size import fits_into_role

_MADE_UP = "Greengrass makes up the ids of deployments and of their jobs."
_MANY = "Which cores are in a thing group shows at run time, and a role's policies have room for few names."
_WILDCARDS = {
    "*": "CreateDeployment and ListDeployments take no resource.",
    "deployments:*": _MADE_UP,
    "job/*": _MADE_UP,
    "coreDevices:*": _MANY,
    "thing/*": _MANY,
    "thinggroup/*": "In which groups a core is shows at run time, and there is no room for many names.",
    f"thinggroup/{group_of_one('*')}": _MANY,
}


@dataclass(frozen=True, kw_only=True)
class _Reach:
    """What sites are about.

    Attributes:
        cores: Names of things; `*` where a site has a group, since who is in it shows at run time only.
        targets: As AWS IoT names them at the end of an ARN.
        alone: Names of the things that are in a group of one.
    """

    cores: frozenset[str]
    targets: frozenset[str]
    alone: frozenset[str]

    @property
    def things(self) -> set[str]:
        """Targets that are one core."""
        return {target for target in self.targets if target.startswith("thing/")}

    @property
    def groups(self) -> set[str]:
        """Targets that are thing groups."""
        return set(self.targets - self.things)


class SiteRights:
    """What a function may do with the deployments of sites, and with their targets.

    The targets are named where the function's role has room for all their names, and else by their kind.

    Attributes:
        statements: The policy's.
    """

    def __init__(self, scope: Construct, sites: Collection[Site], *, makes_groups: bool = False) -> None:
        """Let a function follow the deployments of `sites`, deploy to their targets, and take that back.

        Args:
            scope: In the stack of the function.
            sites: These and no others, where there is room for their names.
            makes_groups: Let it also make and remove the groups of cores with Nucleus Lite.
        """
        for reach in (_named(sites), _by_kind(sites)):
            self.statements = [*_follow(scope, reach), *_deploy(scope, reach)]
            if makes_groups and reach.alone:
                self.statements += _make_groups(scope, reach.alone)
            if fits_into_role(scope, self.statements):
                break

    def acknowledge(self, policy: iam.Policy) -> None:
        """Acknowledge the wildcards of `policy`, which has these statements."""
        acknowledge_wildcards(policy, self.statements, _WILDCARDS)


def _named(sites: Collection[Site]) -> _Reach:
    things = {site.thing for site in sites if site.thing is not None}
    in_groups = any(site.thing is None for site in sites)
    return _Reach(
        cores=frozenset({"*"} if in_groups else things),
        targets=frozenset(str(site.target) for site in sites),
        alone=frozenset(site.target.name for site in sites if isinstance(site.target, GroupOfOne)),
    )


def _by_kind(sites: Collection[Site]) -> _Reach:
    kinds = {Thing: "thing/*", GroupOfOne: f"thinggroup/{group_of_one('*')}"}
    targets = {kinds.get(type(site.target), "thinggroup/*") for site in sites}
    alone = any(isinstance(site.target, GroupOfOne) for site in sites)
    return _Reach(cores=frozenset({"*"}), targets=frozenset(targets), alone=frozenset({"*"} if alone else ()))


def _follow(scope: Construct, reach: _Reach) -> list[iam.PolicyStatement]:
    """See deployments, and their outcome on each core."""
    things = {f"thing/{core}" for core in reach.cores}
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
            resources=sorted(_greengrass_arn(scope, "coreDevices", core) for core in reach.cores),
        ),
        iam.PolicyStatement(
            sid="SeeJobs",
            actions=["iot:DescribeJob", "iot:DescribeJobExecution"],
            resources=_iot_arns(scope, {"job/*"}),
        ),
        iam.PolicyStatement(
            sid="SeeThings",
            actions=["iot:DescribeJobExecution", "iot:DescribeThing", "iot:GetThingShadow"],
            resources=_iot_arns(scope, things),
        ),
        # A core may be in groups of others as well, whose deployments are listed among its own.
        iam.PolicyStatement(
            sid="DescribeGroups",
            actions=["iot:DescribeThingGroup"],
            resources=_iot_arns(scope, {"thinggroup/*"}),
        ),
    ]
    if reach.groups:
        statements.append(
            iam.PolicyStatement(
                sid="SeeGroups",
                actions=["iot:ListThingsInThingGroup"],
                resources=_iot_arns(scope, reach.groups),
            )
        )
    return statements


def _deploy(scope: Construct, reach: _Reach) -> list[iam.PolicyStatement]:
    """Deploy to targets, and take such a deployment back."""
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
            actions=["iot:CancelJob", "iot:CreateJob", "iot:DeleteJob", "iot:UpdateJob"],
            resources=_iot_arns(scope, reach.targets | {"job/*"}),
        ),
    ]
    if reach.things:
        statements.append(
            iam.PolicyStatement(
                sid="WriteShadows",
                actions=["iot:DeleteThingShadow", "iot:UpdateThingShadow"],
                resources=_iot_arns(scope, reach.things),
            )
        )
    return statements


def _make_groups(scope: Construct, things: Collection[str]) -> list[iam.PolicyStatement]:
    """Make and remove the groups of one of `things`, which are there, and put these into them."""
    return [
        iam.PolicyStatement(
            sid="JoinGroups",
            actions=["iot:AddThingToThingGroup"],
            resources=_iot_arns(scope, {f"thing/{thing}" for thing in things}),
        ),
        iam.PolicyStatement(
            sid="MakeGroups",
            actions=["iot:AddThingToThingGroup", "iot:CreateThingGroup", "iot:DeleteThingGroup"],
            resources=_iot_arns(scope, {f"thinggroup/{group_of_one(thing)}" for thing in things}),
        ),
    ]


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
