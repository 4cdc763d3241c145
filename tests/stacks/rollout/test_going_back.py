"""Going back on Nucleus Lite in templates: which sites are watched, by whom, and what comes before what."""

from __future__ import annotations

from typing import Any

import pytest
from fleets import FLEET, Synthesize, Templates, flat, of_type

STACK = "EdgecamFrameGrabber"
KIND = "Custom::EdgecamGoingBack"
IOT = "arn:<AWS::Partition>:iot:<AWS::Region>:<AWS::AccountId>"


def watched(template: dict[str, Any]) -> dict[str, str]:
    """How each site is watched."""
    (found,) = of_type(template, KIND)
    return {site["Name"]: site["Watched"] for site in found["Sites"]}


def lite(rollout: str, target: str = "thing: yard-core") -> str:
    return FLEET.replace("thing: yard-core", target).replace(
        "    nucleus: lite\n", f"    nucleus: lite\n    rollout: {{{rollout}}}\n"
    )


def test_site_with_nucleus_lite_is_watched_and_the_others_go_back_with_the_stack(
    templates: Templates,
) -> None:
    assert watched(templates[STACK]) == {"yard": "first-failure", "lobby": "no", "gate": "no"}
    (found,) = of_type(templates[STACK], KIND)
    assert found["FailsStack"] == "true"
    assert all(flat(site["DeploymentId"]).endswith(".DeploymentId>") for site in found["Sites"])


@pytest.mark.parametrize(
    ("rollout", "target", "how"),
    [
        ("per_minute: 5", "thing_group: yards", "first-failure"),
        ("abort: [{percent: 10, at_least: 5}]", "thing_group: yards", "abort"),
        # Of one core five can never fail.
        ("abort: [{percent: 10, at_least: 5}]", "thing: yard-core", "first-failure"),
    ],
)
def test_group_goes_back_when_its_rollout_is_aborted_and_else_at_the_first_failure(
    synthesize: Synthesize, rollout: str, target: str, how: str
) -> None:
    assert watched(synthesize(lite(rollout, target))[STACK])["yard"] == how


@pytest.mark.parametrize(
    ("rollout", "rate"),
    [
        ("per_minute: 5", "5"),
        ("per_minute: 50, exponential: {base_per_minute: 2, factor: 2, after_notified: 10}", "2"),
        ("timeout_min: 5", None),
    ],
)
def test_watcher_knows_how_fast_the_rollout_reaches_a_group(
    synthesize: Synthesize, rollout: str, rate: str | None
) -> None:
    (found,) = of_type(synthesize(lite(rollout, "thing_group: yards"))[STACK], KIND)
    assert {site["Name"]: site.get("PerMinute") for site in found["Sites"]}["yard"] == rate


@pytest.mark.parametrize(
    "text",
    [FLEET.replace("    nucleus: lite\n", ""), lite("failure_handling: do_nothing")],
    ids=["classic", "do nothing"],
)
def test_fleet_in_which_nobody_needs_it_has_no_watcher(synthesize: Synthesize, text: str) -> None:
    template = synthesize(text)[STACK]
    assert not of_type(template, KIND)
    assert not any(logical_id.startswith("GoingBack") for logical_id in template["Resources"])


def test_sites_behind_waves_go_back_alone_and_are_named_by_an_output(synthesize: Synthesize) -> None:
    template = synthesize(FLEET + "waves: [{sites: [lobby]}]")[STACK]
    assert watched(template) == {"yard": "first-failure"}
    assert of_type(template, KIND)[0]["FailsStack"] == "false"
    assert flat(template["Outputs"]["SitesGoneBack"]["Value"]).endswith(".GoneBack>")


def test_site_of_a_wave_is_its_waves_affair(synthesize: Synthesize) -> None:
    assert not of_type(synthesize(FLEET + "waves: [{sites: [yard]}]")[STACK], KIND)


def test_each_stack_watches_its_own_sites(synthesize: Synthesize) -> None:
    text = FLEET.replace("  yard:\n", "  yard:\n    stack: south\n")
    templates = synthesize(text)
    assert watched(templates[f"{STACK}-Sites-south"]) == {"yard": "first-failure"}
    assert not of_type(templates[STACK], KIND)


def test_watcher_may_deploy_to_the_targets_of_its_sites_and_see_their_cores_only(
    synthesize: Synthesize,
) -> None:
    template = synthesize(FLEET + "waves: [{sites: [lobby]}]")[STACK]
    found = {
        statement["Sid"]: statement["Resource"]
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == "AWS::IAM::Policy" and logical_id.startswith("GoingBack")
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
    }
    assert list(map(flat, found["MakeJobs"])) == [
        f"{IOT}:job/*",
        f"{IOT}:thinggroup/edgecam-core-yard-core",
    ]
    # The target is a group; its one core is known all the same.
    assert flat(found["SeeCores"]).endswith(":coreDevices:yard-core")
    assert flat(found["SeeThings"]) == f"{IOT}:thing/yard-core"
    assert flat(found["GoOnWaiting"]) == "<GoingBackWaiterFunction.Arn>"
    assert "WriteShadows" not in found


def test_what_takes_deployments_back_ends_before_components_are_removed(synthesize: Synthesize) -> None:
    text = lite("remove_on_destroy: true").replace(
        "rollout: {per_minute", "rollout: {remove_on_destroy: true, per_minute"
    )
    resources = synthesize(text + "waves: [{sites: [lobby]}]")[STACK]["Resources"]
    removals = {
        found["Properties"]["Site"]: logical_id
        for logical_id, found in resources.items()
        if found["Type"] == "Custom::EdgecamRemoval"
    }
    (watcher,) = [found for found in resources.values() if found["Type"] == KIND]
    (gate,) = [found for found in resources.values() if found["Type"] == "Custom::EdgecamWave"]
    assert removals["yard"] in watcher["DependsOn"]
    assert removals["lobby"] in gate["DependsOn"]
