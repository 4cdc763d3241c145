"""In which stack the deployment of a site stands, and when a stack is full.

A small fleet has the deployments beside the component, in the stack of the variant. A large one has
`aws.site_stacks`: a number of stacks, chosen once, to which sites are dealt by a hash of their names. So a
site's place depends on its own name and that number alone: sites that come and go move nobody. A site that
says `stack: NAME` stands there instead, whatever the number is; `main` is the stack of the variant.

The devices of a site stand at the same place beside `EdgecamCloudIot` (stacks/cloud_iot.py).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgecam.errors import Mistake
from stacks.devices import devices_at

if TYPE_CHECKING:
    from stacks.settings import Fleet, Site

MAIN = "main"
"""The stack of the variant itself."""

RESOURCE_LIMIT = 500
OUTPUT_LIMIT = 200
TEMPLATE_LIMIT_BYTES = 1_000_000
"""Of one stack (CloudFormation's user guide, quotas)."""

MOST_SITES = {True: 180, False: 450}
"""That one stack takes: in the main one (True) each has an output, and other outputs stand beside them; in
the others a resource alone (two with `rollout.remove_on_destroy`). What is left is room for what such a stack
may need besides."""

MOST_DEVICES = 480
"""Devices that one stack takes: each is a resource; in the main one their function, its rights and the
registry stand beside them."""

MOST_GROUPS = 450
"""Thing groups that one stack takes."""


def place_of(name: str, site: Site, site_stacks: int | None) -> str:
    """The end of the name of the stack that holds the site's deployment, or `main`."""
    return site.stack or (MAIN if site_stacks is None else dealt(name, site_stacks))


def group_place_of(site: Site, site_stacks: int | None) -> str:
    """The same for its thing group, which has nothing to do with the variant and outlives a renamed site."""
    if site_stacks is None or site.stack == MAIN:
        return MAIN
    return dealt(site.thing_group or "", site_stacks)


def dealt(name: str, count: int) -> str:
    """One of `count` places, as two digits or more: for a name always the same one."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % count
    return f"{number:02}"


def mistakes_of_placement(fleet: Fleet) -> Iterator[Mistake]:
    """What would not fit into stacks."""
    yield from _full_stacks(fleet)
    yield from _full_device_stacks(fleet)
    yield from _full_group_stacks(fleet)


def _full_stacks(fleet: Fleet) -> Iterator[Mistake]:
    counts: Counter[tuple[str, str]] = Counter()
    for name, site in fleet.sites.items():
        place = place_of(name, site, fleet.aws.site_stacks)
        # In the main stack outputs run out first, of which each site has one.
        counts[site.variant, place] += 2 if site.rollout.remove_on_destroy and place != MAIN else 1
    for (variant, place), count in sorted(counts.items()):
        most = MOST_SITES[place == MAIN]
        if count <= most:
            continue
        found = f"{count} of variant {variant} in " + ("one" if place == MAIN else f'"{place}"')
        if place == MAIN:
            expected = (
                f"at most {most} sites in the stack of a variant: say how many further stacks there are, "
                f"such as 32 (and stack: {MAIN} in sites that are deployed already: they stay where they are)"
            )
        else:
            expected = (
                f"at most {most} sites in one stack (one with remove_on_destroy counts twice): say stack: "
                "NAME, of another one, in new sites"
            )
        yield Mistake("aws.site_stacks", expected, found)


def _full_device_stacks(fleet: Fleet) -> Iterator[Mistake]:
    counts: Counter[str] = Counter()
    for name, site in fleet.sites.items():
        counts[place_of(name, site, fleet.aws.site_stacks)] += len(list(devices_at(name, site)))
    for place, count in sorted(counts.items()):
        if count <= MOST_DEVICES:
            continue
        expected = (
            f"at most {MOST_DEVICES} devices in one stack, where each camera of a site with devices: true "
        )
        if place == MAIN:
            expected += (
                "is one: say how many further stacks there are, such as 32 "
                f"(and stack: {MAIN} in sites that are deployed already: they stay where they are)"
            )
        else:
            expected += (
                "is one: say stack: NAME, of another one, in new sites (or a larger site_stacks, as long as "
                "nothing is deployed)"
            )
        found = f"{count} in " + ("one" if place == MAIN else f'"{place}"')
        yield Mistake("aws.site_stacks", expected, found)


def _full_group_stacks(fleet: Fleet) -> Iterator[Mistake]:
    created = [site for site in fleet.sites.values() if site.create_thing_group]
    counts = Counter(group_place_of(site, fleet.aws.site_stacks) for site in created)
    for place, count in sorted(counts.items()):
        if count > MOST_GROUPS:
            expected = f"at most {MOST_GROUPS} thing groups made in one stack"
            yield Mistake("aws.site_stacks", expected, f'{count} in "{place}"')
