"""Custom::EdgecamGoingBack: sites whose cores run Nucleus Lite, which has no way back of its own.

- Create, Update: each new deployment is watched while its cores work on it. A site of which a core fails gets
  the document again that it had before, under a name that says core and reason; so does a group whose rollout
  was aborted, where `rollout.abort` says how many may fail. With `FailsStack` the request fails then, and
  CloudFormation rolls back the other sites of the stack; else the attribute says which sites went back.
- A core that is away is waited for no longer than it takes one that is there to begin, which is later in a
  rollout with a rate: the request succeeds without it.
- A site that had no deployment before has nothing to go back to: it is not watched, and fails nothing.
- An Update of a rollback waits for nothing and never fails: rollback.py.
- Delete: deployments made by going back, which are in no template, go.

Properties: FailsStack, Sites (a list of Name, TargetArn, DeploymentId, and Watched: `no` for sites that only
go back with the stack, `first-failure`, or `abort`; and PerMinute, how many cores a rollout with a rate
reaches a minute). Attribute: GoneBack, also of sites that went back in an earlier request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..cloudformation import CloudFormationResponse, Event, RequestFailed
from .core_states import WAITING, CoreState, described, failed_of
from .revisions import before
from .rollback import Site, changed_sites, end_or_return, fallback_id, go_back, still_back
from .waiting import Surroundings, respond_in_time, wait_until

BEGIN_S = 120.0
"""A core that is there begins within seconds, also where IoT Jobs are slow."""

WORK_S = 45 * 60.0
"""As long as a slow line may need for an image; CloudFormation waits an hour."""

_ID = "going-back"
_CARRIED = "GoneBack"
_ATTRIBUTE_LENGTH = 1000
"""Of an output's 1,024 characters."""


def handler(event: Event, context: Any) -> None:
    """Lambda's entry point."""
    respond_in_time(event, context, apply, fallback_id=fallback_id(event, _ID))


def apply(event: Event, around: Surroundings) -> CloudFormationResponse:
    """Do what CloudFormation asks for."""
    ended = end_or_return(event, around.greengrass, _ID)
    gone = _still_back(event, around) if ended else _watch(event, around)
    said = "; ".join(f"site {name}: {reason}" for name, reason in gone.items())
    return CloudFormationResponse(
        physical_id=_ID, attributes={"GoneBack": said[:_ATTRIBUTE_LENGTH] or "none"}
    )


class _Watched:
    """A site whose cores are watched."""

    def __init__(self, site: Site, around: Surroundings) -> None:
        self.site = site
        self._greengrass = around.greengrass
        self._cores = around.cores(site["TargetArn"], site["DeploymentId"])

    def look(self, waited_s: float) -> str | None:
        """Why the site has to go back, empty when there is nothing to watch any more; None otherwise."""
        states = self._cores.states()
        deployment = self._greengrass.get_deployment(deploymentId=self.site["DeploymentId"])
        if not deployment["isLatestForTarget"]:
            return ""
        canceled = deployment["deploymentStatus"] == "CANCELED"
        if (failed := failed_of(states)) and (canceled or self.site["Watched"] == "first-failure"):
            return described(failed)
        begin_s = BEGIN_S
        if per_minute := self.site.get("PerMinute"):
            begin_s += 60 * len(states) / float(per_minute)
        return "" if canceled or not _at_work(states, waited_s, begin_s) else None


def _at_work(states: Mapping[str, CoreState], waited_s: float, begin_s: float) -> bool:
    """Whether something more may come of these cores, or of a target that no core is known of yet."""
    if waited_s >= WORK_S:
        return False
    waiting = not states or any(state.status == WAITING for state in states.values())
    working = any(not state.ended and state.status != WAITING for state in states.values())
    return working or (waiting and waited_s < begin_s)


def _watch(event: Event, around: Surroundings) -> dict[str, str]:
    """The sites that went back, and why.

    Raises:
        RequestFailed: with `FailsStack`, for the first of them.
    """
    watched = [
        _Watched(site, around)
        for site in changed_sites(event)
        if site["Watched"] != "no" and before(around.greengrass, site["TargetArn"], site["DeploymentId"])
    ]
    gone = dict(event[_CARRIED]) if _CARRIED in event else _still_back(event, around)

    def done(waited_s: float) -> bool:
        for each in tuple(watched):
            reason = each.look(waited_s)
            if reason is not None:
                watched.remove(each)
            if reason:
                _take_back(each.site, reason, event, around, gone)
        return not watched

    wait_until(done, event, around, {_CARRIED: gone})
    return gone


def _still_back(event: Event, around: Surroundings) -> dict[str, str]:
    """Sites that went back before this request and run a former version still; only an output says so."""
    properties = event["ResourceProperties"]
    if event["RequestType"] == "Delete" or properties["FailsStack"] == "true":
        return {}
    return still_back(properties["Sites"], event, around.greengrass)


def _take_back(site: Site, reason: str, event: Event, around: Surroundings, gone: dict[str, str]) -> None:
    """Let a site go back; with `FailsStack` all sites that this request is about."""
    returned = go_back([site], event, around.greengrass, reason)
    if not (returned.gone or returned.refused):
        return  # somebody else's by now
    gone[site["Name"]] = reason + returned.refusals
    if event["ResourceProperties"]["FailsStack"] == "true":
        said = f"site {site['Name']}: {reason}"
        others = [each for each in changed_sites(event) if each is not site]
        further = go_back(others, event, around.greengrass, said)
        given = ". Its cores are given what they had before" if returned.gone else ""
        raise RequestFailed(f"{said}{given}{returned.refusals}{further.refusals}")
