"""What the functions of waves and removal are granted is enough for what they do, and for no other site."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from assumed_role import ClientOf, assumed
from botocore.exceptions import ClientError
from policy_evaluation import resolved
from rollout_events import Rollout

from fleet.load import load_fleet
from stacks.handlers.greengrass import wave
from stacks.handlers.greengrass.revisions import cancel, deploy_again, newest
from stacks.handlers.greengrass.waiting import Surroundings

SITE = "  {name}:\n    {kind}: {target}\n    cameras: [{{id: a, uri: 'rtsp://192.0.2.1/1'}}]\n"
STACK = "EdgecamFrameGrabber"


@pytest.fixture
def rollout(aws: ClientOf) -> Rollout:
    return Rollout(aws)


@pytest.fixture
def function(aws: ClientOf, write_fleet: Callable[[str], Path]) -> Callable[..., ClientOf]:
    """Gives clients of a function for the sites of these targets."""

    def for_targets(*arns: str) -> ClientOf:
        import aws_cdk as cdk  # takes seconds

        from stacks.rollout.grants import SiteRights

        settings = {"thing": "thing", "thinggroup": "thing_group"}
        text = "sites:\n"
        for number, arn in enumerate(arns):
            kind, _, name = arn.rpartition(":")[2].partition("/")
            text += SITE.format(name=f"s{number}", kind=settings[kind], target=name)
        sites = load_fleet(write_fleet(text)).sites.values()
        stack = cdk.Stack(cdk.App(), STACK, env=cdk.Environment(account="123456789012", region="us-east-1"))
        granted = SiteRights(stack, sites).statements
        return assumed(aws, [resolved(stack.resolve(one.to_statement_json()), {}) for one in granted])

    return for_targets


def test_site_of_one_core_is_followed_deployed_to_and_taken_back(
    rollout: Rollout, function: Callable[..., ClientOf]
) -> None:
    thing, site = rollout.core_site("hq")
    rollout.report(thing, site, "SUCCEEDED")
    has_all_rights(rollout, function, [thing], site)


def test_site_of_a_group_is_followed_deployed_to_and_taken_back(
    rollout: Rollout, function: Callable[..., ClientOf]
) -> None:
    things, site = rollout.group_site("south", 3)
    for thing in things:
        rollout.report(thing, site, "SUCCEEDED")
    has_all_rights(rollout, function, things, site)


def has_all_rights(
    rollout: Rollout, function: Callable[..., ClientOf], things: list[str], site: dict[str, str]
) -> None:
    # The cores are in a group that somebody else deploys to: Greengrass looks at that deployment as well.
    name = f"others-{things[0]}"
    group = rollout.iot.create_thing_group(thingGroupName=name)["thingGroupArn"]
    for thing in things:
        rollout.iot.add_thing_to_thing_group(thingGroupName=name, thingName=thing)
    rollout.deploy(group, {})
    clients = function(site["TargetArn"])
    greengrass, iot = clients("greengrassv2"), clients("iot")
    event = {
        "RequestType": "Create",
        "StackId": rollout.stack_id,
        "ResourceProperties": {
            "Wave": "0", "Percent": "100", "AtLeast": "1", "WithinMin": "1", "Sites": [site],
        },
    }  # fmt: skip
    wave.apply(event, Surroundings(greengrass=greengrass, iot=iot, continue_later=pytest.fail))
    again = deploy_again(greengrass, site["DeploymentId"], stack=STACK)
    assert newest(greengrass, site["TargetArn"]) == again
    cancel(greengrass, site["TargetArn"], STACK)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        rollout.greengrass.get_deployment(deploymentId=again)


def test_other_sites_are_not_deployed_to(rollout: Rollout, function: Callable[..., ClientOf]) -> None:
    _, own = rollout.core_site("hq")
    _, other = rollout.core_site("branch")
    greengrass: Any = function(own["TargetArn"])("greengrassv2")
    with pytest.raises(ClientError, match="is not authorized to perform: iot:"):
        greengrass.create_deployment(targetArn=other["TargetArn"], components={})
