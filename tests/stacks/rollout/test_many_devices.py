"""Two thousand sites whose cameras are devices: within the limits, sharded as the sites are, in order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fleets import DEVICES, Synthesize, Templates, flat, of_type
from large_fleets import DEPLOYMENT, GROUP, SITES, Assemblies, deployments, synth, templates

from bench.many_sites import entry, write_fleet
from edgecam.errors import ConfigurationError, EdgecamError
from fleet.checks.placement import MOST_DEVICES
from fleet.load import load_fleet
from fleet.stack_placement import (
    OUTPUT_LIMIT,
    RESOURCE_LIMIT,
    TEMPLATE_LIMIT_BYTES,
    shard_of,
)
from stacks.rollout.template_limits import check_templates

CAMERAS = 2
DEVICE = "Custom::EdgecamCloudIotDevice"
NORTH = DEVICES.replace("  gate:\n", "  gate:\n    stack: north\n")


@pytest.fixture(scope="module")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> Assemblies:
    """Of 2,000 sites with devices, and of one more."""
    folder = tmp_path_factory.mktemp("devices")
    running = []
    for name in Assemblies._fields:
        fleet = write_fleet(folder / f"fleet-{name}", SITES, site_stacks=32, cameras=CAMERAS, devices=True)
        if name == "after":
            with (fleet.parent / "sites" / "district-07.yaml").open("a") as file:
                file.write(entry(SITES))
        running.append(synth(fleet, folder / name))
    for process in running:
        said = process.communicate()[1]
        assert process.returncode == 0, said
    return Assemblies(folder / "before", folder / "after")


@pytest.fixture(scope="module")
def before(assemblies: Assemblies) -> Templates:
    return templates(assemblies.before)


@pytest.fixture(scope="module")
def after(assemblies: Assemblies) -> Templates:
    return templates(assemblies.after)


def devices(found: Templates) -> dict[str, str]:
    """In which stack each device stands."""
    return {
        resource["Device"]: stack
        for stack, template in found.items()
        for resource in of_type(template, DEVICE)
    }


def needed(folder: Path) -> dict[str, list[str]]:
    """Which stacks each stack comes after."""
    artifacts = json.loads((folder / "manifest.json").read_text())["artifacts"]
    return {
        name: [other for other in artifact.get("dependencies", []) if not other.endswith(".assets")]
        for name, artifact in artifacts.items()
        if artifact["type"] == "aws:cloudformation:stack"
    }


def test_every_camera_has_its_device_in_stacks_within_the_limits(
    assemblies: Assemblies, before: Templates
) -> None:
    assert len(devices(before)) == SITES * CAMERAS
    for name, template in before.items():
        assert len(template["Resources"]) <= RESOURCE_LIMIT
        assert len(template.get("Outputs", {})) <= OUTPUT_LIMIT
        assert (assemblies.before / f"{name}.template.json").stat().st_size <= TEMPLATE_LIMIT_BYTES


def test_devices_stand_at_the_place_of_their_site(before: Templates) -> None:
    site_of = {f"{site}-door-{n}": site for site in deployments(before) for n in (1, 2)}
    places = {site: stack.rpartition("-")[2] for site, (stack, _) in deployments(before).items()}
    assert devices(before) == {
        device: f"EdgecamCloudIot-Sites-{places[site]}" for device, site in site_of.items()
    }


def test_one_more_site_is_its_deployment_and_its_devices(before: Templates, after: Templates) -> None:
    assert before.keys() == after.keys()
    added, lists = [], set()
    for stack, template in after.items():
        former = before[stack]["Resources"]
        added += [
            found["Properties"].get("Device") or found["Properties"]["DeploymentName"]
            for name, found in template["Resources"].items()
            if former.get(name) != found and found["Type"] in (DEVICE, DEPLOYMENT)
        ]
        lists |= {
            found["Type"]
            for name, found in template["Resources"].items()
            if former.get(name) != found and found["Type"] not in (DEVICE, DEPLOYMENT)
        }
        assert template["Resources"].keys() >= former.keys()
        assert {**template, "Resources": {}} == {**before[stack], "Resources": {}}
    assert sorted(added) == ["edgecam shop-2000", "shop-2000-door-1", "shop-2000-door-2"]
    # Its group, and what lists the targets of the fleet, the sites of a stack, the things of groups.
    assert lists == {GROUP, *(f"Custom::Edgecam{what}" for what in ("Fleet", "GoingBack", "GroupMembers"))}
    assert devices(after).items() >= devices(before).items()


def test_site_comes_after_its_own_devices_and_those_after_the_registry(assemblies: Assemblies) -> None:
    found = needed(assemblies.before)
    for number in range(32):
        assert set(found[f"EdgecamFrameGrabber-Sites-{number:02}"]) == {
            "EdgecamFrameGrabber",
            f"EdgecamCloudIot-Sites-{number:02}",
        }
        # The order of `cdk destroy` is the reverse: the function that removes devices goes last.
        assert found[f"EdgecamCloudIot-Sites-{number:02}"] == ["EdgecamCloudIot"]
    groups = {name for name in found if name.startswith("EdgecamFoundation-Groups-")}
    assert set(found["EdgecamFrameGrabber"]) == {"EdgecamFoundation", *groups}


def test_all_devices_are_made_by_the_one_function_that_the_main_stack_exports(before: Templates) -> None:
    exports = [
        (stack, output["Export"]["Name"], flat(output["Value"]))
        for stack, template in before.items()
        for output in template.get("Outputs", {}).values()
        if "Export" in output and stack.startswith("EdgecamCloudIot")
    ]
    assert exports == [("EdgecamCloudIot", "EdgecamCloudIot-DeviceMaker", "<DevicesMakerFunction.Arn>")]
    tokens = {
        json.dumps(device["ServiceToken"])
        for stack in set(devices(before).values())
        for device in of_type(before[stack], DEVICE)
    }
    assert tokens == {'{"Fn::ImportValue": "EdgecamCloudIot-DeviceMaker"}'}
    assert not [
        name
        for name, found in before.items()
        if "Lambda::Function" in str(found) and name.startswith("EdgecamCloudIot-Sites-")
    ]


def test_devices_of_all_stacks_have_one_owner_so_that_they_can_move(synthesize: Synthesize) -> None:
    elsewhere = of_type(synthesize(NORTH)["EdgecamCloudIot-Sites-north"], DEVICE)
    assert [(found["Device"], found["OwnerStack"]) for found in elsewhere] == [
        ("gate-gate", "EdgecamCloudIot"),
        ("front-bell", "EdgecamCloudIot"),
    ]
    at_home = of_type(synthesize(DEVICES)["EdgecamCloudIot"], DEVICE)
    assert [{**found, "OwnerStack": "EdgecamCloudIot"} for found in at_home] == [
        {**found, "ServiceToken": home["ServiceToken"]}
        for found, home in zip(elsewhere, at_home, strict=True)
    ]


def test_devices_that_stay_in_the_main_stack_are_the_resources_that_they_were(
    synthesize: Synthesize, devices: Templates
) -> None:
    large = DEVICES.replace("  gate:\n", "  gate:\n    stack: main\n") + "aws: {site_stacks: 4}\n"
    found = synthesize(large)
    assert found["EdgecamCloudIot"]["Resources"] == devices["EdgecamCloudIot"]["Resources"]
    assert "EdgecamFrameGrabber-Sites-" + shard_of("lobby", 4) in found
    assert not [name for name in found if name.startswith("EdgecamCloudIot-")]


def mistakes(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_fleet(path)
    return [
        line.removeprefix("fleet.yaml: aws.site_stacks: expected ") for line in str(caught.value).splitlines()
    ]


def test_more_devices_than_the_main_stack_holds_are_a_mistake_that_says_what_helps(tmp_path: Path) -> None:
    assert len(load_fleet(write_fleet(tmp_path, 120, cameras=4, devices=True)).sites) == 120
    assert mistakes(write_fleet(tmp_path, 121, cameras=4, devices=True)) == [
        f"at most {MOST_DEVICES} devices in one stack, where each camera of a site with devices: true is "
        "one: say how many further stacks there are, such as 32 (and stack: main in sites that are deployed "
        "already: they stay where they are), found 484 in one"
    ]


def test_few_sites_with_many_cameras_fill_a_stack(tmp_path: Path) -> None:
    found = mistakes(write_fleet(tmp_path, 80, site_stacks=2, cameras=16, devices=True))
    expected = (
        f"at most {MOST_DEVICES} devices in one stack, where each camera of a site with devices: true is "
        "one: say stack: NAME, of another one, in new sites (or a larger site_stacks, as long as nothing is "
        "deployed), found "
    )
    assert all(line.startswith(expected) for line in found)
    assert sum(int(line.removeprefix(expected).split()[0]) for line in found) == 80 * 16


def test_ten_thousand_sites_with_devices_find_room(tmp_path: Path) -> None:
    fleet = load_fleet(write_fleet(tmp_path, 10_000, site_stacks=200, cameras=4, devices=True))
    assert sum(len(site.cameras) for site in fleet.sites.values() if site.devices) == 40_000


def test_template_with_too_many_devices_names_the_cores_that_have_most(tmp_path: Path) -> None:
    def device(core: str, number: int) -> dict[str, Any]:
        return {"Type": DEVICE, "Properties": {"Secret": f"edgecam/devices/{core}/{number}/key"}}

    cores = {"a-core": 450, "b-core": 20, "c-core": 21, "d-core": 30}
    resources = {
        f"{core}{number}": device(core, number) for core, count in cores.items() for number in range(count)
    }
    (tmp_path / "EdgecamCloudIot.template.json").write_text(json.dumps({"Resources": resources}))
    with pytest.raises(EdgecamError) as caught:
        check_templates(tmp_path)
    assert str(caught.value) == (
        "stack EdgecamCloudIot: expected at most 500 resources, found 521; of its 521 devices most are those "
        "of the cores a-core (450), d-core (30), c-core (21). Say stack: NAME in new sites, or "
        "aws.site_stacks (and stack: main in the sites that are deployed already)"
    )
