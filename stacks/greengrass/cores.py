"""What `cores:` of the settings adds to the foundation: how cores register, what becomes of their logs."""

from __future__ import annotations

import aws_cdk as cdk

from fleet.physical_names import PhysicalNames, names_of
from fleet.settings.fleet import Fleet
from stacks.greengrass.core_logs import CoreLogGroups
from stacks.greengrass.core_policy import PLACEHOLDER
from stacks.greengrass.core_role import CoreDeviceRole, core_policy_of
from stacks.greengrass.provisioning import FleetProvisioning


def set_up_cores(stack: cdk.Stack, fleet: Fleet, cores: CoreDeviceRole) -> None:
    """Add what the settings ask for; without them only what a certificate's IoT policy has to be."""
    names = names_of(fleet)
    role_alias = _role_alias(fleet, names)
    if role_alias is not None:
        cdk.CfnOutput(
            stack,
            "CorePolicy",
            value=stack.to_json_string(core_policy_of(stack, role_alias)),
            description=f"IoT policy of a core's own certificate, {PLACEHOLDER} replaced: "
            "docs/first-deployment.md.",
        )
    if fleet.cores.provisioning is not None:
        settings = fleet.cores.provisioning
        provisioning = FleetProvisioning(
            stack,
            "Provisioning",
            settings=settings,
            names=names,
            known=known_cores(fleet),
            role_alias=settings.role_alias or names.role_alias,
            iot_policy=settings.iot_policy,
            makes_group=not any(
                site.create_thing_group and site.thing_group == names.all_cores
                for site in fleet.sites.values()
            ),
        )
        provisioning.node.add_dependency(cores)
    if fleet.cores.logs is not None:
        groups = CoreLogGroups(
            stack,
            "Logs",
            logs=fleet.cores.logs,
            components=sorted(
                {names.component(site.variant) for site in fleet.sites.values() if site.nucleus == "classic"}
            ),
            forwarded=names.forwarded_logs
            if any(site.nucleus == "lite" for site in fleet.sites.values())
            else None,
        )
        if fleet.aws.token_exchange_role is not None:
            cores.grant_logs(groups.arns)


def _role_alias(fleet: Fleet, names: PhysicalNames) -> str | None:
    """Of the cores; None where they have a role already and no setting names its alias."""
    if fleet.aws.token_exchange_role is None:
        return names.role_alias
    return fleet.cores.provisioning.role_alias if fleet.cores.provisioning is not None else None


def known_cores(fleet: Fleet) -> dict[str, str]:
    """Which cores may register: names or patterns, and the thing group of each."""
    all_cores = names_of(fleet).all_cores
    known = {
        site.thing: site.made_group or all_cores for site in fleet.sites.values() if site.thing is not None
    }
    if fleet.cores.provisioning is not None:
        for group, names in fleet.cores.provisioning.things.items():
            known |= dict.fromkeys(names, group)
    return known
