"""Waves and removal in templates: what depends on what, who may do what, and which plans are mistakes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fleets import FLEET, Synthesize, Templates, flat

from edgecam.errors import ConfigurationError
from fleet.load import load_fleet

STACK = "EdgecamFrameGrabber"
WAVES = """
waves:
  - {sites: [gate], within_min: 10}
  - {sites: ["l*", gate], percent: 90, at_least: 5}
"""
REMOVED = FLEET.replace("rollout: {per_minute", "rollout: {remove_on_destroy: true, per_minute")
Resources = dict[str, Any]


def named(resources: Resources, kind: str, member: str) -> Resources:
    """Resources of a type, with their logical ids, by a property."""
    return {
        found["Properties"][member]: {"id": logical_id, **found}
        for logical_id, found in resources.items()
        if found["Type"] == kind
    }


@pytest.fixture(scope="module")
def waved(synthesize: Synthesize) -> Resources:
    found: Resources = synthesize(FLEET + WAVES)[STACK]["Resources"]
    return found


@pytest.fixture(scope="module")
def gates(waved: Resources) -> Resources:
    return named(waved, "Custom::EdgecamWave", "Wave")


@pytest.fixture(scope="module")
def deployed(waved: Resources) -> Resources:
    return named(waved, "AWS::GreengrassV2::Deployment", "DeploymentName")


def statements(resources: Resources, policy: str) -> dict[str, dict[str, Any]]:
    """Of the policies whose logical id begins so, by their sid."""
    return {
        statement["Sid"]: statement
        for logical_id, found in resources.items()
        if found["Type"] == "AWS::IAM::Policy" and logical_id.startswith(policy)
        for statement in found["Properties"]["PolicyDocument"]["Statement"]
    }


def test_later_wave_is_deployed_after_the_gate_of_the_earlier_one(
    gates: Resources, deployed: Resources
) -> None:
    assert gates.keys() == {"0", "1"}
    assert gates["0"]["id"] not in deployed["edgecam gate"]["DependsOn"]
    assert gates["0"]["id"] in deployed["edgecam lobby"]["DependsOn"]
    assert gates["1"]["id"] in deployed["edgecam yard"]["DependsOn"]


def test_gate_waits_for_the_sites_of_its_wave_with_its_criteria(
    gates: Resources, deployed: Resources
) -> None:
    properties = gates["1"]["Properties"]
    (site,) = properties["Sites"]
    lobby = deployed["edgecam lobby"]
    assert site["DeploymentId"] == {"Fn::GetAtt": [lobby["id"], "DeploymentId"]}
    assert (site["Name"], site["TargetArn"]) == ("lobby", lobby["Properties"]["TargetArn"])
    assert (properties["Percent"], properties["AtLeast"], properties["WithinMin"]) == ("90", "5", "30")
    assert gates["0"]["Properties"]["WithinMin"] == "10"


def test_fleet_without_waves_keeps_its_template(synthesize: Synthesize, templates: Templates) -> None:
    waved = synthesize(FLEET + WAVES)[STACK]["Resources"]
    plain = templates[STACK]["Resources"]
    assert plain.keys() < waved.keys()
    assert not [key for key, found in plain.items() if "Wave" in key or "Removal" in key]


def test_variant_without_sites_in_waves_gets_no_function(synthesize: Synthesize) -> None:
    from fleets import RECORDED

    templates = synthesize(RECORDED + "waves: [{sites: [lobby]}]")
    assert any(key.startswith("Waves") for key in templates[STACK]["Resources"])
    assert not any(key.startswith("Waves") for key in templates["EdgecamGcsUploader"]["Resources"])


def test_waiter_may_follow_and_redeploy_its_sites_and_call_itself(waved: Resources) -> None:
    found = statements(waved, "WavesWaiter") | statements(waved, "WavesGoesOn")
    actions = {sid: statement["Action"] for sid, statement in found.items()}
    assert actions["ListDeployments"] == "greengrass:ListDeployments"
    assert actions["SeeDeployments"] == "greengrass:GetDeployment"
    assert actions["SeeCores"] == "greengrass:ListEffectiveDeployments"
    assert actions["SeeGroups"] == "iot:ListThingsInThingGroup"
    assert actions["DescribeGroups"] == "iot:DescribeThingGroup"
    assert actions["Deploy"] == "greengrass:CreateDeployment"
    assert actions["GoOnWaiting"] == "lambda:InvokeFunction"
    iot = "arn:<AWS::Partition>:iot:<AWS::Region>:<AWS::AccountId>"
    assert flat(found["SeeGroups"]["Resource"]) == f"{iot}:thinggroup/lobby-cores"
    # The yard is in no wave: nobody waits for it, nobody may touch it.
    assert [flat(arn) for arn in found["MakeJobs"]["Resource"]] == [
        f"{iot}:job/*",
        f"{iot}:thing/gate-core",
        f"{iot}:thinggroup/lobby-cores",
    ]
    assert flat(found["GoOnWaiting"]["Resource"]) == "<WavesWaiterFunction.Arn>"


def test_waves_of_single_cores_need_no_right_on_others(synthesize: Synthesize) -> None:
    resources = synthesize(FLEET + "waves: [{sites: [gate]}]")[STACK]["Resources"]
    found = statements(resources, "WavesWaiter")
    assert "SeeGroups" not in found
    assert flat(found["SeeCores"]["Resource"]).endswith(":coreDevices:gate-core")


def test_many_sites_in_waves_are_named_by_one_pattern(synthesize: Synthesize) -> None:
    sites = "".join(
        f'  s{number}: {{thing: t{number}, cameras: [{{id: a, uri: "test://"}}]}}\n' for number in range(41)
    )
    resources = synthesize(f"sites:\n{sites}waves: [{{sites: ['s*']}}]")[STACK]["Resources"]
    found = statements(resources, "WavesWaiter")
    assert [flat(arn).rpartition(":")[2] for arn in found["MakeJobs"]["Resource"]] == [
        "job/*",
        "thing/*",
    ]


def test_removal_stands_before_its_deployment_and_keeps_what_the_site_names(synthesize: Synthesize) -> None:
    text = REMOVED.replace("create_thing_group: true", "components: {aws.greengrass.Cli: 2.14.0}")
    resources = synthesize(text)[STACK]["Resources"]
    removals = named(resources, "Custom::EdgecamRemoval", "Site")
    deployments = named(resources, "AWS::GreengrassV2::Deployment", "DeploymentName")
    assert removals.keys() == {"lobby"}
    properties = removals["lobby"]["Properties"]
    assert properties["DeploymentId"] == {"Fn::GetAtt": [deployments["edgecam lobby"]["id"], "DeploymentId"]}
    assert properties["Keep"] == ["aws.greengrass.Cli"]
    assert "GoOnWaiting" not in statements(resources, "Removals")


def test_removal_stands_in_the_stack_of_its_site(synthesize: Synthesize) -> None:
    text = REMOVED.replace("  lobby:\n", "  lobby:\n    stack: south\n") + "aws: {site_stacks: 2}"
    templates = synthesize(text)
    south = templates[f"{STACK}-Sites-south"]["Resources"]
    assert named(south, "Custom::EdgecamRemoval", "Site").keys() == {"lobby"}
    assert not named(templates[STACK]["Resources"], "Custom::EdgecamRemoval", "Site")


def mistakes(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_fleet(path)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (
            "waves: [{sites: [gates]}]",
            'waves[0].sites: expected names of sites, or patterns that fit one, found "g',
        ),
        (
            "waves: [{sites: [gate]}, {sites: [g*]}]",
            "waves[1].sites: expected a site that no earlier wave has",
        ),
        ("waves: [{sites: []}]", "waves[0].sites"),
        ("waves: [{sites: [gate], within_min: 60}]", "waves[0].within_min"),
        (
            "waves: [{sites: [gate]}]\naws: {site_stacks: 2}",
            "sites.gate.stack: expected main, since waves[0] waits for this site",
        ),
    ],
)
def test_plan_that_cannot_be_kept_is_a_mistake(
    write_fleet: Callable[[str], Path], more: str, complaint: str
) -> None:
    assert any(complaint in line for line in mistakes(write_fleet(FLEET + more)))


def test_waves_in_front_may_have_further_stacks_behind_them(synthesize: Synthesize) -> None:
    text = FLEET.replace("  gate:\n", "  gate:\n    stack: main\n")
    templates = synthesize(text + "waves: [{sites: [gate]}]\naws: {site_stacks: 2}")
    assert named(templates[STACK]["Resources"], "Custom::EdgecamWave", "Wave").keys() == {"0"}
    assert [name for name, template in templates.items() if "Custom::EdgecamWave" in str(template)] == [STACK]
