"""Waves, their rollback and the removal of components: real templates, CloudFormation, cores that obey."""

from __future__ import annotations

import io
import json
import os
import uuid
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.aws.clients import ACCOUNT, REGION
from sandbox.aws.environment import REPOSITORY

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

ASSETS = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
SERVE = "trap 'echo asked to stop; exit 0' TERM; echo started; while :; do sleep 0.05; done"
CRASH = "echo cannot go on; exit 3"
ENDED = ("COMPLETE", "FAILED")
STACK_S = 300.0
"""For what takes ten seconds on a quiet machine."""

Until = Callable[[Callable[[], Any], str], Any]
Eventually = Callable[..., Any]


class Stack:
    """The stack of a small fleet: site `canary` first, then `rest`."""

    def __init__(
        self,
        aws: Any,
        folder: Path,
        eventually: Eventually,
        component: str,
        targets: dict[str, dict[str, str]],
    ) -> None:
        self.name = f"Rollout-{uuid.uuid4().hex[:8]}"
        self._aws = aws
        self._folder = folder
        self._eventually = eventually
        self._component = component
        self._targets = targets
        self._client = aws.client("cloudformation")

    def deploy(self, version: str, *waves: str, call_s: int | None = None) -> str:
        """Deploy a version to both sites, in waves of one; returns the status that the stack ends in.

        With `call_s` the function that waits may run for that long at a time.
        """
        template = self._template(version, waves or ("canary",))
        for resource in template["Resources"].values() if call_s else ():
            if resource["Properties"].get("Handler") == "handlers.greengrass.wave.handler":
                resource["Properties"]["Timeout"] = call_s
        known = [stack["StackName"] for stack in self._client.describe_stacks()["Stacks"]]
        act = self._client.update_stack if self.name in known else self._client.create_stack
        arn = act(
            StackName=self.name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_NAMED_IAM"]
        )["StackId"]
        return self._ended(arn)

    def destroy(self) -> str:
        """Delete the stack; returns how that ended."""
        arn = self._client.describe_stacks(StackName=self.name)["Stacks"][0]["StackId"]
        self._client.delete_stack(StackName=self.name)
        return self._ended(arn)

    def reasons(self) -> str:
        """Why resources failed."""
        events = self._client.describe_stack_events(StackName=self.name)["StackEvents"]
        return "\n".join(event.get("ResourceStatusReason", "") for event in events)

    def calls(self) -> int:
        """How often the function that waits was called."""
        logs = self._aws.client("logs")
        groups = self._client.describe_stack_resources(StackName=self.name)["StackResources"]
        (group,) = (
            each["PhysicalResourceId"]
            for each in groups
            if each["LogicalResourceId"].startswith("WavesWaiterLog")
        )
        events = logs.filter_log_events(logGroupName=group)["events"]
        return sum(event["message"].startswith("START ") for event in events)

    def _ended(self, arn: str) -> str:
        def ended() -> str | None:
            status: str = self._client.describe_stacks(StackName=arn)["Stacks"][0]["StackStatus"]
            return status if status.endswith(ENDED) and "CLEANUP" not in status else None

        found: str = self._eventually(ended, within_s=STACK_S)
        return found

    def _template(self, version: str, waves: Sequence[str]) -> dict[str, Any]:
        # Imported here: it takes seconds, and the other tests of this folder do without.
        import aws_cdk as cdk

        from fleet.settings.fleet import Fleet
        from stacks.greengrass.deployment import SiteDeployment
        from stacks.rollout.removal import Removals
        from stacks.rollout.waves import Waves

        camera = {"id": "a", "uri": "test://"}
        fleet = Fleet.model_validate(
            {
                "sites": {
                    site: {**target, "cameras": [camera], "rollout": {"remove_on_destroy": True}}
                    for site, target in self._targets.items()
                },
                "waves": [{"sites": [site], "within_min": 2} for site in waves],
            }
        )
        app = cdk.App(outdir=str(self._folder / uuid.uuid4().hex), analytics_reporting=False)
        stack = cdk.Stack(app, self.name)
        # The version is registered already: what registers it is not what this is about.
        there = cdk.CfnWaitConditionHandle(stack, "There")
        component: Any = SimpleNamespace(name=self._component, version=version, resource=there)
        deployments = {
            name: SiteDeployment(
                stack, f"Site-{name}", name=name, site=site, node=site.node, component=component
            )
            for name, site in fleet.sites.items()
        }
        Removals(stack, "Removals", sites=fleet.sites, deployments=deployments)
        Waves(stack, "Waves", fleet=fleet, deployments=deployments)
        made: dict[str, Any] = app.synth().get_stack_by_name(self.name).template
        made["Resources"] = {key: {"Properties": {}, **found} for key, found in made["Resources"].items()}
        self._upload_handlers(made)
        return {"Resources": made["Resources"]}

    def _upload_handlers(self, template: dict[str, Any]) -> None:
        content = io.BytesIO()
        handlers = REPOSITORY / "stacks" / "handlers"
        with zipfile.ZipFile(content, "w") as archive:
            for path in handlers.rglob("*.py"):
                archive.write(path, path.relative_to(handlers.parent))
        s3 = self._aws.client("s3")
        s3.create_bucket(Bucket=ASSETS)
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Lambda::Function":
                s3.put_object(
                    Bucket=ASSETS, Key=resource["Properties"]["Code"]["S3Key"], Body=content.getvalue()
                )


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
) -> Stack:
    iot, rest = embedded_aws.client("iot"), cores["rest"].thing
    iot.create_thing_group(thingGroupName=f"{rest}-group")
    iot.add_thing_to_thing_group(thingGroupName=f"{rest}-group", thingName=rest)
    targets = {"canary": {"thing": cores["canary"].thing}, "rest": {"thing_group": f"{rest}-group"}}
    return Stack(embedded_aws, tmp_path, eventually, component_name, targets)


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
    stack: Stack, cores: dict[str, Any], component_name: str, until: Until
) -> None:
    canary, rest = cores["canary"], cores["rest"]
    assert stack.deploy("1.0.0") == "CREATE_COMPLETE", stack.reasons()
    until(lambda: running(rest) == {component_name: "1.0.0"}, "the rest runs the first version")
    assert running(canary) == {component_name: "1.0.0"}

    assert stack.deploy("2.0.0") == "UPDATE_ROLLBACK_COMPLETE"
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

    assert stack.deploy("3.0.0") == "UPDATE_COMPLETE", stack.reasons()
    until(lambda: running(rest) == {component_name: "3.0.0"}, "the rest runs the third version")

    assert stack.destroy() == "DELETE_COMPLETE", stack.reasons()
    assert (running(canary), running(rest)) == ({}, {})
    assert "asked to stop" in canary.output(component_name).rpartition("started")[2]


def test_first_deployment_that_fails_leaves_nothing_on_the_canary(
    stack: Stack, cores: dict[str, Any], component_name: str
) -> None:
    assert stack.deploy("2.0.0") == "ROLLBACK_COMPLETE"
    assert f"site canary: {cores['canary'].thing} FAILED" in stack.reasons()
    assert running(cores["canary"]) == {}
    assert cores["rest"].output(component_name) == ""


def test_later_wave_that_fails_takes_the_canary_back_as_well(
    stack: Stack, cores: dict[str, Any], component_name: str, until: Until
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
    stack: Stack, cores: dict[str, Any], component_name: str
) -> None:
    # Each call ends when it has little more than half a minute left, which is after some seconds here.
    assert stack.deploy("5.0.0", call_s=36) == "CREATE_COMPLETE", stack.reasons()
    assert running(cores["canary"]) == {component_name: "5.0.0"}
    assert stack.calls() > 1
