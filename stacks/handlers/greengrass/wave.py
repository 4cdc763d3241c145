"""Custom::EdgecamWave: the sites of one wave, waited for before the next wave is deployed.

- Create, Update: each deployment that is new is watched until enough cores of its site have succeeded. When
  they cannot any more, when it was canceled or superseded, or when the time is over, the request fails, with
  site, core and reason: CloudFormation then deploys no later wave and rolls back.
- Rolling back, CloudFormation takes up the former deployments, which no core obeys any more: the newer
  ones have replaced them. So the former ones are deployed again, and cores that had succeeded return too.
  Nothing is waited for then, and nothing fails: a rollback that fails would need a person.
- Delete: deployments made by a rollback, which are in no template, go.

Waiting may take longer than the function may run. Then it calls itself again and leaves the response to
that call; `WaitingSince` in the event is when the wait began.

Properties: Wave, Percent, AtLeast, WithinMin (numbers as text), Sites (a list of Name, TargetArn,
DeploymentId). No attributes.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from ..cloudformation import (
    CloudFormationResponse,
    Event,
    RequestFailed,
    ResponseDeferred,
    logger,
    respond,
)
from .core_states import (
    FAILED,
    SUCCEEDED,
    Cores,
    CoreState,
)
from .revisions import cancel, deploy_again, newest

POLL_S = 3.0
RESERVE_S = 30.0
"""Of the function's time, kept for a slow request and for the call that continues."""

_REASON_LENGTH = 600
_NAMED = 5
"""Of a core's reason, and of further cores, in a response that may have 1,000 characters."""

_CLIENT = Config(retries={"mode": "adaptive", "max_attempts": 8})
"""A wave of many cores asks often: slower when Greengrass throttles."""

Site = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Enough:
    """When a site counts as done: this share of its cores, and at least this number."""

    percent: float
    at_least: int

    def of(self, cores: int) -> int:
        """How many of `cores` have to succeed."""
        return max(self.at_least, math.ceil(self.percent / 100 * cores))


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Time as the handler sees it: of day, how long the function may still run, and waiting; seconds."""

    now_s: Callable[[], float] = time.time
    left_s: Callable[[], float] = lambda: math.inf
    sleep: Callable[[float], None] = time.sleep


_CLOCK = Clock()


def handler(event: Event, context: Any) -> None:
    """Lambda's entry point."""
    clock = Clock(left_s=lambda: context.get_remaining_time_in_millis() / 1000)
    clients = (boto3.client("greengrassv2", config=_CLIENT), boto3.client("iot", config=_CLIENT))

    def continue_later(later: Event) -> None:
        boto3.client("lambda").invoke(
            FunctionName=context.invoked_function_arn, InvocationType="Event", Payload=json.dumps(later)
        )

    respond(
        event, context, lambda asked: apply(asked, *clients, continue_later, clock), fallback_id=_id(event)
    )


def apply(
    event: Event, greengrass: Any, iot: Any, continue_later: Callable[[Event], None], clock: Clock = _CLOCK
) -> CloudFormationResponse:
    """Do what CloudFormation asks for; `continue_later` hands the event to a new call in time."""
    stack = event["StackId"].split("/")[1]
    if event["RequestType"] == "Delete":
        for site in event["ResourceProperties"]["Sites"]:
            cancel(greengrass, site["TargetArn"], stack)
    elif _is_rollback(event, greengrass):
        for site in _changed(event):
            _return(site, event, greengrass, stack)
    else:
        _wait(
            event, [_Awaited(site, event, greengrass, iot) for site in _changed(event)], continue_later, clock
        )
    return CloudFormationResponse(physical_id=_id(event))


