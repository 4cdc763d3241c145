"""Custom::EdgecamRemoval against an embedded AWS; what cores do is reported for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rollout_events import Rollout, Site

from stacks.handlers.greengrass import removal


@pytest.fixture
def rollout(aws: Callable[[str], Any]) -> Rollout:
    return Rollout(aws)


def apply(
    rollout: Rollout,
    site: Site,
    kind: str = "Delete",
    *,
    during: Callable[[], Any] = lambda: None,
    **more: Any,
) -> float:
    """Ask for it; returns how many seconds were waited, on a clock that moves when somebody sleeps."""
    now_s = 0.0

    def sleep(duration_s: float) -> None:
        nonlocal now_s
        now_s += duration_s
        during()

    properties = {
        "Site": site["Name"],
        "TargetArn": site["TargetArn"],
        "DeploymentId": site["DeploymentId"],
        **more,
    }
    event = {"RequestType": kind, "StackId": rollout.stack_id, "ResourceProperties": properties}
    answer = removal.apply(event, rollout.greengrass, rollout.iot, now_s=lambda: now_s, sleep=sleep)
    assert answer.physical_id == f"removal of {site['Name']}"
    return now_s


def says(rollout: Rollout, thing: str, site: Site, status: str) -> Callable[[], None]:
    """What a core does with the newest deployment of the site, when it is called."""
    return lambda: rollout.report(
        thing, {"DeploymentId": rollout.newest(site["TargetArn"])["deploymentId"]}, status
    )


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_nothing_happens_before_the_end(rollout: Rollout, kind: str) -> None:
    _, site = rollout.core_site("hq")
    assert apply(rollout, site, kind) == 0
    assert rollout.newest(site["TargetArn"])["deploymentId"] == site["DeploymentId"]


def test_revision_without_our_components_is_deployed_and_waited_for(rollout: Rollout) -> None:
    thing, site = rollout.core_site("hq")
    assert apply(rollout, site, during=says(rollout, thing, site, "SUCCEEDED"), Keep=[]) == removal.POLL_S
    revision = rollout.newest(site["TargetArn"])
    assert revision["deploymentId"] != site["DeploymentId"]
    assert revision.get("components", {}) == {}


def test_components_that_the_site_named_stay(rollout: Rollout) -> None:
    thing, site = rollout.core_site("hq")
    apply(rollout, site, during=says(rollout, thing, site, "SUCCEEDED"), Keep=[rollout.other, "absent"])
    assert rollout.newest(site["TargetArn"])["components"].keys() == {rollout.other}


def test_core_that_is_away_holds_nothing_up_for_ever(
    rollout: Rollout, caplog: pytest.LogCaptureFixture
) -> None:
    thing, site = rollout.core_site("hq")
    assert apply(rollout, site) == pytest.approx(removal.WAIT_S, abs=removal.POLL_S)
    assert f"site hq: {thing} keeps its components: QUEUED" in caplog.text
    # The revision is in force still: it is what the core finds when it is back.
    assert rollout.newest(site["TargetArn"])["deploymentStatus"] == "ACTIVE"


def test_group_without_cores_is_not_waited_for(rollout: Rollout) -> None:
    _, site = rollout.group_site("empty", 0)
    assert apply(rollout, site) == 0


def test_target_that_another_site_has_by_now_is_left_alone(rollout: Rollout) -> None:
    _, site = rollout.core_site("hq")
    newer = rollout.deploy(site["TargetArn"], rollout.components)
    assert apply(rollout, site) == 0
    assert rollout.newest(site["TargetArn"])["deploymentId"] == newer


def test_what_a_rollback_deployed_again_is_removed_as_well(rollout: Rollout) -> None:
    from stacks.handlers.greengrass.revisions import deploy_again

    thing, site = rollout.core_site("hq")
    stack = rollout.stack_id.split("/")[1]
    again = deploy_again(rollout.greengrass, site["DeploymentId"], stack=stack)
    apply(rollout, site, during=says(rollout, thing, site, "SUCCEEDED"))
    assert rollout.newest(site["TargetArn"])["deploymentId"] not in (site["DeploymentId"], again)


def test_group_of_one_that_the_foundation_has_deleted_is_there_for_the_removal(rollout: Rollout) -> None:
    (thing,), site = rollout.group_site("hq", 1)
    group = site["TargetArn"].rpartition("/")[2]
    rollout.iot.delete_thing_group(thingGroupName=group)

    def obeys() -> None:
        effective = rollout.greengrass.list_effective_deployments(coreDeviceThingName=thing)
        (found,) = effective["effectiveDeployments"]
        assert found["deploymentId"] != site["DeploymentId"]
        says(rollout, thing, site, "SUCCEEDED")()

    assert apply(rollout, site, during=obeys, OnlyThing=thing) == removal.POLL_S
    # The site may come back, and then the foundation makes the group.
    with pytest.raises(rollout.iot.exceptions.ResourceNotFoundException):
        rollout.iot.describe_thing_group(thingGroupName=group)


def test_thing_that_was_deleted_is_not_made_for_the_removal(rollout: Rollout) -> None:
    (thing,), site = rollout.group_site("hq", 1)
    group = site["TargetArn"].rpartition("/")[2]
    rollout.iot.delete_thing_group(thingGroupName=group)
    rollout.iot.delete_thing(thingName=thing)
    assert apply(rollout, site, OnlyThing=thing) == 0
    with pytest.raises(rollout.iot.exceptions.ResourceNotFoundException):
        rollout.iot.describe_thing(thingName=thing)
    with pytest.raises(rollout.iot.exceptions.ResourceNotFoundException):
        rollout.iot.describe_thing_group(thingGroupName=group)
    assert rollout.newest(site["TargetArn"])["deploymentId"] == site["DeploymentId"]


def test_group_of_one_that_is_there_stays(rollout: Rollout) -> None:
    (thing,), site = rollout.group_site("hq", 1)
    apply(rollout, site, during=says(rollout, thing, site, "SUCCEEDED"), OnlyThing=thing)
    assert rollout.iot.describe_thing_group(thingGroupName=site["TargetArn"].rpartition("/")[2])


def test_deployment_that_is_gone_already_is_as_good_as_removed(rollout: Rollout) -> None:
    _, site = rollout.core_site("hq")
    rollout.greengrass.cancel_deployment(deploymentId=site["DeploymentId"])
    rollout.greengrass.delete_deployment(deploymentId=site["DeploymentId"])
    assert apply(rollout, site) == 0
