"""Custom::EdgecamRemoval: our components leave the cores of a site when the site leaves the stack.

Deleting a deployment changes nothing on cores: they go on with what they run. So before CloudFormation
deletes it, the target gets a new revision that has only what `Keep` names; a core uninstalls what its
deployments do not name. A target that obeys another deployment by then (of a site that was renamed, or of
somebody else) is left alone.

The thing group of a core with Nucleus Lite is made by the foundation, which is deployed first: when a site
leaves the fleet, that group has gone by then. It is made again, for as long as this takes. A thing that was
deleted as well has no core any more: nothing is made, and nothing deployed.

The request waits a while for the cores, since what is deleted next may be the rights that they need. It does
not fail when one is offline: the revision stays in force, and reaches that core when it is back, if it can
still log in.

Properties: Site, TargetArn, DeploymentId, Keep (names of components), OnlyThing (that of a group of one). No
attributes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3

from ..cloudformation import (
    CloudFormationResponse,
    Event,
    logger,
    respond,
)
from .core_states import SUCCEEDED, Cores
from .group_members import join
from .revisions import deploy_again, made_here, newest

POLL_S = 3.0
WAIT_S = 600.0
"""A core that is online takes seconds; one that is offline for longer is not waited for."""


def handler(event: Event, context: Any) -> None:
    """Lambda's entry point."""
    clients = boto3.client("greengrassv2"), boto3.client("iot")
    respond(event, context, lambda request: apply(request, *clients), fallback_id=_id(event))


def apply(
    event: Event,
    greengrass: Any,
    iot: Any,
    *,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> CloudFormationResponse:
    """Do what CloudFormation asks for: nothing before the end."""
    if event["RequestType"] == "Delete":
        properties = event["ResourceProperties"]
        with _target(iot, properties["TargetArn"], properties.get("OnlyThing")) as there:
            revision = _deploy_remainder(event, greengrass) if there else None
            if revision is not None:
                cores = Cores(greengrass, iot, target_arn=properties["TargetArn"], deployment_id=revision)
                _wait(properties["Site"], cores, now_s, sleep)
    return CloudFormationResponse(physical_id=_id(event))


@contextmanager
def _target(iot: Any, target_arn: str, thing: str | None) -> Iterator[bool]:
    """See that the group of `thing` is there; one that is made for this goes afterwards.

    Yields:
        Whether there is something to deploy to, as far as is known.
    """
    group = target_arn.rpartition("/")[2]
    if thing is None or _exists(iot, iot.describe_thing_group, thingGroupName=group):
        yield True
    elif not _exists(iot, iot.describe_thing, thingName=thing):
        logger.info("the thing %s is gone, and with it the core", thing)
        yield False
    else:
        iot.create_thing_group(thingGroupName=group)
        try:
            join(iot, thing, group)
            yield True
        finally:
            # Else the foundation could not make it, should the site come back.
            iot.delete_thing_group(thingGroupName=group)


def _exists(iot: Any, describe: Callable[..., Any], **named: str) -> bool:
    try:
        describe(**named)
    except iot.exceptions.ResourceNotFoundException:
        return False
    return True


def _deploy_remainder(event: Event, greengrass: Any) -> str | None:
    """The revision without our components; None where there is nothing of ours to take away."""
    properties, stack = event["ResourceProperties"], event["StackId"].split("/")[1]
    ours, keep = properties["DeploymentId"], properties.get("Keep", [])
    found = newest(greengrass, properties["TargetArn"])
    if found not in (None, ours) and not made_here(greengrass, str(found), stack):
        logger.info("site %s: its target obeys deployment %s, left alone", properties["Site"], found)
        return None
    try:
        revision = deploy_again(
            greengrass,
            ours,
            stack=stack,
            choose=lambda components: {name: components[name] for name in components if name in keep},
        )
    except greengrass.exceptions.ResourceNotFoundException:
        logger.info("site %s: deployment %s or its target is gone already", properties["Site"], ours)
        return None
    logger.info("site %s: deployed %s, which keeps %s", properties["Site"], revision, keep or "nothing")
    return revision


def _wait(site: str, cores: Cores, now_s: Callable[[], float], sleep: Callable[[float], None]) -> None:
    deadline_s = now_s() + WAIT_S
    states = cores.states()
    while not all(state.ended for state in states.values()) and now_s() < deadline_s:
        sleep(POLL_S)
        states = cores.states()
    for name, state in states.items():
        if state.status not in SUCCEEDED:
            logger.error("site %s: %s keeps its components: %s %s", site, name, state.status, state.reason)


def _id(event: Event) -> str:
    return f"removal of {event['ResourceProperties']['Site']}"
