"""Custom::GreengrassComponentVersion: a version of a Greengrass component, created or adopted.

A version is immutable and is kept when it is superseded. So:

- Create, Update: the version is created. When it exists and this stack registered it from the same recipe, it
  is adopted: after a rollback, when a tree goes back to an earlier state, when a deploy is repeated. When
  another stack registered it, or it was registered from another recipe, the deploy fails with that reason;
  nothing is overwritten. A tag with the recipe's digest is what is compared, since the service rewrites a
  recipe (it adds digests and defaults).
- A version that the service could not make deployable (an artifact was missing, say) is removed and created
  again.
- The resource's id is the component's name: it stays the same from version to version, so that CloudFormation
  never takes a new version for a replacement and deletes the former one.
- Delete (the stack is destroyed, or the component renamed): the versions that this stack registered are
  removed, known by a tag with the stack's name. What cannot be removed is logged and left: it must not keep a
  stack from going.

Properties: ComponentArn (without version), ComponentName, ComponentVersion, Recipe (JSON).
Attributes: Arn (with version), ComponentVersion.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

import boto3
from botocore.exceptions import ClientError

from ..cloudformation import (
    CloudFormationResponse,
    Event,
    RequestFailed,
    logger,
    respond,
)

RECIPE_TAG = "edgecam:recipe"
STACK_TAG = "edgecam:stack"

_POLL_S = 2
_WAIT_S = 300  # the service reads and hashes the artifacts: seconds for 100 MB


def handler(event: Event, context: Any) -> None:
    """Lambda's entry point."""
    name = event["ResourceProperties"]["ComponentName"]
    client = boto3.client("greengrassv2")
    respond(event, context, lambda request: apply(request, client), fallback_id=name)


def apply(event: Event, greengrass: Any) -> CloudFormationResponse:
    """Do what CloudFormation asks for, with the Greengrass v2 client `greengrass`."""
    properties = event["ResourceProperties"]
    name, version = properties["ComponentName"], properties["ComponentVersion"]
    if event["RequestType"] == "Delete":
        _remove_all(greengrass, properties["ComponentArn"], _stack_name(event))
        return CloudFormationResponse(physical_id=name)
    tags = {RECIPE_TAG: _digest(properties["Recipe"]), STACK_TAG: _stack_name(event)}
    arn = f"{properties['ComponentArn']}:versions:{version}"
    _create_or_adopt(greengrass, arn, properties["Recipe"], tags)
    return CloudFormationResponse(physical_id=name, attributes={"Arn": arn, "ComponentVersion": version})


def _create_or_adopt(greengrass: Any, arn: str, recipe: str, tags: dict[str, str]) -> None:
    if not _create(greengrass, arn, recipe, tags):
        found = _settled(greengrass, arn)
        owner = found.get("tags", {}).get(STACK_TAG)
        if owner not in (None, tags[STACK_TAG]):
            raise RequestFailed(
                f"{arn} is a version of the stack {owner}, which would remove it with itself: give this "
                "fleet components of its own by aws.component_prefix (a fleet with a name has them without)"
            )
        if found.get("tags", {}).get(RECIPE_TAG) != tags[RECIPE_TAG]:
            raise RequestFailed(
                f"{arn} was registered from another recipe, and a version cannot be changed: remove it "
                "(aws greengrassv2 delete-component) or change aws.component_prefix, then deploy again"
            )
        if found["status"]["componentState"] == "DEPLOYABLE":
            logger.info("adopted %s", arn)
            return
        greengrass.delete_component(arn=arn)
        if not _create(greengrass, arn, recipe, tags):
            raise RequestFailed(f"{arn} is being registered by somebody else: deploy again in a minute")
    status = _settled(greengrass, arn)["status"]
    if status["componentState"] != "DEPLOYABLE":
        raise RequestFailed(f"{arn} is {status['componentState']}, not DEPLOYABLE: {_problems(status)}")
    logger.info("created %s", arn)


def _create(greengrass: Any, arn: str, recipe: str, tags: dict[str, str]) -> bool:
    """Whether the version is new; False when it exists."""
    try:
        greengrass.create_component_version(inlineRecipe=recipe.encode(), tags=tags)
    except greengrass.exceptions.ConflictException:
        return False
    except ClientError as error:
        raise RequestFailed(f"Greengrass refuses {arn}: {error.response['Error'].get('Message')}") from error
    return True


def _settled(greengrass: Any, arn: str) -> dict[str, Any]:
    """The version's description, once its state is final."""
    deadline_s = time.monotonic() + _WAIT_S
    while True:
        found: dict[str, Any] = greengrass.describe_component(arn=arn)
        state = found["status"]["componentState"]
        if state not in ("REQUESTED", "INITIATED"):
            return found
        if time.monotonic() > deadline_s:
            raise RequestFailed(f"{arn} is still {state} after {_WAIT_S} s")
        time.sleep(_POLL_S)


def _problems(status: dict[str, Any]) -> str:
    errors = "; ".join(f"{where}: {what}" for where, what in status.get("errors", {}).items())
    return errors or status.get("message") or "the service gives no reason"


def _remove_all(greengrass: Any, component_arn: str, stack_name: str) -> None:
    try:
        pages = greengrass.get_paginator("list_component_versions").paginate(arn=component_arn)
        arns = [version["arn"] for page in pages for version in page["componentVersions"]]
    except ClientError as error:
        logger.error("the versions of %s stay: %s", component_arn, error)
        return
    for arn in arns:
        try:
            if greengrass.describe_component(arn=arn).get("tags", {}).get(STACK_TAG) == stack_name:
                greengrass.delete_component(arn=arn)
                logger.info("removed %s", arn)
        except ClientError as error:
            logger.error("%s stays: %s", arn, error)


def _digest(recipe: str) -> str:
    return hashlib.sha256(recipe.encode()).hexdigest()


def _stack_name(event: Event) -> str:
    """arn:…:stack/NAME/ID: the name, since a stack destroyed and made again has another id."""
    name: str = event["StackId"].split("/")[1]
    return name
