"""Sites go back to the deployments that they had before.

- A gate that fails deploys the former documents of its sites again, at once and with the reason in their
  names: CloudFormation's own rollback reaches no core, and of a gate that is new it only wants the end.
- Rolling back, CloudFormation takes up the former deployments, which no core obeys any more: the newer ones
  have replaced them. So gates deploy those again as well whose sites had gone well.

Nothing of it fails: a rollback that fails would need a person; what Greengrass refuses is named where
a gate fails. A target that somebody else has deployed to meanwhile is left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ..cloudformation import CloudFormationResponse, Event, logger
from . import revisions

Site = Mapping[str, str]
"""Name, TargetArn and DeploymentId, and what a gate has beside."""

_FAILED = " (failed)"
"""At the end of the id of a gate whose creation failed: its deletion, which follows, takes nothing back."""

_AS_BEFORE = " as before: "
"""In the name of a deployment that was made again, between the site's own and the reason."""

_WHY_LENGTH = 200
"""Of Greengrass' words for a refusal, which stand behind a core's reason in a short response."""


@dataclass(frozen=True, kw_only=True)
class Returned:
    """Which sites were given back what they had, and why others could not be; the rest was left alone."""

    gone: Collection[str]
    refused: Mapping[str, str]

    @property
    def refusals(self) -> str:
        """Sentences to be put behind another one; empty when nothing was refused."""
        return "".join(f". Site {name} stays as it is: {why}" for name, why in self.refused.items())


def stack_of(event: Event) -> str:
    """The name of the stack."""
    name: str = event["StackId"].split("/")[1]
    return name


def fallback_id(event: Event, physical_id: str) -> str:
    """The id of a gate that fails."""
    return physical_id + _FAILED if event["RequestType"] == "Create" else physical_id


def changed_sites(event: Event) -> list[Site]:
    """The sites whose deployments this request is about."""
    former = _former(event)
    sites = event["ResourceProperties"]["Sites"]
    return [site for site in sites if former.get(site["TargetArn"]) != site["DeploymentId"]]


def end_or_return(event: Event, greengrass: Any, physical_id: str) -> CloudFormationResponse | None:
    """The response to a deletion, or to an update that is part of a rollback; None for any other request."""
    if event["RequestType"] == "Delete":
        if not event.get("PhysicalResourceId", physical_id).endswith(_FAILED):
            for site in event["ResourceProperties"]["Sites"]:
                revisions.cancel(greengrass, site["TargetArn"], stack_of(event))
    elif _is_rollback(event, greengrass):
        reason = f"the stack {stack_of(event)} was rolled back"
        for site in changed_sites(event):
            _return(site, _former(event).get(site["TargetArn"]), reason, greengrass, stack_of(event))
    else:
        return None
    return CloudFormationResponse(physical_id=physical_id)


def go_back(sites: Iterable[Site], event: Event, greengrass: Any, reason: str) -> Returned:
    """Deploy again what each of `sites` had before this request's deployment, where it had anything."""
    gone: list[str] = []
    refused: dict[str, str] = {}
    for site in sites:
        try:
            former = revisions.before(greengrass, site["TargetArn"], site["DeploymentId"])
            obeyed = {site["DeploymentId"]}
            if former and _deploy_again(site, former, obeyed, reason, greengrass, stack_of(event)):
                gone.append(site["Name"])
        except ClientError as error:
            logger.error("site %s: its cores stay as they are: %s", site["Name"], error)
            refused[site["Name"]] = str(error)[:_WHY_LENGTH]
    return Returned(gone=gone, refused=refused)


def still_back(sites: Iterable[Site], event: Event, greengrass: Any) -> dict[str, str]:
    """Those of `sites` that went back before and obey another document than their own, and why they did."""
    found: dict[str, str] = {}
    for site in sites:
        try:
            newest = revisions.newest(greengrass, site["TargetArn"])
            if newest in (None, site["DeploymentId"]):
                continue
            if revisions.made_here(greengrass, str(newest), stack_of(event)):
                own = greengrass.get_deployment(deploymentId=site["DeploymentId"])
                obeyed = greengrass.get_deployment(deploymentId=newest)
                if (own.get("components") or {}) != (obeyed.get("components") or {}):
                    found[site["Name"]] = obeyed.get("deploymentName", "").partition(_AS_BEFORE)[2]
        except ClientError as error:
            logger.error("site %s: what it obeys is not known: %s", site["Name"], error)
    return found


def _return(site: Site, newer: str | None, reason: str, greengrass: Any, stack: str) -> None:
    """Give a site back what it had before `newer`: not always its own, which may have failed itself."""
    try:
        former = revisions.newest_but(greengrass, site["TargetArn"], newer) or site["DeploymentId"]
        _deploy_again(site, former, {newer, None}, reason, greengrass, stack)
    except ClientError as error:
        logger.error("site %s: its cores may stay as they are: %s", site["Name"], error)


def _deploy_again(
    site: Site, former: str, obeyed: Collection[str | None], reason: str, greengrass: Any, stack: str
) -> bool:
    """Whether `former` was deployed again: not where the target obeys another deployment than these."""
    found = revisions.newest(greengrass, site["TargetArn"])
    if found not in obeyed:
        logger.info("site %s: obeys %s, left alone", site["Name"], found)
        return False
    own = greengrass.get_deployment(deploymentId=site["DeploymentId"]).get("deploymentName")
    name = f"{own or site['Name']}{_AS_BEFORE}{reason}"
    again = revisions.deploy_again(greengrass, former, stack=stack, name=name)
    logger.info("site %s: deployed %s again, as %s: %s", site["Name"], former, again, reason)
    return True


def _former(event: Event) -> dict[str, str]:
    """Target → deployment, as it was before this request."""
    sites = event.get("OldResourceProperties", {}).get("Sites", [])
    return {site["TargetArn"]: site["DeploymentId"] for site in sites}


def _is_rollback(event: Event, greengrass: Any) -> bool:
    """Whether a site's deployment is older than the one that it had before this request."""
    former = _former(event)
    return any(
        _is_older(greengrass, site, former[site["TargetArn"]])
        for site in changed_sites(event)
        if site["TargetArn"] in former
    )


def _is_older(greengrass: Any, site: Site, former: str) -> bool:
    try:
        before = greengrass.get_deployment(deploymentId=former)["creationTimestamp"]
    except greengrass.exceptions.ResourceNotFoundException:
        # Deleted by hand, or by a rollback that does so first: then the target obeys no newer one of ours.
        return revisions.newest(greengrass, site["TargetArn"]) != site["DeploymentId"]
    now = greengrass.get_deployment(deploymentId=site["DeploymentId"])["creationTimestamp"]
    return bool(now < before)
