"""Custom::EdgecamLogGroups: log groups of fixed names, made or adopted, with an end to what they keep.

The nuclei decide on the names, and make a group themselves where there is none, without an end.
CloudFormation's own resource fails on a group that exists: after a stack was destroyed, which lines outlive,
and wherever a core was faster.

- Create, Update: each group is made, unless it exists, and its retention is set. Lines in it stay.
- Delete: everything is kept, and goes with its retention.

Properties: Names (a list), RetentionDays. No attributes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
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

_ID = "log groups of the cores"
_ATTEMPTS = 5
_BETWEEN_S = 1.0
"""A core may make the same group at this moment: CloudWatch Logs then refuses both, for a second."""


def handler(event: Event, context: Any) -> None:
    """Lambda's entry point."""
    respond(event, context, lambda request: apply(request, boto3.client("logs")), fallback_id=_ID)


def apply(event: Event, logs: Any, sleep: Callable[[float], None] = time.sleep) -> CloudFormationResponse:
    """Do what CloudFormation asks for, with the CloudWatch Logs client `logs`.

    Raises:
        RequestFailed: with CloudWatch's words and the name of the group.
    """
    properties = event["ResourceProperties"]
    if event["RequestType"] == "Delete":
        logger.info("keeping %s", ", ".join(properties["Names"]))
    else:
        for name in properties["Names"]:
            _ensure(logs, name, int(properties["RetentionDays"]), sleep)
    return CloudFormationResponse(physical_id=_ID)


def _ensure(logs: Any, name: str, retention_days: int, sleep: Callable[[float], None]) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            made = _make(logs, name)
            logs.put_retention_policy(logGroupName=name, retentionInDays=retention_days)
        except logs.exceptions.OperationAbortedException as error:
            if attempt == _ATTEMPTS:
                raise RequestFailed(
                    f"log group {name} is being changed by somebody else: deploy again"
                ) from error
            sleep(_BETWEEN_S)
        except ClientError as error:
            words = error.response["Error"].get("Message", "")
            raise RequestFailed(f"CloudWatch Logs refuses log group {name}: {words}") from error
        else:
            logger.info("%s %s, for %d days", "made" if made else "adopted", name, retention_days)
            return


def _make(logs: Any, name: str) -> bool:
    """Whether the group is new."""
    try:
        logs.create_log_group(logGroupName=name)
    except logs.exceptions.ResourceAlreadyExistsException:
        return False
    return True
