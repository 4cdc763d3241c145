"""Which wave a site belongs to.

CloudFormation orders waves within one stack, and further stacks come after the whole stack of the variant. So
sites that are waited for are in the stack of the variant; sites of no wave may be in any.
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
