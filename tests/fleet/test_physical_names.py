"""The names of a fleet: plain without `name`, and never those of another fleet."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecam.errors import ConfigurationError
from fleet.devices import node_of
from fleet.load import load_fleet
from fleet.physical_names import PhysicalNames, names_of, site_of

LONGEST = PhysicalNames(fleet="a" * 20)
REGION = "ap-southeast-1"


def every_name(names: PhysicalNames) -> dict[str, str]:
    """What each property and method makes, by its name."""
    made = {
        "stack": names.stack("Foundation"),
        "role": names.role("GcsBucket", REGION),
        "component": names.component("frame-grabber"),
        "deployment": names.deployment("gate"),
        "alarm": names.alarm("lost chunks"),
        "dashboard": names.dashboard(REGION),
    }
    properties = inspect.getmembers(PhysicalNames, lambda member: isinstance(member, property))
    made |= {name: getattr(names, name) for name, _ in properties if not name.startswith("_")}
    return {name: text for name, text in made.items() if isinstance(text, str)}


def test_fleet_without_a_name_has_the_plain_names() -> None:
    assert every_name(PhysicalNames()) == {
        "stack": "EdgecamFoundation",
        "role": "EdgecamGcsBucket-ap-southeast-1",
        "role_alias": "EdgecamCoreRoleAlias",
        "provisioning_template": "EdgecamCores",
        "claim_policy": "EdgecamClaimPolicy",
        "all_cores": "edgecam-cores",
        "component": "com.edgecam.frame-grabber",
        "deployment": "edgecam gate",
        "device_secrets": "edgecam/devices",
        "forwarded_logs": "/aws/greengrass/systemLogs",
        "core_events_log": "/aws/events/edgecam-cores",
        "core_events_policy": "EdgecamCoreEvents",
        "camera_state_rule": "EdgecamCameraStates",
        "metric_namespace": "Edgecam",
        "alarm": "edgecam lost chunks",
        "dashboard": "edgecam-ap-southeast-1",
        "title": "edgecam",
    }


@pytest.mark.parametrize(
    ("one", "other"), [(None, "staging"), ("staging", "production"), ("a", "a-b"), (None, "cores")]
)
def test_two_fleets_have_no_name_in_common(one: str | None, other: str | None) -> None:
    names = [every_name(PhysicalNames(fleet=fleet)) for fleet in (one, other)]
    assert [kind for kind in names[0] if names[0][kind] == names[1][kind]] == []


def test_names_of_the_longest_fleet_name_are_those_that_aws_takes() -> None:
    assert re.fullmatch(r"[0-9A-Za-z_-]{1,36}", LONGEST.provisioning_template)
    assert re.fullmatch(r"[\w+=,.@-]{1,64}", LONGEST.role("CloudIot", REGION))
    assert re.fullmatch(r"[a-zA-Z0-9_]{1,128}", PhysicalNames(fleet="a-b").camera_state_rule)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,99}", LONGEST.stack("FrameGrabber-Sites-07"))


def test_stacks_of_a_fleet_are_known_by_their_names() -> None:
    stacks = ("EdgecamFoundation", "EdgecamFrameGrabber-Sites-07", "Edgecam-a-Watch", "Edgecam-a-b-Watch")
    assert [PhysicalNames().owns_stack(stack) for stack in stacks] == [True, True, False, False]
    assert [PhysicalNames(fleet="a").owns_stack(stack) for stack in stacks] == [False, False, True, False]
    assert not PhysicalNames().owns_stack("Edgecamera")


def test_site_is_known_by_the_name_of_its_deployment_in_any_fleet() -> None:
    for names in (PhysicalNames(), LONGEST):
        assert site_of(names.deployment("north-gate")) == "north-gate"
    assert site_of("Deployment for core") is None


def test_component_prefix_of_the_file_goes_before_the_fleets_name(
    write_fleet: Callable[[str], Path],
) -> None:
    site = 'sites: {a: {thing: a-core, cameras: [{id: a, uri: "test://"}]}}\nname: staging\n'
    fleets = [load_fleet(write_fleet(site + more)) for more in ("", "aws: {component_prefix: com.ours}\n")]
    assert [names_of(fleet).component("frame-grabber") for fleet in fleets] == [
        "com.edgecam.staging.frame-grabber",
        "com.ours.frame-grabber",
    ]


@pytest.mark.parametrize(("name", "filled_in"), [("", {}), ("name: staging\n", {"fleet": "staging"})])
def test_name_of_the_fleet_is_in_the_states_that_its_watch_takes(
    name: str, filled_in: dict[str, str], write_fleet: Callable[[str], Path]
) -> None:
    site = 'sites: {a: {thing: a-core, aws_iot: {enabled: true}, cameras: [{id: a, uri: "test://"}]}}\n'
    node = node_of(load_fleet(write_fleet(name + site)), "a")
    assert node["aws_iot"] == {"enabled": True, **filled_in}


@pytest.mark.parametrize("name", ["Staging", "2-fleets", "a--b", "a_b", "-a", "a" * 21])
def test_name_that_could_be_part_of_another_is_a_mistake(
    name: str, write_fleet: Callable[[str], Path]
) -> None:
    site = 'sites: {a: {thing: a-core, cameras: [{id: a, uri: "test://"}]}}\n'
    with pytest.raises(ConfigurationError, match="name: expected 1 to 20 lower case letters and digits"):
        load_fleet(write_fleet(f'{site}name: "{name}"\n'))
