"""Custom::EdgecamWave against an embedded AWS; what cores do is reported for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from rollout_events import Rollout

from stacks.handlers.cloudformation import CloudFormationResponse, RequestFailed, ResponseDeferred
from stacks.handlers.greengrass import wave
from stacks.handlers.greengrass.rollback import fallback_id
from stacks.handlers.greengrass.waiting import POLL_S, RESERVE_S, Clock, Surroundings

Event = dict[str, Any]


@pytest.fixture
def rollout(aws: Callable[[str], Any]) -> Rollout:
    return Rollout(aws)


class Time:
    """A clock that moves when somebody sleeps; `script` is what happens meanwhile."""

    def __init__(self, *script: Callable[[], Any], left_s: float = math.inf) -> None:
        self.now = 0.0
        self._script = list(script)
        self._left_s = left_s
        self.clock = Clock(now_s=lambda: self.now, left_s=self._left, sleep=self._sleep)

    def _left(self) -> float:
        return self._left_s - self.now

    def _sleep(self, duration_s: float) -> None:
        self.now += duration_s
        if self._script:
            self._script.pop(0)()


def request(rollout: Rollout, *sites: Any, kind: str = "Create", **more: Any) -> Event:
    properties = {
        "Wave": "0", "Percent": "100", "AtLeast": "1", "WithinMin": "1", "Sites": list(sites), **more,
    }  # fmt: skip
    return {"RequestType": kind, "StackId": rollout.stack_id, "ResourceProperties": properties}


def apply(rollout: Rollout, event: Event, during: Time | None = None) -> CloudFormationResponse:
    """Refuses to hand on: that has a test of its own."""

    def continue_later(event: Event) -> None:
        pytest.fail(f"handed on {event}")

    return wave.apply(event, around(rollout, continue_later, (during or Time()).clock))


def around(rollout: Rollout, continue_later: Callable[[Event], None], clock: Clock) -> Surroundings:
    return Surroundings(
        greengrass=rollout.greengrass, iot=rollout.iot, continue_later=continue_later, clock=clock
    )


def test_wave_is_done_when_its_core_has_succeeded(rollout: Rollout) -> None:
    thing, site = rollout.core_site("hq")
    during = Time(
        lambda: rollout.report(thing, site, "IN_PROGRESS"), lambda: rollout.report(thing, site, "SUCCEEDED")
    )
    assert apply(rollout, request(rollout, site), during).physical_id == "wave-0"
    assert during.now == 2 * POLL_S


def test_core_that_fails_is_named_with_site_and_reason_at_once(rollout: Rollout) -> None:
    thing, site = rollout.core_site("hq")
    rollout.report(thing, site, "FAILED", "the component is BROKEN:\ncannot go on")
    with pytest.raises(
        RequestFailed,
        match=rf"^wave 0, site hq: {thing} FAILED: the component is BROKEN:\ncannot go on\. "
        r"0 of 1 cores succeeded, 1 have to; no later wave is deployed$",
    ):
        apply(rollout, request(rollout, site))


def test_long_reason_keeps_its_beginning_and_its_end(rollout: Rollout) -> None:
    thing, site = rollout.core_site("hq")
    rollout.report(thing, site, "FAILED", f"begins here {'x' * 2000} Rolled back to 1.0.0")
    with pytest.raises(RequestFailed) as caught:
        apply(rollout, request(rollout, site))
    assert "begins here" in str(caught.value)
    assert "Rolled back to 1.0.0. 0 of 1" in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_core_that_says_nothing_is_named_when_the_time_is_over(rollout: Rollout) -> None:
    thing, site = rollout.core_site("hq")
    during = Time()
    with pytest.raises(
        RequestFailed, match=rf"^not within 1 min: wave 0, site hq: {thing} is QUEUED; 0 of 1 cores succeeded"
    ):
        apply(rollout, request(rollout, site), during)
    assert during.now == pytest.approx(60, abs=POLL_S)


def test_group_is_done_when_enough_of_its_cores_are(rollout: Rollout) -> None:
    things, site = rollout.group_site("south", 4)
    for thing in things[:3]:
        rollout.report(thing, site, "SUCCEEDED")
    rollout.report(things[3], site, "FAILED", "no disk")
    apply(rollout, request(rollout, site, Percent="75"))
    with pytest.raises(
        RequestFailed, match=rf"{things[3]} FAILED: no disk\. 3 of 4 cores succeeded, 4 have to"
    ):
        apply(rollout, request(rollout, site, Percent="76"))


def test_every_core_of_a_group_may_fail_that_is_not_needed(rollout: Rollout) -> None:
    things, site = rollout.group_site("south", 3)
    rollout.report(things[0], site, "FAILED", "no disk")
    during = Time(*(lambda thing=thing: rollout.report(thing, site, "SUCCEEDED") for thing in things[1:]))
    apply(rollout, request(rollout, site, Percent="60"), during)


def test_other_cores_that_failed_are_named_too(rollout: Rollout) -> None:
    things, site = rollout.group_site("south", 2)
    for thing in things:
        rollout.report(thing, site, "REJECTED")
    with pytest.raises(RequestFailed) as caught:
        apply(rollout, request(rollout, site))
    assert all(thing in str(caught.value) for thing in things)
    assert "the core gives no reason" in str(caught.value)


def test_target_without_cores_is_waited_for_unless_none_is_needed(rollout: Rollout) -> None:
    _, site = rollout.group_site("empty", 0)
    with pytest.raises(RequestFailed, match="has no core that Greengrass knows, 1 have to succeed"):
        apply(rollout, request(rollout, site))
    apply(rollout, request(rollout, site, AtLeast="0"))


def test_core_that_joins_meanwhile_counts(rollout: Rollout) -> None:
    _, site = rollout.group_site("empty", 0)

    def joins() -> None:
        rollout.report(rollout.join(site), site, "SUCCEEDED")

    apply(rollout, request(rollout, site), Time(joins))


def test_canceled_deployment_is_not_waited_for(rollout: Rollout) -> None:
    _, site = rollout.core_site("hq")
    rollout.greengrass.cancel_deployment(deploymentId=site["DeploymentId"])
    with pytest.raises(RequestFailed, match=r"the deployment was canceled, by hand or by rollout\.abort"):
        apply(rollout, request(rollout, site))


def test_superseded_deployment_is_not_waited_for(rollout: Rollout) -> None:
    _, site = rollout.core_site("hq")
    rollout.deploy(site["TargetArn"], {})
    with pytest.raises(RequestFailed, match=r"somebody else has deployed to arn:.* meanwhile"):
        apply(rollout, request(rollout, site))


def test_unchanged_deployments_are_not_waited_for(rollout: Rollout) -> None:
    _, site = rollout.core_site("hq")
    event = request(rollout, site, kind="Update", Percent="50")
    apply(rollout, {**event, "OldResourceProperties": request(rollout, site)["ResourceProperties"]})


def test_wave_longer_than_a_call_goes_on_in_another_with_its_own_deadline(rollout: Rollout) -> None:
    thing, site = rollout.core_site("hq")
    handed: list[Event] = []
    event = request(rollout, site, WithinMin="10")
    clock = Time(left_s=RESERVE_S + 4 * POLL_S).clock
    with pytest.raises(ResponseDeferred):
        wave.apply(event, around(rollout, handed.append, clock))
    assert handed == [{**event, "WaitingSince": 0.0}]
    late = Time()
    late.now = 10 * 60
    with pytest.raises(RequestFailed, match=rf"not within 10 min: .*{thing} is QUEUED"):
        apply(rollout, handed[0], late)


def test_wave_that_fails_gives_its_sites_what_they_had_with_the_reason(rollout: Rollout) -> None:
    # The gate is new: CloudFormation's rollback would only delete it.
    thing, former = rollout.core_site("hq")
    other, other_former = rollout.core_site("annex")
    sites = [
        {**each, "DeploymentId": rollout.deploy(each["TargetArn"], {})} for each in (former, other_former)
    ]
    rollout.report(thing, sites[0], "FAILED", "cannot\ngo on")
    rollout.report(other, sites[1], "SUCCEEDED")
    with pytest.raises(RequestFailed):
        apply(rollout, request(rollout, *sites))
    for each in sites:
        again = rollout.newest(each["TargetArn"])
        assert again["components"] == rollout.components
        name = f"{each['Name']} as before: wave 0, site hq: {thing} FAILED: cannot go on."
        assert again["deploymentName"].startswith(name)


def test_end_of_a_gate_whose_creation_failed_leaves_what_it_deployed_again(rollout: Rollout) -> None:
    thing, former = rollout.core_site("hq")
    new = {**former, "DeploymentId": rollout.deploy(former["TargetArn"], {})}
    rollout.report(thing, new, "FAILED")
    event = request(rollout, new)
    with pytest.raises(RequestFailed):
        apply(rollout, event)
    again = rollout.newest(former["TargetArn"])["deploymentId"]
    failed = fallback_id(event, "wave-0")
    apply(rollout, {**event, "RequestType": "Delete", "PhysicalResourceId": failed})
    assert rollout.newest(former["TargetArn"])["deploymentId"] == again


def test_wave_that_fails_names_the_sites_that_stay_as_they_are(rollout: Rollout) -> None:
    thing, former = rollout.core_site("hq")
    new = {**former, "DeploymentId": rollout.deploy(former["TargetArn"], {})}
    rollout.report(thing, new, "FAILED", "no disk")
    for arn in rollout.component_arns:
        rollout.greengrass.delete_component(arn=arn)
    with pytest.raises(
        RequestFailed, match=r"no later wave is deployed\. Site hq stays as it is: An error occurred"
    ):
        apply(rollout, request(rollout, new))


def former_and_new(rollout: Rollout) -> tuple[str, Any, Event]:
    """A core whose new deployment is rolled back: thing, former site, CloudFormation's request."""
    thing, former = rollout.core_site("hq")
    new = {**former, "DeploymentId": rollout.deploy(former["TargetArn"], {})}
    event = request(rollout, former, kind="Update")
    return thing, former, {**event, "OldResourceProperties": request(rollout, new)["ResourceProperties"]}


