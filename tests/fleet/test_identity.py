"""Which fleet it is: known by its targets, however its file is called and its sites come and go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fleet.identity import MOST_TARGETS, FleetIdentity, identity_of
from fleet.load import load_fleet
from fleet.settings.fleet import Fleet
from fleet.settings.site import Site

Write = Callable[[str], Path]
REQUEST_BYTES = 256_000
"""Of a request of CloudFormation to a function, with the former properties beside the new ones."""


def identity(write_fleet: Write, *targets: str) -> FleetIdentity:
    cameras = 'cameras: [{id: a, uri: "test://"}]'
    sites = "".join(f"  site-{number}: {{{target}, {cameras}}}\n" for number, target in enumerate(targets))
    return identity_of(load_fleet(write_fleet(f"sites:\n{sites}")))


def test_fleets_without_a_target_in_common_are_two(write_fleet: Write) -> None:
    one = identity(write_fleet, "thing: a", "thing_group: b")
    # Sites of the same names, and a thing that is called as the other fleet's group.
    other = identity(write_fleet, "thing: b", "thing: c")
    assert other.is_another(one)
    assert one.is_another(other)


def test_fleet_whose_sites_come_and_go_stays_itself(write_fleet: Write) -> None:
    one = identity(write_fleet, "thing: a", "thing_group: b")
    assert not identity(write_fleet, "thing: x", "thing_group: b", "thing: y").is_another(one)
    assert not one.is_another(one)
    # Which is deployed to by its group of one.
    assert not identity(write_fleet, "thing: a, nucleus: lite").is_another(one)


def test_first_targets_stand_for_all_where_people_read(write_fleet: Write) -> None:
    assert identity(write_fleet, "thing: a").examples == "thing/a"
    five = identity(write_fleet, "thing: a", "thing_group: b", "thing: c", "thing: d", "thing: e")
    assert five.examples == "thing/a, thinggroup/b, thing/c and 2 more"


def test_large_fleet_fits_into_a_request_of_cloudformation_and_is_still_known(write_fleet: Write) -> None:
    site = load_fleet(write_fleet('sites: {a: {thing: a, cameras: [{id: a, uri: "test://"}]}}')).sites["a"]

    def of(first: int, last: int) -> FleetIdentity:
        sites: dict[str, Site] = {
            f"site-{number}": site.model_copy(update={"thing": f"core-{number}"})
            for number in range(first, last)
        }
        return identity_of(Fleet.model_construct(sites=sites))

    many = of(0, 3 * MOST_TARGETS)
    assert 2 * len(many.targets) < REQUEST_BYTES
    assert not of(MOST_TARGETS, 4 * MOST_TARGETS).is_another(many)
    assert of(4 * MOST_TARGETS, 5 * MOST_TARGETS).is_another(many)
