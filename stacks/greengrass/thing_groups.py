"""The thing groups of sites: those that ask for one, and cores with Nucleus Lite, which have one each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from constructs import Construct

from fleet.settings.fleet import Fleet
from fleet.settings.target import OWN_GROUP, GroupOfOne, group_of_one
from fleet.stack_placement import MAIN, group_place_of
from stacks.functions.code import FunctionCode
from stacks.functions.custom_resource_function import FunctionSpec, HandlerFunction
from stacks.functions.nag import acknowledge_wildcards
from stacks.functions.role_size import fits_into_role

_TIMEOUT = cdk.Duration.minutes(10)
"""Hundreds of things join within a minute; AWS IoT may slow it down."""

_MANY = "More cores than a role's policies have room for."


def make_thing_groups(foundation: cdk.Stack, fleet: Fleet, **stack: Any) -> list[cdk.Stack]:
    """Make the groups, in the foundation or in stacks beside it.

    Args:
        foundation: The stack of a small fleet's groups.
        fleet: The groups are those of sites with `create_thing_group`, and of things with Nucleus Lite.
        stack: What further stacks are made with.

    Returns:
        The stacks beside the foundation.
    """
    stacks = {MAIN: foundation}
    alone: dict[str, dict[str, iot.CfnThingGroup]] = {}
    for site in fleet.sites.values():
        if site.made_group is None:
            continue
        place = group_place_of(site, fleet.aws.site_stacks)
        if place not in stacks:
            name = f"{foundation.stack_name}-Groups-{place}"
            stacks[place] = cdk.Stack(
                cast("Construct", foundation.node.scope), name, description="edgecam: thing groups", **stack
            )
        group = iot.CfnThingGroup(
            stacks[place], f"ThingGroup-{site.made_group}", thing_group_name=site.made_group
        )
        if isinstance(site.target, GroupOfOne):
            alone.setdefault(place, {})[site.target.name] = group
    for place, groups in alone.items():
        GroupMembers(stacks[place], "GroupMembers", groups=groups)
    return [found for place, found in stacks.items() if place != MAIN]


class GroupMembers(Construct):
    """Things in groups of one: CloudFormation knows groups, but not who is in them.

    A thing that is not there yet is made, so that its core, whenever and however it registers, is in its
    group already.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, groups: Mapping[str, iot.CfnThingGroup]
    ) -> None:
        """Let each thing, by its name, join its group."""
        super().__init__(scope, construct_id)
        statements = _make_and_join(self, sorted(groups))
        if not fits_into_role(self, statements):
            statements = _make_and_join(self, ["*"])
        function = HandlerFunction(
            self,
            "Joiner",
            FunctionSpec(
                description="Puts things into the thing groups that have them alone.",
                code=FunctionCode(module="greengrass.group_members"),
                timeout=_TIMEOUT,
                statements=statements,
            ),
        )
        acknowledge_wildcards(
            function.policy, statements, {"thing/*": _MANY, f"thinggroup/{group_of_one('*')}": _MANY}
        )
        resource = cdk.CustomResource(
            self,
            "Members",
            resource_type="Custom::EdgecamGroupMembers",
            service_token=function.function.attr_arn,
            service_timeout=_TIMEOUT,
            properties={"GroupPrefix": OWN_GROUP, "Things": sorted(groups)},
        )
        resource.node.add_dependency(function, *groups.values())


def _make_and_join(scope: Construct, things: Sequence[str]) -> list[iam.PolicyStatement]:
    """Let a function make `things`, and put them into their groups of one."""
    names = [_iot_arn(scope, "thing", thing) for thing in things]
    groups = [_iot_arn(scope, "thinggroup", group_of_one(thing)) for thing in things]
    return [
        iam.PolicyStatement(sid="MakeThings", actions=["iot:CreateThing"], resources=names),
        iam.PolicyStatement(
            sid="JoinGroups", actions=["iot:AddThingToThingGroup"], resources=[*names, *groups]
        ),
    ]


def _iot_arn(scope: Construct, kind: str, name: str) -> str:
    return cdk.Stack.of(scope).format_arn(service="iot", resource=kind, resource_name=name)