class _Awaited:
    """A site whose cores are awaited."""

    def __init__(self, site: Site, event: Event, greengrass: Any, iot: Any) -> None:
        properties = event["ResourceProperties"]
        self._site = site
        self._place = f"wave {properties['Wave']}, site {site['Name']}"
        self._enough = Enough(percent=float(properties["Percent"]), at_least=int(properties["AtLeast"]))
        self._greengrass = greengrass
        self._cores = Cores(greengrass, iot, target_arn=site["TargetArn"], deployment_id=site["DeploymentId"])

    def missing(self) -> str | None:
        """What is still missing, as the end of a sentence; None when the site is done.

        Raises:
            RequestFailed: it cannot be done any more.
        """
        states = self._cores.states()
        needed = self._enough.of(len(states))
        done = [name for name, state in states.items() if state.status in SUCCEEDED]
        failed = {name: state for name, state in states.items() if state.status in FAILED}
        if len(done) >= needed:
            return None
        count = f"{len(done)} of {len(states)} cores succeeded, {needed} have to"
        if failed and len(states) - len(failed) < needed:
            raise RequestFailed(f"{self._place}: {_failures(failed)}. {count}; no later wave is deployed")
        self._expect_in_force()
        if not states:
            target = self._site["TargetArn"].rpartition(":")[2]
            return f"{self._place}: {target} has no core that Greengrass knows, {needed} have to succeed"
        waiting = ", ".join(f"{name} is {state.status}" for name, state in states.items() if not state.ended)
        return f"{self._place}: {waiting or 'no further core'}; {count}"

    def _expect_in_force(self) -> None:
        deployment = self._greengrass.get_deployment(deploymentId=self._site["DeploymentId"])
        if deployment["deploymentStatus"] == "CANCELED":
            raise RequestFailed(f"{self._place}: the deployment was canceled, by hand or by rollout.abort")
        if not deployment["isLatestForTarget"]:
            raise RequestFailed(
                f"{self._place}: somebody else has deployed to {self._site['TargetArn']} meanwhile"
            )


def _wait(
    event: Event, awaited: Sequence[_Awaited], continue_later: Callable[[Event], None], clock: Clock
) -> None:
    within_min = float(event["ResourceProperties"]["WithinMin"])
    since_s = event.get("WaitingSince", clock.now_s())
    while True:
        looked = [(site, site.missing()) for site in awaited]
        awaited = [site for site, missing in looked if missing is not None]
        if not awaited:
            return
        if clock.now_s() >= since_s + 60 * within_min:
            missing = [text for _, text in looked if text is not None]
            raise RequestFailed(
                f"not within {within_min:g} min: {'. '.join(missing)}; no later wave is deployed"
            )
        if clock.left_s() < RESERVE_S + POLL_S:
            continue_later({**event, "WaitingSince": since_s})
            raise ResponseDeferred
        clock.sleep(POLL_S)


def _failures(failed: Mapping[str, CoreState]) -> str:
    """The first failure with its reason, and which other cores failed."""
    (name, first), *others = failed.items()
    # A reason begins with what broke and ends with what the core runs now: both are worth the space.
    reason = first.reason.strip() or "the core gives no reason"
    if len(reason) > _REASON_LENGTH:
        reason = f"{reason[: _REASON_LENGTH // 2]} … {reason[-_REASON_LENGTH // 2 :]}"
    also = f" (also {', '.join(other for other, _ in others[:_NAMED])})" if others else ""
    return f"{name} {first.status}{also}: {reason}"


def _former(event: Event) -> dict[str, str]:
    """Target → deployment, as it was before this request."""
    sites = event.get("OldResourceProperties", {}).get("Sites", [])
    return {site["TargetArn"]: site["DeploymentId"] for site in sites}


def _changed(event: Event) -> list[Site]:
    former = _former(event)
    sites = event["ResourceProperties"]["Sites"]
    return [site for site in sites if former.get(site["TargetArn"]) != site["DeploymentId"]]


def _is_rollback(event: Event, greengrass: Any) -> bool:
    """Whether a site's deployment is older than the one that it had before this request."""
    former = _former(event)
    return any(
        _is_older(greengrass, site, former[site["TargetArn"]])
        for site in _changed(event)
        if site["TargetArn"] in former
    )


def _is_older(greengrass: Any, site: Site, former: str) -> bool:
    try:
        before = greengrass.get_deployment(deploymentId=former)["creationTimestamp"]
    except greengrass.exceptions.ResourceNotFoundException:
        # Deleted by hand, or by a rollback that does so first: then the target obeys no newer one of ours.
        return newest(greengrass, site["TargetArn"]) != site["DeploymentId"]
    now = greengrass.get_deployment(deploymentId=site["DeploymentId"])["creationTimestamp"]
    return bool(now < before)


def _return(site: Site, event: Event, greengrass: Any, stack: str) -> None:
    """Deploy the site's former deployment again, unless its target obeys a foreign one."""
    try:
        found = newest(greengrass, site["TargetArn"])
        if found in (None, _former(event).get(site["TargetArn"])):
            again = deploy_again(greengrass, site["DeploymentId"], stack=stack)
            logger.info("site %s: deployed %s again, as %s", site["Name"], site["DeploymentId"], again)
        else:
            logger.info("site %s: obeys %s, left alone", site["Name"], found)
    except ClientError as error:
        logger.error("site %s: its cores may stay as they are: %s", site["Name"], error)


def _id(event: Event) -> str:
    return f"wave-{event['ResourceProperties']['Wave']}"
