"""Custom::EdgecamFleet: the fleet whose stacks these are; a deploy of another fleet's file is refused.

Two fleet files without `name` lead to stacks of the same names, and deploying the one would take the
deployments of the other away. So the foundation, which is deployed before all other stacks, keeps the hashes
of the fleet's targets, and everything in it waits for this resource:

- Create, Delete: nothing to do.
- Update: fails when the new targets and the former ones have none in common. CloudFormation has changed
  nothing then, and `cdk deploy` goes on to no other stack.
- Update with `Replace`, or while the stack is rolled back to what it was: accepted.

Properties: Targets (hashes with a space between two), Examples (the first targets, for people), Replace
(`true`, where the fleet is to take the other one's place). No attributes.
"""

from __future__ import annotations

from typing import Any

import boto3

from ..cloudformation import (
    CloudFormationResponse,
    Event,
    RequestFailed,
    logger,
    respond,
)


def handler(event: Event, context: Any) -> None:
    """Lambda's entry point."""
    client = boto3.client("cloudformation")
    respond(event, context, lambda request: apply(request, client), fallback_id=_id(event))


def apply(event: Event, cloudformation: Any) -> CloudFormationResponse:
    """Do what CloudFormation asks for; its client tells whether the stack is rolled back."""
    if event["RequestType"] == "Update" and _is_another(event):
        former, new = event["OldResourceProperties"], event["ResourceProperties"]
        if new.get("Replace") == "true":
            logger.info("%s takes the place of %s", new["Examples"], former["Examples"])
        elif not _rolls_back(cloudformation, event["StackId"]):
            raise RequestFailed(
                f"stack {_stack_name(event)} is that of another fleet: expected one of its targets, "
                f"{former['Examples']}, found {new['Examples']}. Nothing was changed. Give this fleet a name "
                "of its own (name: ..., at the top of its file), or say -c replace-fleet=true where it is to "
                "take the other one's place"
            )
    return CloudFormationResponse(physical_id=_id(event))


def _is_another(event: Event) -> bool:
    former, new = (
        set(event[properties]["Targets"].split())
        for properties in ("OldResourceProperties", "ResourceProperties")
    )
    return former.isdisjoint(new)


def _rolls_back(cloudformation: Any, stack_id: str) -> bool:
    (stack,) = cloudformation.describe_stacks(StackName=stack_id)["Stacks"]
    return bool(stack["StackStatus"].endswith("ROLLBACK_IN_PROGRESS"))


def _stack_name(event: Event) -> str:
    name: str = event["StackId"].split("/")[1]
    return name


def _id(event: Event) -> str:
    return f"fleet of {_stack_name(event)}"
