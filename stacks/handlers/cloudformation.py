"""How a custom resource responds to CloudFormation: always, and with a reason that can be read.

The protocol is CloudFormation's for custom resources: a PUT of JSON to the event's ResponseURL. Without a
response the stack waits until its timeout.
"""

from __future__ import annotations

import json
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

logger = logging.getLogger()
logger.setLevel(logging.INFO)

_PUT_TIMEOUT_S = 10
_PUT_ATTEMPTS = 3
_REASON_LENGTH = 1000  # CloudFormation refuses a response of more than 4096 bytes

Event = Mapping[str, Any]


class RequestFailed(Exception):  # noqa: N818 - CloudFormation shows it to the user as it stands
    """The request cannot be fulfilled; the message says why, in a sentence."""


class ResponseDeferred(Exception):  # noqa: N818 - no error either
    """Another call of the function responds to the request."""


@dataclass(frozen=True, kw_only=True)
class CloudFormationResponse:
    """What CloudFormation keeps: the resource's id, and attributes for `Fn::GetAtt`."""

    physical_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)


def respond(
    event: Event, context: Any, apply: Callable[[Event], CloudFormationResponse], *, fallback_id: str
) -> None:
    """Run `apply` and report its outcome to CloudFormation.

    Args:
        event: The request, as Lambda hands it over.
        context: Lambda's context; names the log.
        apply: What is to be done.
        fallback_id: The resource's id in case `apply` fails: the one it would have returned, so that
            CloudFormation does not take the failure for a replacement.
    """
    body: dict[str, Any] = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    try:
        done = apply(event)
        body |= {"Status": "SUCCESS", "PhysicalResourceId": done.physical_id, "Data": dict(done.attributes)}
    except ResponseDeferred:
        logger.info("%s of %s goes on in another call", event["RequestType"], event["LogicalResourceId"])
        return
    except Exception as error:  # CloudFormation must have a response in any case
        logger.exception("%s of %s failed", event["RequestType"], event["LogicalResourceId"])
        reason = str(error) if isinstance(error, RequestFailed) else f"{type(error).__name__}: {error}"
        body |= {
            "Status": "FAILED",
            "PhysicalResourceId": event.get("PhysicalResourceId", fallback_id),
            "Reason": f"{reason[:_REASON_LENGTH]} (log: {getattr(context, 'log_stream_name', 'none')})",
        }
    _put(event["ResponseURL"], json.dumps(body).encode())


def _put(url: str, body: bytes) -> None:
    # An empty content type: the URL is signed for exactly that.
    request = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Type": ""})  # noqa: S310
    for attempt in range(1, _PUT_ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(request, timeout=_PUT_TIMEOUT_S):  # noqa: S310 - CloudFormation's
                return
        except urllib.error.URLError:
            if attempt == _PUT_ATTEMPTS:
                raise
            time.sleep(attempt)
