"""Custom::EdgecamWave: the sites of one wave, waited for before the next wave is deployed.

- Create, Update: each deployment that is new is watched until enough cores of its site have succeeded. When
  they cannot any more, when it was canceled or superseded, or when the time is over, all sites of the wave go
  back, and the request fails, with site, core and reason: CloudFormation then deploys no later wave and rolls
  back.
- An Update of such a rollback waits for nothing and never fails: rollback.py.
- Delete: deployments made by a rollback, which are in no template, go.

Properties: Wave, Percent, AtLeast, WithinMin (numbers as text), Sites (a list of Name, TargetArn,
DeploymentId). No attributes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..cloudformation import CloudFormationResponse, Event, RequestFailed
from .core_states import SUCCEEDED, described, failed_of
from .rollback import Site, changed_sites, end_or_return, fallback_id, go_back
from .waiting import Surroundings, respond_in_time, wait_until


@dataclass(frozen=True, kw_only=True)
class Enough:
    """When a site counts as done: this share of its cores, and at least this number."""

    percent: float
    at_least: int

    def of(self, cores: int) -> int:
        """How many of `cores` have to succeed."""
        return max(self.at_least, math.ceil(self.percent / 100 * cores))


def handler(event: Event, context: Any) -> None:
    """Lambda's entry point."""
    respond_in_time(event, context, apply, fallback_id=fallback_id(event, _id(event)))


def apply(event: Event, around: Surroundings) -> CloudFormationResponse:
    """Do what CloudFormation asks for."""
    if ended := end_or_return(event, around.greengrass, _id(event)):
        return ended
    try:
        _wait(event, around)
    except RequestFailed as failure:
        returned = go_back(changed_sites(event), event, around.greengrass, str(failure))
        raise RequestFailed(f"{failure}{returned.refusals}") from failure
    return CloudFormationResponse(physical_id=_id(event))


class _Awaited:
    """A site whose cores are awaited."""

    def __init__(self, site: Site, event: Event, around: Surroundings) -> None:
        properties = event["ResourceProperties"]
        self._site = site
        self._place = f"wave {properties['Wave']}, site {site['Name']}"
        self._enough = Enough(percent=float(properties["Percent"]), at_least=int(properties["AtLeast"]))
        self._greengrass = around.greengrass
        self._cores = around.cores(site["TargetArn"], site["DeploymentId"])

    def missing(self) -> str | None:
        """What is still missing, as the end of a sentence; None when the site is done.

        Raises:
            RequestFailed: it cannot be done any more.
        """
        states = self._cores.states()
        needed = self._enough.of(len(states))
        done = [name for name, state in states.items() if state.status in SUCCEEDED]
        failed = failed_of(states)
        if len(done) >= needed:
            return None
        count = f"{len(done)} of {len(states)} cores succeeded, {needed} have to"
        if failed and len(states) - len(failed) < needed:
            raise RequestFailed(f"{self._place}: {described(failed)}. {count}; no later wave is deployed")
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


def _wait(event: Event, around: Surroundings) -> None:
    within_min = float(event["ResourceProperties"]["WithinMin"])
    awaited = [_Awaited(site, event, around) for site in changed_sites(event)]

    def done(waited_s: float) -> bool:
        nonlocal awaited
        looked = [(site, site.missing()) for site in awaited]
        awaited = [site for site, missing in looked if missing is not None]
        if awaited and waited_s >= 60 * within_min:
            missing = [text for _, text in looked if text is not None]
            raise RequestFailed(
                f"not within {within_min:g} min: {'. '.join(missing)}; no later wave is deployed"
            )
        return not awaited

    wait_until(done, event, around, {})


def _id(event: Event) -> str:
    return f"wave-{event['ResourceProperties']['Wave']}"
