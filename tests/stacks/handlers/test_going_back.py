"""Custom::EdgecamGoingBack against an embedded AWS; what cores do is reported for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rollout_events import Rollout, Site

from stacks.handlers.cloudformation import RequestFailed, ResponseDeferred
from stacks.handlers.greengrass import going_back
from stacks.handlers.greengrass.waiting import POLL_S, RESERVE_S, Clock, Surroundings, wait_until

Event = dict[str, Any]
LAST_S = 100 * 3600.0


@pytest.fixture
def rollout(aws: Callable[[str], Any]) -> Rollout:
    return Rollout(aws)


class Time:
    """A clock that moves when somebody sleeps; `script` is what happens meanwhile."""

    def __init__(self, *script: Callable[[], Any], left_s: float = math.inf) -> None:
        self.now = 0.0
        self._script = list(script)
        self._left_s = left_s
        self.clock = Clock(now_s=lambda: self.now, left_s=lambda: self._left_s - self.now, sleep=self._sleep)

    def _sleep(self, duration_s: float) -> None:
        assert self.now < LAST_S, "waits for ever"
        self.now += duration_s
        if self._script:
            self._script.pop(0)()


def renewed(rollout: Rollout, site: Site, watched: str = "first-failure", **more: Any) -> Site:
    """The site with a new deployment."""
    new = rollout.deploy(site["TargetArn"], {}, **more)
    return {**site, "DeploymentId": new, "Watched": watched}


def request(rollout: Rollout, *sites: Site, fails: bool = True, kind: str = "Create", **more: Any) -> Event:
    properties = {"FailsStack": str(fails).lower(), "Sites": list(sites)}
    return {"RequestType": kind, "StackId": rollout.stack_id, "ResourceProperties": properties, **more}


def apply(rollout: Rollout, event: Event, during: Time | None = None) -> str:
    """The attribute, when the request has succeeded."""

    def continue_later(event: Event) -> None:
        pytest.fail(f"handed on {event}")

    return str(
        going_back.apply(event, around(rollout, continue_later, during or Time())).attributes["GoneBack"]
    )


def around(rollout: Rollout, continue_later: Callable[[Event], None], during: Time) -> Surroundings:
    return Surroundings(
        greengrass=rollout.greengrass, iot=rollout.iot, continue_later=continue_later, clock=during.clock
    )


def has_gone_back(rollout: Rollout, site: Site) -> bool:
    """Whether its target obeys the former document again."""
    newest = rollout.newest(site["TargetArn"])
    assert newest["deploymentId"] == site["DeploymentId"] or newest["components"] == rollout.components
    return bool(newest["deploymentId"] != site["DeploymentId"])


def test_site_whose_core_fails_gets_what_it_had_and_the_stack_fails_with_the_reason(rollout: Rollout) -> None:
    (thing,), former = rollout.group_site("hq", 1)
    site = renewed(rollout, former)
    during = Time(
        lambda: rollout.report(thing, site, "IN_PROGRESS"), lambda: rollout.report(thing, site, "FAILED")
    )
    said = f"site hq: {thing} FAILED: the core gives no reason"
    with pytest.raises(RequestFailed, match=rf"^{said}\. Its cores are given what they had before$"):
        apply(rollout, request(rollout, site), during)
    assert has_gone_back(rollout, site)
    name = rollout.newest(site["TargetArn"])["deploymentName"]
    assert name == f"hq as before: {thing} FAILED: the core gives no reason"


def test_failure_takes_the_other_sites_of_the_stack_along(rollout: Rollout) -> None:
    (thing,), former = rollout.group_site("hq", 1)
    (other,), classic = rollout.group_site("annex", 1)
    sites = renewed(rollout, former), renewed(rollout, classic, "no")
    rollout.report(other, sites[1], "SUCCEEDED")
    rollout.report(thing, sites[0], "FAILED")
    with pytest.raises(RequestFailed):
        apply(rollout, request(rollout, *sites))
    assert all(has_gone_back(rollout, site) for site in sites)


def test_site_behind_waves_goes_back_alone_and_is_named(rollout: Rollout) -> None:
    (thing,), former = rollout.group_site("hq", 1)
    (other,), fine = rollout.group_site("annex", 1)
    sites = renewed(rollout, former), renewed(rollout, fine)
    rollout.report(thing, sites[0], "FAILED", "no disk")
    during = Time(lambda: rollout.report(other, sites[1], "SUCCEEDED"))
    gone = apply(rollout, request(rollout, *sites, fails=False), during)
    assert gone == f"site hq: {thing} FAILED: no disk"
    assert [has_gone_back(rollout, site) for site in sites] == [True, False]


def test_site_whose_cores_succeed_keeps_what_is_new(rollout: Rollout) -> None:
    things, former = rollout.group_site("shops", 2)
    site = renewed(rollout, former)
    during = Time(*(lambda thing=thing: rollout.report(thing, site, "SUCCEEDED") for thing in things))
    assert apply(rollout, request(rollout, site), during) == "none"
    assert during.now == 2 * POLL_S
    assert not has_gone_back(rollout, site)


def test_core_that_is_away_holds_nothing_up(rollout: Rollout) -> None:
    things, former = rollout.group_site("shops", 2)
    site = renewed(rollout, former)
    rollout.report(things[0], site, "SUCCEEDED")
    during = Time()
    assert apply(rollout, request(rollout, site), during) == "none"
    assert during.now == pytest.approx(going_back.BEGIN_S, abs=POLL_S)
    assert not has_gone_back(rollout, site)


def test_core_at_work_is_waited_for_longer_but_not_for_ever(rollout: Rollout) -> None:
    (thing,), former = rollout.group_site("hq", 1)
    site = renewed(rollout, former)
    rollout.report(thing, site, "IN_PROGRESS")
    during = Time()
    assert apply(rollout, request(rollout, site), during) == "none"
    assert during.now == pytest.approx(going_back.WORK_S, abs=POLL_S)


def test_first_deployment_is_not_waited_for_and_fails_nothing(rollout: Rollout) -> None:
    (thing,), first = rollout.group_site("hq", 1)
    rollout.report(thing, first, "FAILED")
    during = Time()
    assert apply(rollout, request(rollout, {**first, "Watched": "first-failure"}), during) == "none"
    assert (during.now, len(rollout.ids)) == (0, 1)
    assert rollout.newest(first["TargetArn"])["deploymentId"] == first["DeploymentId"]


def test_site_that_is_to_do_nothing_stays(rollout: Rollout) -> None:
    (thing,), former = rollout.group_site("hq", 1)
    site = renewed(rollout, former, "no")
    rollout.report(thing, site, "FAILED")
    assert apply(rollout, request(rollout, site)) == "none"
    assert not has_gone_back(rollout, site)


ABORT = {
    "abortConfig": {
        "criteriaList": [
            {
                "action": "CANCEL",
                "failureType": "FAILED",
                "thresholdPercentage": 50.0,
                "minNumberOfExecutedThings": 2,
            }
        ]
    }
}


def test_group_with_abort_criteria_stays_as_long_as_they_do_not_hold(rollout: Rollout) -> None:
    things, former = rollout.group_site("shops", 3)
    site = renewed(rollout, former, "abort", iotJobConfiguration=ABORT)
    for thing, status in zip(things, ("SUCCEEDED", "SUCCEEDED", "FAILED"), strict=True):
        rollout.report(thing, site, status)
    assert apply(rollout, request(rollout, site)) == "none"
    assert not has_gone_back(rollout, site)


def test_group_goes_back_when_its_rollout_is_aborted(rollout: Rollout) -> None:
    things, former = rollout.group_site("shops", 3)
    site = renewed(rollout, former, "abort", iotJobConfiguration=ABORT)
    during = Time(*(lambda thing=thing: rollout.report(thing, site, "FAILED") for thing in things[:2]))
    with pytest.raises(RequestFailed, match=f"{things[0]} FAILED"):
        apply(rollout, request(rollout, site), during)
    assert during.now == 2 * POLL_S
    assert has_gone_back(rollout, site)


@pytest.mark.parametrize(("cores", "per_minute"), [(3, "2"), (2, "0.01")])
def test_core_that_a_rollout_with_a_rate_reaches_later_is_waited_for(
    rollout: Rollout, cores: int, per_minute: str
) -> None:
    _, former = rollout.group_site("shops", cores)
    site = {**renewed(rollout, former), "PerMinute": per_minute}
    during = Time()
    assert apply(rollout, request(rollout, site), during) == "none"
    reached_s = going_back.BEGIN_S + 60 * cores / float(per_minute)
    assert during.now == pytest.approx(min(reached_s, going_back.WORK_S), abs=POLL_S)


def refuse(rollout: Rollout) -> None:
    """Let Greengrass refuse what is deployed again: its component versions are gone."""
    for arn in rollout.component_arns:
        rollout.greengrass.delete_component(arn=arn)


def test_refused_return_fails_the_stack_and_says_that_the_site_stays_as_it_is(rollout: Rollout) -> None:
    (thing,), former = rollout.group_site("hq", 1)
    _, classic = rollout.group_site("annex", 1)
    sites = renewed(rollout, former), renewed(rollout, classic, "no")
    rollout.report(thing, sites[0], "FAILED", "no disk")
    refuse(rollout)
    with pytest.raises(RequestFailed) as caught:
        apply(rollout, request(rollout, *sites))
    said = str(caught.value)
    assert said.startswith(f"site hq: {thing} FAILED: no disk. Site hq stays as it is: An error occurred")
    assert "Site annex stays as it is: An error occurred" in said
    assert "are given what they had" not in said


def test_refused_return_behind_waves_is_named(rollout: Rollout) -> None:
    (thing,), former = rollout.group_site("hq", 1)
    site = renewed(rollout, former)
    rollout.report(thing, site, "FAILED", "no disk")
    refuse(rollout)
    gone = apply(rollout, request(rollout, site, fails=False))
    assert gone.startswith(f"site hq: {thing} FAILED: no disk. Site hq stays as it is: An error occurred")


@pytest.mark.parametrize("ended", ["canceled", "superseded"])
def test_what_a_person_has_ended_is_not_taken_back(rollout: Rollout, ended: str) -> None:
    (thing,), former = rollout.group_site("hq", 1)
    site = renewed(rollout, former)
    if ended == "canceled":
        rollout.greengrass.cancel_deployment(deploymentId=site["DeploymentId"])
    else:
        rollout.deploy(site["TargetArn"], {})
        rollout.report(thing, site, "FAILED")
    before = rollout.newest(site["TargetArn"])["deploymentId"]
    assert apply(rollout, request(rollout, site)) == "none"
    assert rollout.newest(site["TargetArn"])["deploymentId"] == before


def test_unchanged_deployment_is_not_watched(rollout: Rollout) -> None:
    (thing,), former = rollout.group_site("hq", 1)
    site = renewed(rollout, former)
    rollout.report(thing, site, "FAILED")
    event = request(rollout, site, kind="Update")
    assert apply(rollout, {**event, "OldResourceProperties": event["ResourceProperties"]}) == "none"
    assert not has_gone_back(rollout, site)


def test_rollback_of_the_stack_gives_back_what_had_gone_well(rollout: Rollout) -> None:
    _, former = rollout.group_site("hq", 1)
    new = renewed(rollout, former)
    former = {**former, "Watched": "first-failure"}
    old = request(rollout, new)["ResourceProperties"]
    during = Time()
    assert (
        apply(rollout, request(rollout, former, kind="Update", OldResourceProperties=old), during) == "none"
    )
    assert has_gone_back(rollout, new)
    assert during.now == 0


def failed_alone(rollout: Rollout) -> Site:
    """A site behind waves whose deployment failed, and that runs its former version since."""
    (thing,), former = rollout.group_site("hq", 1)
    site = renewed(rollout, former)
    rollout.report(thing, site, "FAILED", "no disk")
    assert apply(rollout, request(rollout, site, fails=False)).endswith("FAILED: no disk")
    return site


def test_rollback_to_a_deployment_that_had_failed_gives_back_what_was_in_force(rollout: Rollout) -> None:
    failed = failed_alone(rollout)
    newer = renewed(rollout, failed)
    old = request(rollout, newer, fails=False)["ResourceProperties"]
    rolled = request(rollout, failed, fails=False, kind="Update", OldResourceProperties=old)
    gone = apply(rollout, rolled)
    assert has_gone_back(rollout, newer)
    assert gone.startswith("site hq: the stack Edgecam-")


def test_site_that_runs_its_former_version_still_is_named_at_the_next_deploy(rollout: Rollout) -> None:
    failed = failed_alone(rollout)
    (other,), former = rollout.group_site("annex", 1)
    former = {**former, "Watched": "first-failure"}
    old = request(rollout, failed, former, fails=False)["ResourceProperties"]
    new = renewed(rollout, former)
    rollout.report(other, new, "SUCCEEDED")
    update = request(rollout, failed, new, fails=False, kind="Update", OldResourceProperties=old)
    gone = apply(rollout, update)
    assert gone.startswith("site hq: core-")
    assert gone.endswith(" FAILED: no disk")
    # As soon as it is deployed to again it runs what is new.
    again = renewed(rollout, failed)
    old = update["ResourceProperties"]
    rollout.report(gone.split()[2], again, "SUCCEEDED")
    update = request(rollout, again, new, fails=False, kind="Update", OldResourceProperties=old)
    assert apply(rollout, update) == "none"


def test_site_whose_own_document_was_deployed_again_is_not_named(rollout: Rollout) -> None:
    _, former = rollout.group_site("hq", 1)
    former = {**former, "Watched": "first-failure"}
    old = request(rollout, renewed(rollout, former), fails=False)["ResourceProperties"]
    rolled = request(rollout, former, fails=False, kind="Update", OldResourceProperties=old)
    assert apply(rollout, rolled) == "none"


def test_second_failure_returns_to_what_the_first_one_returned_to(rollout: Rollout) -> None:
    (thing,), former = rollout.group_site("hq", 1)
    for _ in range(2):
        site = renewed(rollout, former)
        rollout.report(thing, site, "FAILED")
        with pytest.raises(RequestFailed):
            apply(rollout, request(rollout, site))
        assert has_gone_back(rollout, site)
        rollout.greengrass.cancel_deployment(deploymentId=site["DeploymentId"])
        rollout.greengrass.delete_deployment(deploymentId=site["DeploymentId"])


def test_watch_longer_than_a_call_goes_on_in_another_and_forgets_nothing(rollout: Rollout) -> None:
    (thing,), former = rollout.group_site("hq", 1)
    (other,), slow = rollout.group_site("annex", 1)
    sites = renewed(rollout, former), renewed(rollout, slow)
    rollout.report(thing, sites[0], "FAILED", "no disk")
    rollout.report(other, sites[1], "IN_PROGRESS")
    handed: list[Event] = []
    event = request(rollout, *sites, fails=False)
    with pytest.raises(ResponseDeferred):
        going_back.apply(event, around(rollout, handed.append, Time(left_s=RESERVE_S + 4 * POLL_S)))
    (later,) = handed
    during = Time(lambda: rollout.report(other, sites[1], "SUCCEEDED"))
    assert apply(rollout, later, during) == f"site hq: {thing} FAILED: no disk"
    assert has_gone_back(rollout, sites[0])


def test_round_that_does_not_fit_into_the_rest_of_a_call_is_left_to_another(rollout: Rollout) -> None:
    during = Time(left_s=900)
    handed: list[Event] = []

    def long_round(_: float) -> bool:
        during.now += 100
        return False

    with pytest.raises(ResponseDeferred):
        wait_until(long_round, {"Sites": "s"}, around(rollout, handed.append, during), {"More": 1})
    assert during.now <= 900 - RESERVE_S - 100
    assert handed == [{"Sites": "s", "More": 1, "WaitingSince": 0.0}]


@pytest.fixture
def slow(rollout: Rollout) -> Iterator[Time]:
    """A clock for which each core takes 300 s to be asked."""
    during = Time(left_s=900)
    name, events = "before-call.greengrassv2.ListEffectiveDeployments", rollout.greengrass.meta.events

    def takes_long(**_: Any) -> None:
        during.now += 300

    events.register(name, takes_long)
    yield during
    events.unregister(name, takes_long)


def test_round_longer_than_a_call_ends_in_time_and_not_for_ever(rollout: Rollout, slow: Time) -> None:
    _, former = rollout.group_site("shops", 4)
    site = renewed(rollout, former)
    handed: list[Event] = []
    with pytest.raises(ResponseDeferred):
        going_back.apply(request(rollout, site), around(rollout, handed.append, slow))
    assert slow.now <= 900
    (later,) = handed
    with pytest.raises(RequestFailed, match="could not be asked often enough within 60 min"):
        going_back.apply({**later, "WaitingSince": -3600.0}, around(rollout, handed.append, slow))
    assert len(handed) == 1
