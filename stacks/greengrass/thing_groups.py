"""The thing groups that sites ask for."""

from __future__ import annotations

from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import aws_iot as iot
from constructs import Construct

from fleet.settings.fleet import Fleet
from fleet.stack_placement import MAIN, group_place_of


def make_thing_groups(foundation: cdk.Stack, fleet: Fleet, **stack: Any) -> list[cdk.Stack]:
    """Make the groups, in the foundation or in stacks beside it.

    Args:
        foundation: The stack of a small fleet's groups.
        fleet: The groups are those of sites with `create_thing_group`.
        stack: What further stacks are made with.

    Returns:
        The stacks beside the foundation.
    """
    stacks = {MAIN: foundation}
    for site in fleet.sites.values():
        if not site.create_thing_group:
            continue
        place = group_place_of(site, fleet.aws.site_stacks)
        if place not in stacks:
            name = f"{foundation.stack_name}-Groups-{place}"
            stacks[place] = cdk.Stack(
                cast("Construct", foundation.node.scope), name, description="edgecam: thing groups", **stack
            )
        iot.CfnThingGroup(stacks[place], f"ThingGroup-{site.thing_group}", thing_group_name=site.thing_group)
    return [found for place, found in stacks.items() if place != MAIN]
