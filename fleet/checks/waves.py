"""Checks of waves: each site in one wave at most, and each named site known."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from edgecam.errors import Mistake
from fleet.settings.fleet import Fleet
from fleet.stack_placement import MAIN, place_of
from fleet.wave_plan import waves_of


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
