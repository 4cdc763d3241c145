# ruff: noqa: E501 - messages stand as a user reads them
"""Which stack a site's deployment is in: the same one, whatever sites join, and a mistake when it is full."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.many_sites import entry, write_fleet
from edgecam.errors import ConfigurationError
from fleet.checks.placement import MOST_SITES
from fleet.load import load_fleet
from fleet.stack_placement import (
    MAIN,
    group_place_of,
    place_of,
    shard_of,
)

Write = Callable[[str], Path]
CAMERA = 'cameras: [{id: a, uri: "test://"}]'


def places(path: Path) -> dict[str, str]:
    fleet = load_fleet(path)
    return {name: place_of(name, site, fleet.aws.site_stacks) for name, site in fleet.sites.items()}


def mistakes(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_fleet(path)
    return str(caught.value).splitlines()


def test_small_fleet_stands_in_the_stack_of_the_variant(tmp_path: Path) -> None:
    assert set(places(write_fleet(tmp_path, 20)).values()) == {MAIN}


def test_sites_that_come_and_go_move_no_other(tmp_path: Path) -> None:
    before = places(write_fleet(tmp_path, 500, site_stacks=32))
    file = tmp_path / "sites" / "district-03.yaml"
    file.write_text(file.read_text().replace(entry(43), "") + entry(777))
    after = places(tmp_path / "fleet.yaml")
    assert set(before) ^ set(after) == {"shop-0043", "shop-0777"}
    assert {name: place for name, place in after.items() if name in before} == {
        name: place for name, place in before.items() if name in after
    }


def test_place_of_a_name_is_the_same_in_every_release() -> None:
    assert [shard_of(name, 32) for name in ("lobby", "gate", "shop-0001")] == ["02", "14", "27"]


def test_two_thousand_sites_spread_so_that_none_of_32_stacks_is_even_half_full(tmp_path: Path) -> None:
    found = list(places(write_fleet(tmp_path, 2000, site_stacks=32)).values())
    assert len(set(found)) == 32
    assert max(found.count(place) for place in set(found)) < MOST_SITES[False] / 2


def test_named_stack_wins_whatever_the_number_is(write_fleet: Write) -> None:
    sites = f"sites: {{a: {{thing: x, stack: main, {CAMERA}}}, b: {{thing: y, stack: north, {CAMERA}}}}}\n"
    for aws in ("", "aws: {site_stacks: 8}", "aws: {site_stacks: 16}"):
        assert places(write_fleet(sites + aws)) == {"a": "main", "b": "north"}


def test_thing_group_stays_where_it_is_when_its_site_is_renamed(write_fleet: Write) -> None:
    found = []
    for name in ("a", "b"):
        path = write_fleet(f"sites: {{{name}: {{thing_group: g, {CAMERA}}}}}\naws: {{site_stacks: 8}}")
        (site,) = load_fleet(path).sites.values()
        found.append(group_place_of(site, 8))
    assert found[0] == found[1] != MAIN


def test_full_stack_of_the_variant_is_a_mistake_that_says_what_helps(tmp_path: Path) -> None:
    assert len(places(write_fleet(tmp_path, 180))) == 180
    assert mistakes(write_fleet(tmp_path, 181)) == [
        "fleet.yaml: aws.site_stacks: expected at most 180 sites in the stack of a variant: say how many further "
        "stacks there are, such as 32 (and stack: main in sites that are deployed already: they stay where they are), "
        "found 181 of variant frame-grabber in one"
    ]


def test_full_site_stack_is_a_mistake_that_says_what_helps(tmp_path: Path) -> None:
    found = mistakes(write_fleet(tmp_path, 1000, site_stacks=2))
    assert [line.partition(" expected ")[2] for line in found] == [
        "at most 450 sites in one stack (one with remove_on_destroy counts twice): say stack: NAME, "
        "of another one, in new sites, "
        f'found {count} of variant frame-grabber in "{place}"'
        for place, count in (("00", 502), ("01", 498))
    ] + [
        "at most 450 thing groups made in one stack (of site_stacks a larger number, as long as nothing is "
        f'deployed), found {count} in "{place}"'
        for place, count in (("00", 528), ("01", 472))
    ]


def test_site_that_takes_its_components_along_needs_the_room_of_two(tmp_path: Path) -> None:
    path = write_fleet(tmp_path, 500, site_stacks=2)
    assert len(places(path)) == 500
    path.write_text(path.read_text().replace("timeout_min: 30", "remove_on_destroy: true"))
    found = [line.rpartition(" found ")[2] for line in mistakes(path)]
    assert sum(int(line.split()[0]) for line in found) == 1000


def test_more_thing_groups_than_a_stack_holds_are_a_mistake(tmp_path: Path) -> None:
    path = write_fleet(tmp_path, 451, site_stacks=8)
    path.write_text(
        path.read_text().replace(
            'thing: "{site}-core"', 'thing_group: "{site}"\n    create_thing_group: true\n    stack: "main"'
        )
    )
    expected = (
        "expected at most 450 thing groups made in one stack (of site_stacks a larger number, as long as nothing "
        'is deployed), found 451 in "main"'
    )
    assert any(expected in line for line in mistakes(path))