def test_rollback_deploys_the_former_deployment_again(rollout: Rollout) -> None:
    _, former, event = former_and_new(rollout)
    apply(rollout, event)
    again = rollout.newest(former["TargetArn"])
    assert again["deploymentId"] not in (former["DeploymentId"], rollout.ids[-1])
    assert again["components"] == rollout.components
    assert again["deploymentName"].startswith("hq as before: the stack Edgecam-")
    # Asked twice, as a rollback that is continued may: it is done already.
    apply(rollout, event)
    assert rollout.newest(former["TargetArn"])["deploymentId"] == again["deploymentId"]


def test_rollback_that_has_deleted_the_newer_deployment_deploys_the_former_again(rollout: Rollout) -> None:
    _, former, event = former_and_new(rollout)
    rollout.greengrass.cancel_deployment(deploymentId=rollout.ids[-1])
    rollout.greengrass.delete_deployment(deploymentId=rollout.ids[-1])
    apply(rollout, event)
    assert rollout.newest(former["TargetArn"])["components"] == rollout.components


def test_rollback_leaves_alone_what_somebody_else_has_deployed(rollout: Rollout) -> None:
    _, former, event = former_and_new(rollout)
    other = rollout.deploy(former["TargetArn"], {})
    apply(rollout, event)
    assert rollout.newest(former["TargetArn"])["deploymentId"] == other


def test_rollback_that_cannot_deploy_does_not_fail(rollout: Rollout) -> None:
    _, former, event = former_and_new(rollout)
    for arn in rollout.component_arns:
        rollout.greengrass.delete_component(arn=arn)
    apply(rollout, event)
    assert rollout.newest(former["TargetArn"])["deploymentId"] == rollout.ids[-1]


def test_deleting_takes_back_what_was_deployed_again_and_nothing_else(rollout: Rollout) -> None:
    _, former, event = former_and_new(rollout)
    apply(rollout, event)
    again = rollout.newest(former["TargetArn"])["deploymentId"]
    apply(rollout, request(rollout, former, kind="Delete"))
    with pytest.raises(rollout.greengrass.exceptions.ResourceNotFoundException):
        rollout.greengrass.get_deployment(deploymentId=again)
    own = rollout.deploy(former["TargetArn"], {})
    apply(rollout, request(rollout, former, kind="Delete"))
    assert rollout.newest(former["TargetArn"])["deploymentId"] == own
