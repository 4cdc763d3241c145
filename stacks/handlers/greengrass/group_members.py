"""Custom::EdgecamGroupMembers: things join the thing groups that have them alone.

- Create, Update: each thing is put into its group, which is there already. A thing that does not exist is
  made: a core that registers later finds it, and with it the deployment. Both may be repeated.
- Delete: nothing. The groups go with their stack, and a thing may have a core by then.

Properties: GroupPrefix (how the groups' names begin; that of the thing follows), Things. No attributes.
"""

from __future__ import annotations

from typing import Any

import boto3
from botocore.exceptions import ClientError

from ..cloudformation import CloudFormationResponse, Event, RequestFailed, logger, respond

_ID = "members of groups of one"


def handler(event: Event, context: Any) -> None:
    """Lambda's entry point."""
    iot = boto3.client("iot")
    respond(event, context, lambda request: apply(request, iot), fallback_id=_ID)


def apply(event: Event, iot: Any) -> CloudFormationResponse:
    """Do what CloudFormation asks for, with a client of AWS IoT."""
    if event["RequestType"] != "Delete":
        properties = event["ResourceProperties"]
        for thing in properties["Things"]:
            join(iot, thing, f"{properties['GroupPrefix']}{thing}", makes_thing=True)
    return CloudFormationResponse(physical_id=_ID)


def join(iot: Any, thing: str, group: str, *, makes_thing: bool = False) -> None:
    """Put a thing into a group; with `makes_thing` it is made where there is none.

    Raises:
        RequestFailed: AWS IoT refuses it; a thing is in ten groups at the most, for instance.
    """
    try:
        try:
            iot.add_thing_to_thing_group(thingGroupName=group, thingName=thing)
        except iot.exceptions.ResourceNotFoundException:
            if not makes_thing:
                raise
            iot.create_thing(thingName=thing)
            iot.add_thing_to_thing_group(thingGroupName=group, thingName=thing)
            logger.info("made the thing %s", thing)
    except ClientError as error:
        said = error.response["Error"].get("Message") or error.response["Error"].get("Code")
        raise RequestFailed(f"AWS IoT does not take {thing} into its thing group {group}: {said}") from error
