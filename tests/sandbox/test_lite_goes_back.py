"""A version that fails on Nucleus Lite: real templates, CloudFormation, and a core that has no way back."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rollout_stack import Eventually, RolloutStack, new_component

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

SERVE = "trap 'echo asked to stop; exit 0' TERM; echo started; while :; do sleep 0.05; done"
FAILURES = {
    "run": {"run": "echo cannot go on; exit 3"},
    "install": {"run": SERVE, "install": "echo cannot install; exit 3"},
}

Until = Callable[[Callable[[], Any], str], Any]


@pytest.fixture
def component_name() -> str:
    return new_component()


@pytest.fixture
def core(core_as: Callable[..., Any], component_name: str) -> Any:
    """A core with Nucleus Lite in the thing group of one that the foundation makes."""
    core = core_as(None, nucleus="lite-2.6.0")
    core.grouped(f"edgecam-core-{core.thing}")
    for version in ("1.0.0", "3.0.0"):
        core.register(component_name, version, SERVE, install="true")
    return core


@pytest.fixture
def site(core: Any) -> dict[str, Any]:
    return {"thing": core.thing, "nucleus": "lite"}


@pytest.fixture
def make_stack(
    embedded_aws: Any, tmp_path: Path, eventually: Eventually, component_name: str
) -> Callable[..., RolloutStack]:
    def make(**sites: dict[str, Any]) -> RolloutStack:
        return RolloutStack(embedded_aws, tmp_path, eventually, component_name, sites)

    return make


def running(core: Any) -> dict[str, str]:
    """What a core runs: component → version; nothing before it has reported."""
    try:
        listed = core.greengrass.list_installed_components(coreDeviceThingName=core.thing)
    except core.greengrass.exceptions.ResourceNotFoundException:
        return {}
    return {
        entry["componentName"]: entry["componentVersion"]
        for entry in listed["installedComponents"]
        if entry["lifecycleState"] == "RUNNING"
    }


def obeyed(core: Any) -> dict[str, Any]:
    """The deployment that the core's group obeys."""
    (found,) = core.greengrass.list_effective_deployments(coreDeviceThingName=core.thing)[
        "effectiveDeployments"
    ]
    described: dict[str, Any] = core.greengrass.get_deployment(deploymentId=found["deploymentId"])
    return described | {"execution": found["coreDeviceExecutionStatus"]}


@pytest.mark.parametrize("waves", [(), ("canary",)], ids=["no waves", "a canary"])
@pytest.mark.parametrize("step", FAILURES)
def test_former_version_runs_after_a_failure_and_after_a_reboot_and_the_deployment_says_why(
    make_stack: Callable[..., RolloutStack],
    core: Any,
    site: dict[str, Any],
    component_name: str,
    until: Until,
    step: str,
    waves: tuple[str, ...],
) -> None:
    core.register(component_name, "2.0.0", **FAILURES[step])
    stack = make_stack(canary=site)
    assert stack.deploy("1.0.0", *waves) == "CREATE_COMPLETE", stack.reasons()
    until(lambda: running(core) == {component_name: "1.0.0"}, "the core runs the first version")

    assert stack.deploy("2.0.0", *waves) == "UPDATE_ROLLBACK_COMPLETE", stack.reasons()
    assert f"site canary: {core.thing} FAILED: the core gives no reason" in stack.reasons()
    until(lambda: obeyed(core)["execution"] == "SUCCEEDED", "the core has done what it was given again")
    assert running(core) == {component_name: "1.0.0"}
    name = obeyed(core)["deploymentName"]
    assert name.startswith("edgecam canary as before: ")
    assert f"{core.thing} FAILED" in name

    core.reboot()
    until(lambda: running(core) == {component_name: "1.0.0"}, "the core runs it after a reboot")
    assert stack.deploy("3.0.0", *waves) == "UPDATE_COMPLETE", stack.reasons()
    until(lambda: running(core) == {component_name: "3.0.0"}, "the core takes what comes next")


def test_site_behind_waves_goes_back_and_the_rest_of_the_stack_keeps_what_is_new(
    make_stack: Callable[..., RolloutStack],
    core: Any,
    core_as: Callable[..., Any],
    site: dict[str, Any],
    component_name: str,
    until: Until,
) -> None:
    canary = core_as(None)
    elsewhere = f'if test "$AWS_IOT_THING_NAME" = {core.thing}; then exit 3; fi; {SERVE}'
    core.register(component_name, "2.0.0", elsewhere)
    stack = make_stack(canary={"thing": canary.thing}, rest=site)
    assert stack.deploy("1.0.0", "canary") == "CREATE_COMPLETE", stack.reasons()
    until(lambda: running(core) == {component_name: "1.0.0"}, "the core runs the first version")
    assert stack.deploy("2.0.0", "canary") == "UPDATE_COMPLETE", stack.reasons()
    assert stack.output("SitesGoneBack") == f"site rest: {core.thing} FAILED: the core gives no reason"
    until(lambda: running(core) == {component_name: "1.0.0"}, "the core runs the first version again")
    assert running(canary) == {component_name: "2.0.0"}


def test_site_that_is_to_do_nothing_stays_as_its_core_left_it(
    make_stack: Callable[..., RolloutStack],
    core: Any,
    site: dict[str, Any],
    component_name: str,
    until: Until,
) -> None:
    core.register(component_name, "2.0.0", **FAILURES["run"])
    stack = make_stack(canary={**site, "rollout": {"failure_handling": "do_nothing"}})
    assert stack.deploy("1.0.0") == "CREATE_COMPLETE", stack.reasons()
    until(lambda: running(core) == {component_name: "1.0.0"}, "the core runs the first version")
    assert stack.deploy("2.0.0") == "UPDATE_COMPLETE", stack.reasons()
    until(lambda: obeyed(core)["execution"] == "FAILED", "the core has failed")
    assert obeyed(core)["deploymentName"] == "edgecam canary"
    assert running(core) == {}
