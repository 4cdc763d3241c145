"""Which wave a site belongs to, and what no single wave can tell is wrong.

A wave goes before the next by the order in which CloudFormation deploys what stands in one stack. Further
stacks come after that of the variant as a whole. So who is waited for stands in the stack of the variant;
those that come last may stand anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from edgecam.errors import Mistake
from stacks.placement import MAIN, place_of

if TYPE_CHECKING:
    from stacks.settings import Fleet


def waves_of(fleet: Fleet) -> dict[str, int]:
    """The number of the wave of each site that has one, from 0."""
    found = {}
    for name in fleet.sites:
        for number, wave in enumerate(fleet.waves):
            if any(fnmatchcase(name, pattern) for pattern in wave.sites):
                found[name] = number
                break
    return found


def mistakes_of_waves(fleet: Fleet) -> Iterator[Mistake]:
    """Waves without sites, and sites that a wave could not wait for."""
    planned = waves_of(fleet)
    for number, wave in enumerate(fleet.waves):
        path = f"waves[{number}].sites"
        for pattern in wave.sites:
            if not any(fnmatchcase(name, pattern) for name in fleet.sites):
                yield Mistake(path, "names of sites, or patterns that fit one", f'"{pattern}"')
        if number not in planned.values():
            yield Mistake(path, "a site that no earlier wave has", f"{len(wave.sites)} names of earlier ones")
    for name, number in planned.items():
        place = place_of(name, fleet.sites[name], fleet.aws.site_stacks)
        if place != MAIN:
            yield Mistake(
                f"sites.{name}.stack",
                f"{MAIN}, since waves[{number}] waits for this site and only the stack of the variant comes "
                "before all others",
                f'"{place}"',
            )
