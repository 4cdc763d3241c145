"""What `cores:` of the settings adds to the foundation: how cores register, what becomes of their logs."""

from __future__ import annotations

import aws_cdk as cdk

from stacks.core_device import IOT_POLICY, ROLE_ALIAS, CoreDeviceRole
from stacks.core_logs import CoreLogGroups
from stacks.fleet_provisioning import FleetProvisioning
from stacks.settings import Fleet
from stacks.settings_cores import ALL_CORES


def set_up_cores(stack: cdk.Stack, fleet: Fleet, cores: CoreDeviceRole) -> None:
    """Add what the settings ask for; without them nothing."""
    if fleet.cores.provisioning is not None:
        settings = fleet.cores.provisioning
        provisioning = FleetProvisioning(
            stack,
            "Provisioning",
            settings=settings,
            known=known_cores(fleet),
            role_alias=settings.role_alias or ROLE_ALIAS,
            iot_policy=settings.iot_policy or IOT_POLICY,
            makes_group=not any(
                site.create_thing_group and site.thing_group == ALL_CORES for site in fleet.sites.values()
            ),
        )
        provisioning.node.add_dependency(cores)
    if fleet.cores.logs is not None:
        groups = CoreLogGroups(
            stack,
            "Logs",
            logs=fleet.cores.logs,
            components=sorted(
                {
                    f"{fleet.aws.component_prefix}.{site.variant}"
                    for site in fleet.sites.values()
                    if site.nucleus == "classic"
                }
            ),
            lite=any(site.nucleus == "lite" for site in fleet.sites.values()),
        )
        if fleet.aws.token_exchange_role is not None:
            cores.grant_logs(groups.arns)


def known_cores(fleet: Fleet) -> dict[str, str]:
    """Which cores may register: names or patterns, and the thing group of each."""
    known = {site.thing: ALL_CORES for site in fleet.sites.values() if site.thing is not None}
    if fleet.cores.provisioning is not None:
        for group, names in fleet.cores.provisioning.things.items():
            known |= dict.fromkeys(names, group)
    return known
