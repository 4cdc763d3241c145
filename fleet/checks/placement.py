"""Checks of stacks: more than a template of CloudFormation can hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from edgecam.errors import Mistake
from fleet.devices import devices_at
from fleet.settings.fleet import Fleet
from fleet.stack_placement import MAIN, group_place_of, place_of

MOST_SITES = {True: 180, False: 450}
"""Of one stack: in the main one (True) each has an output, beside other outputs; in the others a resource
alone (two with `rollout.remove_on_destroy`). The rest of the limit is for the stack's other resources."""

MOST_DEVICES = 480
"""Of one stack: each is a resource; in the main one beside their function, its rights and the registry."""

MOST_GROUPS = 450
"""Of one stack."""


def mistakes_of_placement(fleet: Fleet) -> Iterator[Mistake]:
    """Every stack that would be too full."""
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
        counts[place_of(name, site, fleet.aws.site_stacks)] += len(list(devices_at(fleet, name)))
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
    created = [site for site in fleet.sites.values() if site.made_group is not None]
    counts = Counter(group_place_of(site, fleet.aws.site_stacks) for site in created)
    for place, count in sorted(counts.items()):
        if count > MOST_GROUPS:
            expected = (
                f"at most {MOST_GROUPS} thing groups made in one stack (of site_stacks a larger number, as "
                "long as nothing is deployed)"
            )
            yield Mistake("aws.site_stacks", expected, f'{count} in "{place}"')
