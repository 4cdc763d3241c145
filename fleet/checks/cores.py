"""Checks of `cores:` and `watch:` beside the rest of the fleet."""

from __future__ import annotations

from collections.abc import Iterator

from edgecam.errors import Mistake
from fleet.settings.cores import Provisioning
from fleet.settings.fleet import Fleet


def mistakes_of_cores(fleet: Fleet) -> Iterator[Mistake]:
    """Every mistake of how cores register, and of what is watched."""
    if fleet.cores.provisioning is not None:
        yield from _unnamed(fleet, fleet.cores.provisioning)
        yield from _two_groups(fleet.cores.provisioning)
    if fleet.watch is not None and not any(site.aws_iot.enabled for site in fleet.sites.values()):
        yield Mistake(
            "watch", "a site with aws_iot: {enabled: true}, which sends the states of its cameras", "none"
        )


def _unnamed(fleet: Fleet, provisioning: Provisioning) -> Iterator[Mistake]:
    """An existing role needs its existing role alias."""
    role = fleet.aws.token_exchange_role
    path = "cores.provisioning.role_alias"
    if role is not None and provisioning.role_alias is None:
        expected = f"its name, since aws.token_exchange_role is {role} (or a new role, without that)"
        yield Mistake(path, expected, "none")
    if role is None and provisioning.role_alias is not None:
        expected = "it only with aws.token_exchange_role: else one is made"
        yield Mistake(path, expected, f'"{provisioning.role_alias}"')


def _two_groups(provisioning: Provisioning) -> Iterator[Mistake]:
    first: dict[str, str] = {}
    for group, names in provisioning.things.items():
        for name in names:
            if (owner := first.setdefault(name, group)) != group:
                yield Mistake(
                    f"cores.provisioning.things.{group}",
                    "each core or pattern in one group",
                    f'"{name}", which is in {owner} as well',
                )
