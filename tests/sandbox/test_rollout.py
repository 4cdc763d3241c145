"""Waves, their rollback and the removal of components: real templates, CloudFormation, cores that obey."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rollout_stack import Eventually, RolloutStack, new_component

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

SERVE = "trap 'echo asked to stop; exit 0' TERM; echo started; while :; do sleep 0.05; done"
CRASH = "echo cannot go on; exit 3"

Until = Callable[[Callable[[], Any], str], Any]


@pytest.fixture
def component_name() -> str:
    return new_component()


@pytest.fixture
def cores(core_as: Callable[[str | None], Any], component_name: str) -> dict[str, Any]:
    """A core of each site, and versions of a component: some that run, and some that crash."""
    found = {"canary": core_as(None), "rest": core_as(None)}
    elsewhere = f'if test "$AWS_IOT_THING_NAME" != {found["canary"].thing}; then {CRASH}; fi; {SERVE}'
    versions = (
        ("1.0.0", SERVE),
        ("2.0.0", CRASH),
        ("3.0.0", SERVE),
        ("4.0.0", elsewhere),
    )
    for version, run in versions:
        found["canary"].register(component_name, version, run)
    found["canary"].register(component_name, "5.0.0", SERVE, install="sleep 8")
    return found


@pytest.fixture
def stack(
    embedded_aws: Any, tmp_path: Path, eventually: Eventually, component_name: str, cores: dict[str, Any]
) -> RolloutStack:
    iot, rest = embedded_aws.client("iot"), cores["rest"].thing
    iot.create_thing_group(thingGroupName=f"{rest}-group")
    iot.add_thing_to_thing_group(thingGroupName=f"{rest}-group", thingName=rest)
    targets = {"canary": {"thing": cores["canary"].thing}, "rest": {"thing_group": f"{rest}-group"}}
    return RolloutStack(embedded_aws, tmp_path, eventually, component_name, targets)


def running(core: Any) -> dict[str, str]:
    """What a core runs: component → version."""
    pages = core.greengrass.get_paginator("list_installed_components").paginate(
        coreDeviceThingName=core.thing
    )
    return {
        entry["componentName"]: entry["componentVersion"]
        for page in pages
        for entry in page["installedComponents"]
        if entry["lifecycleState"] == "RUNNING"
    }


def test_crashing_version_stops_at_the_canary_and_everything_returns_to_the_former_one(
    stack: RolloutStack, cores: dict[str, Any], component_name: str, until: Until
) -> None:
    canary, rest = cores["canary"], cores["rest"]
    assert stack.deploy("1.0.0", "canary") == "CREATE_COMPLETE", stack.reasons()
    until(lambda: running(rest) == {component_name: "1.0.0"}, "the rest runs the first version")
    assert running(canary) == {component_name: "1.0.0"}

    assert stack.deploy("2.0.0", "canary") == "UPDATE_ROLLBACK_COMPLETE"
    said = stack.reasons()
    assert f"wave 0, site canary: {canary.thing} FAILED: {component_name} is BROKEN" in said
    assert "cannot go on" in said
    assert f"Rolled back to {component_name} 1.0.0" in said
    until(lambda: running(canary) == {component_name: "1.0.0"}, "the canary runs the first version again")
    assert "started" in canary.output(component_name).rpartition("cannot go on")[2]
    assert "cannot go on" not in rest.output(component_name)
    assert rest.output(component_name).splitlines().count("started") == 1
    # The former deployment is in force again, so that a core that joins, or starts again, gets it too.
    (effective,) = canary.greengrass.list_effective_deployments(coreDeviceThingName=canary.thing)[
        "effectiveDeployments"
    ]
    until(
        lambda: canary.execution(effective["deploymentId"])["coreDeviceExecutionStatus"] == "SUCCEEDED",
        "the canary obeys the former deployment",
    )

    assert stack.deploy("3.0.0", "canary") == "UPDATE_COMPLETE", stack.reasons()
    until(lambda: running(rest) == {component_name: "3.0.0"}, "the rest runs the third version")

    assert stack.destroy() == "DELETE_COMPLETE", stack.reasons()
    assert (running(canary), running(rest)) == ({}, {})
    assert "asked to stop" in canary.output(component_name).rpartition("started")[2]


def test_first_deployment_that_fails_leaves_nothing_on_the_canary(
    stack: RolloutStack, cores: dict[str, Any], component_name: str
) -> None:
    assert stack.deploy("2.0.0", "canary") == "ROLLBACK_COMPLETE"
    assert f"site canary: {cores['canary'].thing} FAILED" in stack.reasons()
    assert running(cores["canary"]) == {}
    assert cores["rest"].output(component_name) == ""


def test_later_wave_that_fails_takes_the_canary_back_as_well(
    stack: RolloutStack, cores: dict[str, Any], component_name: str, until: Until
) -> None:
    canary, rest = cores["canary"], cores["rest"]
    assert stack.deploy("1.0.0", "canary", "rest") == "CREATE_COMPLETE", stack.reasons()
    assert stack.deploy("4.0.0", "canary", "rest") == "UPDATE_ROLLBACK_COMPLETE"
    assert f"wave 1, site rest: {rest.thing} FAILED" in stack.reasons()
    for core in (canary, rest):
        until(lambda core=core: running(core) == {component_name: "1.0.0"}, f"{core.thing} runs 1.0.0 again")
    # It had run the new version, and would have gone on with it.
    assert canary.output(component_name).splitlines().count("started") == 3


def test_wave_longer_than_a_call_of_the_function_is_waited_for_by_further_calls(
    stack: RolloutStack, cores: dict[str, Any], component_name: str
) -> None:
    # Each call ends when it has little more than half a minute left, which is after some seconds here.
    assert stack.deploy("5.0.0", "canary", call_s=36) == "CREATE_COMPLETE", stack.reasons()
    assert running(cores["canary"]) == {component_name: "5.0.0"}
    assert stack.calls() > 1
