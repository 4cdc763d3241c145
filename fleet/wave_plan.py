"""Which wave a site belongs to, and what no single wave can tell is wrong.

A wave goes before the next by the order in which CloudFormation deploys what stands in one stack. Further
stacks come after that of the variant as a whole. So who is waited for stands in the stack of the variant;
those that come last may stand anywhere.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from fleet.settings.fleet import Fleet


def waves_of(fleet: Fleet) -> dict[str, int]:
    """The number of the wave of each site that has one, from 0."""
    found = {}
    for name in fleet.sites:
        for number, wave in enumerate(fleet.waves):
            if any(fnmatchcase(name, pattern) for pattern in wave.sites):
                found[name] = number
                break
    return found
